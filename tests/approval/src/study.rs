//! Which months are lived under which policies, and the answers, in as many threads as there are cores.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock};

use crate::assumptions::{Assumptions, Floor, Lanes};
use crate::outages::Outages;
use crate::people::People;
use crate::policy::{Policy, Rule};
use crate::run::{Tally, run};

/// Shares of what a member has that may lie at tills, in the curve.
pub const SHARES: [u32; 6] = [0, 250, 500, 750, 900, 1000];
/// Sensitivities are measured on a part of the members.
const SENSITIVITY_PART: usize = 4;

/// One assumption set, and the policies it is lived under.
#[derive(Debug, Clone)]
pub struct Group {
    /// As tables name it.
    pub name: String,
    /// The month.
    pub assumptions: Assumptions,
    /// The policies.
    pub policies: Vec<Policy>,
}

/// A group and what came of it, policy by policy.
#[derive(Debug, Clone)]
pub struct Answer {
    /// What was asked.
    pub group: Group,
    /// In the order of the policies.
    pub tallies: Vec<Tally>,
    /// Share of store hours without a line.
    pub without_line: f64,
}

impl Answer {
    /// What came of one policy.
    pub fn of(&self, policy: Policy) -> Option<Tally> {
        self.group.policies.iter().position(|asked| *asked == policy).map(|at| self.tallies[at])
    }
}

/// Lives all groups. The same seed gives the same answers, whatever the number of threads.
pub fn live(groups: &[Group], seed: u64) -> Vec<Answer> {
    let jobs: Vec<(usize, usize)> =
        groups.iter().enumerate().flat_map(|(g, group)| (0..group.policies.len()).map(move |p| (g, p))).collect();
    let drawn: Vec<OnceLock<(People, Outages)>> = groups.iter().map(|_| OnceLock::new()).collect();
    let (next, tallies) = (AtomicUsize::new(0), Mutex::new(vec![Tally::default(); jobs.len()]));
    let work = || {
        while let Some((job, (g, p))) =
            Some(next.fetch_add(1, Ordering::Relaxed)).and_then(|job| jobs.get(job).map(|pair| (job, *pair)))
        {
            let group = &groups[g];
            let (people, outages) = drawn[g]
                .get_or_init(|| (People::draw(&group.assumptions, seed), Outages::draw(&group.assumptions, seed)));
            let tally = run(&group.assumptions, people, outages, group.policies[p]);
            tallies.lock().expect("no worker panics while it holds the lock")[job] = tally;
        }
    };
    std::thread::scope(|scope| {
        let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        (0..threads).for_each(|_| {
            scope.spawn(work);
        });
    });
    let tallies = tallies.into_inner().expect("every worker has ended well");
    let mut tallies = tallies.into_iter();
    groups
        .iter()
        .zip(&drawn)
        .map(|(group, drawn)| {
            let assumptions = &group.assumptions;
            let (_, outages) = drawn.get().expect("every group was lived");
            #[expect(clippy::cast_precision_loss, reason = "minutes of a month")]
            let store_minutes = assumptions.stores as f64 * f64::from(assumptions.days) * 1440.0;
            #[expect(clippy::cast_precision_loss, reason = "minutes of a month")]
            let without_line = outages.minutes as f64 / store_minutes;
            let tallies = tallies.by_ref().take(group.policies.len()).collect();
            Answer { group: group.clone(), tallies, without_line }
        })
        .collect()
}

/// Everything the page shows.
#[derive(Debug)]
pub struct Study {
    /// By how members choose their lane; the first and the last over all shares.
    pub lanes: Vec<Answer>,
    /// By how faithful members are to one store.
    pub stores: Vec<Answer>,
    /// By how members redeem.
    pub wishes: Vec<Answer>,
    /// By what the floor lends.
    pub floors: Vec<Answer>,
}

impl Study {
    /// Lives it all.
    pub fn live(members: usize, seed: u64) -> Self {
        let base = Assumptions { members, ..Assumptions::default() };
        let part = Assumptions { members: members / SENSITIVITY_PART, lanes: REDEMPTION_LANE, ..base.clone() };
        let groups = [lanes(&base), stores(&part), wishes(&part), floors(&part)];
        let mut answers = live(&groups.concat(), seed).into_iter();
        let mut take = |of: usize| answers.by_ref().take(groups[of].len()).collect();
        Self { lanes: take(0), stores: take(1), wishes: take(2), floors: take(3) }
    }

