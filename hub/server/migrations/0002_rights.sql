-- Spend rights: what redemptions became, where members shop, what is planned, recalled, ordered and due to expire.

-- Redemptions and reservations, by the record that tells them.
CREATE TABLE redemption (
    bucket      INTEGER NOT NULL, -- of the incarnation
    incarnation BLOB    NOT NULL,
    position    INTEGER NOT NULL,
    member      BLOB    NOT NULL,
    reward      TEXT,
    purse       TEXT    NOT NULL,
    units       INTEGER NOT NULL,
    rights      TEXT    NOT NULL,
    sale_ref    TEXT,
    store       TEXT    NOT NULL,
    terminal    TEXT    NOT NULL,
    state       TEXT    NOT NULL, -- reserved, redeemed, cancelled, timed-out, reversed
    spent_in    BLOB,             -- the record whose entries spend it
    spent_at    INTEGER,
    reversed_by TEXT,             -- a record, or `hub`
    posted_ms   INTEGER NOT NULL,
    PRIMARY KEY (bucket, incarnation, position)
) STRICT, WITHOUT ROWID;
CREATE INDEX redemption_by_member ON redemption (member, purse, posted_ms);

-- Redemptions that somebody else than their author wants undone.
CREATE TABLE reversal_order (
    bucket      INTEGER NOT NULL, -- of the incarnation
    incarnation BLOB    NOT NULL, -- the redemption's
    position    INTEGER NOT NULL,
    request     TEXT    NOT NULL, -- who asked first
    reason      TEXT,
    ordered_ms  INTEGER NOT NULL,
    done_ms     INTEGER,
    PRIMARY KEY (bucket, incarnation, position)
) STRICT, WITHOUT ROWID;
CREATE INDEX reversal_order_open ON reversal_order (incarnation) WHERE done_ms IS NULL;

-- Where a member shops and redeems: counts in thousandths that halve with time.
CREATE TABLE visit (
    bucket      INTEGER NOT NULL,
    member      BLOB    NOT NULL,
    terminal    TEXT    NOT NULL,
    visits      INTEGER NOT NULL,
    redemptions INTEGER NOT NULL,
    last_ms     INTEGER NOT NULL,
    PRIMARY KEY (bucket, member, terminal)
) STRICT, WITHOUT ROWID;

-- What everybody redeems at a terminal, in the same thousandths.
CREATE TABLE terminal_habit (
    terminal    TEXT    PRIMARY KEY,
    redemptions INTEGER NOT NULL,
    last_ms     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Members whose rights are to be planned, from when on.
CREATE TABLE plan_due (
    bucket INTEGER NOT NULL,
    member BLOB    NOT NULL,
    due_ms INTEGER NOT NULL,
    held_until_ms INTEGER NOT NULL DEFAULT 0, -- somebody stands at a till for whom these units were asked
    PRIMARY KEY (bucket, member)
) STRICT, WITHOUT ROWID;
CREATE INDEX plan_due_by_time ON plan_due (due_ms, bucket, member);

-- What a terminal shall give back: everything beyond `keep`.
CREATE TABLE recall (
    bucket      INTEGER NOT NULL,
    member      BLOB    NOT NULL,
    incarnation BLOB    NOT NULL,
    purse       TEXT    NOT NULL,
    keep        INTEGER NOT NULL,
    asked_ms    INTEGER NOT NULL,
    PRIMARY KEY (bucket, member, incarnation, purse)
) STRICT, WITHOUT ROWID;

-- Head office's lots by the date after which they end.
CREATE INDEX holding_by_expiry ON holding (substr(lot, instr(lot, '/') + 1), bucket, member)
    WHERE holder = 'hub' AND units > 0 AND substr(lot, -1) <> '-';

CREATE INDEX watched_by_time ON watched (last_ms);
