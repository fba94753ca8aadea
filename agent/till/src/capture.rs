//! What the tap heard. What a document yields and how far the stream is done with commit together, so a span that is
//! read again after a crash yields nothing twice.
//!
//! Paper is never argued with: what cannot be taken as it stands becomes a document record with an exception, and the
//! stream moves on.

use counterfoil_protocol::record::{Body, CaptureGap, DocumentRecord, Source};
use counterfoil_protocol::sale::Sale;

use crate::answer::CaptureOutcome;
use crate::command::{Call, Captured, CapturedDocument, Now};
use crate::day::Closed;
use crate::derive;
use crate::error::CommandError;
use crate::journal::Draft;
use crate::receipts::SaleRow;
use crate::sales::{Document, Taken};
use crate::till::Till;

const DEVICE_BYTES_MAX: usize = 255;
const TEXT_LINE_COUNT_MAX: usize = 400;
const TEXT_LINE_CHAR_COUNT_MAX: usize = 200;

/// A document to be recorded as it is.
struct Other {
    class: &'static str,
    receipt_number: Option<String>,
    exception: String,
}

impl Till {
    /// Takes a span of a device's stream. At or below the stored offset it was done before.
    ///
    /// # Errors
    /// When nothing can be written. The offset has not moved then.
    pub fn capture(&mut self, device: &str, captured: Captured, now: Now) -> Result<CaptureOutcome, CommandError> {
        self.usable()?;
        if device.is_empty() || device.len() > DEVICE_BYTES_MAX || captured.from > captured.to {
            return Err(CommandError::InvalidRequest("a captured span names its device and goes forward".to_owned()));
        }
        if captured.to <= self.capture_offset(device)? {
            return Ok(CaptureOutcome::AlreadyDone);
        }
        let source = Source::Paper { device: device.to_owned(), from: captured.from, to: captured.to };
        match captured.document {
            CapturedDocument::Sale(sale) => self.capture_sale(sale, source, captured.at_ms, now),
            CapturedDocument::Void { receipt_number, voided_receipt, sale } => {
                self.capture_void(receipt_number, voided_receipt, &sale, source, now)
            }
            CapturedDocument::ZReport { totals, report_number: _ } => {
                self.transact(|till| till.take_z_report(totals, source, now))
            }
            CapturedDocument::Other { class, receipt_number, marks, text, exception } => {
                let text = if exception.is_some() { bounded(text) } else { Vec::new() };
                let document = DocumentRecord { class, receipt_number, marks, exception, text, source };
                self.transact(|till| till.write_document(document, now))
            }
            CapturedDocument::Nothing => self.transact(|till| {
                derive::capture_done(&till.value, device, captured.to)?;
                Ok(CaptureOutcome::Nothing)
            }),
            CapturedDocument::Gap { reason } => {
                let gap = CaptureGap { device: device.to_owned(), from: captured.from, to: captured.to, reason };
                self.transact(|till| {
                    let reply = till.append(Draft::of(Body::CaptureGap(gap)), now, |_, _| Ok(()))?;
                    Ok(CaptureOutcome::Gap { position: reply.position })
                })
            }
        }
    }

    fn capture_sale(
        &mut self,
        sale: Sale,
        source: Source,
        cut_ms: i64,
        now: Now,
    ) -> Result<CaptureOutcome, CommandError> {
        let number = sale.receipt_number.clone();
        let taken = self.transact(|till| {
            let document = Document { sale, source: source.clone(), idempotency: None, cut_ms, original: None };
            let taken = till.take_document(document, now)?;
            match taken {
                Taken::Recorded(reply) => {
                    till.paper_done(&source)?;
                    Ok(CaptureOutcome::Sale(reply))
                }
                Taken::Conflict(row, difference) => {
                    let other = till.conflict(&row, difference, &number)?;
                    till.write_other(other, source.clone(), now)
                }
            }
        });
        match taken {
            // Recorded nothing: the transaction is gone, the paper is not.
            Err(CommandError::InvalidSale(why) | CommandError::InvalidRequest(why)) => {
                let receipt_number = Some(number).filter(|number| !number.trim().is_empty());
                let other =
                    Other { class: "sale", receipt_number, exception: format!("not recorded as a sale: {why}") };
                self.transact(|till| till.write_other(other, source, now))
            }
            other => other,
        }
    }

