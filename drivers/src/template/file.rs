//! The template file as written: keys, and nothing else. Every key that is not here is an error.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;

use crate::captured::{Class, LineKind, TenderKind};
use crate::printer::escpos::{Dialect, Symbology};
use crate::printer::text::MultiByte;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub name: Spanned<String>,
    #[serde(default)]
    pub title: String,
    pub currency: Spanned<String>,
    #[serde(default)]
    pub printer: Printer,
    #[serde(default)]
    pub document: Document,
    #[serde(default)]
    pub numbers: Numbers,
    #[serde(default)]
    pub dates: Dates,
    #[serde(default)]
    pub tax: Tax,
    #[serde(default)]
    pub items: Items,
    #[serde(default)]
    pub returns: Returns,
    #[serde(default, rename = "class")]
    pub classes: Vec<ClassRule>,
    #[serde(default, rename = "line")]
    pub lines: Vec<LineRule>,
    #[serde(default, rename = "kind")]
    pub kinds: Vec<KindRule>,
    #[serde(default, rename = "code")]
    pub codes: Vec<CodeRule>,
    #[serde(default, rename = "report")]
    pub reports: Vec<ReportRule>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Printer {
    #[serde(default)]
    pub dialect: Dialect,
    pub code_page: Option<Spanned<String>>,
    #[serde(default)]
    pub code_pages: BTreeMap<Spanned<String>, Spanned<String>>,
    pub multi_byte: Option<MultiByte>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Document {
    pub end: Option<Spanned<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Numbers {
    #[serde(default = "point")]
    pub decimal: Spanned<String>,
    #[serde(default = "comma")]
    pub thousands: Spanned<String>,
    #[serde(default)]
    pub symbols: Vec<String>,
    pub digits: Option<Spanned<u32>>,
}

impl Default for Numbers {
    fn default() -> Numbers {
        Numbers { decimal: point(), thousands: comma(), symbols: Vec::new(), digits: None }
    }
}

fn point() -> Spanned<String> {
    Spanned::new(0..0, ".".to_owned())
}

fn comma() -> Spanned<String> {
    Spanned::new(0..0, ",".to_owned())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum DateOrder {
    #[default]
    Ymd,
    Dmy,
    Mdy,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Dates {
    #[serde(default)]
    pub order: DateOrder,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Tax {
    pub included: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Items {
    pub after: Option<Spanned<String>>,
    pub quantity: Option<Spanned<String>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum NegativeTotal {
    /// Nobody said what it means: an exception.
    #[default]
    Exception,
    /// Goods came back.
    Return,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Returns {
    #[serde(default)]
    pub negative_total: NegativeTotal,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ClassRule {
    pub is: Class,
    #[serde(rename = "match")]
    pub pattern: Spanned<String>,
}

/// What a line says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Says {
    /// Receipt number, date, operator, member, references.
    Info,
    /// An item, whole or in part.
    Item,
    /// The text of the item whose amount follows.
    Description,
    /// Quantity of the item that follows.
    Quantity,
    /// A discount of the basket.
    Discount,
    /// A discount of the line above.
    LineDiscount,
    /// The total.
    Total,
    /// Tax.
    Tax,
    /// A payment.
    Tender,
    /// Given back.
    Change,
    /// Rounding of the total.
    Rounding,
    /// Nothing that counts.
    Ignore,
}

/// Where on the receipt a rule applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Part {
    /// From the first item to the total.
    Items,
    /// After the total.
    Foot,
    /// Everywhere.
    Any,
}

/// A condition on the amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Only {
    Negative,
    Positive,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LineRule {
    pub is: Spanned<Says>,
    #[serde(rename = "match")]
    pub pattern: Spanned<String>,
    pub part: Option<Part>,
    pub only: Option<Only>,
    pub sold_before: Option<bool>,
    #[serde(default)]
    pub negative: bool,
    pub tender: Option<Spanned<TenderKind>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KindRule {
    pub is: LineKind,
    #[serde(rename = "match")]
    pub pattern: Spanned<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CodeRule {
    pub symbology: Option<Symbology>,
    #[serde(rename = "match")]
    pub pattern: Spanned<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ReportRule {
    #[serde(rename = "match")]
    pub pattern: Spanned<String>,
}
