-- What is wrong, as far as people were told (store/alarms.h).
CREATE TABLE alarms (
    kind       TEXT NOT NULL,              -- of store/alarm_kinds.def
    subject    TEXT NOT NULL,              -- a certificate, or ''
    level      TEXT NOT NULL,
    names      TEXT NOT NULL,              -- one per line
    words      TEXT NOT NULL,
    since_at   INTEGER NOT NULL,
    changed_at INTEGER NOT NULL,
    PRIMARY KEY (kind, subject)
) STRICT;

-- What is still to be told, oldest first.
CREATE TABLE alarm_messages (
    id         INTEGER PRIMARY KEY,
    channel    TEXT NOT NULL,              -- 'webhook' or 'email'
    body       TEXT NOT NULL,              -- JSON
    created_at INTEGER NOT NULL,
    attempts   INTEGER NOT NULL
) STRICT;
CREATE INDEX alarm_messages_of ON alarm_messages (channel, id);
