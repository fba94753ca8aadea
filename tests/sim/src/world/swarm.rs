//! What may happen in one seed's world. Swarm testing (Groce et al. 2012): each seed switches some operations and
//! faults off, because a feature that is always on hides what happens without it.

use super::Profile;
use super::shop::COMMON;
use crate::rng::Rng;

/// How a seed's world is built. Weights are relative, chances are in a thousand.
#[derive(Debug, Clone)]
pub struct Swarm {
    /// Tills of the store.
    pub tills: usize,
    /// Members known to head office at the beginning.
    pub members: usize,
    /// Which of the programs is published first.
    pub program: usize,
    /// What a cashier does next: sale by API, sale on paper, look-up, redemption, void, day close, question
    /// after a sale, scan.
    pub acts: Acts,
    /// Units that a redemption asks for, at the most.
    pub spend_max: i64,
    /// People ask to spend where they know that they have something.
    pub prudent: bool,
    /// Rewards asked for where one may be, in a thousand.
    pub rewards: u64,
    /// Milliseconds between two acts of one till, at the most.
    pub pace_ms: u64,
    /// Members signed up, adjusted and blocked at head office meanwhile.
    pub administration: bool,
    /// Nights, weeks and months pass, so often in a hundred acts.
    pub sleeps: u64,
    /// Head office plans and expires by itself.
    pub works: bool,
    /// New programs meanwhile.
    pub programs_change: bool,
    /// The line.
    pub line: Line,
    /// Machines.
    pub faults: Faults,
}

/// Weights of a cashier's acts.
#[derive(Debug, Clone, Default)]
pub struct Acts {
    /// A sale by the API.
    pub sale: u64,
    /// A sale on paper.
    pub paper: u64,
    /// A look-up, online where possible.
    pub look_up: u64,
    /// A redemption.
    pub redeem: u64,
    /// A void.
    pub void: u64,
    /// A day close, on call or by a Z report.
    pub close: u64,
    /// A finished call once more, with its key.
    pub again: u64,
    /// A card at the scanner.
    pub scan: u64,
    /// A reservation for a basket.
    pub reserve: u64,
    /// A basket paid, confirmed, given up, forgotten.
    pub basket: u64,
    /// A redemption undone.
    pub undo: u64,
    /// A document that is no sale, or bytes that could not be kept.
    pub other: u64,
}

/// What the line does; chances per message in a thousand.
#[derive(Debug, Clone, Default)]
pub struct Line {
    /// Longest one-way delay.
    pub delay_ms: u64,
    /// Lost on the way.
    pub lost: u64,
    /// Arrives twice or more, at other times.
    pub doubled: u64,
    /// Arrives cut off at some byte.
    pub truncated: u64,
    /// A bit is flipped.
    pub damaged: u64,
    /// Whole cuts and black holes, per fault.
    pub cuts: u64,
}

/// What breaks; relative weights.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    /// Milliseconds between two faults, at the most; 0: none at all.
    pub pace_ms: u64,
    /// A line is cut, or swallows everything.
    pub line: u64,
    /// A till's process dies.
    pub till_kill: u64,
    /// A till loses power.
    pub till_power: u64,
    /// Head office's process dies.
    pub hub_kill: u64,
    /// Head office loses power.
    pub hub_power: u64,
    /// A disk reports errors.
    pub disk_errors: u64,
    /// A disk is full for a while.
    pub disk_full: u64,
    /// A till comes back with an older database.
    pub restore: u64,
    /// A till's clock jumps.
    pub clock: u64,
    /// Somebody edits a till's database.
    pub lie: u64,
}

impl Swarm {
    /// The world of a seed.
    pub fn draw(rng: &mut Rng, profile: Profile) -> Self {
        let swarm = Self::of_everything(rng);
        match profile {
            Profile::All => swarm,
            Profile::Redeem => swarm.of_redemptions(rng),
            Profile::Rights => swarm.of_rights(rng),
        }
    }

