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
mod problems;
mod quantity;
mod read;
mod share;
mod trial;
mod words;

use std::collections::BTreeMap;
use std::sync::Arc;

use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

use self::cel::Condition;
pub use self::evaluate::{Basket, Evaluation, Skipped};
pub use self::problems::{Problem, Problems};
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

/// What a purse holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PurseKind {
    /// Points.
    Points,
    /// A stamp card.
    Stamps,
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

/// What happens to a return whose original sale nobody knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UnlinkedReturn {
    /// It goes to the exceptions list.
    #[default]
    Exception,
}

/// What happens to units redeemed for goods that come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ReturnedReward {
    /// They are given back.
    #[default]
    GiveBack,
}

/// How returns are treated: the defaults are all there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReturnPolicy {
    /// A return without its sale.
    pub unlinked: UnlinkedReturn,
    /// A return of what a reward paid for.
    pub reward: ReturnedReward,
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
}

/// A program that says only what this version does.
#[derive(Debug)]
struct Checked {
    name: String,
    currency: String,
    time_zone: String,
    purses: BTreeMap<String, Purse>,
    returns: ReturnPolicy,
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

    /// What a sale accrues, rule by rule, with reasons. Total: whatever the sale holds, it answers; a rule that
    /// cannot be computed gives nothing and is named among the failures.
    pub fn evaluate(&self, basket: &Basket<'_>) -> Evaluation {
        evaluate::evaluate(&self.0, basket)
    }
}

/// The canonical JSON of a program, key by key.
mod json {
    use std::collections::BTreeMap;

    use serde::Serialize;

    use super::{AwardKind, Benefit, Checked, PurseKind};

    #[derive(Serialize)]
    pub(super) struct Document<'a> {
        program: &'a str,
        currency: &'a str,
        time_zone: &'a str,
        purse: BTreeMap<&'a str, Purse>,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        earn: Vec<Earn<'a>>,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        reward: Vec<Reward<'a>>,
    }

    #[derive(Serialize)]
    struct Purse {
        kind: PurseKind,
        spend_fresh: bool,
    }

    #[derive(Serialize)]
    struct Earn<'a> {
        id: &'a str,
        purse: &'a str,
        award: AwardKind,
        #[serde(skip_serializing_if = "Option::is_none")]
        lines: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        when: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<&'a str>,
    }

    #[derive(Serialize)]
    struct Reward<'a> {
        id: &'a str,
        title: &'a str,
        cost: Cost<'a>,
        benefit: &'a Benefit,
    }

    #[derive(Serialize)]
    struct Cost<'a> {
        purse: &'a str,
        amount: i64,
    }

    impl<'a> Document<'a> {
        pub(super) fn of(checked: &'a Checked) -> Self {
            let earn = |rule: &'a super::Rule| Earn {
                id: &rule.id,
                purse: &rule.purse,
                award: rule.award,
                lines: rule.lines.as_ref().map(super::Condition::source),
                when: rule.when.as_ref().map(super::Condition::source),
                reason: rule.reason.as_deref(),
            };
            let reward = |reward: &'a super::Reward| Reward {
                id: &reward.id,
                title: &reward.title,
                cost: Cost { purse: &reward.cost_purse, amount: reward.cost_units },
                benefit: &reward.benefit,
            };
            Self {
                program: &checked.name,
                currency: &checked.currency,
                time_zone: &checked.time_zone,
                purse: checked
                    .purses
                    .values()
                    .map(|purse| (purse.name.as_str(), Purse { kind: purse.kind, spend_fresh: purse.spend_fresh }))
                    .collect(),
                earn: checked.rules.iter().map(earn).collect(),
                reward: checked.rewards.iter().map(reward).collect(),
            }
        }
    }
}
