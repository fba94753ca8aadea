//! When which store cannot reach head office: many short cuts, few long ones.

use crate::assumptions::Assumptions;
use crate::chance::Chance;

/// A store's line goes down or comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Switch {
    /// Minute of the month.
    pub minute: u32,
    /// Which store.
    pub store: usize,
    /// Whether it is down from here on.
    pub down: bool,
}

/// All changes of a month, in order, and the minutes in which head office itself was away.
#[derive(Debug, Clone, Default)]
pub struct Outages {
    /// Per store, overlapping cuts merged.
    pub switches: Vec<Switch>,
    /// From, to.
    pub hub: Vec<(u32, u32)>,
    /// Store-minutes without a line.
    pub minutes: u64,
}

fn cuts(chance: &mut Chance, rate: f64, (least, shape, most): (f64, f64, f64), month: f64) -> Vec<(u32, u32)> {
    let mut found = Vec::new();
    let mut at = chance.wait(rate) * month;
    while at < month {
        let length = chance.pareto(least, shape).min(most);
        found.push((minute(at), minute((at + length).min(month))));
        at += length + chance.wait(rate) * month;
    }
    found
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a minute of a month")]
pub(crate) fn minute(at: f64) -> u32 {
    at.max(0.0) as u32
}

impl Outages {
    /// Draws a month.
    pub fn draw(assumptions: &Assumptions, seed: u64) -> Self {
        let mut chance = Chance::new(seed, 1);
        let month = f64::from(assumptions.days * 1440);
        let hub = cuts(&mut chance, assumptions.hub_outages, assumptions.hub_outage_minutes, month);
        let (mut switches, mut minutes) = (Vec::new(), 0);
        for store in 0..assumptions.stores {
            let mut all = cuts(&mut chance, assumptions.store_outages, assumptions.store_outage_minutes, month);
            all.extend(&hub);
            all.sort_unstable();
            let mut merged: Vec<(u32, u32)> = Vec::new();
            for (from, to) in all {
                match merged.last_mut() {
                    Some(last) if from <= last.1 => last.1 = last.1.max(to),
                    _ => merged.push((from, to)),
                }
            }
            for (from, to) in merged {
                minutes += u64::from(to - from);
                switches.push(Switch { minute: from, store, down: true });
                switches.push(Switch { minute: to, store, down: false });
            }
        }
        switches.sort_by_key(|switch| (switch.minute, switch.down, switch.store));
        Self { switches, hub, minutes }
    }

    /// Whether head office itself is away.
    pub fn hub_is_away(&self, minute: u32) -> bool {
        self.hub.iter().any(|(from, to)| (*from..*to).contains(&minute))
    }
}
