//! Entries: the facts that value is made of, and the accounts they move it between.
//!
//! An entry is one immutable movement in one purse and lot of one member. Which two accounts it moves between
//! follows from its kind and its author, in one place ([`Entry::accounts`]), so the till's `held`, the hub's
//! ledger and every balance are the same arithmetic. Units are positive; the accounts give the direction.
//! Source: bounded counters (Balegas et al. 2015, arXiv:1503.09052) posted as double entry.

use std::fmt;
use std::str::FromStr;

use minicbor::{Decode, Encode};

use crate::id::{Holder, IdError, MemberId};
use crate::limits::ENTRY_UNITS_MAX;
use crate::time::Date;

/// Units of a purse that vest and expire together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Encode, Decode)]
#[cbor(map)]
pub struct Lot {
    /// Not spendable before; `None`: at once.
    #[n(0)]
    pub vests: Option<Date>,
    /// Not spendable after; `None`: never expires.
    #[n(1)]
    pub expires: Option<Date>,
}

impl fmt::Display for Lot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = |date: Option<Date>| date.map_or_else(|| "-".to_owned(), |date| date.to_string());
        write!(f, "{}/{}", part(self.vests), part(self.expires))
    }
}

impl FromStr for Lot {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        let bad = || IdError { kind: "lot", text: text.chars().take(80).collect() };
        let part = |text: &str| match text {
            "-" => Ok(None),
            date => date.parse().map(Some).map_err(|_| bad()),
        };
        let (vests, expires) = text.split_once('/').ok_or_else(bad)?;
        Ok(Self { vests: part(vests)?, expires: part(expires)? })
    }
}

/// Why a member owes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(index_only)]
pub enum DebtKind {
    /// A sale was undone after its points were spent.
    #[n(0)]
    Clawback,
    /// A redemption below the offline floor: the retailer's risk.
    #[n(1)]
    Floor,
    /// Left by a restored till.
    #[n(2)]
    Restored,
    /// A confirmation that came after its reservation had ended: the discount had been given.
    #[n(3)]
    Late,
}

impl DebtKind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Clawback, Self::Floor, Self::Restored, Self::Late];

    /// As accounts and APIs name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Clawback => "clawback",
            Self::Floor => "floor",
            Self::Restored => "restored",
            Self::Late => "late",
        }
    }
}

/// What an entry does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(index_only)]
pub enum EntryKind {
    /// Units are issued to `to`.
    #[n(0)]
    Accrue,
    /// The author spends units it holds, or, with `debt`, units nobody gave.
    #[n(1)]
    Redeem,
    /// The author takes back issued units it holds, or, with `debt`, books them as owed.
    #[n(2)]
    ReverseAccrual,
    /// Redeemed units come back, to `to`.
    #[n(3)]
    ReverseRedemption,
    /// Given by a person, to `to`.
    #[n(4)]
    AdjustUp,
    /// Taken by a person, from what the author holds, or as debt.
    #[n(5)]
    AdjustDown,
    /// The hub's: units past their date end.
    #[n(6)]
    Expire,
    /// The hub gives spend rights to a terminal.
    #[n(7)]
    Grant,
    /// A terminal gives spend rights back to the hub.
    #[n(8)]
    ReturnRights,
    /// One lane gives spend rights to another.
    #[n(9)]
    Transfer,
    /// The hub's: held units pay a debt.
    #[n(10)]
    Repay,
    /// The hub's: a debt is forgiven.
    #[n(11)]
    WriteOff,
    /// The hub's: what a settled incarnation still holds comes to the hub. Nobody else moves what another holds.
    #[n(12)]
    Settle,
}

impl EntryKind {
    /// As APIs name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accrue => "accrue",
            Self::Redeem => "redeem",
            Self::ReverseAccrual => "reverse-accrual",
            Self::ReverseRedemption => "reverse-redemption",
            Self::AdjustUp => "adjust-up",
            Self::AdjustDown => "adjust-down",
            Self::Expire => "expire",
            Self::Grant => "grant",
            Self::ReturnRights => "return-rights",
            Self::Transfer => "transfer",
            Self::Repay => "repay",
            Self::WriteOff => "write-off",
            Self::Settle => "settle",
        }
    }
}

