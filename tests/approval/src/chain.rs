//! Head office and its tills: who holds what, by the product's own arithmetic.
//!
//! One [`Book`] per member (members share no account). A till is its part of `at_tills`, changed by
//! [`Entry::held_change`] the moment it writes an entry or takes a grant; head office sees the entry when the store's
//! line is up. Invariants, asserted at every entry: nothing held falls below zero, at tills and in the books; no entry
//! lacks cover. At the end: the books find nothing, and agree with every till.

use std::collections::BTreeMap;

use counterfoil_ledger::{Book, LedgerView as _, Poster, Row, grant_entries, repayments, spend_order};
use counterfoil_protocol::entry::{DebtKind, Entry, EntryKind, Lot};
use counterfoil_protocol::id::{EntryId, Holder, IncarnationId, MemberId};
use counterfoil_protocol::time::Date;

use crate::assumptions::LANES;
use crate::people::TillIndex;

/// The purse.
pub const PURSE: &str = "points";

struct Queued {
    member: usize,
    id: EntryId,
    entry: Entry,
}

/// See the module.
pub struct Chain {
    today: Date,
    books: Vec<Book>,
    at_tills: Vec<BTreeMap<(TillIndex, Lot), i64>>,
    /// Units and debt of each member over everything that was written, also what head office has not seen.
    truth: Vec<(i64, i64)>,
    queues: Vec<Vec<Queued>>,
    positions: Vec<u64>,
    sequence: u64,
    down: Vec<bool>,
    /// What a store without a line last heard of members that have changed since.
    heard: Vec<BTreeMap<usize, i64>>,
    /// Entries written.
    pub entries: u64,
}

fn holder(till: TillIndex) -> Holder {
    Holder::Terminal(incarnation(till))
}

/// The till's incarnation.
pub fn incarnation(till: TillIndex) -> IncarnationId {
    let mut id = [0xa5; 16];
    id[0] = u8::try_from(till).expect("a chain here has fewer than 256 tills");
    IncarnationId(id)
}

/// The till of an incarnation.
pub fn till_of(incarnation: IncarnationId) -> TillIndex {
    usize::from(incarnation.0[0])
}

/// A store's lanes.
pub fn lanes_of(store: usize) -> std::ops::Range<TillIndex> {
    store * LANES..(store + 1) * LANES
}

fn member_id(member: usize) -> MemberId {
    let mut id = [0; 16];
    id[..8].copy_from_slice(&(member as u64).to_le_bytes());
    MemberId(id)
}

/// The lot that everything earned in a month is in.
pub fn lot(expires: &str) -> Lot {
    Lot { vests: None, expires: Some(expires.parse().expect("a date")) }
}

impl Chain {
    /// Nobody has anything yet.
    pub fn new(members: usize, stores: usize, today: Date) -> Self {
        Self {
            today,
            books: vec![Book::default(); members],
            at_tills: vec![BTreeMap::new(); members],
            truth: vec![(0, 0); members],
            queues: (0..stores).map(|_| Vec::new()).collect(),
            positions: vec![0; stores * LANES],
            sequence: 0,
            down: vec![false; stores],
            heard: vec![BTreeMap::new(); stores],
            entries: 0,
        }
    }

    /// What the member really has, less what it owes.
    pub fn balance(&self, member: usize) -> i64 {
        let (units, debt) = self.truth[member];
        (units - debt).max(0)
    }

    /// Whether a store's line is down.
    pub fn is_down(&self, store: usize) -> bool {
        self.down[store]
    }

    /// What a till holds and may spend, in the order in which it does.
    pub fn lots_at(&self, member: usize, till: TillIndex) -> Vec<(Lot, i64)> {
        let range = (till, Lot::default())..(till + 1, Lot::default());
        let lots = self.at_tills[member].range(range).map(|((_, lot), units)| (*lot, *units)).collect();
        spend_order(lots, self.today)
    }

    /// What a till holds and may spend.
    pub fn held_at(&self, member: usize, till: TillIndex) -> i64 {
        self.lots_at(member, till).iter().map(|(_, units)| units).sum()
    }

    /// What head office holds and may give.
    pub fn hub_lots(&self, member: usize) -> Vec<(Lot, i64)> {
        let Ok(lots) = self.books[member].lots(Holder::Hub, member_id(member), PURSE);
        spend_order(lots, self.today)
    }

    /// What tills hold as head office knows it.
    pub fn held_in_book(&self, member: usize) -> BTreeMap<TillIndex, i64> {
        let mut held = BTreeMap::new();
        for (slot, units) in self.books[member].holdings() {
            if let Holder::Terminal(id) = slot.holder {
                *held.entry(till_of(id)).or_default() += units;
            }
        }
        held
    }

