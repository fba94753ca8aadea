//! The study on a small chain: the laws hold under every policy (the model asserts them at every entry), the answers are
//! the same each time, and the policies stand in the order that they must, with margins far wider than chance.

use counterfoil_approval::assumptions::{Assumptions, Lanes};
use counterfoil_approval::outages::Outages;
use counterfoil_approval::people::People;
use counterfoil_approval::plot;
use counterfoil_approval::policy::{Policy, Rule};
use counterfoil_approval::report::{share, tables};
use counterfoil_approval::run::{Tally, run};
use counterfoil_approval::study::{COUNTS_ONLINE, REDEMPTION_LANE, Study};

fn small(lanes: Lanes) -> Assumptions {
    Assumptions { members: 800, past_months: 8, lanes, ..Assumptions::default() }
}

fn lived(assumptions: &Assumptions, policy: Policy) -> Tally {
    run(assumptions, &People::draw(assumptions, 7), &Outages::draw(assumptions, 7), policy)
}

fn granted(tally: Tally) -> f64 {
    share(tally.any_moment)
}

#[test]
fn rights_that_are_planned_grant_more_and_a_floor_more_again() {
    for (lanes, margin) in [(Lanes::Uniform, 0.10), (REDEMPTION_LANE, 0.40)] {
        let assumptions = small(lanes);
        let none = lived(&assumptions, Policy::at(Rule::Fresh, 1000));
        let planner = lived(&assumptions, Policy::at(Rule::Planner, 1000));
        let floor = lived(&assumptions, Policy::at(Rule::PlannerFloor, 1000));
        let shared = lived(&assumptions, Policy::at(Rule::PlannerShared, 1000));
        assert!(none.any_moment.0 > 200, "{none:?}");
        assert!(granted(none) + margin < granted(planner), "{none:?} {planner:?}");
        assert!(granted(planner) < granted(floor) + 0.01 && granted(planner) < granted(shared) + 0.01);
        // Nobody can know better than the model itself; chance may.
        let possible = share((planner.any_moment.0 * 1_000_000, planner.possible_millionths));
        assert!(granted(planner) < possible + 0.05, "{planner:?}");
        assert_eq!(none.floor_units + planner.floor_units + shared.floor_units, 0);
        // Honest members owe nothing once all lines are up.
        assert_eq!([none.owed, planner.owed, floor.owed, shared.owed], [0; 4]);
        assert!(floor.floor_units > 0 || lanes == REDEMPTION_LANE);
    }
}

#[test]
fn what_head_office_keeps_serves_other_channels() {
    let assumptions = small(REDEMPTION_LANE);
    let at = |placed| lived(&assumptions, Policy::at(Rule::Planner, placed));
    let (nothing, half, all) = (at(0), at(500), at(1000));
    assert_eq!((nothing.any_moment.1, nothing.online.1, nothing.with_line.1), (0, 0, 0));
    assert!(granted(half) + 0.20 < granted(all));
    let lacks = |tally: Tally| share((tally.online.0, tally.online.1));
    assert!(lacks(all) > 0.5 && lacks(lived(&assumptions, COUNTS_ONLINE)) + 0.1 < lacks(all));
    // A recall helps unless the units lie where the line is down.
    assert!(share((all.online.0, all.online.2)) < 0.2 && share((all.with_line.0, all.with_line.2)) < 0.05);
}

#[test]
fn one_seed_is_one_study_whatever_the_threads_do() {
    let (first, second) = (Study::live(160, 3), Study::live(160, 3));
    assert_eq!(tables(&first, 160, 3), tables(&second, 160, 3));
    assert_eq!(plot::svg(&first), plot::svg(&second));
    let other = Study::live(160, 4);
    assert_ne!(tables(&first, 160, 3), tables(&other, 160, 3));
}

/// The negative control: a till that spends what it does not hold ends the run.
#[test]
#[should_panic(expected = "a till redeems what it holds")]
fn spending_what_is_not_held_is_noticed() {
    let mut chain = counterfoil_approval::chain::Chain::new(1, 1, "2026-11-25".parse().unwrap());
    chain.accrue(0, Some(0), false, counterfoil_approval::chain::lot("2027-12-31"), 100);
    chain.redeem(0, 1, 50, 0);
}