/// An account of the ledger, per purse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Account {
    /// What the program owes members, as far as this holder may spend it.
    Liability(Holder),
    /// Units ever issued.
    Issued,
    /// Units ever redeemed.
    Redeemed,
    /// Units ever expired.
    Expired,
    /// Units given or taken by people.
    Adjusted,
    /// What members owe.
    Debt(DebtKind),
}

impl Account {
    /// As APIs name it; the holder stands beside it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Liability(_) => "liability",
            Self::Issued => "issued",
            Self::Redeemed => "redeemed",
            Self::Expired => "expired",
            Self::Adjusted => "adjusted",
            Self::Debt(DebtKind::Clawback) => "debt.clawback",
            Self::Debt(DebtKind::Floor) => "debt.floor",
            Self::Debt(DebtKind::Restored) => "debt.restored",
            Self::Debt(DebtKind::Late) => "debt.late",
        }
    }

    /// Whose sub-account it is, where it has any.
    pub fn holder(self) -> Option<Holder> {
        match self {
            Self::Liability(holder) => Some(holder),
            _ => None,
        }
    }
}

/// One movement in one purse and lot of one member.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Entry {
    /// What it does.
    #[n(0)]
    pub kind: EntryKind,
    /// Whose purse.
    #[n(1)]
    pub member: MemberId,
    /// Which purse.
    #[n(2)]
    pub purse: String,
    /// Which lot of it.
    #[n(3)]
    pub lot: Lot,
    /// Positive, at most [`ENTRY_UNITS_MAX`].
    #[n(4)]
    pub units: i64,
    /// Who receives, for the kinds that name a receiver; for [`EntryKind::Settle`] whose units come to the hub.
    #[n(5)]
    pub to: Option<Holder>,
    /// The units come from (or settle) a debt of this kind instead of a holding.
    #[n(6)]
    pub debt: Option<DebtKind>,
}

