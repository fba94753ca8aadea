//! Laws of returns, and negative controls that show the laws can fail.

use proptest::prelude::*;

use super::*;
use crate::sale::{Discount, SaleKind};

fn line(id: &str, sku: &str, quantity: i64, amount: i64) -> Line {
    Line { id: Some(id.into()), sku: Some(sku.into()), quantity: Some(quantity.to_string()), amount, ..Line::default() }
}

fn document(kind: SaleKind, lines: Vec<Line>) -> Sale {
    let total = lines.iter().map(|line| line.amount).sum();
    Sale { kind, total, lines, ..Sale::default() }
}

fn returned(lines: Vec<Line>) -> Sale {
    document(SaleKind::Return, lines)
}

fn tea_and_cake() -> Sale {
    document(SaleKind::Sale, vec![line("1", "tea", 3, 1000), line("2", "cake", 1, 500)])
}

fn goods(sale: &Sale, returns: &[Sale]) -> (i128, i128) {
    let back = back(sale, returns);
    (back.goods.back_minor, back.goods.whole_minor)
}

#[test]
fn what_is_back_is_what_the_returns_say_up_to_what_was_sold() {
    let sale = tea_and_cake();
    assert_eq!(goods(&sale, &[]), (0, 1500));
    assert_eq!(goods(&sale, &[returned(vec![line("1", "tea", 1, 333)])]), (333, 1500));
    // A number of its own document is not the sale's line: the product says which it is.
    assert_eq!(goods(&sale, &[returned(vec![line("1", "cake", 1, 500)])]), (500, 1500));
    // By quantity: four of three.
    let four = back(&sale, &[returned(vec![line("1", "tea", 4, 1333)])]);
    assert_eq!((four.goods.back_minor, four.is_over), (1000, true));
    // By amount: dearer than it was.
    assert_eq!(goods(&sale, &[returned(vec![line("1", "tea", 1, 900)])]).0, 334);
    // By description where there is no SKU, by amount where there is no product.
    let words = Line { description: Some("CAKE".into()), amount: 500, ..Line::default() };
    let mut named = sale.clone();
    named.lines[1].description = Some("CAKE".into());
    assert_eq!(goods(&named, &[returned(vec![words.clone()])]), (500, 1500));
    assert_eq!(goods(&sale, &[returned(vec![words.clone()])]), (500, 1500));
    let loose = returned(vec![Line { amount: 2000, ..words }]);
    assert_eq!(goods(&sale, &[loose]), (1500, 1500));
    // Thirds of 10.00 that a POS rounds down are all of it when all three are back.
    let third = || returned(vec![line("1", "tea", 1, 333)]);
    assert_eq!(goods(&sale, &[third(), third()]).0, 666);
    assert_eq!(goods(&sale, &[third(), third(), third()]).0, 1000);
}

#[test]
fn a_line_voided_within_the_sale_cannot_come_back() {
    let mut sale = tea_and_cake();
    sale.lines.push(line("3", "cake", 1, -500));
    assert_eq!(goods(&sale, &[]), (0, 1000));
    assert_eq!(goods(&sale, &[returned(vec![line("1", "tea", 3, 1000)])]), (1000, 1000));
    assert_eq!(build_return(&sale, &[], &[pick("2", None)]), Err(ReturnError::NothingSold("2".into())));
}

#[test]
fn deposits_do_not_count_and_basket_discounts_are_spread() {
    let mut sale = tea_and_cake();
    sale.lines.push(Line { kind: LineKind::Deposit, ..line("3", "bottle", 1, 150) });
    sale.discounts = vec![Discount { description: "OFF".into(), amount: -165 }];
    assert_eq!(goods(&sale, &[]), (0, 1350));
    let all = build_return(&sale, &[], &[pick("1", None), pick("2", None), pick("3", None)]).unwrap();
    assert_eq!(all.total, 1485);
    assert!(back(&sale, [&all]).goods.is_all());
}

#[test]
fn goods_that_cost_nothing_come_back_by_their_number() {
    let mut sale = tea_and_cake();
    sale.discounts = vec![Discount { description: "A REWARD".into(), amount: -1500 }];
    let half = build_return(&sale, &[], &[pick("1", None)]).unwrap();
    assert_eq!(half.total, 0);
    assert!(!back(&sale, [&half]).goods.is_all());
    let rest = build_return(&sale, &[&half], &[pick("2", None)]).unwrap();
    assert!(back(&sale, [&half, &rest]).goods.is_all());
}

