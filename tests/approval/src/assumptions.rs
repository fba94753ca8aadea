//! Every number the model rests on, in one place, with where it comes from. All are ours unless a source is named:
//! no chain's data was at hand.

use counterfoil_ledger::AmountRule;

/// At which lane of a store a member pays.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Lanes {
    /// Any, each as likely.
    Uniform,
    /// Lanes open one after another as it gets busier.
    Opened,
    /// Each member has a lane of its own in each store, and pays there this often, else anywhere.
    Habit(f64),
    /// Members pay anywhere; who wants to redeem goes to the store's redemption lane this often.
    RedemptionLane(f64),
}

impl Lanes {
    /// As tables name it.
    pub fn name(self) -> String {
        match self {
            Self::Uniform => "any lane, each as likely".into(),
            Self::Opened => "lanes open as it gets busier".into(),
            Self::Habit(share) => format!("own lane in {:.0} % of visits", share * 100.0),
            Self::RedemptionLane(share) if share >= 1.0 => "one redemption lane per store".into(),
            Self::RedemptionLane(share) => {
                format!("one redemption lane, used for {:.0} % of redemptions", share * 100.0)
            }
        }
    }
}

/// The offline floor, as a program states it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Floor {
    /// Units below what is held, per redemption.
    pub redemption_units: i64,
    /// Per member and till, until head office has acknowledged them.
    pub member_units: i64,
    /// Per till, until head office has acknowledged them.
    pub till_units: i64,
}

/// A chain and its month.
#[derive(Debug, Clone, PartialEq)]
pub struct Assumptions {
    /// Members.
    pub members: usize,
    /// Stores; each has [`LANES`] lanes.
    pub stores: usize,
    /// Days counted.
    pub days: u32,
    /// Months lived before, on a line that never fails: balances and habits come from there.
    pub past_months: u32,
    /// Share of a member's visits in its home store, and in its second store; the rest anywhere.
    pub home_share: f64,
    /// See `home_share`.
    pub second_share: f64,
    /// Which lane.
    pub lanes: Lanes,
    /// Visits per member and month: median, sigma of the logarithm, most.
    pub visits: (f64, f64, f64),
    /// Basket: median in whole currency units, sigma of the logarithm.
    pub basket: (f64, f64),
    /// Points per currency unit.
    pub points_per_unit: f64,
    /// Share of members that also order online, and their orders per month.
    pub online: (f64, f64),
    /// Prices of rewards, and how many prefer which.
    pub rewards: [(i64, f64); 3],
    /// Points as payment.
    pub amounts: AmountRule,
    /// What members like: a reward, as much as possible, the least possible.
    pub tastes: [f64; 3],
    /// How often a member that could redeem asks to, and how many are like that.
    pub eagerness: [(f64, f64); 3],
    /// Outages per store and month.
    pub store_outages: f64,
    /// Their length: least in minutes, shape of the Pareto distribution, most in minutes.
    pub store_outage_minutes: (f64, f64, f64),
    /// Outages of head office per month, and their length likewise.
    pub hub_outages: f64,
    /// See `hub_outages`.
    pub hub_outage_minutes: (f64, f64, f64),
    /// The floor, where a policy has one.
    pub floor: Floor,
}

/// Lanes per store.
pub const LANES: usize = 4;
/// How often a lane is open, where lanes open as it gets busier: the share of visits it sees.
pub const OPENED: [f64; LANES] = [0.55, 0.28, 0.12, 0.05];

impl Default for Assumptions {
    fn default() -> Self {
        Self {
            members: 20_000,
            stores: 8,
            days: 30,
            past_months: 12,
            home_share: 0.90,
            second_share: 0.07,
            lanes: Lanes::Uniform,
            visits: (2.4, 0.7, 16.0),
            basket: (22.0, 0.7),
            points_per_unit: 2.0,
            online: (0.25, 0.8),
            rewards: [(200, 0.4), (500, 0.4), (1000, 0.2)],
            amounts: AmountRule { min_units: 200, step_units: 100 },
            tastes: [0.5, 0.25, 0.25],
            eagerness: [(0.6, 0.3), (0.25, 0.45), (0.05, 0.25)],
            store_outages: 8.0,
            store_outage_minutes: (5.0, 0.6, 4.0 * 1440.0),
            hub_outages: 2.0,
            hub_outage_minutes: (30.0, 1.0, 1440.0),
            floor: Floor { redemption_units: 500, member_units: 500, till_units: 5_000 },
        }
    }
}
