-- The value database of a till: the journal, and everything derived from it.
-- Derived rows can be made again from `journal` and `hub_entry` (Till::verify_journal does, and compares).
-- Instants are milliseconds since 1970 UTC, dates packed yyyymmdd, 0 where a lot has no date.

-- What enrolment said, and how far the hub and this till know each other. One row.
CREATE TABLE till (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    terminal TEXT NOT NULL,
    lane TEXT NOT NULL,
    store_settings BLOB NOT NULL,
    key_seed BLOB NOT NULL CHECK (length(key_seed) = 32),
    root_key BLOB NOT NULL CHECK (length(root_key) = 32),
    root_certificate TEXT NOT NULL,
    program_key BLOB NOT NULL CHECK (length(program_key) = 32),
    hub_url TEXT NOT NULL,
    enrolled_epoch INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    cursor TEXT NOT NULL DEFAULT '',
    acknowledged INTEGER NOT NULL DEFAULT 0,
    hub_time_ms INTEGER NOT NULL DEFAULT 0,
    behind_hub_position INTEGER
) STRICT;

CREATE TABLE journal (
    position INTEGER PRIMARY KEY CHECK (position >= 1),
    record BLOB NOT NULL,
    chain BLOB NOT NULL CHECK (length(chain) = 32)
) STRICT;

-- Entries the hub wrote for this till, as signed: they can be given back to a hub that lost them.
CREATE TABLE hub_entry (
    id TEXT PRIMARY KEY,
    member BLOB NOT NULL,
    bytes BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- What this till holds. Never below zero: law 2.
CREATE TABLE holding (
    member BLOB NOT NULL,
    purse TEXT NOT NULL,
    vests INTEGER NOT NULL,
    expires INTEGER NOT NULL,
    units INTEGER NOT NULL CHECK (units >= 0),
    PRIMARY KEY (member, purse, vests, expires)
) STRICT, WITHOUT ROWID;

-- Sum of all grants ever received.
CREATE TABLE received (
    member BLOB NOT NULL,
    purse TEXT NOT NULL,
    units INTEGER NOT NULL CHECK (units >= 0),
    PRIMARY KEY (member, purse)
) STRICT, WITHOUT ROWID;

-- Own entries by member, so that a state can be continued from the position it includes.
CREATE TABLE own_entry (
    member BLOB NOT NULL,
    position INTEGER NOT NULL,
    entry INTEGER NOT NULL,
    purse TEXT NOT NULL,
    vests INTEGER NOT NULL,
    expires INTEGER NOT NULL,
    units_change INTEGER NOT NULL,
    debt_change INTEGER NOT NULL,
    PRIMARY KEY (member, position, entry)
) STRICT, WITHOUT ROWID;

-- Sales and returns.
CREATE TABLE sale (
    position INTEGER PRIMARY KEY,
    receipt_number TEXT NOT NULL,
    sale_ref TEXT,
    occurred_at_ms INTEGER NOT NULL,
    is_return INTEGER NOT NULL,
    training INTEGER NOT NULL,
    currency TEXT NOT NULL,
    total INTEGER NOT NULL,
    member BLOB,
    void_position INTEGER
) STRICT;
CREATE INDEX sale_by_receipt ON sale (receipt_number, occurred_at_ms);
CREATE INDEX sale_by_ref ON sale (sale_ref) WHERE sale_ref IS NOT NULL;
CREATE INDEX sale_by_member ON sale (member, position) WHERE member IS NOT NULL;

-- First answers by idempotency key. `repeated`: the key came with a call that another had answered first.
CREATE TABLE idempotency (
    key TEXT PRIMARY KEY,
    request BLOB NOT NULL,
    position INTEGER NOT NULL,
    repeated INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

CREATE TABLE day (
    sequence INTEGER PRIMARY KEY,
    business_date INTEGER NOT NULL,
    from_position INTEGER NOT NULL,
    close_position INTEGER,
    pos_totals BLOB
) STRICT;

-- Receipt numbers of the open day, of every document that had one.
CREATE TABLE day_receipt (
    receipt_number TEXT PRIMARY KEY
) STRICT, WITHOUT ROWID;

-- Units per rule and member in the open day.
CREATE TABLE day_rule (
    member BLOB NOT NULL,
    rule TEXT NOT NULL,
    units INTEGER NOT NULL,
    PRIMARY KEY (member, rule)
) STRICT, WITHOUT ROWID;

-- How far each device's stream is done with.
CREATE TABLE capture (
    device TEXT PRIMARY KEY,
    done INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The card that waits for its sale. At most one row; never the identifier itself.
CREATE TABLE pending_member (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    identifier BLOB NOT NULL,
    member BLOB,
    scanned_at_ms INTEGER NOT NULL
) STRICT;

-- Members as head office last told.
CREATE TABLE member_state (
    member BLOB PRIMARY KEY,
    epoch INTEGER NOT NULL,
    includes_position INTEGER NOT NULL,
    as_of_ms INTEGER NOT NULL,
    state BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE program (
    version INTEGER PRIMARY KEY,
    effective_ms INTEGER NOT NULL,
    bytes BLOB NOT NULL
) STRICT;

CREATE TABLE api_token (
    name TEXT PRIMARY KEY,
    secret_hash BLOB NOT NULL UNIQUE CHECK (length(secret_hash) = 32),
    scopes TEXT NOT NULL,
    created_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
