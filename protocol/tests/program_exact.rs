//! Exactness: what the program computes against a slow reference that counts unit by unit and never divides.

use counterfoil_protocol::program::{Basket, Evaluation, LocalTime, MemberInputs, Program};
use counterfoil_protocol::sale::{Discount, Line, LineKind, Sale, SaleKind, Tender, TenderKind};
use proptest::prelude::*;

const NOON: LocalTime = LocalTime { year: 2026, month: 11, day: 20, weekday: 5, hour: 12, minute: 30 };

fn program(every: i64, give: i64) -> Program {
    let text = format!(
        "program = \"p\"\ncurrency = \"GBP\"\ntime_zone = \"UTC\"\n[purse.all]\nkind = \"points\"\n[purse.a]\nkind = \"points\"\n\
         [[earn]]\nid = \"all\"\npurse = \"all\"\naward = {{ every = {every}, give = {give} }}\n\
         [[earn]]\nid = \"a\"\npurse = \"a\"\naward = {{ every = {every}, give = {give} }}\nlines = 'line.category == \"a\"'\n"
    );
    Program::from_toml(&text).expect("a plain program")
}

/// Units of both purses, and the eligible amount.
fn outcome(program: &Program, sale: &Sale) -> (i64, i64, i64) {
    counts_of(sale, |basket| program.evaluate(basket))
}

/// The same for the goods alone.
fn base_outcome(program: &Program, sale: &Sale) -> (i64, i64, i64) {
    counts_of(sale, |basket| program.evaluate_base(basket))
}

