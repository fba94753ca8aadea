-- The directory of a till: all identifiers of all members, as keyed hashes. It can be read again from the hub.

CREATE TABLE progress (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    cursor TEXT NOT NULL
) STRICT;
INSERT INTO progress (one, cursor) VALUES (1, '');

CREATE TABLE identity (
    identifier BLOB PRIMARY KEY,
    member BLOB NOT NULL,
    status INTEGER NOT NULL,
    tier TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX identity_by_member ON identity (member);
