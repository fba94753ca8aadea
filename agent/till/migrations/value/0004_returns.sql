-- Returns that this till settled itself, by the sale they belong to: its place and the return's. Derived from the journal.
CREATE TABLE sale_return (
    sale INTEGER NOT NULL,
    position INTEGER NOT NULL,
    PRIMARY KEY (sale, position)
) STRICT, WITHOUT ROWID;

-- What each sale of the open day counted towards the day's caps: taken off again when it is undone. Derived.
CREATE TABLE day_award (
    sale INTEGER NOT NULL,
    member BLOB NOT NULL,
    rule TEXT NOT NULL,
    units INTEGER NOT NULL,
    PRIMARY KEY (sale, rule)
) STRICT, WITHOUT ROWID;
