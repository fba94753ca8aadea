//! The program: what head office publishes and a till evaluates with no line to anyone.
//!
//! `Program` is parsed, checked and compiled once; evaluating a basket is a pure function of the program, what is
//! known of the member, and the sale. Integers and exact rationals only.

use std::collections::BTreeMap;

use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

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