    /// Any lane, over all shares.
    pub fn any_lane(&self) -> &Answer {
        self.lanes.first().expect("lanes were asked for")
    }

    /// One redemption lane per store, over all shares.
    pub fn redemption_lane(&self) -> &Answer {
        self.lanes.last().expect("lanes were asked for")
    }
}

/// Everybody who redeems does so at one lane of the store.
pub const REDEMPTION_LANE: Lanes = Lanes::RedemptionLane(1.0);

/// Everything may lie at tills, and head office keeps what members that order online are likely to need.
pub const COUNTS_ONLINE: Policy = Policy { rule: Rule::Planner, placed_thousandths: 1000, counts_online: true };

fn lanes(base: &Assumptions) -> Vec<Group> {
    let all = [Lanes::Uniform, Lanes::Opened, Lanes::Habit(0.5), Lanes::Habit(0.8), REDEMPTION_LANE];
    let group = |lanes: Lanes| {
        let rules = [Rule::Fresh, Rule::Planner, Rule::PlannerFloor, Rule::PlannerShared];
        let mut policies: Vec<Policy> = rules.map(|rule| Policy::at(rule, 1000)).into();
        if lanes == Lanes::Uniform || lanes == REDEMPTION_LANE {
            let fewer = &SHARES[..SHARES.len() - 1];
            policies.extend(fewer.iter().map(|share| Policy::at(Rule::Planner, *share)));
            let other = if lanes == REDEMPTION_LANE { Rule::PlannerFloor } else { Rule::PlannerShared };
            policies.extend(fewer.iter().map(|share| Policy::at(other, *share)));
        }
        if lanes == REDEMPTION_LANE {
            policies.push(COUNTS_ONLINE);
        }
        Group { name: lanes.name(), assumptions: Assumptions { lanes, ..base.clone() }, policies }
    };
    all.map(group).into()
}

fn stores(part: &Assumptions) -> Vec<Group> {
    let group = |home_share: f64| {
        let second_share = (1.0 - home_share) * 0.7;
        let assumptions = Assumptions { home_share, second_share, ..part.clone() };
        let policies = [Rule::Planner, Rule::PlannerFloor].map(|rule| Policy::at(rule, 1000)).into();
        Group { name: format!("{:.0} %", home_share * 100.0), assumptions, policies }
    };
    [0.80, 0.90, 0.95, 0.98, 1.0].map(group).into()
}

fn wishes(part: &Assumptions) -> Vec<Group> {
    let (base, eager) = (part.clone(), |share| [(share, 1.0), (share, 0.0), (share, 0.0)]);
    let tastes = |tastes| Assumptions { tastes, ..base.clone() };
    let group = |(name, assumptions): (&str, Assumptions)| {
        let policies = [Rule::Planner, Rule::PlannerFloor].map(|rule| Policy::at(rule, 1000)).into();
        Group { name: name.into(), assumptions: Assumptions { lanes: Lanes::Uniform, ..assumptions }, policies }
    };
    [
        ("as assumed", base.clone()),
        ("as soon as it can", Assumptions { eagerness: eager(1.0), ..base.clone() }),
        ("seldom: 5 % of the visits where it could", Assumptions { eagerness: eager(0.05), ..base.clone() }),
        ("rewards only", tastes([1.0, 0.0, 0.0])),
        ("always as much as possible", tastes([0.0, 1.0, 0.0])),
        ("always as little as possible", tastes([0.0, 0.0, 1.0])),
    ]
    .map(group)
    .into()
}

fn floors(part: &Assumptions) -> Vec<Group> {
    let group = |(lanes, units): (Lanes, i64)| {
        let floor = Floor { redemption_units: units, member_units: units, till_units: 10 * units };
        let assumptions = Assumptions { floor, lanes, ..part.clone() };
        let name = format!("{units}, {}", lanes.name());
        Group { name, assumptions, policies: vec![Policy::at(Rule::PlannerFloor, 1000)] }
    };
    [Lanes::Uniform, REDEMPTION_LANE]
        .into_iter()
        .flat_map(|lanes| [200, 500, 1000].map(|units| group((lanes, units))))
        .collect()
}