#[test]
fn a_gift_card_comes_back_for_itself() {
    let account = MemberId([7; 16]);
    let mut sale = tea_and_cake();
    sale.lines.push(Line { kind: LineKind::GiftCard, account: Some(account), ..line("3", "card", 1, 5000) });
    let card = build_return(&sale, &[], &[pick("3", None)]).unwrap();
    let back = back(&sale, [&card]);
    assert_eq!(back.goods, Share { back_minor: 0, whole_minor: 1500 });
    assert_eq!(back.accounts[&account], Share { back_minor: 5000, whole_minor: 5000 });
}

#[test]
fn a_return_that_cannot_be_says_why() {
    let sale = tea_and_cake();
    let tea = |quantity: &str| build_return(&sale, &[], &[pick("1", Some(quantity))]);
    assert_eq!(build_return(&sale, &[], &[]), Err(ReturnError::Nothing));
    assert_eq!(build_return(&sale, &[], &[pick("9", None)]), Err(ReturnError::UnknownLine("9".into())));
    assert!(matches!(tea("0"), Err(ReturnError::Quantity { .. })));
    assert!(matches!(tea("1,5"), Err(ReturnError::Quantity { .. })));
    let one = tea("2.5").unwrap();
    assert_eq!((one.total, one.lines[0].quantity.as_deref()), (833, Some("2.5")));
    let error = build_return(&sale, &[&one], &[pick("1", Some("1"))]).unwrap_err();
    assert_eq!(error.to_string(), "of line \"1\" 0.5 can still come back, 1 was asked");
    assert_eq!(build_return(&sale, &[&one], &[pick("1", None)]).unwrap().total, 167);
    // Without ids, lines go by their number.
    let mut plain = sale.clone();
    plain.lines.iter_mut().for_each(|line| line.id = None);
    assert_eq!(build_return(&plain, &[], &[pick("2", None)]).unwrap().total, 500);
}

fn pick(id: &str, quantity: Option<&str>) -> ReturnPick {
    ReturnPick { id: id.into(), quantity: quantity.map(str::to_owned) }
}

fn any_lines(signed: bool) -> impl Strategy<Value = Vec<Line>> {
    let amount = if signed { -300i64..2000 } else { 0..2000 };
    let product = prop_oneof![Just("tea"), Just("cake"), Just("milk")];
    prop::collection::vec((product, 1i64..6, amount, 0u8..4), 1..6).prop_map(|lines| {
        let line = |(index, (sku, quantity, amount, shape)): (usize, (&str, i64, i64, u8))| Line {
            id: (shape & 1 == 0).then(|| (index + 1).to_string()),
            quantity: (shape & 2 == 0).then(|| quantity.to_string()),
            ..line("", sku, quantity, amount)
        };
        lines.into_iter().enumerate().map(line).collect()
    })
}

fn any_sale() -> impl Strategy<Value = Sale> {
    (any_lines(true), 0i64..400, any::<bool>()).prop_map(|(lines, discount, is_added)| {
        let mut sale = document(SaleKind::Sale, lines);
        let whole = weights(&sale.lines).iter().sum::<i128>();
        let discount = discount.min(i64::try_from(whole).unwrap());
        sale.discounts = vec![Discount { description: String::new(), amount: -discount }];
        sale.tax = Some(sale.total.max(0) / 7);
        sale.tax_included = Some(!is_added);
        sale
    })
}

fn any_returns() -> impl Strategy<Value = Vec<Sale>> {
    prop::collection::vec(any_lines(false).prop_map(returned), 0..5)
}

type Rule = fn(&Sale, &[Sale], i64) -> i64;

/// What is taken back of `accrued` when returns come one after the other.
fn one_by_one(sale: &Sale, returns: &[Sale], accrued: i64) -> i64 {
    let mut taken = 0;
    for count in 1..=returns.len() {
        taken += taken_back(accrued, back(sale, &returns[..count]).goods, taken);
    }
    taken
}

/// What a till would take that looks at each return alone.
fn each_alone(sale: &Sale, returns: &[Sale], accrued: i64) -> i64 {
    returns.iter().map(|one| back(sale, [one]).goods.of(accrued)).sum()
}

/// Never more than was accrued, whatever comes back.
fn is_capped(rule: Rule, sale: &Sale, returns: &[Sale]) -> bool {
    rule(sale, returns, 100) <= 100
}

