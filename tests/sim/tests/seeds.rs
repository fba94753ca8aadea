//! Fleets that break in every way the simulator knows keep the laws.
//!
//! `COUNTERFOIL_SEED=N cargo test -p counterfoil-sim --test seeds` runs one seed, with its trace printed.

use std::collections::BTreeMap;

use counterfoil_sim::world::{Counts, Options, Profile, STEPS, run};

/// Runs seeds, or the one that the environment names, and says what happened in them.
fn all_pass(seeds: std::ops::Range<u64>, options: Options) -> Counts {
    let only: Option<u64> = std::env::var("COUNTERFOIL_SEED").ok().and_then(|seed| seed.parse().ok());
    let mut counts: Counts = BTreeMap::new();
    let (seeds, options) = match only {
        Some(seed) => (seed..seed + 1, Options { show: true, ..options }),
        None => (seeds, options),
    };
    for seed in seeds {
        // A panic in an engine does not say which seed it was.
        println!("seed {seed}");
        match run(seed, options) {
            Ok(report) => report.counts.into_iter().for_each(|(what, count)| *counts.entry(what).or_default() += count),
            Err(failure) => panic!("\n{failure}\n"),
        }
    }
    println!("{counts:#?}");
    counts
}

/// A simulator that never does a thing does not test it.
fn all_happened(counts: &Counts, what: &[&str]) {
    if std::env::var_os("COUNTERFOIL_SEED").is_some() {
        return;
    }
    for what in what {
        let count = counts.get(what).copied().unwrap_or(0);
        assert!(count >= 5, "{what} happened {count} times");
    }
}

const EVERYWHERE: [&str; 27] = [
    "sales by API",
    "sales on paper",
    "sales by API and on paper",
    "voids",
    "day closes",
    "calls again",
    "redemptions done with rights held, offline",
    "redemptions done with rights held, online",
    "redemptions done with rights granted for them",
    "redemptions refused",
    "power cuts at tills",
    "kills at tills",
    "power cuts at head office",
    "kills at head office",
    "faults while opening",
    "disks full",
    "disks with errors",
    "tills that had to open anew",
    "older databases put back",
    "clocks set wrong",
    "line faults",
    "messages lost",
    "messages doubled",
    "messages cut off",
    "messages damaged",
    "old requests replayed",
    "days compared",
];

const WITH_RIGHTS: [&str; 16] = [
    "reservations",
    "reservations cancelled",
    "reservations timed out",
    "redemptions done by confirming",
    "redemptions done late",
    "redemptions done below the floor",
    "redemptions reversed",
    "reversals requested",
    "redemptions undone on order",
    "units given back on order",
    "units given back past their date",
    "plans of a member's rights",
    "nights, weeks and months",
    "older databases put back",
    "next lives begun",
    "records written again",
];

#[test]
fn hundreds_of_seeds_keep_the_laws() {
    all_happened(&all_pass(0..240, Options { steps: STEPS, ..Options::default() }), &EVERYWHERE);
}

#[test]
fn whatever_happens_to_rights_keeps_the_laws() {
    let options = Options { steps: 100, profile: Profile::Rights, ..Options::default() };
    all_happened(&all_pass(0..100, options), &WITH_RIGHTS);
}

#[test]
fn thousands_of_redemptions_and_power_cuts_keep_the_laws() {
    let options = Options { steps: 600, profile: Profile::Redeem, ..Options::default() };
    let counts = all_pass(0..20, options);
    if std::env::var_os("COUNTERFOIL_SEED").is_none() {
        let done: u64 = counts.iter().filter(|(what, _)| what.starts_with("redemptions done")).map(|(_, n)| n).sum();
        assert!(done >= 5_000, "{done} redemptions");
        assert!(counts["power cuts at tills"] >= 500, "{counts:?}");
    }
}

#[test]
fn a_shop_where_nothing_fails_keeps_the_laws() {
    let counts = all_pass(0..20, Options { steps: 150, calm: true, ..Options::default() });
    assert!(!counts.contains_key("power cuts at tills") && !counts.contains_key("messages lost"));
}

#[test]
fn a_seed_happens_again_exactly() {
    for seed in [3, 77, 4_242] {
        let options = Options { steps: 80, ..Options::default() };
        assert_eq!(run(seed, options).unwrap(), run(seed, options).unwrap(), "seed {seed}");
    }
}
