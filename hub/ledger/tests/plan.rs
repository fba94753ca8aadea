//! What the plan of a member's units promises, for any input.

use std::collections::BTreeMap;

use counterfoil_ledger::{Cost, Place, PlanInput, PlanOutput, plan};
use counterfoil_protocol::entry::Lot;
use counterfoil_protocol::id::IncarnationId;
use proptest::prelude::*;

fn id(number: u8) -> IncarnationId {
    IncarnationId([number; 16])
}

fn input(hub: i64, held: &[(u8, i64)], places: &[(u8, u32)], costs: &[i64], placed_thousandths: u32) -> PlanInput {
    PlanInput {
        lots: vec![(Lot::default(), hub)],
        held: held.iter().map(|(till, units)| (id(*till), *units)).collect(),
        places: places.iter().map(|(till, weight)| Place { incarnation: id(*till), weight: *weight }).collect(),
        costs: costs.iter().map(|units| Cost::from(*units)).collect(),
        placed_thousandths,
        ..PlanInput::default()
    }
}

fn targets(output: &PlanOutput) -> Vec<(u8, i64)> {
    output.targets.iter().map(|(till, units)| (till.0[0], *units)).collect()
}

#[test]
fn the_likeliest_place_gets_what_is_usually_asked_for() {
    let output = plan(&input(1000, &[], &[(1, 70), (2, 20), (3, 10)], &[200, 500], 800));
    // 500 and 200 where the member is likeliest to come leave 100 that buy nothing: they stay at head office.
    assert_eq!(targets(&output), [(1, 500), (2, 200)]);
    assert_eq!(output.grants, [(id(1), 500), (id(2), 200)]);
    assert_eq!(output.covered_thousandths, 800);
}

#[test]
fn what_lies_at_a_till_stays_when_moving_gains_little() {
    let mut question = input(0, &[(2, 500)], &[(1, 26), (2, 25)], &[500], 1000);
    assert_eq!(targets(&plan(&question)), [(1, 500), (2, 0)]);
    assert_eq!(plan(&question).recalls, [(id(2), 0)]);
    question.move_gain_thousandths = 50;
    assert_eq!(targets(&plan(&question)), [(2, 500)]);
    assert_eq!(plan(&question).recalls, []);
}

#[test]
fn a_till_out_of_reach_counts_and_is_left_alone() {
    let mut question = input(600, &[(1, 400)], &[(1, 50), (2, 50)], &[400], 800);
    question.out_of_reach = vec![id(1)];
    let output = plan(&question);
    assert_eq!(targets(&output), [(2, 400)]);
    assert_eq!(output.covered_thousandths, 1000);
    question.placed_thousandths = 700;
    assert_eq!(targets(&plan(&question)), []);
}

#[test]
fn what_lies_beyond_the_budget_is_asked_back() {
    let output = plan(&input(100, &[(1, 900), (2, 100)], &[(1, 1)], &[500], 500));
    assert_eq!(output.recalls, [(id(1), 550), (id(2), 0)]);
    // Nothing is worth less than what cannot be asked for: without costs what is held just shrinks to the budget.
    assert_eq!(targets(&plan(&input(0, &[(1, 900)], &[(1, 1)], &[], 500))), [(1, 450)]);
}

#[test]
fn grants_never_exceed_what_head_office_has_now() {
    let output = plan(&input(300, &[(3, 700)], &[(1, 60), (2, 40)], &[500], 1000));
    assert_eq!(targets(&output), [(1, 500), (2, 500), (3, 0)]);
    assert_eq!(output.grants, [(id(1), 300)]);
    assert_eq!(output.recalls, [(id(3), 0)]);
}

#[test]
fn head_office_keeps_what_is_likely_to_be_asked_for_there() {
    let mut question = input(700, &[], &[(1, 60)], &[500], 1000);
    assert_eq!(targets(&plan(&question)), [(1, 500)]);
    question.online_weight = 59;
    assert_eq!(targets(&plan(&question)), [(1, 500)]);
    question.online_weight = 61;
    assert_eq!(targets(&plan(&question)), []);
    assert_eq!(plan(&question).covered_thousandths, 504);
    // What head office needs is asked back; what it does not need stays where it lies.
    question.lots.clear();
    question.held = vec![(id(1), 700)];
    assert_eq!(plan(&question).recalls, [(id(1), 200)]);
    question.held = vec![(id(1), 1400)];
    assert_eq!(plan(&question).recalls, [(id(1), 900)]);
    assert_eq!(plan(&question).covered_thousandths, 1000);
}

