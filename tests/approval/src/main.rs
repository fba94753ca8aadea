//! probe
use counterfoil_approval::{assumptions::*, outages::*, people::*, policy::*, run::*};
fn main() {
    for lanes in [Lanes::Uniform, Lanes::Opened, Lanes::Habit(0.8), Lanes::RedemptionLane(0.95)] {
        let a = Assumptions { members: 5000, lanes, ..Default::default() };
        let t = std::time::Instant::now();
        let people = People::draw(&a, 1);
        let outages = Outages::draw(&a, 1);
        println!(
            "{lanes:?} visits {} outage {} drawn {:?}",
            people.visits.len(),
            outages.minutes as f64 / (8.0 * 43200.0),
            t.elapsed()
        );
        let held: i64 = people.members.iter().map(|m| m.at_hub + m.earned_at.values().sum::<i64>()).sum();
        println!("mean balance {}", held / 5000);
        for (rule, share) in [
            (Rule::Fresh, 1000),
            (Rule::Planner, 0),
            (Rule::Planner, 500),
            (Rule::Planner, 800),
            (Rule::Planner, 1000),
            (Rule::PlannerFloor, 1000),
            (Rule::PlannerShared, 1000),
        ] {
            let t = std::time::Instant::now();
            let r = run(&a, &people, &outages, Policy::at(rule, share));
            println!(
                "{:?} {share}: off {:?} {:.3} any {:?} {:.3} line {:?} online {:?} floor {} owed {} mov {} entries {} {:?}",
                rule,
                r.offline,
                r.offline.1 as f64 / r.offline.0 as f64,
                r.any_moment,
                r.any_moment.1 as f64 / r.any_moment.0 as f64,
                r.with_line,
                r.online,
                r.floor_units,
                r.owed,
                r.movements,
                r.entries,
                t.elapsed()
            );
        }
        let r = run(&a, &people, &outages, Policy { counts_online: true, ..Policy::at(Rule::Planner, 1000) });
        println!(
            "counting online: off {:?} any {:?} {:.3} online {:?}",
            r.offline,
            r.any_moment,
            r.any_moment.1 as f64 / r.any_moment.0 as f64,
            r.online
        );
    }
}
