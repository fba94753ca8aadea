//! Gift cards sold here: a line of a sale loads units into the program's gift-card purse of the card's account. A till
//! sells them with no line to anyone, so the units are held here and can be spent here at once.
//!
//! An account is the member that the card's identifier finds, else the id that a member made from it would have: two
//! tills that load the same new card offline agree. The identifier itself is never recorded.

use std::collections::BTreeMap;

use counterfoil_protocol::entry::{Entry, EntryKind};
use counterfoil_protocol::id::{Holder, MemberId};
use counterfoil_protocol::identifier::Identifier;
use counterfoil_protocol::limits::ENTRY_UNITS_MAX;
use counterfoil_protocol::program::Program;
use counterfoil_protocol::sale::{LineKind, Sale, SaleKind};
use counterfoil_protocol::time::Date;

use crate::answer::Accrued;
use crate::error::CommandError;
use crate::members::Who;
use crate::till::Till;

/// A gift card was sold and its account, the program's purse or the currency is not known: nothing was loaded.
const MARK_NOT_LOADED: &str = "gift-card-not-loaded";
/// The rule that a loaded card is shown under.
const RULE: &str = "gift-card";

impl Till {
    /// Replaces what a caller says of gift cards by their accounts, as records have them.
    pub(crate) fn name_accounts(&self, sale: &mut Sale) -> Result<(), CommandError> {
        for line in &mut sale.lines {
            let card = line.gift_card.take();
            if sale.kind == SaleKind::Sale {
                (line.account, line.account_identifier) = (None, None);
            }
            let Some(card) = card.filter(|_| line.kind == LineKind::GiftCard) else { continue };
            let identifier = card.identifier.as_deref().and_then(|text| Identifier::parse(text).ok());
            let key = &self.enrolment.program_key;
            line.account_identifier = identifier.as_ref().map(|identifier| identifier.hash(key));
            line.account = match self.resolve(&card) {
                Ok(Who::Known(member)) => Some(member),
                Ok(Who::Unknown(_)) | Err(CommandError::InvalidRequest(_)) => {
                    identifier.map(|identifier| identifier.member_id(key))
                }
                Err(error) => return Err(error),
            };
        }
        Ok(())
    }

    /// What the sale loads, as entries and as a caller is shown it.
    pub(crate) fn load_gift_cards(
        &self,
        sale: &Sale,
        program: Option<&Program>,
        business_date: Date,
        marks: &mut Vec<String>,
    ) -> Result<(Vec<Entry>, Vec<Accrued>), CommandError> {
        let is_card = |line: &&counterfoil_protocol::sale::Line| line.kind == LineKind::GiftCard;
        if sale.training || sale.kind != SaleKind::Sale || !sale.lines.iter().any(|line| is_card(&line)) {
            return Ok((Vec::new(), Vec::new()));
        }
        let program = program.filter(|program| program.currency() == sale.currency);
        let purse = program.and_then(Program::gift_card_purse);
        let mut loaded: BTreeMap<MemberId, i64> = BTreeMap::new();
        let mut is_lost = false;
        for line in sale.lines.iter().filter(is_card) {
            match line.account.filter(|_| purse.is_some()) {
                Some(account) => {
                    let sum = loaded.entry(account).or_default();
                    *sum = sum.saturating_add(line.amount);
                }
                None => is_lost = true,
            }
        }
        if is_lost {
            marks.push(MARK_NOT_LOADED.to_owned());
        }
        let (mut entries, mut shown) = (Vec::new(), Vec::new());
        let Some(purse) = purse else { return Ok((entries, shown)) };
        for (member, units) in loaded.into_iter().filter(|(_, units)| *units > 0) {
            if units > ENTRY_UNITS_MAX {
                return Err(CommandError::InvalidSale(format!(
                    "a gift card holds at most {ENTRY_UNITS_MAX} minor units"
                )));
            }
            let is_here = self.standing.is_sound() && self.book(member)?.debt(&purse.name) == 0;
            let to = Some(if is_here { Holder::Terminal(self.incarnation) } else { Holder::Hub });
            let (kind, lot) = (EntryKind::Accrue, purse.lot(business_date));
            entries.push(Entry { kind, member, purse: purse.name.clone(), lot, units, to, debt: None });
            let (rule, reason) = (RULE.to_owned(), "loaded".to_owned());
            shown.push(Accrued { purse: purse.name.clone(), amount: units, rule, reason });
        }
        Ok((entries, shown))
    }
}
