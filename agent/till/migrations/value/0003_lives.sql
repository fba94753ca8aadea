-- A terminal's earlier lives. Where a column holds a position, a negative number is a record of an earlier journal:
-- see src/place.rs.

CREATE TABLE past_life (
    number INTEGER PRIMARY KEY CHECK (number >= 1),
    incarnation BLOB NOT NULL UNIQUE,
    key_seed BLOB NOT NULL CHECK (length(key_seed) = 32),
    -- What head office answered when it took this life in (LifeProof); NULL: enrolled before proofs were kept.
    proof BLOB,
    -- Up to here head office has its journal; what came after was written again by the life after it.
    kept INTEGER NOT NULL,
    branch_position INTEGER NOT NULL,
    branch_chain BLOB NOT NULL CHECK (length(branch_chain) = 32)
) STRICT;

-- Their journals, by place.
CREATE TABLE past_journal (
    place INTEGER PRIMARY KEY CHECK (place < 0),
    record BLOB NOT NULL,
    chain BLOB NOT NULL CHECK (length(chain) = 32)
) STRICT;

-- Records of earlier lives that stand in the present journal again.
CREATE TABLE again (
    incarnation BLOB NOT NULL,
    position INTEGER NOT NULL,
    here INTEGER NOT NULL,
    PRIMARY KEY (incarnation, position)
) STRICT, WITHOUT ROWID;

-- Ranges of the open day, and of days closed under the present life, in earlier journals.
CREATE TABLE day_range (
    sequence INTEGER NOT NULL,
    life INTEGER NOT NULL,
    from_position INTEGER NOT NULL,
    to_position INTEGER NOT NULL,
    PRIMARY KEY (sequence, life)
) STRICT, WITHOUT ROWID;

-- Which life of this terminal the journal is, how it was taken in, and the key of the next one while it is asked for.
ALTER TABLE till ADD COLUMN life INTEGER NOT NULL DEFAULT 1;
ALTER TABLE till ADD COLUMN life_proof BLOB;
ALTER TABLE till ADD COLUMN next_key_seed BLOB;
-- The last hub epoch that this till has made its report for; NULL: the one it was enrolled in.
ALTER TABLE till ADD COLUMN reported_epoch INTEGER;
