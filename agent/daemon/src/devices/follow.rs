//! Reading a tap's spool: bytes to documents, documents to the sink, in order, each exactly once.
//!
//! Reading begins at the offset the journal has, which is always the end of a document or of a gap. What the
//! sink could not take is read again from there: nothing is skipped, and what was already taken is not offered
//! twice by this thread. Spool segments are deleted only behind the journal's offset.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use counterfoil_drivers::port::{Wake, wait_readable};
use counterfoil_drivers::spool::{SpoolItem, SpoolReader};
use counterfoil_drivers::{Parsed, Reader, Template};

use super::{CaptureGap, DeviceConfig, DeviceSink, SinkError};
use crate::errors::ErrorChain;

/// The spool says when it grew; where it cannot, it is looked at so often.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);
/// Between attempts to record what could not be recorded.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// Reads one spool.
pub(super) struct Following {
    device: DeviceConfig,
    /// None where the documents are nobody's sale.
    template: Option<Template>,
    spool: PathBuf,
    sink: Arc<dyn DeviceSink>,
}

impl Following {
    pub(super) fn new(
        device: DeviceConfig,
        template: Option<Template>,
        spool: PathBuf,
        sink: &Arc<dyn DeviceSink>,
    ) -> Self {
        Self { device, template, spool, sink: Arc::clone(sink) }
    }

    pub(super) fn run(&self, stop: &Wake) {
        let Some(template) = &self.template else { return self.discard(stop) };
        let mut told = false;
        while !stop.stopped() {
            match self.read(template, stop) {
                Ok(()) | Err(SinkError::Stopping) => return,
                Err(SinkError::Later(why)) => {
                    if !std::mem::replace(&mut told, true) {
                        tracing::error!(
                            device = %self.device.name,
                            "what was printed cannot be recorded now: {why}; it waits in the spool and is tried again"
                        );
                    }
                    let _ = wait_readable(stop, RETRY_INTERVAL);
                }
            }
        }
    }

    /// Reads from the journal's offset on until told to stop.
    fn read(&self, template: &Template, stop: &Wake) -> Result<(), SinkError> {
        let start = self.sink.capture_offset(&self.device.name)?;
        let mut spool = SpoolReader::open(&self.spool, start);
        self.settle(&mut spool, start);
        let mut reader = self.reader(template, start);
        while !stop.stopped() {
            match spool.next_item() {
                Ok(Some(SpoolItem::Bytes { bytes, at_ms, .. })) => {
                    let documents = reader.push(&bytes);
                    self.deliver(documents, at_ms, &mut spool)?;
                }
                Ok(Some(SpoolItem::Gap { from, to, at_ms, reason })) => {
                    // What stands open will not be finished by what comes after the gap.
                    let documents = reader.finish();
                    self.deliver(documents, at_ms, &mut spool)?;
                    self.sink.gap(&self.device.name, CaptureGap { from, to, at_ms, reason })?;
                    self.settle(&mut spool, to);
                    reader = self.reader(template, to);
                }
                Ok(None) => spool.wait(stop, LOOK_INTERVAL),
                Err(error) => return Err(SinkError::Later(ErrorChain(&error).to_string())),
            }
        }
        Ok(())
    }

    fn reader(&self, template: &Template, offset: u64) -> Reader {
        Reader::at(template.clone(), offset).with_scrubber(self.device.card_rule())
    }

    fn deliver(&self, documents: Vec<Parsed>, at_ms: i64, spool: &mut SpoolReader) -> Result<(), SinkError> {
        for document in documents {
            let end = document.to;
            self.sink.document(&self.device.name, document, at_ms)?;
            self.settle(spool, end);
        }
        Ok(())
    }

    /// Everything before `offset` is in the journal.
    fn settle(&self, spool: &mut SpoolReader, offset: u64) {
        if let Err(error) = spool.done(offset) {
            // Only room is lost by that.
            tracing::warn!(device = %self.device.name, "old parts of the spool stay: {}", ErrorChain(&error));
        }
    }

    /// Makes room: nobody needs what is printed here.
    fn discard(&self, stop: &Wake) {
        let mut spool = SpoolReader::resume(&self.spool);
        while !stop.stopped() {
            match spool.next_item() {
                Ok(Some(_)) => {}
                Ok(None) => {
                    let at = spool.position();
                    self.settle(&mut spool, at);
                    spool.wait(stop, LOOK_INTERVAL);
                }
                Err(error) => {
                    tracing::warn!(device = %self.device.name, "{}", ErrorChain(&error));
                    let _ = wait_readable(stop, RETRY_INTERVAL);
                }
            }
        }
    }
}
