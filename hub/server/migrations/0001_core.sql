-- Head office, version 1. Every key begins with its bucket: the member's (0..63) for value, the incarnation's for
-- journals, sales and days, 64 for what belongs to nobody. Dates are packed yyyymmdd, instants milliseconds since
-- 1970 UTC, units integers. Lots are text `<vests>/<expires>`, holders `hub` or an incarnation in hex.

CREATE TABLE hub (
    one              INTEGER PRIMARY KEY CHECK (one = 1),
    epoch            INTEGER NOT NULL,
    root_key         BLOB    NOT NULL,
    program_key      BLOB    NOT NULL,
    root_certificate TEXT    NOT NULL
) STRICT;

-- One row per bucket: what makes positions consecutive. A poster holds it from reading to commit.
CREATE TABLE bucket_head (
    bucket         INTEGER PRIMARY KEY,
    feed_position  INTEGER NOT NULL DEFAULT 0,
    entry_sequence INTEGER NOT NULL DEFAULT 0,
    hub_sequence   INTEGER NOT NULL DEFAULT 0
) STRICT;

-- Reference tables.

CREATE TABLE store (
    store      TEXT    PRIMARY KEY,
    name       TEXT    NOT NULL,
    time_zone  TEXT,            -- absent: the program's
    currency   TEXT,            -- absent: the program's
    day_ends   TEXT    NOT NULL,
    groups     TEXT    NOT NULL -- JSON
) STRICT, WITHOUT ROWID;

CREATE TABLE program (
    version      INTEGER PRIMARY KEY,
    name         TEXT    NOT NULL,
    effective_ms INTEGER NOT NULL,
    published_ms INTEGER NOT NULL,
    json         TEXT    NOT NULL,
    signature    BLOB    NOT NULL
) STRICT;

CREATE TABLE api_key (
    secret_hash BLOB    PRIMARY KEY,
    id          TEXT    NOT NULL UNIQUE,
    name        TEXT    NOT NULL,
    scopes      TEXT    NOT NULL, -- JSON
    created_ms  INTEGER NOT NULL,
    revoked_ms  INTEGER
) STRICT, WITHOUT ROWID;

