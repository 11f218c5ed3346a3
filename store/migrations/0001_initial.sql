-- Times are seconds since 1970.  Bodies are JSON as the API shows it, without what every object
-- carries.  "sealed" columns hold what store/seal.h makes.

CREATE TABLE routes (
    id         TEXT PRIMARY KEY NOT NULL,
    revision   INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    body       TEXT NOT NULL
) STRICT;

-- One row each: 'settings' and 'acme'.
CREATE TABLE settings (
    id          TEXT PRIMARY KEY NOT NULL,
    revision    INTEGER NOT NULL,
    created_at  INTEGER NOT NULL,
    updated_at  INTEGER NOT NULL,
    body        TEXT NOT NULL,
    sealed_hmac BLOB
) STRICT;

CREATE TABLE certificates (
    id          TEXT PRIMARY KEY NOT NULL,
    revision    INTEGER NOT NULL,
    created_at  INTEGER NOT NULL,
    updated_at  INTEGER NOT NULL,
    source      TEXT NOT NULL,
    state       TEXT NOT NULL,
    names       TEXT NOT NULL,             -- one per line
    next_what   TEXT NOT NULL,
    next_at     INTEGER NOT NULL,          -- 0: not planned
    next_why    TEXT NOT NULL,
    last_error  TEXT NOT NULL,             -- a problem document, or ''
    failures    INTEGER NOT NULL,
    active_pair INTEGER REFERENCES certificate_pairs (id) DEFERRABLE INITIALLY DEFERRED
) STRICT;

-- A chain and its key, with the facts of the leaf, so that a start need not parse it.  At most two
-- per certificate: the active pair and its predecessor.
CREATE TABLE certificate_pairs (
    id            INTEGER PRIMARY KEY,
    certificate   TEXT NOT NULL REFERENCES certificates (id) ON DELETE CASCADE,
    installed_at  INTEGER NOT NULL,
    chain_pem     TEXT NOT NULL,
    sealed_key    BLOB NOT NULL,
    names         TEXT NOT NULL,           -- one per line
    issuer        TEXT NOT NULL,
    serial        TEXT NOT NULL,
    key_type      TEXT NOT NULL,
    fingerprint   TEXT NOT NULL,
    not_before_at INTEGER NOT NULL,
    not_after_at  INTEGER NOT NULL
) STRICT;
CREATE INDEX certificate_pairs_of ON certificate_pairs (certificate);
CREATE INDEX certificates_by_pair ON certificates (active_pair);

CREATE TABLE accounts (
    directory  TEXT NOT NULL,
    eab_kid    TEXT NOT NULL,              -- '' without external binding
    url        TEXT NOT NULL,              -- '' until registered
    status     TEXT NOT NULL,
    sealed_key BLOB NOT NULL,
    PRIMARY KEY (directory, eab_kid)
) STRICT;

CREATE TABLE orders (
    certificate     TEXT PRIMARY KEY NOT NULL REFERENCES certificates (id) ON DELETE CASCADE,
    directory       TEXT NOT NULL,
    eab_kid         TEXT NOT NULL,
    state           TEXT NOT NULL,
    names           TEXT NOT NULL,         -- one per line
    url             TEXT NOT NULL,
    finalize_url    TEXT NOT NULL,
    certificate_url TEXT NOT NULL,
    csr             BLOB NOT NULL,
    sealed_key      BLOB,
    chain_pem       TEXT NOT NULL,
    expires_at      INTEGER NOT NULL,
    created_at      INTEGER NOT NULL
) STRICT;

CREATE TABLE authorizations (
    certificate       TEXT NOT NULL REFERENCES orders (certificate) ON DELETE CASCADE,
    position          INTEGER NOT NULL,
    name              TEXT NOT NULL,
    url               TEXT NOT NULL,
    challenge_url     TEXT NOT NULL,
    token             TEXT NOT NULL,
    key_authorization TEXT NOT NULL,
    state             TEXT NOT NULL,
    PRIMARY KEY (certificate, position)
) STRICT;

CREATE TABLE tokens (
    id         TEXT PRIMARY KEY NOT NULL,
    revision   INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    name       TEXT NOT NULL,
    scopes     INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,           -- 0: never
    digest     BLOB NOT NULL UNIQUE        -- SHA-256 of the token
) STRICT;

-- Everything that only master.key opens.
CREATE VIEW sealed_values (value) AS
    SELECT sealed_key FROM certificate_pairs
    UNION ALL SELECT sealed_key FROM accounts
    UNION ALL SELECT sealed_key FROM orders WHERE sealed_key IS NOT NULL
    UNION ALL SELECT sealed_hmac FROM settings WHERE sealed_hmac IS NOT NULL;