fn counts_of(sale: &Sale, evaluate: impl FnOnce(&Basket<'_>) -> Evaluation) -> (i64, i64, i64) {
    let member = MemberInputs::default();
    let evaluation = evaluate(&Basket {
        sale,
        now: NOON,
        member: &member,
        store: "S",
        store_groups: &[],
        lane: "1",
        channel: "till",
    });
    let units =
        |purse: &str| evaluation.awards.iter().find(|award| award.purse == purse).map_or(0, |award| award.amount);
    assert_eq!(evaluation.failures, Vec::<String>::new());
    (units("all"), units("a"), evaluation.eligible_minor)
}

/// Shares of `whole` by largest remainder: one unit at a time to whoever is furthest below their exact share.
fn dealt(whole: i64, weights: &[i64]) -> Vec<i64> {
    let sum: i128 = weights.iter().map(|weight| i128::from(*weight)).sum();
    let mut parts = vec![0i64; weights.len()];
    let lacks = |part: i64, weight: i64| i128::from(whole.abs()) * i128::from(weight) - i128::from(part) * sum;
    // Whole shares first …
    for (part, weight) in parts.iter_mut().zip(weights) {
        while lacks(*part, *weight) >= sum {
            *part += 1;
        }
    }
    // … then the rest, once around at most.
    let mut open: Vec<usize> = (0..weights.len()).collect();
    while parts.iter().sum::<i64>() < whole.abs() {
        let best = open
            .iter()
            .copied()
            .max_by_key(|i| (lacks(parts[*i], weights[*i]), std::cmp::Reverse(*i)))
            .expect("less than a whole round is left");
        parts[best] += 1;
        open.retain(|index| *index != best);
    }
    parts.into_iter().map(|part| part * whole.signum()).collect()
}

/// The largest count with count × step × total ≤ paid × counts.
fn counted(paid: i64, counts: i64, total: i64, step: i64) -> i64 {
    let mut count = 0i64;
    let fits =
        |count: i64| i128::from(count) * i128::from(step) * i128::from(total) <= i128::from(paid) * i128::from(counts);
    while fits(count + 1) {
        count += 1;
    }
    count
}

#[derive(Debug, Clone)]
struct Case {
    lines: Vec<(bool, bool, i64)>,
    discount: i64,
    added_tax: i64,
    points_share_percent: i64,
    every: i64,
    give: i64,
}

fn any_case() -> impl Strategy<Value = Case> {
    (
        prop::collection::vec((any::<bool>(), prop::bool::weighted(0.2), 1i64..400), 1..10),
        0i64..300,
        0i64..120,
        prop_oneof![2 => Just(0), 1 => 0i64..=100],
        1i64..60,
        1i64..9,
    )
        .prop_map(|(lines, discount, added_tax, points_share_percent, every, give)| Case {
            lines,
            discount,
            added_tax,
            points_share_percent,
            every,
            give,
        })
}

fn sale_of(case: &Case) -> Sale {
    let line = |(is_a, is_deposit, amount): &(bool, bool, i64)| Line {
        kind: if *is_deposit { LineKind::Deposit } else { LineKind::Item },
        category: is_a.then(|| "a".to_owned()),
        amount: *amount,
        ..Line::default()
    };
    let lines: Vec<Line> = case.lines.iter().map(line).collect();
    let sum: i64 = lines.iter().map(|line| line.amount).sum();
    let discount = case.discount.min(sum);
    let total = sum - discount + case.added_tax;
    let points = total * case.points_share_percent / 100;
    let tender = |kind, amount| Tender { kind, amount };
    Sale {
        currency: "GBP".into(),
        total,
        tax: Some(case.added_tax),
        tax_included: Some(false),
        lines,
        discounts: vec![Discount { description: "x".into(), amount: -discount }],
        tenders: vec![tender(TenderKind::Points, points), tender(TenderKind::Cash, total - points)],
        ..Sale::default()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Discounts and tax by largest remainder, points tenders in proportion, rounded down once.
    #[test]
    fn evaluation_is_exact(case in any_case()) {
        let sale = sale_of(&case);
        prop_assert_eq!(sale.arithmetic_error(), None);
        let weights: Vec<i64> = sale.lines.iter().map(|line| line.amount).collect();
        let discounts = dealt(sale.discounts[0].amount, &weights);
        let taxes = dealt(case.added_tax, &weights);
        let paid = |select: &dyn Fn(&Line) -> bool| -> i64 {
            let lines = sale.lines.iter().zip(discounts.iter().zip(&taxes));
            lines.filter(|(line, _)| line.kind == LineKind::Item && select(line)).map(|(line, (d, t))| line.amount + d + t).sum()
        };
        let counts = sale.total - sale.tenders[0].amount;
        let expected = |paid, step| if sale.total > 0 { counted(paid, counts, sale.total, step) } else { 0 };
        let (all, a) = (paid(&|_| true), paid(&|line| line.category.is_some()));
        let reference = (expected(all, case.every) * case.give, expected(a, case.every) * case.give, expected(all, 1));
        prop_assert_eq!(outcome(&program(case.every, case.give), &sale), reference);
    }

    /// Where nothing is spread, and for a rule that counts every line always, order does not matter.
    #[test]
    fn the_order_of_lines_does_not_matter(case in any_case(), by in 0usize..10) {
        let sale = sale_of(&case);
        let mut turned = sale.clone();
        let by = by % turned.lines.len();
        turned.lines.rotate_left(by);
        let goods_only = sale.lines.iter().all(|line| line.kind == LineKind::Item);
        let program = program(case.every, case.give);
        let (before, after) = (outcome(&program, &sale), outcome(&program, &turned));
        if goods_only {
            prop_assert_eq!((before.0, before.2), (after.0, after.2));
        }
        let plain = |mut sale: Sale| {
            sale.total += sale.discounts.remove(0).amount.abs() - sale.tax.take().unwrap_or(0);
            sale.tenders.clear();
            sale
        };
        prop_assert_eq!(outcome(&program, &plain(sale)), outcome(&program, &plain(turned)));
    }

    /// A line sold and voided within the sale leaves no trace.
    #[test]
    fn a_voided_line_leaves_no_trace(case in any_case(), amount in 1i64..500, is_a: bool) {
        let sale = sale_of(&case);
        let mut with = sale.clone();
        let category = is_a.then(|| "a".to_owned());
        let line = Line { sku: Some("v".into()), category, amount, ..Line::default() };
        with.lines.push(line.clone());
        with.lines.insert(0, Line { amount: -amount, ..line });
        let program = program(case.every, case.give);
        prop_assert_eq!(outcome(&program, &with), outcome(&program, &sale));
    }

    /// Goods brought back without their sale come to what they gave, where only base rules gave.
    #[test]
    fn the_base_of_a_return_is_what_its_goods_gave(case in any_case()) {
        let sale = sale_of(&case);
        let back = Sale { kind: SaleKind::Return, ..sale.clone() };
        let program = program(case.every, case.give);
        prop_assert_eq!(base_outcome(&program, &back), outcome(&program, &sale));
        prop_assert_eq!(outcome(&program, &back), (0, 0, 0));
    }
}
