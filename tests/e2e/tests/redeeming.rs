//! A redemption's life on real processes: kept for a basket, spent by its sale, let go, timed out, given without the
//! line as far as the shop allows, undone by goods that come back at another lane, given back when a till retires.

use anyhow::Context as _;
use counterfoil_demo::shop::STORE;
use counterfoil_demo::shop::api::Answer;
use counterfoil_demo::shop::line::LineState;
use counterfoil_demo::shop::programs::wait_until;
use counterfoil_e2e::TestShop;
use serde_json::{Value, json};

const CARD: &str = "9826000000017";

/// The shop's program with a floor: what a till that is cut off may give beyond what it holds.
fn program_with_floor() -> anyhow::Result<String> {
    let shop = std::fs::read_to_string(counterfoil_demo::shop::PROGRAM)?;
    Ok(format!("{shop}\n[offline.floor]\npoints = {{ redemption = 300, member = 300, till_hard = 500 }}\n"))
}

fn sale(receipt: &str, sale_ref: &str, clock: &str, member: bool) -> Value {
    let mut sale = json!({ "receipt_number": receipt, "sale_ref": sale_ref, "occurred_at": clock, "currency": "GBP",
        "total": 2_000, "lines": [
            { "id": "1", "description": "BREAD", "quantity": "2", "amount": 800 },
            { "id": "2", "description": "CHEESE", "quantity": "1", "amount": 1_200 } ] });
    if member {
        sale["member"] = json!({ "identifier": CARD });
    }
    sale
}

fn text(answer: &Answer, key: &str) -> String {
    answer.body.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
}

#[track_caller]
fn is(answer: &Answer, status: u16, state: &str) {
    assert_eq!((answer.status, text(answer, "state").as_str()), (status, state), "{}", answer.body);
}