    /// What is owed, as head office knows it.
    pub fn debt_in_book(&self, member: usize) -> i64 {
        self.books[member].debts().map(|(_, units)| units).sum()
    }

    /// What is owed, as one till knows it by its own entries.
    pub fn debt_unseen(&self, member: usize, till: TillIndex) -> i64 {
        self.own_unseen(member, till).map(|(entry, author)| change(entry.debt_change(author))).sum()
    }

    /// The balance a till shows: what its store last heard, and its own entries since.
    pub fn shown_balance(&self, member: usize, till: TillIndex) -> i64 {
        let now = || self.books[member].balance(member_id(member), PURSE);
        let heard = self.heard[till / LANES].get(&member).copied().unwrap_or_else(now);
        let own = |(entry, author): (&Entry, Holder)| {
            change(entry.balance_change(author)) - change(entry.debt_change(author))
        };
        (heard + self.own_unseen(member, till).map(own).sum::<i64>()).max(0)
    }

    fn own_unseen(&self, member: usize, till: TillIndex) -> impl Iterator<Item = (&Entry, Holder)> {
        let author = holder(till);
        let own = move |queued: &&Queued| queued.member == member && queued.id.author() == author;
        self.queues[till / LANES].iter().filter(own).map(move |queued| (&queued.entry, author))
    }

    /// A till writes an entry.
    fn write(&mut self, till: TillIndex, member: usize, entry: Entry) {
        self.hold(member, &entry, holder(till));
        self.positions[till] += 1;
        let id = EntryId::Terminal { incarnation: incarnation(till), position: self.positions[till], index: 0 };
        if self.down[till / LANES] {
            self.queues[till / LANES].push(Queued { member, id, entry });
        } else {
            self.post(member, id, &entry);
        }
    }

    /// What an entry does to what tills hold and to what the member has.
    fn hold(&mut self, member: usize, entry: &Entry, author: Holder) {
        self.entries += 1;
        self.truth[member].0 += change(entry.balance_change(author));
        self.truth[member].1 += change(entry.debt_change(author));
        let holders = [Some(author), entry.to.filter(|to| *to != author)];
        for id in holders.into_iter().flatten() {
            let Holder::Terminal(incarnation) = id else { continue };
            let held = self.at_tills[member].entry((till_of(incarnation), entry.lot)).or_default();
            *held += change(entry.held_change(author, id));
            assert!(*held >= 0, "a till spent what it does not hold: {entry:?}");
        }
    }

    fn post(&mut self, member: usize, id: EntryId, entry: &Entry) {
        self.remember(member);
        let mut poster = Poster::new(&self.books[member]);
        let Ok(()) = poster.post(id, entry);
        let posting = poster.finish();
        assert!(posting.exceptions.is_empty(), "{:?}", posting.exceptions);
        posting.rows.iter().for_each(|row| self.books[member].apply(row));
    }

    /// Head office writes entries.
    fn write_at_hub(&mut self, member: usize, entries: Vec<Entry>) {
        self.remember(member);
        for entry in entries {
            self.sequence += 1;
            let id = EntryId::Hub { epoch: 1, bucket: member_id(member).bucket(), sequence: self.sequence, index: 0 };
            self.hold(member, &entry, Holder::Hub);
            let row = Row::of_hub(id, entry).expect("head office may write it");
            self.books[member].apply(&row);
        }
    }

    /// Before the member changes at head office: stores without a line keep what they heard.
    fn remember(&mut self, member: usize) {
        for store in (0..self.down.len()).filter(|store| self.down[*store]) {
            let balance = self.books[member].balance(member_id(member), PURSE);
            self.heard[store].entry(member).or_insert(balance);
        }
    }

    fn entry(member: usize, kind: EntryKind, lot: Lot, units: i64, to: Option<Holder>) -> Entry {
        Entry { kind, member: member_id(member), purse: PURSE.to_owned(), lot, units, to, debt: None }
    }

    /// Points are earned: at a till, for itself or, when the member is known to owe, for head office; or online.
    pub fn accrue(&mut self, member: usize, till: Option<TillIndex>, for_hub: bool, lot: Lot, units: i64) {
        if units == 0 {
            return;
        }
        match till {
            Some(till) => {
                let to = if for_hub { Holder::Hub } else { holder(till) };
                self.write(till, member, Self::entry(member, EntryKind::Accrue, lot, units, Some(to)));
            }
            None => {
                let entry = Self::entry(member, EntryKind::AdjustUp, lot, units, Some(Holder::Hub));
                self.write_at_hub(member, vec![entry]);
            }
        }
        self.repay(member);
    }

