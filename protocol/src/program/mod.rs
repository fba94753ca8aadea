//! The program: what head office publishes and a till evaluates with no line to anyone.
//!
//! [`Program`] is parsed, checked and compiled once; evaluating a basket is a pure function of the program, what is
//! known of the member, and the sale. Integers and exact rationals only. What a later version brings is refused by
//! name when a program is published, never skipped. Not here: who holds what was accrued, and what a reward costs
//! whom; that is the till's engine.

mod cel;
mod document;
mod evaluate;
mod fields;
mod json;
mod period;
mod policy;
mod problems;
mod purse;
pub(crate) mod quantity;
mod read;
pub(crate) mod share;
mod trial;
mod words;

use std::collections::BTreeMap;
use std::sync::Arc;

use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

use self::cel::Condition;
pub use self::evaluate::{Basket, Evaluation, Skipped};
pub use self::period::{Period, PeriodError};
pub use self::policy::{Floor, OfflinePolicy, ReturnPolicy, ReturnedReward, Share, UnlinkedReturn};
pub use self::problems::{Problem, Problems};
pub use self::purse::{Clawback, Purse, PurseKind, RedeemSteps, UnitValue};
pub use self::trial::{Trial, TrialError};
use crate::limits::{PROGRAM_BYTES_MAX, PROGRAM_STACK_BYTES};

/// The store's local time at a sale, as rules see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocalTime {
    /// Year.
    pub year: i16,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
    /// 1 = Monday.
    pub weekday: u8,
    /// 0 to 23.
    pub hour: u8,
    /// 0 to 59.
    pub minute: u8,
}

/// What the rules may see of a member; recorded with the sale. JSON as the member file of `program try`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, Encode, Decode)]
#[serde(deny_unknown_fields, default)]
#[cbor(map)]
pub struct MemberInputs {
    /// Tier.
    #[n(0)]
    pub tier: Option<String>,
    /// Sales before this one.
    #[n(1)]
    pub visits: u64,
    /// Member since, `YYYY-MM-DD`.
    #[n(2)]
    pub since: Option<String>,
    /// 1 to 12.
    #[n(3)]
    pub birthday_month: Option<u8>,
    /// Tags.
    #[n(4)]
    pub tags: Vec<String>,
    /// Units per rule accrued today, for caps.
    #[n(5)]
    pub accrued_today: BTreeMap<String, i64>,
}

/// What a redeemed reward gives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Benefit {
    /// Money off the sale.
    Discount {
        /// Minor units of the program's currency.
        #[serde(rename = "amount")]
        amount_minor: i64,
    },
}

/// What units buy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reward {
    /// Its id.
    pub id: String,
    /// For people; the id where the file has none.
    pub title: String,
    /// The purse that pays.
    pub cost_purse: String,
    /// Units it costs.
    pub cost_units: i64,
    /// What it gives.
    pub benefit: Benefit,
}

/// How a rule counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(untagged)]
enum AwardKind {
    Every {
        #[serde(rename = "every")]
        every_minor: i64,
        #[serde(rename = "give")]
        give_units: i64,
    },
    Flat {
        #[serde(rename = "flat")]
        units: i64,
    },
    Each {
        #[serde(rename = "each")]
        units: i64,
    },
}

/// One `[[earn]]`.
#[derive(Debug)]
struct Rule {
    id: String,
    purse: String,
    award: AwardKind,
    lines: Option<Condition>,
    when: Option<Condition>,
    reason: Option<String>,
}

impl Rule {
    /// Two cut-off tills may both believe what this rule reads, so head office holds what it gives.
    fn is_for_hub(&self) -> bool {
        [&self.lines, &self.when].into_iter().flatten().any(Condition::reads_visits)
    }

    /// Whether what it gives belongs to the goods alone: no `when`, `lines` that read nothing but the line, and
    /// nothing given once per sale.
    fn is_base(&self) -> bool {
        let is_of_goods = match self.award {
            AwardKind::Every { .. } | AwardKind::Each { .. } => true,
            AwardKind::Flat { .. } => false,
        };
        is_of_goods && self.when.is_none() && self.lines.as_ref().is_none_or(Condition::reads_only_line)
    }
}

/// A program that says only what this version does.
#[derive(Debug)]
struct Checked {
    name: String,
    currency: String,
    time_zone: String,
    purses: BTreeMap<String, Purse>,
    returns: ReturnPolicy,
    offline: OfflinePolicy,
    rules: Vec<Rule>,
    rewards: Vec<Reward>,
}