#[track_caller]
fn is_refused(answer: &Answer, kind: &str) {
    let of_kind = text(answer, "type").ends_with(kind);
    assert!(answer.status == 409 && of_kind, "{kind}: {} {}", answer.status, answer.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_basket_is_spent_by_its_sale_let_go_or_timed_out() -> anyhow::Result<()> {
    let mut shop = TestShop::open(1).await?;
    let member = shop.member(CARD, 1_700).await?;
    {
        let (till, pos) = &shop.lanes[0];
        let kept = till.reserve("b1", CARD, "five-off").await?;
        is(&kept, 201, "reserved");
        assert_eq!(till.reserve("b1", CARD, "five-off").await?.body, kept.body, "asked again");
        let path = format!("/v1/redemptions/{}", text(&kept, "redemption_id"));
        till.api().call("/v1/sales", "s1", &sale("7001", "b1", &pos.clock(), false)).await?;
        is(&till.api().get(&path).await?, 200, "redeemed");
        let kept = till.reserve("b2", CARD, "five-off").await?;
        let path = format!("/v1/redemptions/{}", text(&kept, "redemption_id"));
        is(&till.api().post(&format!("{path}/cancel"), "c2", &json!({})).await?, 201, "cancelled");
        is(&till.api().get(&path).await?, 200, "cancelled");
    }
    shop.points_become(&member, 1_200, 0).await?;
    shop.lanes[0].0.configure("[reservation]\ntimeout_s = 1")?;
    shop.lanes[0].0.stop().await?;
    shop.lanes[0].0.start().await?;
    {
        let (till, _) = &shop.lanes[0];
        let kept = till.reserve("b3", CARD, "five-off").await?;
        let path = format!("/v1/redemptions/{}", text(&kept, "redemption_id"));
        wait_until("the basket is given up", async || {
            Ok((text(&till.api().get(&path).await?, "state") == "timed-out").then_some(()))
        })
        .await?;
        // The POS was slow, and the customer has the discount.
        let late = till.api().post(&format!("{path}/confirm"), "l3", &json!({})).await?;
        is(&late, 201, "redeemed");
        assert_eq!(late.body["marks"], json!(["late"]), "{}", late.body);
    }
    shop.books_hold(&["7001".to_owned()]).await?;
    shop.points_become(&member, 700, 0).await?;
    shop.shut().await
}

#[tokio::test(flavor = "multi_thread")]
async fn killing_the_daemon_between_keeping_and_spending_changes_neither() -> anyhow::Result<()> {
    let mut shop = TestShop::open(1).await?;
    let member = shop.member(CARD, 1_200).await?;
    let kept = shop.lanes[0].0.reserve("b1", CARD, "five-off").await?;
    is(&kept, 201, "reserved");
    let path = format!("/v1/redemptions/{}", text(&kept, "redemption_id"));
    shop.lanes[0].0.kill().await?;
    shop.lanes[0].0.start().await?;
    is(&shop.lanes[0].0.api().get(&path).await?, 200, "reserved");
    assert_eq!(shop.lanes[0].0.reserve("b1", CARD, "five-off").await?.body, kept.body, "the first answer");
    let spent = shop.lanes[0].0.api().post(&format!("{path}/confirm"), "k", &json!({})).await?;
    is(&spent, 201, "redeemed");
    shop.lanes[0].0.kill().await?;
    shop.lanes[0].0.start().await?;
    let again = shop.lanes[0].0.api().post(&format!("{path}/confirm"), "k", &json!({})).await?;
    assert_eq!((again.status, &again.body), (200, &spent.body));
    shop.books_hold(&[]).await?;
    shop.points_become(&member, 700, 0).await?;
    shop.shut().await
}

#[tokio::test(flavor = "multi_thread")]
async fn two_tills_that_are_cut_off_give_as_far_as_the_floor_and_the_debt_is_named() -> anyhow::Result<()> {
    let shop = TestShop::open(2).await?;
    let member = shop.member(CARD, 400).await?;
    shop.hub.publish(&program_with_floor()?).await?;
    for (till, _) in &shop.lanes {
        wait_until("the new program is at the till", async || {
            Ok((till.status().await?.pointer("/program/version") == Some(&json!(2))).then_some(()))
        })
        .await?;
        till.look_up(CARD).await?;
    }
    shop.line.set(LineState::Cut);
    shop.cut_off().await?;
    let mut floors = 0;
    for (till, _) in &shop.lanes {
        let given = till.spend("f1", CARD, 300).await?;
        is(&given, 201, "redeemed");
        floors += usize::from(given.body["rights"] == json!("floor"));
        is_refused(&till.spend("f2", CARD, 350).await?, "/not-spendable");
    }
    assert!(floors > 0, "600 of 400 cannot have been held");
    shop.line.set(LineState::Up);
    shop.books_hold(&[]).await?;
    shop.points_become(&member, 0, 200).await?;
    let kinds = shop.exceptions().await?;
    assert!(kinds.iter().any(|kind| kind == "floor-redemption"), "{kinds:?}");
    // What the member collects next pays that first.
    shop.hub.adjust(&member, "points", 500, "collected since").await?;
    shop.points_become(&member, 300, 0).await?;
    for (till, _) in &shop.lanes {
        let status = till.status().await?;
        let used = status.pointer("/floors/0/used_units").cloned();
        assert_eq!(used, Some(json!(0)), "head office knows of it: a new outage begins with a whole floor");
    }
    shop.books_hold(&[]).await?;
    shop.shut().await
}

#[tokio::test(flavor = "multi_thread")]
async fn goods_that_come_back_at_another_lane_take_their_points_along() -> anyhow::Result<()> {
    let shop = TestShop::open(2).await?;
    let member = shop.member(CARD, 100).await?;
    let sold = {
        let (till, pos) = &shop.lanes[0];
        till.api().call("/v1/sales", "s1", &sale("7001", "b1", &pos.clock(), true)).await?
    };
    shop.in_step().await?;
    let gained = sold.pointer("/purses").and_then(Value::as_array).cloned().context("no purses in the answer")?;
    let points = gained.iter().find(|purse| purse["purse"] == json!("points")).context("no points")?;
    let after_sale = points["balance"].as_i64().context("no balance")?;
    shop.points_become(&member, after_sale, 0).await?;
    let accrued = after_sale - 100;
    assert!(accrued > 0, "{sold}");
    {
        let (till, pos) = &shop.lanes[1];
        let back = json!({ "kind": "return", "receipt_number": "8001", "occurred_at": pos.clock(), "currency": "GBP",
            "total": 2_000, "member": { "identifier": CARD },
            "lines": [ { "id": "1", "description": "BREAD", "quantity": "2", "amount": 800 },
                       { "id": "2", "description": "CHEESE", "quantity": "1", "amount": 1_200 } ],
            "original": { "store": STORE, "lane": "1", "receipt_number": "7001", "business_date": sold["business_date"] } });
        till.api().call("/v1/sales", "r1", &back).await?;
    }
    shop.books_hold(&["7001".to_owned(), "8001".to_owned()]).await?;
    shop.points_become(&member, 100, 0).await?;
    shop.shut().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_till_that_is_asked_to_retire_gives_everything_back() -> anyhow::Result<()> {
    let mut shop = TestShop::open(2).await?;
    let member = shop.member(CARD, 1_200).await?;
    // So that the first lane holds something.
    let (till, _) = &shop.lanes[0];
    let kept = wait_until("the points are at the first lane", async || {
        Ok(Some(till.reserve("b1", CARD, "five-off").await?).filter(|answer| answer.status == 201))
    })
    .await?;
    let path = format!("/v1/redemptions/{}/cancel", text(&kept, "redemption_id"));
    is(&shop.lanes[0].0.api().post(&path, "", &json!({})).await?, 201, "cancelled");
    let status = shop.lanes[0].0.status().await?;
    assert!(status["rights"][0]["units"].as_i64() >= Some(500), "{status}");
    let terminal = status["terminal"].as_str().context("a till has an id")?.to_owned();
    let incarnation = status.pointer("/journal/incarnation").and_then(Value::as_str).context("and a life")?.to_owned();
    shop.in_step().await?;
    shop.hub.command(&["terminal", "retire", &terminal, "--reason", "the lane is closed"]).await?;
    let (till, _) = &shop.lanes[0];
    wait_until("the till has given everything back", async || {
        let status = till.status().await?;
        let holds_nothing = status["rights"].as_array().is_some_and(Vec::is_empty);
        Ok((holds_nothing && status["sound"] == json!(false)).then_some(()))
    })
    .await?;
    is_refused(&till.spend("s1", CARD, 100).await?, "/till-retired");
    wait_until("head office has everything back", async || Ok((shop.total(&incarnation).await? == 0).then_some(())))
        .await?;
    shop.points_become(&member, 1_200, 0).await?;
    let (other, _) = &shop.lanes[1];
    wait_until("all of it can be spent at the other lane", async || {
        Ok((other.spend("s2", CARD, 1_200).await?.status == 201).then_some(()))
    })
    .await?;
    shop.hub.command(&["ledger", "verify"]).await?;
    // Retired is for ever, also after a restart.
    shop.lanes[0].0.stop().await?;
    shop.lanes[0].0.start().await?;
    is_refused(&shop.lanes[0].0.spend("s3", CARD, 100).await?, "/till-retired");
    shop.shut().await
}
