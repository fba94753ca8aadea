-- What undoes sales: every return that names one, and every void, whoever settled it. The sale may come later; until it
-- does its columns are empty.

CREATE TABLE undone (
    bucket           INTEGER NOT NULL, -- of the journal that tells it
    incarnation      BLOB    NOT NULL,
    position         INTEGER NOT NULL,
    is_void          INTEGER NOT NULL,
    occurred_ms      INTEGER NOT NULL,
    store            TEXT    NOT NULL, -- the sale as it is named: store, lane, receipt, date
    lane             TEXT    NOT NULL,
    receipt_number   TEXT    NOT NULL,
    business_date    INTEGER,
    sale_incarnation BLOB,
    sale_position    INTEGER,
    PRIMARY KEY (bucket, incarnation, position)
) STRICT, WITHOUT ROWID;
CREATE INDEX undone_by_sale    ON undone (sale_incarnation, sale_position) WHERE sale_incarnation IS NOT NULL;
CREATE INDEX undone_by_receipt ON undone (receipt_number, store, lane);

CREATE INDEX redemption_by_basket ON redemption (terminal, sale_ref) WHERE sale_ref IS NOT NULL;
