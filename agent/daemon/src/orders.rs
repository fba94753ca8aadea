//! Carrying out what head office ordered by the feed: units called back, redemptions undone, the till retired.
//!
//! The engine does it; here is what the log says of it, and that an order which could not be carried out waits.

use counterfoil_till::{Now, Till};

use crate::errors::ErrorChain;

/// Carries out what waits. Never fails: what cannot be done now is tried again by housekeeping.
pub fn carry_out(till: &mut Till, now: Now) {
    match till.carry_out_orders(now) {
        Ok(report) => {
            for note in &report.notes {
                tracing::warn!(%note, "an order of head office was not carried out");
            }
            if report.orders > 0 {
                let (orders, units, reversed) = (report.orders, report.returned_units, report.reversed);
                tracing::info!(orders, units, reversed, "orders of head office are carried out");
            }
            if report.retired {
                tracing::warn!("head office has retired this till: sales are recorded, nothing is spent here any more");
            }
        }
        Err(error) => {
            tracing::error!(error = %ErrorChain(&error), "an order of head office waits, trying again by itself");
        }
    }
}