/// The same in the end, in whatever order.
fn is_without_order(rule: Rule, sale: &Sale, returns: &[Sale]) -> bool {
    let backwards: Vec<Sale> = returns.iter().rev().cloned().collect();
    rule(sale, returns, 100) == rule(sale, &backwards, 100)
}

/// What a till would take that stops when too much is back, and not before.
fn stops_late(sale: &Sale, returns: &[Sale], accrued: i64) -> i64 {
    let mut taken = 0;
    for one in returns {
        let now = back(sale, [one]).goods.of(accrued);
        taken += if taken + now > accrued { 0 } else { now };
    }
    taken
}

#[test]
fn the_negative_controls_break_the_laws() {
    let sale = tea_and_cake();
    let twice = [returned(vec![line("1", "tea", 3, 1000)]), returned(vec![line("1", "tea", 3, 1000)])];
    assert!(is_capped(one_by_one, &sale, &twice) && !is_capped(each_alone, &sale, &twice));
    let returns = [
        returned(vec![line("1", "tea", 3, 1000)]),
        returned(vec![line("1", "tea", 3, 1000), line("2", "cake", 1, 500)]),
    ];
    assert!(is_without_order(one_by_one, &sale, &returns) && !is_without_order(stops_late, &sale, &returns));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Order does not matter, more never means less, nothing goes beyond the whole.
    #[test]
    fn a_sale_and_the_set_of_its_returns_say_what_is_back(sale in any_sale(), returns in any_returns(), accrued in 0i64..1000) {
        let all = back(&sale, &returns);
        let backwards = back(&sale, returns.iter().rev());
        prop_assert_eq!(&all, &backwards);
        prop_assert!(all.goods.back_minor <= all.goods.whole_minor);
        prop_assert!(all.goods.back_minor >= 0);
        let mut before = 0;
        for count in 0..=returns.len() {
            let now = back(&sale, &returns[..count]).goods.back_minor;
            prop_assert!(now >= before);
            before = now;
        }
        prop_assert!(is_capped(one_by_one, &sale, &returns) && is_without_order(one_by_one, &sale, &returns));
        prop_assert_eq!(one_by_one(&sale, &returns, accrued), all.goods.of(accrued));
        prop_assert_eq!(taken_back(accrued, all.goods, all.goods.of(accrued)), 0);
    }

    /// Everything back is everything, in however many parts and in whatever order; once more is refused.
    #[test]
    fn whoever_brings_everything_back_gets_everything_back(
        sale in any_sale(),
        parts in prop::collection::vec((0usize..6, 1u32..5_000_000), 0..12),
        rounding in -4i64..5,
    ) {
        // A line that takes off more than was sold of its product is no voided line.
        let listed: i128 = weights(&sale.lines).iter().sum();
        prop_assume!(listed == sale.lines.iter().map(|line| i128::from(line.amount)).sum::<i128>());
        let mut sale = sale;
        sale.lines.iter_mut().enumerate().for_each(|(index, line)| line.id = Some((index + 1).to_string()));
        sale.rounding = rounding;
        let added = if sale.tax_included == Some(false) { sale.tax.unwrap_or(0) } else { 0 };
        sale.total += sale.discounts[0].amount + rounding + added;
        let mut returns: Vec<Sale> = Vec::new();
        let mut take = |pick: ReturnPick| {
            let earlier: Vec<&Sale> = returns.iter().collect();
            let one = build_return(&sale, &earlier, &[pick]);
            if let Ok(one) = &one {
                assert_eq!(one.arithmetic_error(), None);
                returns.push(one.clone());
            }
            one.is_ok()
        };
        for (index, quantity) in parts {
            take(pick(&(index + 1).to_string(), Some(&format!("0.{quantity:07}"))));
        }
        let mut has_any = false;
        for index in 1..=sale.lines.len() {
            has_any |= take(pick(&index.to_string(), None));
        }
        prop_assume!(has_any);
        prop_assert!(!take(pick("1", None)));
        prop_assert_eq!(returns.iter().map(|one| one.total).sum::<i64>(), sale.total);
        prop_assert_eq!(returns.iter().filter_map(|one| one.tax).sum::<i64>(), sale.tax.unwrap());
        let all = back(&sale, &returns);
        prop_assert!(all.goods.is_all() || all.goods.whole_minor == 0);
        prop_assert!(!all.is_over);
    }
}
