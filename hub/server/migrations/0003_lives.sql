-- Lives of a terminal: how one ends, what the next one writes again, and what tills report to a new epoch.

ALTER TABLE terminal ADD COLUMN retire_asked_ms INTEGER;
ALTER TABLE terminal ADD COLUMN retire_reason TEXT;

-- The incarnation that this one follows by its own request, and what that request was answered.
ALTER TABLE incarnation ADD COLUMN before BLOB;
ALTER TABLE incarnation ADD COLUMN succession_answer BLOB;
-- The last epoch to which this incarnation has told all it had to tell; absent: it began before there were reports.
ALTER TABLE incarnation ADD COLUMN reported_epoch INTEGER;
CREATE UNIQUE INDEX incarnation_before ON incarnation (before) WHERE before IS NOT NULL;

-- Records that came in another journal than the one they were written in first. `counted`: posted from there.
CREATE TABLE origin (
    bucket      INTEGER NOT NULL, -- of the incarnation that wrote it first
    incarnation BLOB    NOT NULL,
    position    INTEGER NOT NULL,
    chain       BLOB    NOT NULL, -- empty: another name of the same record, for look-ups
    journal     BLOB    NOT NULL,
    at          INTEGER NOT NULL,
    counted     INTEGER NOT NULL,
    PRIMARY KEY (bucket, incarnation, position, chain, journal, at)
) STRICT, WITHOUT ROWID;
CREATE INDEX origin_by_journal ON origin (journal, at);

-- The void of a sale may stand in the journal of a later life.
ALTER TABLE sale ADD COLUMN voided_in BLOB;

-- What people decided about days that do not come out.
CREATE TABLE day_decision (
    incarnation   BLOB    NOT NULL,
    business_date INTEGER NOT NULL,
    sequence      INTEGER NOT NULL,
    state         TEXT    NOT NULL, -- accepted, written-off
    reason        TEXT    NOT NULL,
    what          TEXT    NOT NULL, -- what it was decided about: another difference is another decision
    decided_ms    INTEGER NOT NULL,
    PRIMARY KEY (incarnation, business_date, sequence)
) STRICT, WITHOUT ROWID;

-- Epochs after the first: until all live incarnations have reported, or somebody accepts it, nothing is granted.
CREATE TABLE epoch (
    epoch       INTEGER PRIMARY KEY,
    began_ms    INTEGER NOT NULL,
    reason      TEXT    NOT NULL,
    accepted_by TEXT,
    accepted_ms INTEGER
) STRICT;