CREATE TABLE idempotency (
    key        TEXT    PRIMARY KEY,
    request    BLOB    NOT NULL,
    answer     TEXT    NOT NULL, -- JSON
    created_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The fleet.

CREATE TABLE terminal (
    terminal   TEXT    PRIMARY KEY,
    store      TEXT    NOT NULL REFERENCES store (store),
    lane       TEXT    NOT NULL,
    retired_ms INTEGER,
    UNIQUE (store, lane)
) STRICT, WITHOUT ROWID;

CREATE TABLE invitation (
    secret_hash BLOB    PRIMARY KEY,
    terminal    TEXT    NOT NULL REFERENCES terminal (terminal),
    invited_ms  INTEGER NOT NULL,
    expires_ms  INTEGER NOT NULL,
    public_key  BLOB,            -- who used it
    answer      BLOB             -- what it was answered
) STRICT, WITHOUT ROWID;

CREATE TABLE incarnation (
    incarnation        BLOB    PRIMARY KEY,
    terminal           TEXT    NOT NULL REFERENCES terminal (terminal),
    number             INTEGER NOT NULL, -- of this terminal, from 1
    public_key         BLOB    NOT NULL,
    agent_version      TEXT    NOT NULL,
    started_ms         INTEGER NOT NULL,
    settled_position   INTEGER,          -- where it ended, once it has
    last_seen_ms       INTEGER NOT NULL,
    announced_position INTEGER NOT NULL DEFAULT 0,
    head_position      INTEGER NOT NULL DEFAULT 0,
    head_chain         BLOB    NOT NULL,
    posted_position    INTEGER NOT NULL DEFAULT 0,
    UNIQUE (terminal, number)
) STRICT, WITHOUT ROWID;

-- Journals, as bytes.

CREATE TABLE journal (
    bucket      INTEGER NOT NULL,
    incarnation BLOB    NOT NULL,
    position    INTEGER NOT NULL,
    chain       BLOB    NOT NULL,
    record      BLOB    NOT NULL,
    received_ms INTEGER NOT NULL,
    PRIMARY KEY (bucket, incarnation, position)
) STRICT, WITHOUT ROWID;

CREATE TABLE segment (
    bucket       INTEGER NOT NULL,
    incarnation  BLOB    NOT NULL,
    first        INTEGER NOT NULL,
    count        INTEGER NOT NULL,
    version      INTEGER NOT NULL,
    chain_before BLOB    NOT NULL,
    chain_after  BLOB    NOT NULL,
    signature    BLOB    NOT NULL,
    PRIMARY KEY (bucket, incarnation, first, count)
) STRICT, WITHOUT ROWID;

-- What journals tell: sales, days.

CREATE TABLE sale (
    bucket         INTEGER NOT NULL,
    incarnation    BLOB    NOT NULL,
    position       INTEGER NOT NULL,
    terminal       TEXT    NOT NULL,
    store          TEXT    NOT NULL,
    business_date  INTEGER NOT NULL,
    receipt_number TEXT    NOT NULL,
    kind           TEXT    NOT NULL,
    currency       TEXT    NOT NULL,
    total          INTEGER NOT NULL,
    occurred_ms    INTEGER NOT NULL,
    member         BLOB,
    posted_ms      INTEGER NOT NULL,
    voided_by      INTEGER,          -- the void's position in the same journal
    reprint_of     TEXT,             -- the sale that it repeats
    PRIMARY KEY (bucket, incarnation, position)
) STRICT, WITHOUT ROWID;
CREATE INDEX sale_by_receipt ON sale (terminal, receipt_number);
CREATE INDEX sale_by_time    ON sale (posted_ms, incarnation, position);
CREATE INDEX sale_by_store   ON sale (store, business_date);
CREATE INDEX sale_by_member  ON sale (member) WHERE member IS NOT NULL;

CREATE TABLE day (
    bucket         INTEGER NOT NULL,
    incarnation    BLOB    NOT NULL,
    sequence       INTEGER NOT NULL,
    business_date  INTEGER NOT NULL,
    terminal       TEXT    NOT NULL,
    store          TEXT    NOT NULL,
    close_position INTEGER NOT NULL,
    close_record   BLOB    NOT NULL, -- DayClose, CBOR
    hub_totals     TEXT,             -- JSON; absent while records of its ranges are missing
    PRIMARY KEY (bucket, incarnation, close_position)
) STRICT, WITHOUT ROWID;
CREATE INDEX day_by_date ON day (business_date, store);

CREATE TABLE pos_totals (
    bucket        INTEGER NOT NULL,
    incarnation   BLOB    NOT NULL,
    business_date INTEGER NOT NULL,
    sequence      INTEGER NOT NULL,
    position      INTEGER NOT NULL,
    totals        BLOB    NOT NULL, -- PosTotals, CBOR
    PRIMARY KEY (bucket, incarnation, business_date, sequence)
) STRICT, WITHOUT ROWID;

CREATE TABLE exception (
    bucket     INTEGER NOT NULL,
    id         TEXT    NOT NULL,
    kind       TEXT    NOT NULL,
    reason     TEXT    NOT NULL,
    actions    TEXT    NOT NULL, -- JSON
    subject    TEXT    NOT NULL,
    store      TEXT,
    found_ms   INTEGER NOT NULL,
    resolution TEXT,
    resolved_ms INTEGER,
    PRIMARY KEY (bucket, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX exception_by_time ON exception (found_ms, id);
CREATE INDEX exception_open    ON exception (kind) WHERE resolution IS NULL;

-- Members. Nothing here names a person; the profile is sealed, its key stands apart and can be destroyed.

CREATE TABLE member (
    bucket     INTEGER NOT NULL,
    member     BLOB    NOT NULL,
    status     TEXT    NOT NULL,
    tier       TEXT,
    since      INTEGER,
    visits     INTEGER NOT NULL DEFAULT 0,
    tags       TEXT    NOT NULL DEFAULT '[]', -- JSON
    created_ms INTEGER NOT NULL,
    PRIMARY KEY (bucket, member)
) STRICT, WITHOUT ROWID;

CREATE TABLE identifier (
    bucket     INTEGER NOT NULL, -- of the identifier
    identifier BLOB    NOT NULL, -- keyed hash
    member     BLOB    NOT NULL,
    PRIMARY KEY (bucket, identifier)
) STRICT, WITHOUT ROWID;
CREATE INDEX identifier_by_member ON identifier (member);

CREATE TABLE profile (
    bucket   INTEGER NOT NULL,
    member   BLOB    NOT NULL,
    revision INTEGER NOT NULL,
    sealed   BLOB    NOT NULL,
    PRIMARY KEY (bucket, member)
) STRICT, WITHOUT ROWID;

CREATE TABLE profile_key (
    bucket  INTEGER NOT NULL,
    member  BLOB    NOT NULL,
    wrapped BLOB    NOT NULL,
    PRIMARY KEY (bucket, member)
) STRICT, WITHOUT ROWID;

-- The ledger: rows as they were posted, and what they come to.

CREATE TABLE entry (
    bucket        INTEGER NOT NULL,
    sequence      INTEGER NOT NULL,
    id            TEXT    NOT NULL,
    part          INTEGER NOT NULL, -- 1: what its author did not hold
    entry         BLOB    NOT NULL, -- as its author wrote it, CBOR
    member        BLOB    NOT NULL,
    purse         TEXT    NOT NULL,
    units         INTEGER NOT NULL CHECK (units > 0),
    debit         TEXT    NOT NULL,
    credit        TEXT    NOT NULL,
    incarnation   BLOB,             -- the record it came with
    position      INTEGER,
    sale_position INTEGER,          -- the sale in that journal which it belongs to
    store         TEXT,
    business_date INTEGER,
    reason        TEXT,             -- a person's, for adjustments
    signature     BLOB,             -- the root key's, for head office's own
    posted_ms     INTEGER NOT NULL,
    PRIMARY KEY (bucket, sequence)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX entry_by_id ON entry (bucket, id, part);
CREATE INDEX entry_by_member ON entry (bucket, member, sequence);

CREATE TABLE holding (
    bucket INTEGER NOT NULL,
    member BLOB    NOT NULL,
    purse  TEXT    NOT NULL,
    lot    TEXT    NOT NULL,
    holder TEXT    NOT NULL,
    units  INTEGER NOT NULL,
    PRIMARY KEY (bucket, member, purse, lot, holder)
) STRICT, WITHOUT ROWID;
CREATE INDEX holding_by_holder ON holding (bucket, holder, member) WHERE units <> 0;

CREATE TABLE debt (
    bucket INTEGER NOT NULL,
    member BLOB    NOT NULL,
    purse  TEXT    NOT NULL,
    kind   TEXT    NOT NULL,
    units  INTEGER NOT NULL,
    PRIMARY KEY (bucket, member, purse, kind)
) STRICT, WITHOUT ROWID;

CREATE TABLE account_total (
    bucket  INTEGER NOT NULL,
    purse   TEXT    NOT NULL,
    account TEXT    NOT NULL,
    total   INTEGER NOT NULL,
    PRIMARY KEY (bucket, purse, account)
) STRICT, WITHOUT ROWID;

-- What a terminal was ever granted, per member and purse.
CREATE TABLE granted (
    bucket      INTEGER NOT NULL,
    member      BLOB    NOT NULL,
    incarnation BLOB    NOT NULL,
    purse       TEXT    NOT NULL,
    units       INTEGER NOT NULL,
    PRIMARY KEY (bucket, member, incarnation, purse)
) STRICT, WITHOUT ROWID;

-- The feed. A row names what changed; a page says how it stands. A later row of the same subject replaces the
-- earlier one, so the feed is as long as what there is, not as what ever happened.

CREATE TABLE feed (
    bucket      INTEGER NOT NULL,
    position    INTEGER NOT NULL,
    kind        TEXT    NOT NULL,
    subject     BLOB    NOT NULL, -- identifier, member, entry id, version or store
    member      BLOB,
    incarnation BLOB,             -- for this terminal only
    store       TEXT,             -- for this store only
    PRIMARY KEY (bucket, position)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX feed_by_subject ON feed (bucket, kind, subject);
CREATE INDEX feed_grants ON feed (bucket, member, incarnation, position) WHERE kind = 'grant';

-- Which tills keep a member: those of a store where it was seen, and those that asked for it.
CREATE TABLE seen_at_store (
    bucket  INTEGER NOT NULL,
    member  BLOB    NOT NULL,
    store   TEXT    NOT NULL,
    last_ms INTEGER NOT NULL,
    PRIMARY KEY (bucket, member, store)
) STRICT, WITHOUT ROWID;

CREATE TABLE watched (
    bucket      INTEGER NOT NULL,
    member      BLOB    NOT NULL,
    incarnation BLOB    NOT NULL,
    last_ms     INTEGER NOT NULL,
    PRIMARY KEY (bucket, member, incarnation)
) STRICT, WITHOUT ROWID;

INSERT INTO bucket_head (bucket)
WITH RECURSIVE buckets (bucket) AS (SELECT 0 UNION ALL SELECT bucket + 1 FROM buckets WHERE bucket < 64)
SELECT bucket FROM buckets;
