//! Feeds every target: old failures, seeds, then seeded mutations, the same on every machine and every day.
//!
//! To run one input again: `COUNTERFOIL_FUZZ=<target>:<hex> cargo test --profile demo -p counterfoil-fuzz-targets one_input`.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use counterfoil_fuzz_targets::mutate::{SplitMix64, from_hex, mutate, to_hex};
use counterfoil_fuzz_targets::regressions::REGRESSIONS;
use counterfoil_fuzz_targets::seeds::seeds;
use counterfoil_fuzz_targets::{TARGETS, Target, target};

/// No input takes so long, on the slowest machine: it hangs.
const HANGS: Duration = Duration::from_secs(60);

/// How many mutations: as many as a target does in about half a second.
fn mutation_count(name: &str) -> usize {
    match name {
        "till_page" | "till_grants" | "hub_request" | "hub_records" => 150,
        "template_toml" | "receipt_reader" => 600,
        "program_toml" | "program_json" | "cel_condition" | "spool_reader" => 1_500,
        _ => 4_000,
    }
}

/// The inputs of a target, in order.
fn inputs(name: &str, count: usize, seed: u64) -> impl Iterator<Item = Vec<u8>> {
    let old =
        REGRESSIONS.iter().filter(|(target, _, _)| *target == name).map(|(_, what, hex)| from_hex(hex).expect(what));
    let seeds = seeds(name);
    let begin: Vec<Vec<u8>> = old.chain(seeds.iter().cloned()).chain([Vec::new()]).collect();
    let mut random =
        SplitMix64(name.bytes().fold(seed, |seed, byte| seed.wrapping_mul(31).wrapping_add(u64::from(byte))));
    let mutations = (0..count).map(move |_| {
        let (one, other) = (random.index(seeds.len()), random.index(seeds.len()));
        mutate(&mut random, &seeds[one], &seeds[other])
    });
    begin.into_iter().chain(mutations)
}

fn failure(name: &str, what: &str, input: &[u8]) -> String {
    let hex = to_hex(input);
    format!(
        "target {name} {what} on {} bytes:\n{hex}\nagain: COUNTERFOIL_FUZZ={name}:{hex} \
         cargo test --profile demo -p counterfoil-fuzz-targets one_input",
        input.len()
    )
}

/// Runs a target over inputs; says which one it panics on or never comes back from.
fn run(
    name: &'static str,
    target: Target,
    inputs: impl Iterator<Item = Vec<u8>> + Send + 'static,
) -> Result<usize, String> {
    let (done, news) = channel();
    let worker = std::thread::Builder::new().name(name.to_owned());
    let work = move || {
        for input in inputs {
            // Told before it runs, so that the listener knows what hangs.
            let _ = done.send(Ok(input.clone()));
            if catch_unwind(AssertUnwindSafe(|| target(&input))).is_err() {
                let _ = done.send(Err(input));
                return;
            }
        }
    };
    let worker = worker.spawn(work).unwrap();
    let (mut count, mut last) = (0, Vec::new());
    loop {
        match news.recv_timeout(HANGS) {
            Ok(Ok(input)) => (count, last) = (count + 1, input),
            Ok(Err(input)) => return Err(failure(name, "panics", &input)),
            Err(RecvTimeoutError::Timeout) => return Err(failure(name, "does not come back", &last)),
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    worker.join().map(|()| count).map_err(|_| failure(name, "ends its thread", &last))
}

/// The most memory this process ever had, in KiB; nothing where the system does not say.
fn peak_kib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

#[test]
fn no_target_breaks() {
    // More inputs, or others: COUNTERFOIL_FUZZ_ROUNDS=100, COUNTERFOIL_FUZZ_SEED=7.
    let number = |name: &str, default: u64| std::env::var(name).ok().map_or(default, |text| text.parse().unwrap());
    let (rounds, seed) = (number("COUNTERFOIL_FUZZ_ROUNDS", 1), number("COUNTERFOIL_FUZZ_SEED", 0));
    let only = std::env::var("COUNTERFOIL_FUZZ_ONLY").ok();
    let mut failures = Vec::new();
    for (name, target) in TARGETS.iter().filter(|(name, _)| only.as_ref().is_none_or(|only| only == name)) {
        let before = peak_kib();
        let started = std::time::Instant::now();
        let count = mutation_count(name) * usize::try_from(rounds).unwrap();
        match run(name, *target, inputs(name, count, seed)) {
            Ok(count) => println!("{name}: {count} inputs in {:?}", started.elapsed()),
            Err(failure) => failures.push(failure),
        }
        if let (Some(before), Some(after)) = (before, peak_kib())
            && after > before + (256 << 10)
        {
            failures.push(format!("target {name} took {} MiB more", (after - before) >> 10));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

#[test]
fn every_target_has_seeds_and_a_name_of_its_own() {
    for (index, (name, _)) in TARGETS.iter().enumerate() {
        assert!(!seeds(name).is_empty(), "{name} has no seeds");
        assert!(TARGETS[index + 1..].iter().all(|(other, _)| other != name), "{name} stands twice");
    }
    for (name, what, hex) in REGRESSIONS {
        assert!(target(name).is_some() && from_hex(hex).is_some(), "{name}, {what}");
    }
}

#[cfg(feature = "engines")]
/// Every target of the table has its program for libFuzzer, and no other has one.
#[test]
fn libfuzzer_has_a_program_for_every_target() {
    let manifest = include_str!("../../fuzz/Cargo.toml");
    let programs: Vec<&str> =
        manifest.lines().filter_map(|line| line.strip_prefix("name = \"")?.strip_suffix('"')).skip(1).collect();
    let names: Vec<&str> = TARGETS.iter().map(|(name, _)| *name).collect();
    assert_eq!(programs, names, "tests/fuzz/Cargo.toml lists the targets in the table's order");
}

#[test]
fn one_input() {
    let Ok(wanted) = std::env::var("COUNTERFOIL_FUZZ") else { return };
    let (name, hex) = wanted.split_once(':').expect("<target>:<hex>");
    target(name).expect("a target of the table")(&from_hex(hex).expect("hexadecimal digits"));
}

/// Negative control: a toy that believes a length is caught, and the input that it fails on is printed.
#[test]
fn a_broken_target_is_caught() {
    fn believes_lengths(data: &[u8]) {
        if let [length, rest @ ..] = data {
            assert!(rest.len() >= usize::from(*length) || *length < 9, "reads beyond its input");
        }
    }
    let mut random = SplitMix64(1);
    let mutations = (0..4_000).map(move |_| mutate(&mut random, b"\x05hello", b"\x03abc"));
    let words = run("toy", believes_lengths, mutations).unwrap_err();
    let hex = words.lines().nth(1).unwrap();
    assert!(
        words.starts_with("target toy panics") && words.contains(&format!("COUNTERFOIL_FUZZ=toy:{hex} ")),
        "{words}"
    );
    assert!(catch_unwind(|| believes_lengths(&from_hex(hex).unwrap())).is_err(), "the printed input fails again");
}
