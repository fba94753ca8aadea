//! A redemption's life at a till: baskets reserved, confirmed, given up and forgotten; redemptions undone where they
//! were made and elsewhere.

use counterfoil_protocol::id::EventId;
use counterfoil_protocol::record::Rights;
use counterfoil_protocol::sale::SaleKind;
use counterfoil_till::{RedeemWhat, RedemptionAnswer, RedemptionState};

use super::cashier::{Ask, reference};
use super::{Violation, World};

/// A basket that reserved units, as its POS remembers it.
#[derive(Debug, Clone)]
pub(super) struct Basket {
    pub(super) id: EventId,
    sale_ref: String,
    member: usize,
}

/// Redemptions that are remembered for being undone.
const REMEMBERED: usize = 24;

impl World {
    /// A POS reserves units for a basket under its own reference.
    pub(super) fn reserve(&mut self, till: usize) -> Result<(), Violation> {
        let what = self.wish();
        let member = self.spender(till);
        let sale_ref = format!("basket-{till}-{}", self.tills[till].next_key);
        self.count("reservations asked for");
        self.ask(till, Ask::Redeem { member, what, sale_ref: Some(sale_ref), reserve: true })
    }

    /// What becomes of a basket: its sale, a word from the POS, a change of mind, or nothing at all for a long time.
    pub(super) fn settle_basket(&mut self, till: usize) -> Result<(), Violation> {
        if self.tills[till].baskets.is_empty() {
            return Ok(());
        }
        let which = self.rng.index(self.tills[till].baskets.len());
        let basket = self.tills[till].baskets[which].clone();
        // Sometimes the POS says a thing twice, or the other thing later.
        if self.rng.chance(800) {
            self.tills[till].baskets.swap_remove(which);
        }
        match self.rng.below(10) {
            0..=3 => {
                let at_ms = self.wall_ms();
                let mut sale = self.tills[till].register.sell(&mut self.rng, at_ms, SaleKind::Sale);
                sale.sale_ref = Some(basket.sale_ref);
                sale.member = Some(reference(basket.member));
                self.count("sales of baskets");
                self.ask(till, Ask::Sale(Box::new(sale)))
            }
            4..=6 => {
                self.count("confirmations asked for");
                self.ask(till, Ask::Confirm { id: basket.id })
            }
            7 | 8 => {
                self.count("cancels asked for");
                self.ask(till, Ask::Cancel { id: basket.id })
            }
            _ => {
                self.count("baskets forgotten");
                Ok(())
            }
        }
    }

    /// Somebody wants a redemption undone, where it was made or at another till.
    pub(super) fn undo_redemption(&mut self, till: usize) -> Result<(), Violation> {
        if self.redeemed.is_empty() {
            return Ok(());
        }
        let which = self.rng.index(self.redeemed.len());
        let id = self.redeemed[which];
        if self.rng.chance(700) {
            self.redeemed.swap_remove(which);
        }
        let author = self.tills.iter().position(|site| site.incarnation == id.incarnation);
        let till = match author {
            Some(author) if self.rng.chance(600) => author,
            _ => till,
        };
        self.count(if author == Some(till) { "reversals asked for" } else { "reversals asked for elsewhere" });
        self.ask(till, Ask::Reverse { id })
    }

    /// What somebody wants to spend.
    pub(super) fn wish(&mut self) -> RedeemWhat {
        match self.rng.below(4) {
            0 if self.rng.chance(self.swarm.rewards) => RedeemWhat::Reward("off".to_owned()),
            1 if self.rng.chance(self.swarm.rewards / 2) => RedeemWhat::Reward("coffee".to_owned()),
            _ => RedeemWhat::Units { purse: "points".to_owned(), amount: self.rng.between(1, self.swarm.spend_max) },
        }
    }

    /// A redemption was answered: counts it, and remembers what may become of it.
    pub(super) fn redemption_answered(&mut self, till: usize, ask: &Ask, answer: &RedemptionAnswer, asked_hub: bool) {
        let id = answer.redemption_id;
        match (ask, answer.state) {
            (Ask::Redeem { .. }, RedemptionState::Redeemed) => {
                let up = self.tills[till].session.as_ref().and_then(|session| session.link_up());
                self.count(match (answer.rights, asked_hub, up) {
                    (Some(Rights::Floor), ..) => "redemptions done below the floor",
                    (Some(Rights::Granted), ..) => "redemptions done with rights granted for them",
                    (_, _, Some(true)) => "redemptions done with rights held, online",
                    _ => "redemptions done with rights held, offline",
                });
                self.remember_redemption(id);
            }
            (Ask::Redeem { member, sale_ref: Some(sale_ref), .. }, RedemptionState::Reserved) => {
                self.count(if answer.rights == Some(Rights::Floor) {
                    "reservations below the floor"
                } else {
                    "reservations"
                });
                let basket = Basket { id, sale_ref: sale_ref.clone(), member: *member };
                self.tills[till].baskets.push(basket);
            }
            (Ask::Confirm { .. }, RedemptionState::Redeemed) => {
                let late = answer.marks.iter().any(|mark| mark == "late");
                self.count(if late { "redemptions done late" } else { "redemptions done by confirming" });
                self.remember_redemption(id);
            }
            (Ask::Cancel { .. }, _) => self.count("reservations cancelled"),
            (Ask::Reverse { .. }, RedemptionState::Reversed) => self.count("redemptions reversed"),
            (Ask::Reverse { .. }, RedemptionState::ReverseRequested) => self.count("reversals requested"),
            _ => {}
        }
    }

    fn remember_redemption(&mut self, id: EventId) {
        if self.redeemed.len() == REMEMBERED {
            self.redeemed.remove(0);
        }
        self.redeemed.push(id);
    }

    /// What a daemon does beside its calls: ends what is over, gives back what has ended, carries out orders.
    pub(super) fn keep_house(&mut self, till: usize) -> Result<(), Violation> {
        if self.rng.chance(300) {
            let freed = self.with_till(till, |engine, now| engine.expire_reservations(now))?.done().unwrap_or(0);
            self.count_up("reservations timed out", freed as u64);
        }
        if self.rng.chance(100) {
            let units = self.with_till(till, |engine, now| engine.return_expired(now))?.done().unwrap_or(0);
            self.count_up("units given back past their date", units.unsigned_abs());
        }
        if self.rng.chance(200) {
            self.carry_out_orders(till)?;
        }
        Ok(())
    }

    /// Carries out what head office ordered, after a page and whenever the shell comes round to it.
    pub(super) fn carry_out_orders(&mut self, till: usize) -> Result<(), Violation> {
        let done = self.with_till(till, |engine, now| engine.carry_out_orders(now))?;
        if let Some(report) = done.done() {
            self.count_up("orders carried out", report.orders as u64);
            self.count_up("units given back on order", report.returned_units.unsigned_abs());
            self.count_up("redemptions undone on order", report.reversed as u64);
        }
        Ok(())
    }
}
