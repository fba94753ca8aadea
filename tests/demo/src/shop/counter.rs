//! The hardware of one lane on pseudo-terminals, and the memory of what the POS sent, for comparison with paper.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use counterfoil_drivers::virtual_hw::{VirtualPos, VirtualPrinter, VirtualScanner};

use super::programs::PATIENCE;

/// POS line, printer and scanner of one lane.
#[derive(Debug)]
pub struct Counter {
    pos: VirtualPos,
    printer: VirtualPrinter,
    scanner: VirtualScanner,
    sent: Vec<u8>,
}

impl Counter {
    /// Plugs all three in below `folder`.
    ///
    /// # Errors
    /// When there are no pseudo-terminals.
    pub fn plug_in(folder: &Path, lane: u32) -> anyhow::Result<Self> {
        let plug = |what: &str| format!("the {what} of lane {lane} cannot be plugged in");
        Ok(Self {
            pos: VirtualPos::plug(&folder.join("pos")).with_context(|| plug("POS"))?,
            printer: VirtualPrinter::plug(&folder.join("printer")).with_context(|| plug("printer"))?,
            scanner: VirtualScanner::plug(&folder.join("scanner")).with_context(|| plug("scanner"))?,
            sent: Vec::new(),
        })
    }

    /// Where the till's tap finds the POS.
    pub fn pos_port(&self) -> &Path {
        self.pos.link()
    }

    /// Where the tap forwards to.
    pub fn printer_port(&self) -> PathBuf {
        self.printer.link().to_path_buf()
    }

    /// Where the till finds the scanner.
    pub fn scanner_port(&self) -> &Path {
        self.scanner.link()
    }

    /// The POS prints; returns when the line has taken everything.
    ///
    /// # Errors
    /// When the line takes nothing for too long: the till's tap does not read.
    pub fn print(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        self.send(bytes);
        if !self.pos.flush(PATIENCE) {
            bail!("the printer line takes nothing: the tap does not read");
        }
        Ok(())
    }

    /// The POS prints and does not wait.
    pub fn send(&mut self, bytes: &[u8]) {
        self.sent.extend_from_slice(bytes);
        self.pos.send(bytes);
    }

    /// A card is scanned.
    pub fn scan(&self, identifier: &str) {
        self.scanner.scan(identifier);
    }

    /// The POS's end of the printer line.
    pub fn pos(&self) -> &VirtualPos {
        &self.pos
    }

    /// The printer.
    pub fn printer(&self) -> &VirtualPrinter {
        &self.printer
    }

    /// The scanner.
    pub fn scanner(&self) -> &VirtualScanner {
        &self.scanner
    }

    /// Law 6: waits until the printer has got every byte the POS sent, and checks that it is the same.
    ///
    /// # Errors
    /// When bytes are missing after a while, or other ones came.
    pub fn paper_is_what_was_sent(&self) -> anyhow::Result<()> {
        let complete = self.printer.wait_received(PATIENCE, |received| received.len() >= self.sent.len());
        let received = self.printer.received();
        if let Some(at) = received.iter().zip(&self.sent).position(|(got, sent)| got != sent) {
            bail!("byte {at} of the printer's stream is not what the POS sent");
        }
        if !complete || received.len() != self.sent.len() {
            bail!("the POS sent {} bytes, the printer got {}", self.sent.len(), received.len());
        }
        Ok(())
    }
}
