-- A redemption's life, units reserved, orders of head office, and what kind of debt an own entry is.
-- `redemption`, `reserved`, `reversal` and `reverse_request` are derived from the journal, as everything in 0001 that is.

-- Every redemption and reservation, and how far it has come.
CREATE TABLE redemption (
    position INTEGER PRIMARY KEY,
    -- Written again from an earlier life's branch.
    is_copy INTEGER NOT NULL,
    member BLOB NOT NULL,
    purse TEXT NOT NULL,
    reward TEXT,
    units INTEGER NOT NULL,
    -- Of those, what no right here covers: the offline floor.
    floor_units INTEGER NOT NULL,
    sale_ref TEXT,
    -- Of a reservation: when it ends by itself.
    expires_at_ms INTEGER,
    -- The record whose entries spend: the redemption itself, or the confirmation.
    spent_position INTEGER,
    released_position INTEGER,
    timed_out INTEGER NOT NULL DEFAULT 0,
    -- Units given back in all, and the reversal that gave back the last of them.
    returned_units INTEGER NOT NULL DEFAULT 0,
    reversed_position INTEGER
) STRICT;
CREATE INDEX redemption_by_ref ON redemption (sale_ref) WHERE sale_ref IS NOT NULL;
CREATE INDEX redemption_open ON redemption (expires_at_ms)
    WHERE expires_at_ms IS NOT NULL AND spent_position IS NULL AND released_position IS NULL;

-- Units that open reservations have chosen: held, and spent by nothing else.
CREATE TABLE reserved (
    member BLOB NOT NULL,
    purse TEXT NOT NULL,
    vests INTEGER NOT NULL,
    expires INTEGER NOT NULL,
    reservation INTEGER NOT NULL,
    units INTEGER NOT NULL CHECK (units > 0),
    PRIMARY KEY (member, purse, vests, expires, reservation)
) STRICT, WITHOUT ROWID;
CREATE INDEX reserved_by_reservation ON reserved (reservation);

-- Reversals of this journal's redemptions; one may take several, each giving back a part.
CREATE TABLE reversal (
    position INTEGER PRIMARY KEY,
    redemption INTEGER NOT NULL,
    units INTEGER NOT NULL
) STRICT;
CREATE INDEX reversal_by_redemption ON reversal (redemption);

-- Redemptions of other authors that this till has asked to be undone.
CREATE TABLE reverse_request (
    redemption TEXT PRIMARY KEY,
    position INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Orders of head office that came with a page and are not carried out yet, in the order they came.
CREATE TABLE order_waiting (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    bytes BLOB NOT NULL
) STRICT;

-- The kind of debt an entry books or settles: DebtKind's index, as records carry it. Before this, tills wrote clawback only.
ALTER TABLE own_entry ADD COLUMN debt_kind INTEGER;
UPDATE own_entry SET debt_kind = 0 WHERE debt_change <> 0;
CREATE INDEX own_entry_floor ON own_entry (purse, position) WHERE debt_kind = 1;

CREATE INDEX holding_by_expiry ON holding (expires) WHERE expires > 0;

-- Why head office has retired this till; NULL: it has not.
ALTER TABLE till ADD COLUMN retired_why TEXT;
-- Which of the derived tables have been made from records older than themselves: 0 none of this file's.
ALTER TABLE till ADD COLUMN derived_version INTEGER NOT NULL DEFAULT 0;
