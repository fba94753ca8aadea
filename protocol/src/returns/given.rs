//! What a sale gave, whom, and how much of it what is back takes back. The same arithmetic at the till and at head office.

use std::collections::BTreeMap;

use super::Back;
use crate::entry::EntryKind;
use crate::id::MemberId;
use crate::record::{Record, SaleRecord};

/// What a sale gave in one purse of one member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given {
    /// Whose purse.
    pub member: MemberId,
    /// Which purse.
    pub purse: String,
    /// Units it accrued.
    pub accrued_units: i64,
    /// Units that are to be taken back in all.
    pub target_units: i64,
}

/// What a sale's record gave, and what `back` takes back of it in all; `None`: the sale is undone as a whole. Points
/// follow the goods, a gift card's units the line that loaded it.
pub fn given(record: &Record, sale: &SaleRecord, back: Option<&Back>) -> Vec<Given> {
    let mut sums: BTreeMap<(MemberId, &str), i64> = BTreeMap::new();
    for entry in record.entries.iter().filter(|entry| entry.kind == EntryKind::Accrue) {
        let sum = sums.entry((entry.member, entry.purse.as_str())).or_default();
        *sum = sum.saturating_add(entry.units);
    }
    let awarded = |member: MemberId, purse: &str| -> i64 {
        let awards = sale.awards.iter().filter(|award| sale.member == Some(member) && award.purse == purse);
        awards.map(|award| award.amount).fold(0, i64::saturating_add)
    };
    let given = |((member, purse), accrued_units): ((MemberId, &str), i64)| {
        let by_goods = awarded(member, purse).clamp(0, accrued_units);
        let target_units = match back {
            None => accrued_units,
            Some(back) => {
                let card = back.accounts.get(&member).copied().unwrap_or_default();
                back.goods.of(by_goods).saturating_add(card.of(accrued_units - by_goods))
            }
        };
        Given { member, purse: purse.to_owned(), accrued_units, target_units }
    };
    sums.into_iter().map(given).collect()
}
