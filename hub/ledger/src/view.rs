//! What the rules of posting need to know of the ledger as it stands.

use counterfoil_protocol::entry::{DebtKind, Lot};
use counterfoil_protocol::id::{Holder, MemberId};

/// Where units are: one holder's part of one lot of one member's purse.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Slot {
    /// Whose.
    pub member: MemberId,
    /// Which purse.
    pub purse: String,
    /// Which lot.
    pub lot: Lot,
    /// Who may spend them.
    pub holder: Holder,
}

/// The ledger as it stands before a posting.
pub trait LedgerView {
    /// What reading can fail with.
    type Error;

    /// Units in a slot; 0 where nothing was ever posted.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn held(&self, slot: &Slot) -> Result<i64, Self::Error>;

    /// Lots of a member's purse in which a holder has units, with how many.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn lots(&self, holder: Holder, member: MemberId, purse: &str) -> Result<Vec<(Lot, i64)>, Self::Error>;

    /// What a member owes in a purse under one kind of debt.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn debt(&self, member: MemberId, purse: &str, kind: DebtKind) -> Result<i64, Self::Error>;
}