/// A program: parsed, checked, compiled. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Program(Arc<Checked>);

impl Program {
    /// Reads a program file as people write it.
    ///
    /// # Errors
    /// Everything wrong with it, with line and column.
    pub fn from_toml(text: &str) -> Result<Self, Problems> {
        Self::read(text, document::from_toml)
    }

    /// Reads a program as APIs and the wire carry it.
    ///
    /// # Errors
    /// Everything wrong with it, with the path of keys.
    pub fn from_json(text: &str) -> Result<Self, Problems> {
        Self::read(text, document::from_json)
    }

    fn read(text: &str, parse: impl FnOnce(&str) -> Result<document::Node, Problems> + Send) -> Result<Self, Problems> {
        let whole = problems::At::default();
        if text.len() > PROGRAM_BYTES_MAX {
            return Err(Problems::one(&whole, format!("a program has at most {PROGRAM_BYTES_MAX} bytes")));
        }
        // The expression parser recurses, and a stack that overflows takes the process with it.
        std::thread::scope(|scope| {
            let reading = std::thread::Builder::new()
                .name("program".to_owned())
                .stack_size(PROGRAM_STACK_BYTES)
                .spawn_scoped(scope, || parse(text).and_then(|root| read::program(&root)));
            match reading.map(std::thread::ScopedJoinHandle::join) {
                Ok(Ok(checked)) => checked.map(|checked| Self(Arc::new(checked))),
                Ok(Err(_)) => {
                    Err(Problems::one(&whole, "the program cannot be read: its reader failed, please report it"))
                }
                Err(error) => Err(Problems::one(&whole, format!("no thread to read the program with: {error}"))),
            }
        })
    }

    /// The program as canonical JSON: what is signed, sent and stored. Defaults that may be left out are left out.
    pub fn to_json(&self) -> String {
        serde_json::to_string(&json::Document::of(&self.0)).expect("text keys and integers are JSON")
    }

    /// What the file calls it.
    pub fn id(&self) -> &str {
        &self.0.name
    }

    /// ISO 4217.
    pub fn currency(&self) -> &str {
        &self.0.currency
    }

    /// IANA time zone.
    pub fn time_zone(&self) -> &str {
        &self.0.time_zone
    }

    /// All purses, in name order.
    pub fn purses(&self) -> impl Iterator<Item = &Purse> {
        self.0.purses.values()
    }

    /// A purse by name.
    pub fn purse(&self, name: &str) -> Option<&Purse> {
        self.0.purses.get(name)
    }

    /// The purse that gift cards are loaded into: the first of that kind by name.
    pub fn gift_card_purse(&self) -> Option<&Purse> {
        self.purses().find(|purse| purse.kind == PurseKind::GiftCard)
    }

    /// All rewards, in the file's order.
    pub fn rewards(&self) -> &[Reward] {
        &self.0.rewards
    }

    /// A reward by id.
    pub fn reward(&self, id: &str) -> Option<&Reward> {
        self.0.rewards.iter().find(|reward| reward.id == id)
    }

    /// How returns are treated.
    pub fn returns(&self) -> &ReturnPolicy {
        &self.0.returns
    }

    /// What tills may do that are cut off.
    pub fn offline(&self) -> &OfflinePolicy {
        &self.0.offline
    }

    /// What a sale accrues, rule by rule, with reasons. Total: whatever the sale holds, it answers; a rule that
    /// cannot be computed gives nothing and is named among the failures.
    pub fn evaluate(&self, basket: &Basket<'_>) -> Evaluation {
        evaluate::evaluate(&self.0, basket)
    }

    /// What the goods of a basket give by themselves, whoever buys them and when: what a return without its sale
    /// takes back under [`UnlinkedReturn::ReverseBase`]. Takes a return as the sale of its goods, and counts only
    /// base rules: without `when`, with `lines` that read nothing but `line` (member, time, and the rest of the
    /// original sale are not known), and never `flat`, which is for a sale and not for its goods, so that goods
    /// brought back one by one would each take it back. The other rules are named among the skipped.
    pub fn evaluate_base(&self, basket: &Basket<'_>) -> Evaluation {
        evaluate::evaluate_base(&self.0, basket)
    }
}