    /// A till redeems what it holds; `floor_units` more are debt.
    pub fn redeem(&mut self, member: usize, till: TillIndex, mut units: i64, floor_units: i64) {
        for (lot, held) in self.lots_at(member, till) {
            let part = units.min(held);
            if part > 0 {
                units -= part;
                self.write(till, member, Self::entry(member, EntryKind::Redeem, lot, part, None));
            }
        }
        assert_eq!(units, 0, "a till redeems what it holds");
        if floor_units > 0 {
            let entry = Self::entry(member, EntryKind::Redeem, Lot::default(), floor_units, None);
            self.write(till, member, Entry { debt: Some(DebtKind::Floor), ..entry });
        }
    }

    /// Head office redeems online, from what it holds.
    pub fn redeem_at_hub(&mut self, member: usize, mut units: i64) {
        let mut entries = Vec::new();
        for (lot, held) in self.hub_lots(member) {
            let part = units.min(held);
            if part > 0 {
                units -= part;
                entries.push(Self::entry(member, EntryKind::Redeem, lot, part, None));
            }
        }
        assert_eq!(units, 0, "head office redeems what it holds");
        self.write_at_hub(member, entries);
    }

    /// Head office grants, from what it holds, to a till whose line is up.
    pub fn grant(&mut self, member: usize, till: TillIndex, units: i64) {
        assert!(!self.down[till / LANES]);
        let entries = grant_entries(member_id(member), PURSE, incarnation(till), &self.hub_lots(member), units);
        assert_eq!(entries.iter().map(|entry| entry.units).sum::<i64>(), units, "head office grants what it holds");
        self.write_at_hub(member, entries);
    }

    /// A till whose line is up gives rights back, down to `keep`: the latest to expire first, so that it keeps what it
    /// would spend first.
    pub fn give_back(&mut self, member: usize, till: TillIndex, keep: i64) {
        assert!(!self.down[till / LANES]);
        let mut units = self.held_at(member, till) - keep;
        for (lot, held) in self.lots_at(member, till).into_iter().rev() {
            let part = units.min(held);
            if part > 0 {
                units -= part;
                let entry = Self::entry(member, EntryKind::ReturnRights, lot, part, Some(Holder::Hub));
                self.write(till, member, entry);
            }
        }
    }

    /// Lane to lane within a store, which the product does not do yet.
    pub fn transfer(&mut self, member: usize, from: TillIndex, to: TillIndex, mut units: i64) {
        for (lot, held) in self.lots_at(member, from) {
            let part = units.min(held);
            if part > 0 {
                units -= part;
                let entry = Self::entry(member, EntryKind::Transfer, lot, part, Some(holder(to)));
                self.write(from, member, entry);
            }
        }
    }

    /// Head office pays debts from what it holds.
    pub fn repay(&mut self, member: usize) {
        if self.debt_in_book(member) > 0 {
            let Ok(entries) = repayments(&self.books[member], member_id(member), PURSE);
            self.write_at_hub(member, entries);
        }
    }

    /// A store's line goes down.
    pub fn cut(&mut self, store: usize) {
        self.down[store] = true;
    }

    /// A store's line comes back: its tills hand over what they wrote. Members that it wrote about.
    pub fn mend(&mut self, store: usize) -> Vec<usize> {
        self.down[store] = false;
        self.heard[store].clear();
        let queue = std::mem::take(&mut self.queues[store]);
        let mut members: Vec<usize> = queue.iter().map(|queued| queued.member).collect();
        for Queued { member, id, entry } in queue {
            self.post(member, id, &entry);
        }
        members.sort_unstable();
        members.dedup();
        members.iter().for_each(|member| self.repay(*member));
        members
    }

    /// Checks everything once more. All lines must be up. Returns what is still owed.
    pub fn audit(&self) -> i64 {
        let mut owed = 0;
        for (member, book) in self.books.iter().enumerate() {
            assert_eq!(book.findings(), Vec::<String>::new());
            let mut in_book: BTreeMap<(TillIndex, Lot), i64> = BTreeMap::new();
            let mut units = 0;
            for (slot, held) in book.holdings() {
                units += held;
                if let Holder::Terminal(id) = slot.holder {
                    in_book.insert((till_of(id), slot.lot), held);
                }
            }
            let at_tills = self.at_tills[member].iter().filter(|(_, units)| **units != 0);
            assert!(at_tills.eq(in_book.iter()), "tills and the book of member {member} differ");
            let debt = self.debt_in_book(member);
            assert_eq!((units, debt), self.truth[member], "what member {member} has");
            owed += debt;
        }
        owed
    }
}

fn change<E: std::fmt::Debug>(change: Result<i64, E>) -> i64 {
    change.expect("the model writes only what its author may write")
}