    fn conflict(&self, row: &SaleRow, difference: &str, number: &str) -> Result<Other, CommandError> {
        let first = self.event_at(row.position)?;
        Ok(Other {
            class: if row.is_return { "return" } else { "sale" },
            receipt_number: Some(number.to_owned()),
            exception: format!("receipt {number} is recorded already as {first} with another {difference}"),
        })
    }

    fn capture_void(
        &mut self,
        receipt_number: Option<String>,
        voided_receipt: Option<String>,
        paper: &Sale,
        source: Source,
        now: Now,
    ) -> Result<CaptureOutcome, CommandError> {
        let void = |exception: String| Other { class: "void", receipt_number: receipt_number.clone(), exception };
        let Some(voided) = voided_receipt else {
            let other = void("a void that does not say which receipt it undoes".to_owned());
            return self.transact(|till| till.write_other(other, source, now));
        };
        let at_ms = self.calendar.parse_instant_ms(&paper.occurred_at).unwrap_or(now.wall_ms);
        let sold = self.receipts_near(&voided, at_ms)?.into_iter().find(|row| !row.is_return && !row.training);
        let exception = match &sold {
            None => Some(format!("a void of receipt {voided}, which this till has not recorded")),
            Some(row) if row.void_position.is_some() => Some(format!("a second void of receipt {voided}")),
            Some(row) if self.has_returns(row.position)? => {
                Some(format!("a void of receipt {voided}, of which goods came back already"))
            }
            Some(row) if row.total != paper.total => {
                Some(format!("a void of receipt {voided} over {} minor units, the sale had {}", paper.total, row.total))
            }
            Some(_) => None,
        };
        match (sold, exception) {
            (Some(row), None) => self.transact(|till| {
                let reply = till.take_void(&row, receipt_number, source, None, now)?;
                Ok(CaptureOutcome::Void(reply))
            }),
            (Some(row), Some(_)) if row.void_position.is_some() && receipt_number.as_deref() == Some(&voided) => {
                // The void by API and its paper, which carries the sale's own number: one act.
                self.transact(|till| {
                    let reply = till.take_void(&row, receipt_number, source.clone(), None, now)?;
                    till.paper_done(&source)?;
                    Ok(CaptureOutcome::Void(reply))
                })
            }
            (_, exception) => {
                let other = void(exception.unwrap_or_default());
                self.transact(|till| till.write_other(other, source, now))
            }
        }
    }

    fn take_z_report(
        &mut self,
        totals: counterfoil_protocol::day::PosTotals,
        source: Source,
        now: Now,
    ) -> Result<CaptureOutcome, CommandError> {
        let call = Call { source: source.clone(), idempotency: None };
        let closed = self.take_close(Some(totals), call, now)?;
        self.paper_done(&source)?;
        Ok(match closed {
            Closed::Day(reply) => CaptureOutcome::DayClosed(reply),
            Closed::Late(reply) => CaptureOutcome::PosTotals {
                position: reply.position,
                business_date: reply.answer.business_date,
                sequence: reply.answer.sequence,
            },
            Closed::Copy(reply) => CaptureOutcome::Document { position: reply.position, exception: None },
        })
    }

    fn write_other(&mut self, other: Other, source: Source, now: Now) -> Result<CaptureOutcome, CommandError> {
        let document = DocumentRecord {
            class: other.class.to_owned(),
            receipt_number: other.receipt_number,
            marks: Vec::new(),
            exception: Some(other.exception),
            text: Vec::new(),
            source,
        };
        self.write_document(document, now)
    }

    fn write_document(&mut self, document: DocumentRecord, now: Now) -> Result<CaptureOutcome, CommandError> {
        self.close_day_if_over(now)?;
        let exception = document.exception.clone();
        let reply = self.append(Draft::of(Body::Document(document)), now, |_, _| Ok(()))?;
        Ok(CaptureOutcome::Document { position: reply.position, exception })
    }

    /// Moves the offset where the record of this paper does not say so itself.
    fn paper_done(&mut self, source: &Source) -> Result<(), CommandError> {
        match source {
            Source::Paper { device, to, .. } => derive::capture_done(&self.value, device, *to),
            Source::Api => Ok(()),
        }
    }
}

fn bounded(text: Vec<String>) -> Vec<String> {
    text.into_iter()
        .take(TEXT_LINE_COUNT_MAX)
        .map(|line| line.chars().take(TEXT_LINE_CHAR_COUNT_MAX).collect())
        .collect()
}