/// Everything the input says, by till: weight, held, whether in reach.
fn tills(input: &PlanInput) -> BTreeMap<IncarnationId, (u128, i64, bool)> {
    let mut tills: BTreeMap<IncarnationId, (u128, i64, bool)> = BTreeMap::new();
    for place in &input.places {
        tills.entry(place.incarnation).or_insert((0, 0, true)).0 += u128::from(place.weight);
    }
    for (till, units) in &input.held {
        tills.entry(*till).or_insert((0, 0, true)).1 += units;
    }
    for till in &input.out_of_reach {
        tills.entry(*till).or_insert((0, 0, true)).2 = false;
    }
    tills
}

fn total(input: &PlanInput) -> i64 {
    input.lots.iter().chain(&[]).map(|(_, units)| units).sum::<i64>()
        + input.held.iter().map(|(_, units)| units).sum::<i64>()
}

fn covered(input: &PlanInput, units: i64) -> u128 {
    let payable = input.costs.iter().filter(|cost| cost.units <= total(input));
    payable.filter(|cost| cost.units <= units).map(|cost| u128::from(cost.weight)).sum()
}

/// What a placement is worth, reckoned plainly.
fn value(input: &PlanInput, levels: &BTreeMap<IncarnationId, i64>) -> u128 {
    tills(input)
        .iter()
        .map(|(till, (weight, held, in_reach))| {
            let units = if *in_reach { levels.get(till).copied().unwrap_or(0) } else { *held };
            weight * covered(input, units)
        })
        .sum()
}

/// What tills in reach may hold.
fn budget(input: &PlanInput) -> i64 {
    let placed = total(input) * i64::from(input.placed_thousandths) / 1000;
    let away: i64 = tills(input).values().filter(|(_, _, in_reach)| !in_reach).map(|(_, held, _)| held).sum();
    (placed - away).max(0)
}

/// The worth of the best placement there is, by trying all.
fn best(input: &PlanInput) -> u128 {
    fn search(input: &PlanInput, left: &[(IncarnationId, u128)], rest: i64) -> u128 {
        let Some(((_, weight), left)) = left.split_first() else { return 0 };
        let levels = std::iter::once(0).chain(input.costs.iter().map(|cost| cost.units));
        let payable = levels.filter(|level| *level <= rest);
        payable.map(|level| weight * covered(input, level) + search(input, left, rest - level)).max().unwrap_or(0)
    }
    let reach: Vec<(IncarnationId, u128)> =
        tills(input).iter().filter(|(_, till)| till.2).map(|(till, (weight, _, _))| (*till, *weight)).collect();
    search(input, &reach, budget(input)) + value(input, &BTreeMap::new())
}

/// The input after everything the plan says has been done.
fn carried_out(input: &PlanInput, output: &PlanOutput) -> PlanInput {
    let levels: BTreeMap<IncarnationId, i64> = output.targets.iter().copied().collect();
    let stays = |till: &IncarnationId| input.out_of_reach.contains(till);
    let mut held: Vec<(IncarnationId, i64)> = input.held.iter().copied().filter(|(till, _)| stays(till)).collect();
    held.extend(levels);
    let at_tills: i64 = held.iter().map(|(_, units)| units).sum();
    PlanInput { lots: vec![(Lot::default(), total(input) - at_tills)], held, ..input.clone() }
}

