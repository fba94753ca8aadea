//! What breaks, when, and how it gets well again.

use super::cashier::draw;
use super::line::LineState;
use super::till_site::{Copy, MARKER};
use super::{Event, Violation, World};
use crate::disk::Fault;

impl World {
    pub(super) fn plan_fault(&mut self) {
        let delay_ms = 1 + self.rng.below(self.swarm.faults.pace_ms);
        self.queue.put(self.now_ms + delay_ms, Event::Fault);
    }

    /// Something breaks.
    pub(super) fn fault(&mut self) -> Result<(), Violation> {
        self.plan_fault();
        let faults = self.swarm.faults.clone();
        let weights = [
            faults.line,
            faults.till_kill,
            faults.till_power,
            faults.hub_kill,
            faults.hub_power,
            faults.disk_errors,
            faults.disk_full,
            faults.restore,
            faults.clock,
            faults.lie,
        ];
        let till = self.rng.index(self.tills.len());
        match draw(self.rng.below(weights.iter().sum::<u64>().max(1)), &weights) {
            0 => self.break_line(till),
            1 => self.arm_till(till, false),
            2 => self.arm_till(till, true),
            3 => self.arm_hub(false),
            4 => self.arm_hub(true),
            5 => self.break_disk(till, false),
            6 => self.break_disk(till, true),
            7 => self.put_back(till)?,
            8 => self.shift_clock(till),
            9 => self.plan_lie(till),
            _ => {}
        }
        Ok(())
    }

    fn break_line(&mut self, till: usize) {
        let state = if self.rng.chance(600) { LineState::Cut } else { LineState::BlackHole };
        let length_ms = *self.rng.pick(&[2_000, 20_000, 120_000, 900_000]);
        let length_ms = 1 + self.rng.below(length_ms);
        let site = &mut self.tills[till];
        site.line = state;
        site.line_fault += 1;
        let fault = site.line_fault;
        self.count("line faults");
        self.note(&format!("till {till}: line {state:?} for {length_ms} ms"));
        self.queue.put(self.now_ms + length_ms, Event::LineBack { till, fault });
    }

    pub(super) fn line_back(&mut self, till: usize, fault: u64) -> Result<(), Violation> {
        if self.tills[till].line_fault != fault || self.tills[till].line == LineState::Up {
            return Ok(());
        }
        self.tills[till].line = LineState::Up;
        self.note(&format!("till {till}: line up"));
        let now = self.now();
        if let Some(session) = self.tills[till].session.as_mut()
            && self.rng.chance(500)
        {
            session.handle_hint(now);
        }
        self.drive_session(till)
    }

    /// The machine stops at some change of its disk from now, or after a while at rest.
    fn arm_till(&mut self, till: usize, loses_power: bool) {
        let site = &mut self.tills[till];
        if site.till.is_none() {
            return;
        }
        site.loses_power = loses_power;
        let life = site.life;
        let after = 1 + self.rng.below(60);
        self.tills[till].disk.arm(Fault::Stop { after });
        let latest_ms = 1 + self.rng.below(60_000);
        self.queue.put(self.now_ms + latest_ms, Event::StopTill { till, life });
    }

    fn arm_hub(&mut self, loses_power: bool) {
        if self.office.hub.is_none() {
            return;
        }
        self.office.loses_power = loses_power;
        let after = 1 + self.rng.below(100);
        self.office.disk.arm(Fault::Stop { after });
        let latest_ms = 1 + self.rng.below(60_000);
        self.queue.put(self.now_ms + latest_ms, Event::StopHub { life: self.office.life });
    }

    fn break_disk(&mut self, till: usize, full: bool) {
        let at_head_office = self.rng.chance(200);
        let (after, count) = (1 + self.rng.below(40), 1 + self.rng.below(if full { 40 } else { 3 }));
        let fault = if full { Fault::Full { after, count } } else { Fault::Errors { after, count } };
        let whose = if at_head_office { None } else { Some(till) };
        match whose {
            None => self.office.disk.arm(fault),
            Some(till) => self.tills[till].disk.arm(fault),
        }
        self.count(if full { "disks full" } else { "disks with errors" });
        self.note(&format!("disk of {whose:?}: {fault:?}"));
        let length_ms = 1 + self.rng.below(60_000);
        self.queue.put(self.now_ms + length_ms, Event::DiskWell { till: whose });
    }

    pub(super) fn disk_well(&mut self, whose: Option<usize>) -> Result<(), Violation> {
        let disk = match whose {
            None => &self.office.disk,
            Some(till) => &self.tills[till].disk,
        };
        if !disk.is_stopped() {
            disk.disarm();
        }
        if whose.is_none() && self.office.hub.is_some() {
            return self.run_errands();
        }
        Ok(())
    }

    fn shift_clock(&mut self, till: usize) {
        let shift_ms = *self.rng.pick(&[-86_400_000, -7_200_000, -30_000, 0, 45_000, 5_400_000, 90_000_000]);
        self.tills[till].clock_ms = shift_ms;
        self.count("clocks set wrong");
        self.note(&format!("till {till}: clock off by {shift_ms} ms"));
    }

    /// Takes a copy of a till's database, or puts an earlier one back.
    fn put_back(&mut self, till: usize) -> Result<(), Violation> {
        let site = &mut self.tills[till];
        let Some(engine) = site.till.as_ref() else { return Ok(()) };
        if self.oracles.lost(site.incarnation).is_some() || site.disk.is_failing() || site.lies {
            return Ok(());
        }
        let Some(copy) = site.copy.take() else {
            site.copy = Some(Copy {
                image: site.disk.image(),
                position: engine.head().position,
                model: self.oracles.model(site.incarnation).clone(),
            });
            self.note(&format!("till {till}: a copy of its database is taken"));
            return Ok(());
        };
        // The marker beside it stays, is gone, or is put back with the whole machine.
        let whole = self.rng.chance(300);
        let marker_gone = !whole && self.rng.chance(200);
        let marker = if marker_gone { None } else { self.tills[till].disk.read_file(MARKER) };
        let incarnation = self.tills[till].incarnation;
        let head = self.oracles.seen(incarnation);
        self.tills[till].loses_power = false;
        self.till_died(till);
        let image = if whole { copy.image } else { copy.image.with(MARKER, marker) };
        self.tills[till].disk.restore(&image);
        self.count(if whole { "older machines put back" } else { "older databases put back" });
        self.note(&format!("till {till}: its database is put back from {head} to {}", copy.position));
        let site = &mut self.tills[till];
        site.put_back = true;
        site.must_notice = marker_gone;
        site.finished.clear();
        site.sold.clear();
        site.baskets.clear();
        if copy.position < head {
            let spent = self.oracles.restored(incarnation, copy.position, site.pushed, copy.model);
            site.must_notice = marker_gone || (spent && !whole);
        }
        Ok(())
    }
}
