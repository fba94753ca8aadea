//! The canonical JSON of a program, key by key: what says nothing beyond a default is left out, so that a program
//! which uses nothing new reads on tills that know nothing new.

use std::collections::BTreeMap;

use serde::Serialize;

use super::policy::{Floor, OfflinePolicy, ReturnPolicy, ReturnedReward, Share, UnlinkedReturn};
use super::purse::{Clawback, PurseKind, RedeemSteps, UnitValue};
use super::quantity::share_text;
use super::{AwardKind, Benefit, Checked, Condition};

#[derive(Serialize)]
pub(super) struct Document<'a> {
    program: &'a str,
    currency: &'a str,
    time_zone: &'a str,
    purse: BTreeMap<&'a str, Purse>,
    #[serde(skip_serializing_if = "Option::is_none")]
    returns: Option<Returns>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    earn: Vec<Earn<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    reward: Vec<Reward<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    offline: Option<Offline<'a>>,
}

#[derive(Serialize)]
struct Purse {
    kind: PurseKind,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    vests: Option<String>,
    spend_fresh: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<UnitValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    redeem: Option<Redeem>,
    #[serde(skip_serializing_if = "Option::is_none")]
    clawback: Option<&'static str>,
}

#[derive(Serialize)]
struct Redeem {
    step: i64,
    min: i64,
    max_share: String,
}

#[derive(Serialize)]
struct Returns {
    #[serde(skip_serializing_if = "Option::is_none")]
    unlinked: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reward: Option<&'static str>,
}

#[derive(Serialize)]
struct Offline<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    share: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    placed: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    floor: BTreeMap<&'a str, FloorOf>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum FloorOf {
    Member(i64),
    Limits { redemption: i64, member: i64, till_soft: i64, till_hard: i64 },
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
            lines: rule.lines.as_ref().map(Condition::source),
            when: rule.when.as_ref().map(Condition::source),
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
            purse: checked.purses.values().map(|purse| (purse.name.as_str(), Purse::of(purse))).collect(),
            returns: Returns::of(&checked.returns),
            earn: checked.rules.iter().map(earn).collect(),
            reward: checked.rewards.iter().map(reward).collect(),
            offline: Offline::of(&checked.offline),
        }
    }
}

impl Purse {
    fn of(purse: &super::Purse) -> Self {
        let redeem = |steps: RedeemSteps| Redeem {
            step: steps.step,
            min: steps.min,
            max_share: share_text(steps.max_share_thousandths),
        };
        Self {
            kind: purse.kind,
            expires: purse.expires.map(|period| period.to_string()),
            vests: purse.vests.map(|period| period.to_string()),
            spend_fresh: purse.spend_fresh,
            value: purse.value,
            redeem: purse.redeem.map(redeem),
            clawback: match purse.clawback {
                Clawback::Debt => None,
                Clawback::WriteOff => Some("write-off"),
            },
        }
    }
}

impl Returns {
    fn of(policy: &ReturnPolicy) -> Option<Self> {
        let unlinked = match policy.unlinked {
            UnlinkedReturn::Exception => None,
            UnlinkedReturn::Ignore => Some("ignore"),
            UnlinkedReturn::ReverseBase => Some("reverse-base"),
        };
        let reward = match policy.reward {
            ReturnedReward::GiveBack => None,
            ReturnedReward::Keep => Some("keep"),
        };
        (unlinked.is_some() || reward.is_some()).then_some(Self { unlinked, reward })
    }
}

impl<'a> Offline<'a> {
    fn of(policy: &'a OfflinePolicy) -> Option<Self> {
        if *policy == OfflinePolicy::default() {
            return None;
        }
        let placed = policy.placed_thousandths;
        Some(Self {
            share: match policy.share {
                Share::HomeStore => None,
                Share::None => Some("none"),
            },
            placed: (placed != OfflinePolicy::PLACED_THOUSANDTHS).then(|| share_text(placed)),
            floor: policy.floors.iter().map(|(purse, floor)| (purse.as_str(), FloorOf::of(floor))).collect(),
        })
    }
}

impl FloorOf {
    fn of(floor: &Floor) -> Self {
        if *floor == Floor::of_member(floor.member_units) {
            return Self::Member(floor.member_units);
        }
        Self::Limits {
            redemption: floor.redemption_units,
            member: floor.member_units,
            till_soft: floor.till_soft_units,
            till_hard: floor.till_hard_units,
        }
    }
}
