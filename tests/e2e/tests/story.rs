//! The demo's story with real processes, and its negative control.

use counterfoil_demo::story::{Plan, play};
use counterfoil_demo::voice::Voice;
use counterfoil_e2e::TestShop;

#[tokio::test(flavor = "multi_thread")]
async fn a_day_with_the_line_cut_balances_to_the_unit() -> anyhow::Result<()> {
    let mut shop = TestShop::open(2).await?;
    let summary = play(&mut shop, Plan::QUICK, &Voice::begin()).await?;
    assert_eq!(summary.findings, Vec::<String>::new(), "{summary:?}");
    assert_eq!((summary.delivered, summary.trial_balance), (summary.sales, 0));
    assert_eq!((summary.days, summary.days_balanced), (2, 2));
    assert_eq!(
        (summary.redeemed_offline, summary.refused_offline),
        (1, 2),
        "Ann's points pay for one reward in all, and no lane gives another"
    );
    shop.shut().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receipt_that_the_tap_never_saw_is_named() -> anyhow::Result<()> {
    let mut shop = TestShop::open(1).await?;
    let plan = Plan { morning: 4, outage: 1, afternoon: 1, drop_receipt: Some(2) };
    let summary = play(&mut shop, plan, &Voice::begin()).await?;
    assert!(!summary.balances());
    assert_eq!((summary.days, summary.days_balanced), (1, 0));
    let [difference] = &summary.differences[..] else { panic!("one day differs: {:?}", summary.differences) };
    let dropped = "0001-000003";
    assert!(difference.contains("mismatched") && difference.contains(dropped), "{difference}");
    assert_eq!(summary.delivered + 1, summary.sales);
    assert_eq!(summary.trial_balance, 0, "what is missing is missing on paper, not in the ledger");
    shop.shut().await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_day_over_tls_balances_too() -> anyhow::Result<()> {
    let mut shop = TestShop::open_over_tls(1).await?;
    let plan = Plan { morning: 2, outage: 2, afternoon: 1, drop_receipt: None };
    let summary = play(&mut shop, plan, &Voice::begin()).await?;
    assert_eq!(summary.findings, Vec::<String>::new(), "{summary:?}");
    assert_eq!(summary.delivered, summary.sales);
    shop.shut().await
}
