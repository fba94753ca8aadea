//! What conditions may read, and of which type it is. Names are those of the published program file.
//!
//! Not here: CEL. A field added here is one that every till must be able to answer for every sale.

/// What an expression may come to. Missing fields are null, so every field may also be null.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Type {
    Bool,
    Int,
    Number,
    Text,
    Null,
    List(Item),
    Record(Record),
}

/// What a list may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Item {
    Nothing,
    Bool,
    Int,
    Number,
    Text,
    Line,
    Tender,
}

/// Things with fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Record {
    Sale,
    Eligible,
    Line,
    Tender,
    Member,
    Now,
}

pub(super) type Fields = &'static [(&'static str, Type)];

pub(super) const ROOTS: [(&str, Record); 5] = [
    ("sale", Record::Sale),
    ("eligible", Record::Eligible),
    ("line", Record::Line),
    ("member", Record::Member),
    ("now", Record::Now),
];

impl Record {
    pub(super) fn fields(self) -> Fields {
        use Type::{Int, List, Number, Text};
        match self {
            Self::Sale => &[
                ("total", Int),
                ("tax", Int),
                ("currency", Text),
                ("store", Text),
                ("store_groups", List(Item::Text)),
                ("lane", Text),
                ("channel", Text),
                ("tenders", List(Item::Tender)),
                ("lines", List(Item::Line)),
            ],
            Self::Eligible => &[("amount", Int)],
            Self::Line => &[
                ("sku", Text),
                ("description", Text),
                ("category", Text),
                ("kind", Text),
                ("quantity", Number),
                ("unit_price", Int),
                ("discount", Int),
                ("amount", Int),
            ],
            Self::Tender => &[("kind", Text)],
            Self::Member => {
                &[("tier", Text), ("visits", Int), ("since", Text), ("birthday_month", Int), ("tags", List(Item::Text))]
            }
            Self::Now => {
                &[("year", Int), ("month", Int), ("day", Int), ("weekday", Int), ("hour", Int), ("minute", Int)]
            }
        }
    }
}

impl Type {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Bool => "true or false",
            Self::Int => "a whole number",
            Self::Number => "a number",
            Self::Text => "text",
            Self::Null => "null",
            Self::List(_) => "a list",
            Self::Record(_) => "a thing with fields",
        }
    }

    pub(super) fn is_number(self) -> bool {
        matches!(self, Self::Int | Self::Number)
    }

    /// Whether comparing for equality can ever be true.
    pub(super) fn is_comparable(self, other: Self) -> bool {
        let is_list = |of: Self| matches!(of, Self::List(_));
        self == other
            || self == Self::Null
            || other == Self::Null
            || (self.is_number() && other.is_number())
            || (is_list(self) && is_list(other))
    }

    pub(super) fn item(self) -> Option<Item> {
        match self {
            Self::Bool => Some(Item::Bool),
            Self::Int => Some(Item::Int),
            Self::Number => Some(Item::Number),
            Self::Text => Some(Item::Text),
            Self::Null => Some(Item::Nothing),
            Self::List(_) | Self::Record(_) => None,
        }
    }
}

impl Item {
    pub(super) fn as_type(self) -> Type {
        match self {
            Self::Nothing => Type::Null,
            Self::Bool => Type::Bool,
            Self::Int => Type::Int,
            Self::Number => Type::Number,
            Self::Text => Type::Text,
            Self::Line => Type::Record(Record::Line),
            Self::Tender => Type::Record(Record::Tender),
        }
    }
}
