//! Answers as tables of a page.

use std::fmt::Write as _;

use crate::policy::{Policy, Rule};
use crate::run::Tally;
use crate::study::{Answer, COUNTS_ONLINE, SHARES, Study};

/// A part in percent, with one digit.
pub fn percent((all, part): (u64, u64)) -> String {
    if all == 0 { "–".into() } else { format!("{:.1} %", share((all, part)) * 100.0) }
}

/// A part of a whole.
#[expect(clippy::cast_precision_loss, reason = "counts of a month")]
pub fn share((all, part): (u64, u64)) -> f64 {
    part as f64 / (all as f64).max(1.0)
}

/// Any moment, and in brackets the outages of the month.
fn granted(tally: Option<Tally>) -> String {
    tally.map_or("–".into(), |tally| format!("{} ({})", percent(tally.any_moment), percent(tally.offline)))
}

fn possible(tally: Tally) -> String {
    percent((tally.any_moment.0 * 1_000_000, tally.possible_millionths))
}

fn at(answer: &Answer, rule: Rule, placed_thousandths: u32) -> Option<Tally> {
    answer.of(Policy::at(rule, placed_thousandths))
}

/// The tables, as Markdown.
pub fn tables(study: &Study, members: usize, seed: u64) -> String {
    let mut page = String::new();
    let first = at(study.any_lane(), Rule::Planner, 1000).unwrap_or_default();
    let entries: u64 = all_tallies(study).map(|tally| tally.entries).sum();
    writeln!(
        page,
        "{members} members, seed {seed}: {} visits and orders, {} honest requests at tills, {} of them while the line was \
         down ({:.1} % of store hours). Over all {} months together {} entries were posted, each covered by what its \
         author held; no till and no book was below zero after any of them.\n",
        first.visits,
        first.any_moment.0,
        first.offline.0,
        study.any_lane().without_line * 100.0,
        all_tallies(study).count(),
        entries,
    )
    .expect("a string takes everything");
    page.push_str(&lanes(study));
    page.push_str(&shares(study));
    page.push_str(&rest(study));
    page
}

fn all_tallies(study: &Study) -> impl Iterator<Item = &Tally> {
    [&study.lanes, &study.stores, &study.wishes, &study.floors].into_iter().flatten().flat_map(|answer| &answer.tallies)
}

fn lanes(study: &Study) -> String {
    let mut page = String::from(
        "### By how members choose their lane (everything may be placed)\n\n\
         Granted had the line been cut at the moment of the request; in brackets, granted in the month's outages.\n\n\
         | at which lane | none | planner | at most possible for one till alone | planner + floor | planner, lanes share (not in the product) |\n\
         |---|---|---|---|---|---|\n",
    );
    for answer in &study.lanes {
        let planner = at(answer, Rule::Planner, 1000);
        let row = [
            answer.group.name.clone(),
            granted(at(answer, Rule::Fresh, 1000)),
            granted(planner),
            possible(planner.unwrap_or_default()),
            granted(at(answer, Rule::PlannerFloor, 1000)),
            granted(at(answer, Rule::PlannerShared, 1000)),
        ];
        page.push_str(&format!("| {} |\n", row.join(" | ")));
    }
    page.push('\n');
    page
}

fn shares(study: &Study) -> String {
    let mut page = String::new();
    for answer in [study.redemption_lane(), study.any_lane()] {
        page.push_str(&format!(
            "### By the share that may be placed ({})\n\n\
             Lacks: requests where head office does not hold enough at that moment → after it has asked online tills to \
             give back.\n\n\
             | placed at most | planner | {} | online orders that lack | requests at tills with a line that lack | movements per visit |\n\
             |---|---|---|---|---|---|\n",
            answer.group.name,
            other(study, answer).name(),
        ));
        for share in SHARES {
            let tally = at(answer, Rule::Planner, share).unwrap_or_default();
            page.push_str(&row(&format!("{} %", share / 10), tally, at(answer, other(study, answer), share)));
        }
        if let Some(tally) = answer.of(COUNTS_ONLINE) {
            page.push_str(&row("100 %, head office is a place too", tally, None));
        }
        page.push('\n');
    }
    page
}

/// The rule shown beside the planner.
pub fn other(study: &Study, answer: &Answer) -> Rule {
    let is_redemption_lane = answer.group.name == study.redemption_lane().group.name;
    if is_redemption_lane { Rule::PlannerFloor } else { Rule::PlannerShared }
}

fn row(name: &str, tally: Tally, other: Option<Tally>) -> String {
    let lacks =
        |(all, before, after): (u64, u64, u64)| format!("{} → {}", percent((all, before)), percent((all, after)));
    format!(
        "| {name} | {} | {} | {} | {} | {:.2} |\n",
        granted(Some(tally)),
        granted(other),
        lacks(tally.online),
        lacks(tally.with_line),
        share((tally.visits, tally.movements)),
    )
}

fn rest(study: &Study) -> String {
    let mut page = String::from(
        "### By how faithful members are to one store (one redemption lane per store, everything placed)\n\n\
         | visits in the home store | planner | at most possible | planner + floor |\n|---|---|---|---|\n",
    );
    page.push_str(&sensitivity(&study.stores));
    page.push_str(
        "\n### By how members redeem (any lane, everything placed)\n\n\
         | a member redeems | planner | at most possible | planner + floor |\n|---|---|---|---|\n",
    );
    page.push_str(&sensitivity(&study.wishes));
    page.push_str(
        "\n### By what the floor lends (everything placed)\n\n\
         | units per redemption, and per member and till; at which lane | planner + floor | lent per 1,000 requests without a line | still owed at the end |\n\
         |---|---|---|---|\n",
    );
    for answer in &study.floors {
        let tally = answer.tallies.first().copied().unwrap_or_default();
        let lent = tally.floor_units * 1000 / i64::try_from(tally.offline.0.max(1)).unwrap_or(i64::MAX);
        page.push_str(&format!("| {} | {} | {lent} | {} |\n", answer.group.name, granted(Some(tally)), tally.owed));
    }
    page
}

fn sensitivity(answers: &[Answer]) -> String {
    let row = |answer: &Answer| {
        let planner = at(answer, Rule::Planner, 1000);
        let floor = granted(at(answer, Rule::PlannerFloor, 1000));
        let possible = possible(planner.unwrap_or_default());
        format!("| {} | {} | {possible} | {floor} |\n", answer.group.name, granted(planner))
    };
    answers.iter().map(row).collect()
}
