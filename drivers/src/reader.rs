//! From the bytes of a printer line to documents with a class: the one entry that a tap's reader needs.
//!
//! It knows nothing of ports, files or clocks. The answer depends on the bytes only, never on how they were
//! cut into chunks; what it holds is bounded by [`crate::printer::limits`]. All text that it answers was
//! scrubbed of payment card numbers first, so a template never sees one either.

use crate::captured::{Class, Parsed};
use crate::pan::Scrubber;
use crate::printer::escpos::{Token, Tokenizer};
use crate::printer::receipt::{Assembler, Code, Document, End, Reset};
use crate::template::Template;

/// The document outgrew what is kept of one.
const TOO_LONG: &str = "too-long";

/// Reads one device's stream by one template.
#[derive(Debug, Clone)]
pub struct Reader {
    template: Template,
    scrubber: Scrubber,
    tokenizer: Tokenizer,
    assembler: Assembler,
}

impl Reader {
    /// Starts at offset 0 of the device's stream.
    pub fn new(template: Template) -> Reader {
        Reader::at(template, 0)
    }

    /// Starts at `offset`, the stored end of the last document.
    pub fn at(template: Template, offset: u64) -> Reader {
        Reader {
            tokenizer: Tokenizer::new(template.dialect(), offset),
            assembler: Assembler::new(template.text_settings(), offset),
            scrubber: Scrubber::default(),
            template,
        }
    }

    /// Replaces the scrubber, so that the merchant's own card ranges pass.
    pub fn with_scrubber(mut self, scrubber: Scrubber) -> Reader {
        self.scrubber = scrubber;
        self
    }

    /// Takes the next bytes; answers the documents that ended in them.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<Parsed> {
        let (mut documents, assembler, template) = (Vec::new(), &mut self.assembler, &self.template);
        self.tokenizer.push(bytes, |token| documents.extend(play(assembler, template, &token)));
        documents.into_iter().flat_map(|document| self.parse(document)).collect()
    }

    /// The stream is over, or the line was closed in the middle: what stands open is `partial`. Reading may go
    /// on afterwards with what comes next.
    pub fn finish(&mut self) -> Vec<Parsed> {
        let (mut documents, assembler, template) = (Vec::new(), &mut self.assembler, &self.template);
        self.tokenizer.finish(|token| documents.extend(play(assembler, template, &token)));
        documents.extend(self.assembler.finish());
        documents.into_iter().flat_map(|document| self.parse(document)).collect()
    }

    /// The offset up to which everything has been answered: a reader that starts here finds the same rest.
    pub fn settled(&self) -> u64 {
        self.assembler.settled()
    }

    fn parse(&self, document: Document) -> Vec<Parsed> {
        let text: Vec<String> = document.lines.iter().map(|line| self.scrubber.scrub(&line.text)).collect();
        let codes: Vec<Code> = document
            .codes
            .iter()
            .map(|code| Code { symbology: code.symbology, data: self.scrubber.scrub(&code.data) })
            .collect();
        let lines: Vec<&str> = text.iter().map(String::as_str).collect();
        match self.restart(&document, &lines, &codes) {
            Some(reset) => vec![
                self.partial(&document, document.from..reset.offset, &lines[..reset.lines], &codes[..reset.codes]),
                self.read(&document, reset.offset..document.to, &lines[reset.lines..], &codes[reset.codes..]),
            ],
            None => vec![self.read(&document, document.from..document.to, &lines, &codes)],
        }
    }

    /// A till that lost power prints on after a reset without a cut: what stands before the last reset is then
    /// half a receipt, if what stands after it is a whole one.
    fn restart(&self, document: &Document, lines: &[&str], codes: &[Code]) -> Option<Reset> {
        let reset = document.resets.last()?;
        let restarted = self.template.begins_sale(&lines[..reset.lines])
            && self.template.is_whole(&lines[reset.lines..], &codes[reset.codes..]);
        restarted.then_some(*reset)
    }

    fn read(&self, document: &Document, span: std::ops::Range<u64>, lines: &[&str], codes: &[Code]) -> Parsed {
        match document.end {
            End::Unfinished | End::TooLong => {
                let mut parsed = self.partial(document, span, lines, codes);
                if document.end == End::TooLong {
                    parsed.marks.push(TOO_LONG.to_owned());
                }
                parsed
            }
            End::Cut | End::Text if document.is_unreadable() => {
                let mut parsed = self.partial(document, span, lines, codes);
                parsed.class = Class::Unreadable;
                parsed
            }
            End::Cut | End::Text => {
                let reading = self.template.read(lines, codes);
                Parsed {
                    class: reading.class,
                    receipt_number: reading.receipt_number,
                    marks: reading.marks,
                    sale: reading.sale,
                    z_report: reading.z_report,
                    voided_receipt: reading.voided_receipt,
                    ..self.partial(document, span, lines, codes)
                }
            }
        }
    }

    /// The last line of a document that broke off may be half a line: it gives no number.
    fn partial(&self, document: &Document, span: std::ops::Range<u64>, lines: &[&str], codes: &[Code]) -> Parsed {
        let whole_lines = &lines[..lines.len().saturating_sub(1)];
        Parsed {
            from: span.start,
            to: span.end,
            class: Class::Partial,
            receipt_number: self.template.receipt_number(whole_lines),
            marks: Vec::new(),
            text: lines.iter().map(|line| (*line).to_owned()).collect(),
            codes: codes.iter().map(|code| code.data.clone()).collect(),
            display: document.display.iter().map(|line| self.scrubber.scrub(line)).collect(),
            sale: None,
            z_report: None,
            voided_receipt: None,
        }
    }
}

fn play(assembler: &mut Assembler, template: &Template, token: &Token) -> Option<Document> {
    assembler.push(token, &|line| template.ends_document(line))
}