fn any_input(tills: u8, costs: usize) -> impl Strategy<Value = PlanInput> {
    let held = prop::collection::vec((0..tills, 0i64..900), 0..5);
    let places = prop::collection::vec((0..tills, 0u32..100), 0..usize::from(tills) + 2);
    let costs = prop::collection::vec((1i64..1200, 0u32..5), 0..costs);
    let away = prop::collection::vec(0..tills, 0..2);
    let share = (prop_oneof![Just(1000u32), 0u32..=1000], prop_oneof![Just(0u32), 0u32..200]);
    (0i64..2000, held, places, costs, away, share, prop_oneof![Just(0u32), 0u32..200]).prop_map(
        |(hub, held, places, costs, away, (share, online), gain)| PlanInput {
            online_weight: online,
            costs: costs.into_iter().map(|(units, weight)| Cost { units, weight }).collect(),
            out_of_reach: away.into_iter().map(id).collect(),
            move_gain_thousandths: gain,
            ..input(hub, &held, &places, &[], share)
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn the_budget_is_kept_and_nothing_out_of_reach_is_planned(input in any_input(6, 6)) {
        let output = plan(&input);
        prop_assert!(output.targets.iter().all(|(till, units)| *units >= 0 && !input.out_of_reach.contains(till)));
        prop_assert!(output.targets.iter().map(|(_, units)| units).sum::<i64>() <= budget(&input));
        let held = tills(&input);
        let hub: i64 = input.lots.iter().map(|(_, units)| units).sum();
        prop_assert!(output.grants.iter().map(|(_, units)| units).sum::<i64>() <= hub);
        let level: BTreeMap<IncarnationId, i64> = output.targets.iter().copied().collect();
        prop_assert_eq!(level.len(), output.targets.len());
        for (till, units) in &output.grants {
            prop_assert!(*units > 0 && held.get(till).map_or(0, |(_, held, _)| *held) + units <= level[till]);
        }
        for (till, keep) in &output.recalls {
            prop_assert!(*keep == level[till] && *keep < held[till].1);
        }
        for (till, (_, units, in_reach)) in &held {
            prop_assert!(!in_reach || *units == 0 || level.contains_key(till));
        }
        let placed: i64 = held.iter().map(|(till, (_, units, away))| if *away { level.get(till).copied().unwrap_or(0) } else { *units }).sum();
        let online = u128::from(input.online_weight);
        let worth = (value(&input, &level) + online * covered(&input, total(&input) - placed)) * 1000;
        let all = (online + held.values().map(|(weight, _, _)| weight).sum::<u128>()) * covered(&input, i64::MAX);
        prop_assert_eq!(u128::from(output.covered_thousandths), worth.checked_div(all).unwrap_or(0));
    }

    #[test]
    fn the_order_of_the_input_says_nothing(pair in any_input(6, 6).prop_flat_map(|input| {
        let shuffled = (
            Just(input.held.clone()).prop_shuffle(),
            Just(input.places.clone()).prop_shuffle(),
            Just(input.costs.clone()).prop_shuffle(),
        );
        (Just(input), shuffled)
    })) {
        let (input, (held, places, costs)) = pair;
        prop_assert_eq!(plan(&input), plan(&PlanInput { held, places, costs, ..input.clone() }));
    }

    #[test]
    fn a_plan_that_was_carried_out_stays(input in any_input(6, 6)) {
        let output = plan(&input);
        let again = plan(&carried_out(&input, &output));
        let units = |output: &PlanOutput| -> Vec<(IncarnationId, i64)> {
            output.targets.iter().copied().filter(|(_, units)| *units > 0).collect()
        };
        prop_assert_eq!(units(&again), units(&output));
        prop_assert!(again.grants.is_empty() && again.recalls.is_empty());
    }

    #[test]
    fn it_is_no_worse_than_one_place_and_no_worse_than_leaving_things(input in any_input(6, 6)) {
        let input = PlanInput { move_gain_thousandths: 0, online_weight: 0, ..input };
        let reached = value(&input, &plan(&input).targets.into_iter().collect());
        for (till, (_, _, in_reach)) in tills(&input) {
            if in_reach {
                let all_here = BTreeMap::from([(till, budget(&input))]);
                prop_assert!(reached >= value(&input, &all_here));
            }
        }
        let held: BTreeMap<IncarnationId, i64> =
            tills(&input).into_iter().filter(|(_, till)| till.2).map(|(till, (_, held, _))| (till, held)).collect();
        if held.values().sum::<i64>() <= budget(&input) {
            prop_assert!(reached >= value(&input, &held));
        }
    }

    #[test]
    fn it_reaches_at_least_half_of_what_is_possible(input in any_input(4, 4)) {
        let input = PlanInput { move_gain_thousandths: 0, online_weight: 0, ..input };
        let reached = value(&input, &plan(&input).targets.into_iter().collect());
        prop_assert!(2 * reached >= best(&input), "{} of {}", reached, best(&input));
    }

    /// Huge and absurd numbers neither panic nor overflow.
    #[test]
    fn any_numbers_are_taken(hub in any::<i64>(), held in any::<i64>(), weight in any::<u32>(), cost in any::<i64>(), share in any::<u32>()) {
        let question = PlanInput {
            move_gain_thousandths: weight,
            costs: vec![Cost { units: cost, weight }, Cost { units: i64::MAX, weight: u32::MAX }],
            ..input(hub, &[(1, held), (2, i64::MAX)], &[(1, weight), (1, u32::MAX), (2, weight)], &[], share)
        };
        prop_assert!(plan(&question).targets.iter().all(|(_, units)| *units >= 0));
    }
}

/// How near the method comes in practice, over seeded problems small enough to search exhaustively.
#[test]
fn it_is_the_best_plan_nearly_always() {
    let mut state = 1u64;
    let mut draw = |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let (mut reached, mut possible, mut exact) = (0, 0, 0);
    let cases = 2000;
    for _ in 0..cases {
        let small = |n: u64| i64::try_from(n).unwrap();
        let places: Vec<(u8, u32)> = (0..5u8).map(|till| (till, u32::try_from(draw(100)).unwrap())).collect();
        let costs: Vec<i64> = (0..4).map(|_| small(1 + draw(1500))).collect();
        let question = input(small(draw(4000)), &[], &places, &costs, 1000);
        let ours = value(&question, &plan(&question).targets.into_iter().collect());
        let most = best(&question);
        reached += ours;
        possible += most;
        exact += u32::from(ours == most);
    }
    assert!(reached * 1000 >= possible * 998, "{reached} of {possible}");
    assert!(exact * 100 >= cases * 95, "{exact} of {cases} are the best plan");
}