    /// Nearly every act spends, nearly every fault is a power cut, and nearly everybody has enough.
    fn of_redemptions(mut self, rng: &mut Rng) -> Self {
        self.acts =
            Acts { sale: 6, redeem: 40 + rng.below(20), look_up: rng.below(3), again: rng.below(2), ..self.acts };
        (self.acts.paper, self.acts.void, self.acts.close) = (rng.below(2), rng.below(2), rng.below(2));
        (self.acts.scan, self.acts.other) = (0, 0);
        self.spend_max = *rng.pick(&[3, 8, 20]);
        (self.prudent, self.rewards) = (true, 60);
        self.program = 3;
        self.tills = 1 + rng.index(2);
        self.members = 2 + rng.index(4);
        self.pace_ms = *rng.pick(&[1_000, 4_000]);
        self.programs_change = false;
        self.faults =
            Faults { pace_ms: self.pace_ms * *rng.pick(&[4, 7]), till_power: 30, hub_power: 4, ..self.faults };
        (self.faults.restore, self.faults.disk_full, self.faults.lie) = (0, 0, 0);
        self
    }

    /// Everything that may happen to a right: baskets, floors, dates, reversals, outages, older databases.
    fn of_rights(mut self, rng: &mut Rng) -> Self {
        let acts = &mut self.acts;
        (acts.sale, acts.paper, acts.scan, acts.other) = (10, rng.below(2), 0, 0);
        (acts.redeem, acts.reserve, acts.basket, acts.undo) = (10, 8, 10, 4);
        (acts.look_up, acts.close) = (3, rng.below(2));
        self.program = *rng.pick(&[2, 4, 4]);
        (self.prudent, self.rewards, self.spend_max) = (true, 200, *rng.pick(&[10, 30]));
        self.sleeps = rng.below(5);
        self.members = 2 + rng.index(3);
        self.administration = rng.chance(300);
        let lie = if rng.chance(250) { 8 } else { 0 };
        self.faults = Faults { line: 20, clock: 2, restore: rng.below(4), lie, ..self.faults };
        self
    }

    fn of_everything(rng: &mut Rng) -> Self {
        let some = |rng: &mut Rng, most: u64, off_in_thousand: u64| {
            if rng.chance(off_in_thousand) { 0 } else { 1 + rng.below(most) }
        };
        let acts = Acts {
            sale: some(rng, 20, 150),
            paper: some(rng, 20, 150),
            look_up: some(rng, 10, 250),
            redeem: some(rng, 15, 100),
            void: some(rng, 4, 300),
            close: some(rng, 2, 250),
            again: some(rng, 4, 250),
            scan: some(rng, 6, 300),
            other: some(rng, 2, 400),
            reserve: some(rng, 8, 300),
            basket: some(rng, 10, 200),
            undo: some(rng, 4, 400),
        };
        let line = Line {
            delay_ms: *rng.pick(&[5, 40, 200, 200, 1_500]),
            lost: some(rng, 60, 400),
            doubled: some(rng, 100, 400),
            truncated: some(rng, 40, 500),
            damaged: some(rng, 20, 500),
            cuts: some(rng, 10, 200),
        };
        let faults = Faults {
            pace_ms: *rng.pick(&[20_000, 60_000, 180_000]),
            line: some(rng, 10, 150),
            till_kill: some(rng, 5, 300),
            till_power: some(rng, 8, 200),
            hub_kill: some(rng, 3, 400),
            hub_power: some(rng, 5, 300),
            disk_errors: some(rng, 4, 400),
            disk_full: some(rng, 2, 500),
            restore: some(rng, 1, 700),
            clock: some(rng, 2, 500),
            lie: some(rng, 1, 800),
        };
        Self {
            tills: 1 + rng.index(4),
            members: 2 + rng.index(7),
            program: *rng.pick(&COMMON),
            sleeps: if rng.chance(400) { 1 + rng.below(4) } else { 0 },
            acts,
            spend_max: *rng.pick(&[5, 20, 60]),
            prudent: rng.chance(600),
            rewards: 1_000,
            pace_ms: *rng.pick(&[4_000, 20_000, 60_000]),
            works: rng.chance(700),
            administration: rng.chance(500),
            programs_change: rng.chance(300),
            line,
            faults,
        }
    }

    /// The same shop on a good day: nothing fails, nothing is lost, nothing is late.
    pub fn without_faults(mut self) -> Self {
        self.line = Line { delay_ms: 40, ..Line::default() };
        self.faults = Faults::default();
        self
    }
}
