//! What may break in a shop, broken on real processes: daemon, tap and hub killed, the line cut anywhere, hardware
//! unplugged, stalled or speaking nonsense. Nothing acknowledged is lost or doubled, and paper keeps moving.

use counterfoil_demo::shop::books::Choices;
use counterfoil_demo::shop::line::LineState;
use counterfoil_demo::shop::programs::{PATIENCE, wait_until};
use counterfoil_e2e::{TestShop, copy_folder};
use serde_json::{Value, json};

const CARD: &str = "9826000000017";

#[tokio::test(flavor = "multi_thread")]
async fn killing_the_daemon_stops_no_paper_and_loses_no_sale() -> anyhow::Result<()> {
    let mut shop = TestShop::open(1).await?;
    let mut choices = Choices::new(1);
    let mut numbers = vec![shop.sell(0, &mut choices).await?.number];
    for _ in 0..3 {
        shop.lanes[0].0.kill().await?;
        // Nobody is there but the tap.
        for _ in 0..2 {
            let (lane, pos) = &mut shop.lanes[0];
            let receipt = pos.sell(&choices.basket());
            lane.counter.print(&receipt.bytes)?;
            lane.counter.paper_is_what_was_sent()?;
            numbers.push(receipt.number);
        }
        shop.lanes[0].0.start().await?;
        let last = numbers.last().expect("something was sold").clone();
        shop.captured(0, &last).await?;
    }
    shop.books_hold(&numbers).await?;
    shop.shut().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_tap_comes_back_and_hears_the_next_receipt() -> anyhow::Result<()> {
    let mut shop = TestShop::open(1).await?;
    let mut choices = Choices::new(2);
    let mut numbers = vec![shop.sell(0, &mut choices).await?.number];
    shop.lanes[0].0.kill_tap()?;
    numbers.push(shop.sell(0, &mut choices).await?.number);
    shop.lanes[0].0.counter.paper_is_what_was_sent()?;
    shop.books_hold(&numbers).await?;
    shop.shut().await
}

#[tokio::test(flavor = "multi_thread")]
async fn killing_the_hub_keeps_the_queue_moving_and_loses_nothing() -> anyhow::Result<()> {
    let mut shop = TestShop::open(2).await?;
    let mut choices = Choices::new(3);
    let mut numbers = Vec::new();
    for _ in 0..3 {
        for lane in 0..2 {
            numbers.push(shop.sell(lane, &mut choices).await?.number);
        }
        // At any moment: records may be on their way.
        shop.hub.kill().await?;
        for lane in 0..2 {
            numbers.push(shop.sell(lane, &mut choices).await?.number);
        }
        shop.hub.start().await?;
    }
    shop.books_hold(&numbers).await?;
    shop.shut().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_cut_in_the_middle_of_messages_loses_and_doubles_nothing() -> anyhow::Result<()> {
    let mut shop = TestShop::open(1).await?;
    let mut choices = Choices::new(4);
    let mut numbers = Vec::new();
    for bytes in [1, 64, 200, 350, 500, 700, 900, 1_200, 1_600, 2_400] {
        shop.line.cut_after(bytes);
        numbers.push(shop.sell(0, &mut choices).await?.number);
        wait_until("the line is cut", async || Ok((shop.line.state() == LineState::Cut).then_some(()))).await?;
        shop.line.set(LineState::Up);
    }
    shop.books_hold(&numbers).await?;
    shop.shut().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_line_keeps_no_cashier_waiting() -> anyhow::Result<()> {
    let mut shop = TestShop::open(1).await?;
    shop.member(CARD, 300).await?;
    shop.line.set(LineState::Silent);
    let carried = shop.line.carried_bytes();
    let (lane, _) = &shop.lanes[0];
    let found = lane.look_up(CARD).await?;
    assert_eq!(found.status, 200, "{}", found.body);
    let refused = lane.redeem("r1", CARD, "five-off").await?;
    assert_eq!(refused.status, 409, "{}", refused.body);
    assert!(refused.body["type"].as_str().is_some_and(|kind| kind.ends_with("/not-spendable")), "{}", refused.body);
    assert_eq!(shop.line.carried_bytes(), carried, "nothing was heard from head office meanwhile");
    let mut choices = Choices::new(5);
    let number = shop.sell(0, &mut choices).await?.number;
    shop.line.set(LineState::Up);
    shop.books_hold(&[number]).await?;
    shop.shut().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stalled_printer_stalls_the_pos_and_nothing_else() -> anyhow::Result<()> {
    let mut shop = TestShop::open(1).await?;
    let mut choices = Choices::new(6);
    let mut numbers = vec![shop.sell(0, &mut choices).await?.number];
    {
        let (lane, pos) = &mut shop.lanes[0];
        lane.counter.printer().stall(true);
        // More than the line and the tap hold: the POS has to wait, as it would with the printer itself.
        for _ in 0..100 {
            let receipt = pos.sell(&choices.basket());
            lane.counter.send(&receipt.bytes);
            numbers.push(receipt.number);
        }
        let body = json!({ "identifier": CARD });
        assert_eq!(lane.api().post("/v1/members/lookup", "", &body).await?.status, 404, "the till goes on");
        lane.counter.printer().stall(false);
        assert!(lane.counter.pos().flush(PATIENCE), "the line moves again");
        lane.counter.paper_is_what_was_sent()?;
    }
    let last = numbers.last().expect("something was sold").clone();
    shop.captured(0, &last).await?;
    shop.books_hold(&numbers).await?;
    shop.shut().await
}

#[tokio::test(flavor = "multi_thread")]
async fn hardware_unplugged_and_back_is_taken_up_again() -> anyhow::Result<()> {
    let mut shop = TestShop::open(1).await?;
    shop.member(CARD, 0).await?;
    let mut choices = Choices::new(7);
    let mut numbers = vec![shop.sell(0, &mut choices).await?.number];
    for _ in 0..2 {
        let (lane, _) = &shop.lanes[0];
        lane.counter.scanner().unplug();
        lane.counter.pos().unplug();
        wait_until("the till sees that they are gone", async || {
            Ok(devices(&lane.status().await?).iter().all(|state| state != "connected").then_some(()))
        })
        .await?;
        lane.counter.scanner().replug()?;
        lane.counter.pos().replug()?;
        wait_until("the till has them again", async || {
            Ok(devices(&lane.status().await?).iter().all(|state| state == "connected").then_some(()))
        })
        .await?;
        lane.counter.scan(CARD);
        wait_until("the scanner is heard", async || {
            Ok(lane.status().await?.pointer("/member/pending").filter(|pending| !pending.is_null()).map(|_| ()))
        })
        .await?;
        numbers.push(shop.sell(0, &mut choices).await?.number);
    }
    shop.books_hold(&numbers).await?;
    shop.shut().await
}

fn devices(status: &Value) -> Vec<String> {
    let devices = status.get("devices").and_then(Value::as_array).cloned().unwrap_or_default();
    devices.iter().filter_map(|device| Some(device.get("state")?.as_str()?.to_owned())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn nonsense_and_half_a_receipt_hurt_no_neighbour() -> anyhow::Result<()> {
    let mut shop = TestShop::open(1).await?;
    let mut choices = Choices::new(8);
    let mut numbers = vec![shop.sell(0, &mut choices).await?.number];
    {
        let (lane, pos) = &mut shop.lanes[0];
        let nonsense: Vec<u8> =
            (0..4_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).filter(|b| *b > 0x1f).collect();
        lane.counter.print(&nonsense)?;
        lane.counter.print(b"\n\x1dV\x00")?;
        let half = pos.sell(&choices.basket());
        // The POS died half way through; the next one begins with the printer's reset.
        lane.counter.print(&half.bytes[..half.bytes.len() / 2])?;
        lane.counter.print(b"\n\x1dV\x00")?;
    }
    numbers.push(shop.sell(0, &mut choices).await?.number);
    shop.lanes[0].0.counter.paper_is_what_was_sent()?;
    shop.books_hold(&numbers).await?;
    shop.shut().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_repeated_after_a_kill_gets_its_first_answer() -> anyhow::Result<()> {
    let mut shop = TestShop::open(1).await?;
    shop.member(CARD, 500).await?;
    let sale = json!({ "receipt_number": "7001", "occurred_at": shop.lanes[0].1.clock(), "currency": "GBP", "total": 1250,
        "lines": [ { "description": "BREAD", "amount": 1250 } ], "member": { "identifier": CARD } });
    let first = shop.lanes[0].0.api().post("/v1/sales", "sale-1", &sale).await?;
    assert_eq!(first.status, 201, "{}", first.body);
    let spent = shop.lanes[0].0.redeem("spend-1", CARD, "five-off").await?;
    assert_eq!(spent.status, 201, "{}", spent.body);
    shop.lanes[0].0.kill().await?;
    shop.lanes[0].0.start().await?;
    let again = shop.lanes[0].0.api().post("/v1/sales", "sale-1", &sale).await?;
    assert_eq!(again.body, first.body);
    let respent = shop.lanes[0].0.redeem("spend-1", CARD, "five-off").await?;
    assert_eq!(respent.body, spent.body);
    let other = json!({ "receipt_number": "7001", "occurred_at": shop.lanes[0].1.clock(), "currency": "GBP", "total": 1,
        "lines": [ { "description": "BREAD", "amount": 1 } ] });
    assert_eq!(
        shop.lanes[0].0.api().post("/v1/sales", "sale-1", &other).await?.status,
        422,
        "another body under the key"
    );
    let conflict = shop.lanes[0].0.api().post("/v1/sales", "sale-2", &other).await?;
    assert_eq!(conflict.status, 409, "{}", conflict.body);
    shop.books_hold(&["7001".to_owned()]).await?;
    shop.shut().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_till_put_back_from_an_older_copy_spends_nothing_until_head_office_answers() -> anyhow::Result<()> {
    let mut shop = TestShop::open(1).await?;
    let member = shop.member(CARD, 1_200).await?;
    let mut choices = Choices::new(9);
    let mut numbers = vec![shop.sell(0, &mut choices).await?.number];
    shop.in_step().await?;
    shop.lanes[0].0.look_up(CARD).await?;
    let data = std::path::PathBuf::from(shop.lanes[0].0.data_dir());
    let image = data.with_file_name("image");
    shop.lanes[0].0.stop().await?;
    copy_folder(&data, &image)?;
    shop.lanes[0].0.start().await?;
    assert_eq!(shop.lanes[0].0.redeem("r1", CARD, "five-off").await?.status, 201);
    shop.in_step().await?;
    shop.line.set(LineState::Cut);
    shop.lanes[0].0.stop().await?;
    // Somebody puts yesterday's databases back; what lies beside them stays.
    for file in ["till.db", "directory.db"] {
        std::fs::copy(image.join(file), data.join(file))?;
        for tail in ["-wal", "-shm"] {
            let _ = std::fs::remove_file(data.join(format!("{file}{tail}")));
        }
    }
    shop.lanes[0].0.start().await?;
    let refused = shop.lanes[0].0.redeem("r2", CARD, "five-off").await?;
    assert_eq!(refused.status, 409, "the marker remembers more than the database: {}", refused.body);
    assert!(refused.body["type"].as_str().is_some_and(|kind| kind.ends_with("/till-behind")), "{}", refused.body);
    numbers.push(shop.sell(0, &mut choices).await?.number);
    // Head office knows better: with the line back the till goes on as its next life, and nobody need come.
    shop.line.set(LineState::Up);
    let (lane, _) = &shop.lanes[0];
    wait_until("the till may spend again", async || {
        Ok((lane.redeem("r3", CARD, "five-off").await?.status == 201).then_some(()))
    })
    .await?;
    shop.books_hold(&numbers).await?;
    shop.points_become(&member, 200, 0).await?;
    shop.shut().await
}
