-- What CAs have been asked for lately (store/ledger.h).
CREATE TABLE ledger (
    directory  TEXT NOT NULL,
    limit_name TEXT NOT NULL,              -- of store/ledger_limits.def
    subject    TEXT NOT NULL,              -- a name, a domain, the digest of a set of names, or ''
    at         INTEGER NOT NULL
) STRICT;
CREATE INDEX ledger_by_subject ON ledger (directory, limit_name, subject, at);
CREATE INDEX ledger_by_time ON ledger (at);

-- The CA counts no renewal that it has asked for itself.
ALTER TABLE orders ADD COLUMN is_exempt INTEGER NOT NULL DEFAULT 0;
