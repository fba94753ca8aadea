//! What the till reads from the tap's spool, document by document, each once.

use counterfoil_protocol::record::Body;
use counterfoil_till::{CaptureOutcome, Captured, CapturedDocument};

use super::cashier::of_the_machine;
use super::shop::{Paper, Printed};
use super::till_site::Asked;
use super::{Violation, World};

/// The tap's device.
const DEVICE: &str = "printer";

impl World {
    /// Whether documents wait that the till has not taken.
    pub(super) fn spool_waits(&self, till: usize) -> bool {
        let site = &self.tills[till];
        let offset = site.till.as_ref().and_then(|engine| engine.capture_offset(DEVICE).ok()).unwrap_or(0);
        site.register.spool.back().is_some_and(|last| last.to > offset)
    }

    /// Reads on from the offset that the till has committed.
    pub(super) fn read_spool(&mut self, till: usize) -> Result<(), Violation> {
        loop {
            let offset = self.with_till(till, |engine, _| engine.capture_offset(DEVICE))?;
            let Asked::Done(offset) = offset else { return Ok(()) };
            // Now and then a document that was read before: after a crash nobody may count on less.
            let again = self.rng.chance(20);
            let spool = &self.tills[till].register.spool;
            let old = spool.iter().rev().find(|printed| printed.to <= offset).filter(|_| again).cloned();
            let Some(printed) = old.or_else(|| spool.iter().find(|printed| printed.to > offset).cloned()) else {
                return Ok(());
            };
            if !self.capture(till, &printed, offset)? {
                self.plan_retry(till);
                return Ok(());
            }
        }
    }

    /// Whether the till took it.
    fn capture(&mut self, till: usize, printed: &Printed, offset: u64) -> Result<bool, Violation> {
        let captured = Captured {
            from: printed.from,
            to: printed.to,
            at_ms: printed.at_ms + self.tills[till].clock_ms,
            document: document(&printed.paper),
        };
        let incarnation = self.tills[till].incarnation;
        let lost = self.oracles.lost(incarnation).is_some();
        let outcome = self.with_till(till, |engine, now| engine.capture(DEVICE, captured, now))?;
        let broken = |what: String| Violation::new(1, format!("till {till}: {printed:?}: {what}"));
        let outcome = match outcome {
            Asked::Done(outcome) => outcome,
            Asked::Refused(error) if of_the_machine(&error) => {
                return Ok(false);
            }
            Asked::Refused(error) => return Err(broken(format!("refused: {error}"))),
            Asked::Down => return Ok(false),
        };
        if (printed.to <= offset) != (outcome == CaptureOutcome::AlreadyDone) {
            return Err(broken(format!("at offset {offset}: {outcome:?}")));
        }
        let position = match &outcome {
            CaptureOutcome::AlreadyDone | CaptureOutcome::Nothing => None,
            CaptureOutcome::Sale(reply) => Some(reply.position),
            CaptureOutcome::Void(reply) => Some(reply.position),
            CaptureOutcome::DayClosed(reply) => Some(reply.position),
            CaptureOutcome::Document { position, .. }
            | CaptureOutcome::PosTotals { position, .. }
            | CaptureOutcome::Gap { position } => Some(*position),
        };
        if let Some(position) = position
            && !lost
        {
            if position <= self.oracles.head(incarnation) {
                self.oracles.acknowledged(incarnation, position);
            }
            self.note(&format!("till {till}: paper {} to {} is record {position}", printed.from, printed.to));
            if let Some(seen) = self.oracles.journal(incarnation).get(position as usize - 1)
                && let Body::Sale(sale) = &seen.record.body
                && sale.sale.kind == counterfoil_protocol::sale::SaleKind::Sale
            {
                let receipt = sale.sale.receipt_number.clone();
                if !self.tills[till].sold.iter().any(|(known, _)| *known == receipt) {
                    self.tills[till].sold.push((receipt, position));
                }
            }
        }
        Ok(true)
    }
}

fn document(paper: &Paper) -> CapturedDocument {
    match paper {
        Paper::Sale(sale) => CapturedDocument::Sale(sale.clone()),
        Paper::Void { receipt, voided, sale } => CapturedDocument::Void {
            receipt_number: Some(receipt.clone()),
            voided_receipt: Some(voided.clone()),
            sale: sale.clone(),
        },
        Paper::ZReport(totals) => CapturedDocument::ZReport { totals: totals.clone(), report_number: None },
        Paper::Unknown(text) => CapturedDocument::Other {
            class: "other".to_owned(),
            receipt_number: None,
            marks: Vec::new(),
            text: vec![text.clone()],
            exception: Some("unknown document".to_owned()),
        },
        Paper::Gap => CapturedDocument::Gap { reason: "the spool was full".to_owned() },
    }
}