/// An entry that no author may write.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    /// Zero, negative, or beyond any purse.
    #[error("an entry moves {0} units; 1 to {ENTRY_UNITS_MAX} are possible")]
    Units(i64),
    /// The kind names a receiver and none is given, or the other way round.
    #[error("a {0} entry names the wrong receiver")]
    Receiver(&'static str),
    /// The kind and its debt do not fit.
    #[error("a {0} entry cannot carry this debt")]
    Debt(&'static str),
    /// This author may not write this kind.
    #[error("a {0} entry is not for this author")]
    Author(&'static str),
}

impl Entry {
    /// The accounts this entry moves units between: (debit, credit). A holder's `held` is the credits of its
    /// liability sub-account less the debits.
    ///
    /// # Errors
    /// When the shape is wrong or `author` may not write such an entry; nothing else in the system decides
    /// what an author may write.
    pub fn accounts(&self, author: Holder) -> Result<(Account, Account), EntryError> {
        let kind = self.kind.as_str();
        if self.units <= 0 || self.units > ENTRY_UNITS_MAX {
            return Err(EntryError::Units(self.units));
        }
        let hub_only = matches!(
            self.kind,
            EntryKind::AdjustUp
                | EntryKind::AdjustDown
                | EntryKind::Expire
                | EntryKind::Grant
                | EntryKind::Repay
                | EntryKind::WriteOff
                | EntryKind::Settle
        );
        if hub_only && author != Holder::Hub {
            return Err(EntryError::Author(kind));
        }
        let own_or_hub = |to: Option<Holder>| match to {
            Some(to) if to == author || to == Holder::Hub => Ok(to),
            _ => Err(EntryError::Receiver(kind)),
        };
        let no_receiver = || {
            if self.to.is_none() { Ok(()) } else { Err(EntryError::Receiver(kind)) }
        };
        let no_debt = || {
            if self.debt.is_none() { Ok(()) } else { Err(EntryError::Debt(kind)) }
        };
        let taken = || self.debt.map_or(Account::Liability(author), Account::Debt);
        let owed = || self.debt.map(Account::Debt).ok_or(EntryError::Debt(kind));
        match self.kind {
            EntryKind::Accrue => {
                no_debt()?;
                Ok((Account::Issued, Account::Liability(own_or_hub(self.to)?)))
            }
            EntryKind::Redeem => {
                no_receiver()?;
                if self.debt == Some(DebtKind::Clawback) {
                    return Err(EntryError::Debt(kind));
                }
                Ok((taken(), Account::Redeemed))
            }
            EntryKind::ReverseAccrual => {
                no_receiver()?;
                if !matches!(self.debt, None | Some(DebtKind::Clawback)) {
                    return Err(EntryError::Debt(kind));
                }
                Ok((taken(), Account::Issued))
            }
            EntryKind::ReverseRedemption => match self.debt {
                Some(debt) => {
                    no_receiver()?;
                    Ok((Account::Redeemed, Account::Debt(debt)))
                }
                None => Ok((Account::Redeemed, Account::Liability(own_or_hub(self.to)?))),
            },
            EntryKind::AdjustUp => {
                no_debt()?;
                Ok((Account::Adjusted, Account::Liability(own_or_hub(self.to)?)))
            }
            EntryKind::AdjustDown => {
                no_receiver()?;
                Ok((taken(), Account::Adjusted))
            }
            EntryKind::Expire => {
                no_receiver()?;
                no_debt()?;
                Ok((Account::Liability(author), Account::Expired))
            }
            EntryKind::Grant | EntryKind::Transfer => {
                no_debt()?;
                match self.to {
                    Some(to @ Holder::Terminal(_)) if to != author => {
                        if self.kind == EntryKind::Transfer && author == Holder::Hub {
                            return Err(EntryError::Author(kind));
                        }
                        Ok((Account::Liability(author), Account::Liability(to)))
                    }
                    _ => Err(EntryError::Receiver(kind)),
                }
            }
            EntryKind::ReturnRights => {
                no_debt()?;
                if author == Holder::Hub {
                    return Err(EntryError::Author(kind));
                }
                if self.to == Some(Holder::Hub) {
                    Ok((Account::Liability(author), Account::Liability(Holder::Hub)))
                } else {
                    Err(EntryError::Receiver(kind))
                }
            }
            EntryKind::Repay => {
                no_receiver()?;
                Ok((Account::Liability(author), owed()?))
            }
            EntryKind::WriteOff => {
                no_receiver()?;
                Ok((Account::Adjusted, owed()?))
            }
            EntryKind::Settle => {
                no_debt()?;
                match self.to {
                    Some(settled @ Holder::Terminal(_)) => {
                        Ok((Account::Liability(settled), Account::Liability(Holder::Hub)))
                    }
                    _ => Err(EntryError::Receiver(kind)),
                }
            }
        }
    }

    /// What this entry adds to `held` of `holder`; negative where it takes.
    ///
    /// # Errors
    /// As [`Entry::accounts`].
    pub fn held_change(&self, author: Holder, holder: Holder) -> Result<i64, EntryError> {
        let (debit, credit) = self.accounts(author)?;
        let side = |account: Account| i64::from(account == Account::Liability(holder));
        Ok(self.units * (side(credit) - side(debit)))
    }

    /// What this entry adds to the member's units, whoever holds them.
    ///
    /// # Errors
    /// As [`Entry::accounts`].
    pub fn balance_change(&self, author: Holder) -> Result<i64, EntryError> {
        let (debit, credit) = self.accounts(author)?;
        let side = |account: Account| i64::from(account.holder().is_some());
        Ok(self.units * (side(credit) - side(debit)))
    }

    /// What this entry adds to the member's debt.
    ///
    /// # Errors
    /// As [`Entry::accounts`].
    pub fn debt_change(&self, author: Holder) -> Result<i64, EntryError> {
        let (debit, credit) = self.accounts(author)?;
        let side = |account: Account| i64::from(matches!(account, Account::Debt(_)));
        Ok(self.units * (side(debit) - side(credit)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::id::IncarnationId;

    const TILL: Holder = Holder::Terminal(IncarnationId([1; 16]));
    const OTHER: Holder = Holder::Terminal(IncarnationId([2; 16]));

    fn entry(kind: EntryKind, to: Option<Holder>, debt: Option<DebtKind>) -> Entry {
        Entry { kind, member: MemberId([9; 16]), purse: "points".into(), lot: Lot::default(), units: 5, to, debt }
    }

    #[test]
    fn a_till_writes_only_what_is_its_own() {
        use EntryKind::*;
        let allowed = [
            (Accrue, Some(TILL), None, 5),
            (Accrue, Some(Holder::Hub), None, 0),
            (Redeem, None, None, -5),
            (Redeem, None, Some(DebtKind::Floor), 0),
            (Redeem, None, Some(DebtKind::Restored), 0),
            (Redeem, None, Some(DebtKind::Late), 0),
            (ReverseAccrual, None, None, -5),
            (ReverseAccrual, None, Some(DebtKind::Clawback), 0),
            (ReverseRedemption, Some(TILL), None, 5),
            (ReturnRights, Some(Holder::Hub), None, -5),
            (Transfer, Some(OTHER), None, -5),
        ];
        for (kind, to, debt, held) in allowed {
            assert_eq!(entry(kind, to, debt).held_change(TILL, TILL), Ok(held), "{kind:?} {to:?}");
        }
        let refused = [
            (Accrue, Some(OTHER), None),
            (Accrue, None, None),
            (Redeem, None, Some(DebtKind::Clawback)),
            (ReverseRedemption, Some(OTHER), None),
            (ReturnRights, Some(OTHER), None),
            (ReturnRights, None, None),
            (Grant, Some(TILL), None),
            (Grant, Some(OTHER), None),
            (AdjustUp, Some(TILL), None),
            (AdjustDown, None, None),
            (Expire, None, None),
            (Repay, None, Some(DebtKind::Clawback)),
            (WriteOff, None, Some(DebtKind::Clawback)),
            (Transfer, Some(TILL), None),
            (Transfer, Some(Holder::Hub), None),
            (Settle, Some(TILL), None),
            (Settle, Some(OTHER), None),
        ];
        for (kind, to, debt) in refused {
            assert!(entry(kind, to, debt).accounts(TILL).is_err(), "{kind:?} {to:?} {debt:?}");
        }
    }

    #[test]
    fn units_are_positive_and_bounded() {
        for units in [0, -1, i64::MIN, ENTRY_UNITS_MAX + 1, i64::MAX] {
            let entry = Entry { units, ..entry(EntryKind::Redeem, None, None) };
            assert_eq!(entry.accounts(TILL), Err(EntryError::Units(units)));
        }
    }

    fn any_entry() -> impl Strategy<Value = (Holder, Entry)> {
        let holder = prop_oneof![Just(Holder::Hub), Just(TILL), Just(OTHER)];
        let debt = prop::option::of(prop::sample::select(DebtKind::ALL.to_vec()));
        (holder.clone(), 0u8..13, prop::option::of(holder), debt, 1i64..1000).prop_map(
            |(author, kind, to, debt, units)| {
                let kind: EntryKind = minicbor::decode(&minicbor::to_vec(kind).unwrap()).unwrap();
                (author, Entry { units, ..entry(kind, to, debt) })
            },
        )
    }

    proptest! {
        /// Law 4 for one entry: what one account loses another gains; what members have, less what they owe,
        /// changes only by what enters or leaves the program.
        #[test]
        fn an_entry_moves_and_never_makes(pair in any_entry()) {
            let (author, entry) = pair;
            let bytes = minicbor::to_vec(&entry).unwrap();
            prop_assert_eq!(&minicbor::decode::<Entry>(&bytes).unwrap(), &entry);
            let Ok((debit, credit)) = entry.accounts(author) else { return Ok(()) };
            prop_assert_ne!(debit, credit);
            let held: i64 = [Holder::Hub, TILL, OTHER]
                .into_iter()
                .map(|holder| entry.held_change(author, holder).unwrap())
                .sum();
            prop_assert_eq!(held, entry.balance_change(author).unwrap());
            // An author only ever lowers its own holding; the hub also that of one who is settled.
            for holder in [Holder::Hub, TILL, OTHER] {
                if holder != author && entry.kind != EntryKind::Settle {
                    prop_assert!(entry.held_change(author, holder).unwrap() >= 0);
                }
            }
        }
    }
}
