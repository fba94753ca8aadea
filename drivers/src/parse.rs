//! Whole streams to the JSON of `counterfoil receipt parse`.

use serde::Serialize;

use crate::captured::{CapturedSale, CapturedTotals, Parsed};
use crate::pan::Scrubber;
use crate::reader::Reader;
use crate::template::{Template, shipped_names};

/// What `receipt parse` prints: `{ "documents": [ … ] }`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct ParseOutput {
    /// In stream order.
    pub documents: Vec<ParsedDocument>,
}

/// One document of `receipt parse`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ParsedDocument {
    /// `sale`, `return`, `void`, `reprint`, `z-report`, `x-report`, `suspended`, `training`, `slip`, `other`,
    /// `partial` or `unreadable`.
    pub kind: &'static str,
    /// What the paper says of a sale; `null` for what is none.
    pub sale: Option<CapturedSale>,
    /// What is wrong with it.
    pub marks: Vec<String>,
    /// Printed lines, without payment card numbers.
    pub text: Vec<String>,
    /// Totals of an X or Z report.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub z_report: Option<CapturedTotals>,
    /// The receipt that a void takes back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub voided_receipt: Option<String>,
}

impl From<Parsed> for ParsedDocument {
    fn from(parsed: Parsed) -> ParsedDocument {
        ParsedDocument {
            kind: parsed.class.kind(),
            sale: parsed.sale,
            marks: parsed.marks,
            text: parsed.text,
            z_report: parsed.z_report,
            voided_receipt: parsed.voided_receipt,
        }
    }
}

/// Reads one stream from its first byte to its last, as the tap's reader would.
pub fn parse_stream(template: &Template, scrubber: &Scrubber, bytes: &[u8]) -> Vec<Parsed> {
    let mut reader = Reader::new(template.clone()).with_scrubber(scrubber.clone());
    let mut documents = reader.push(bytes);
    documents.extend(reader.finish());
    documents
}

/// Reads one stream as `receipt parse` prints it; several files are several calls.
pub fn parse_documents(template: &Template, scrubber: &Scrubber, bytes: &[u8]) -> ParseOutput {
    let documents = parse_stream(template, scrubber, bytes);
    ParseOutput { documents: documents.into_iter().map(ParsedDocument::from).collect() }
}

/// The shipped template by which most documents of the stream are sales, returns or totals that agree with
/// themselves; `None` if there is none by which any is.
pub fn best_template(bytes: &[u8]) -> Option<Template> {
    let scored = shipped_names().filter_map(|name| {
        let template = Template::shipped(name)?;
        let documents = parse_stream(&template, &Scrubber::default(), bytes);
        let read = |parsed: &&Parsed| (parsed.sale.is_some() || parsed.z_report.is_some()) && parsed.marks.is_empty();
        Some((documents.iter().filter(read).count(), template))
    });
    // The first of equals, so that the answer does not depend on anything but the stream.
    let best = scored.reduce(|best, next| if next.0 > best.0 { next } else { best });
    best.filter(|(count, _)| *count > 0).map(|(_, template)| template)
}
