//! Purses: the kinds of value a program knows, and the lots that units fall into.
//!
//! Pure data and dates. Who holds units, and what a till lets a member spend, is not here.
//! Invariant: no lot of a purse that was read vests after it expires.

use serde::{Deserialize, Serialize};

use super::period::Period;
use crate::entry::Lot;
use crate::time::Date;

/// What a purse holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PurseKind {
    /// Points.
    Points,
    /// A stamp card.
    Stamps,
    /// Money: a unit is a minor unit of the program's currency.
    GiftCard,
    /// Vouchers: each unit is one, used as a whole.
    Voucher,
}

/// What head office's books count for units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct UnitValue {
    /// So many units …
    pub units: i64,
    /// … are so much in minor units of the program's currency.
    #[serde(rename = "money")]
    pub money_minor: i64,
}

/// How units pay a part of a sale.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RedeemSteps {
    /// Only multiples of this.
    pub step: i64,
    /// At least this.
    pub min: i64,
    /// The largest share of the sale that units may pay, in thousandths: 0 to 1000.
    pub max_share_thousandths: u32,
}

/// What is done when a return finds fewer units than it takes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Clawback {
    /// The member owes the rest.
    #[default]
    Debt,
    /// The retailer bears the rest.
    WriteOff,
}

/// A kind of value that members hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Purse {
    /// Its name, as entries carry it.
    pub name: String,
    /// What it holds.
    pub kind: PurseKind,
    /// Whether the till that accrued may redeem at once.
    pub spend_fresh: bool,
    /// How long units last, from the day they were accrued, to the end of that month; `None`: for ever.
    pub expires: Option<Period>,
    /// How long units wait before they can be spent; `None`: not at all.
    pub vests: Option<Period>,
    /// What the books count; `None`: nothing.
    pub value: Option<UnitValue>,
    /// Paying with units; `None`: as rewards say, nothing else.
    pub redeem: Option<RedeemSteps>,
    /// What a return does that finds too little left.
    pub clawback: Clawback,
}

impl Purse {
    /// A purse of which nothing more is said.
    pub(super) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            kind: PurseKind::Points,
            spend_fresh: false,
            expires: None,
            vests: None,
            value: None,
            redeem: None,
            clawback: Clawback::default(),
        }
    }

    /// The lot of what is accrued on a business date: vesting on the exact day, expiring at a month's end.
    pub fn lot(&self, accrued_on: Date) -> Lot {
        let after = |period: Period| accrued_on.plus(period.months, period.days);
        Lot { vests: self.vests.map(after), expires: self.expires.map(|period| after(period).month_end()) }
    }

    /// The first day on which something accrued would vest after it expires. The calendar repeats every 400 years,
    /// so what holds for all days of one cycle holds for ever.
    pub(super) fn vests_too_late_on(&self) -> Option<Date> {
        let (vests, expires) = (self.vests?, self.expires?);
        if vests.is_within(expires) {
            return None;
        }
        let first = Date::from_packed(20_260_101).expect("a date of the calendar");
        let is_late = |on: &Date| {
            let lot = self.lot(*on);
            lot.vests > lot.expires
        };
        let mut on = first;
        for _ in 0..CYCLE_DAYS {
            if is_late(&on) {
                return Some(on);
            }
            on = on.tomorrow();
        }
        None
    }
}

/// Days of 400 Gregorian years.
const CYCLE_DAYS: u32 = 146_097;
