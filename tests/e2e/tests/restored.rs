//! What was put back from a copy, on real processes: yesterday's image of a till, an older backup of head office.
//! Both are made whole by what the other side knows, and nothing is counted twice.

use std::path::PathBuf;

use anyhow::Context as _;
use counterfoil_demo::shop::books::Choices;
use counterfoil_demo::shop::line::LineState;
use counterfoil_demo::shop::programs::wait_until;
use counterfoil_e2e::{TestShop, copy_folder};
use serde_json::{Value, json};

const CARD: &str = "9826000000017";

/// Has a lane hold so many points of a member: kept for a basket and let go.
async fn hold(shop: &TestShop, lane: usize, units: i64) -> anyhow::Result<()> {
    let (till, _) = &shop.lanes[lane];
    let body = json!({ "member": { "identifier": CARD }, "purse": "points", "amount": units, "sale_ref": "hold",
        "reserve": true });
    // Head office may have to call them back from the other lane first.
    let kept = wait_until("the points are at this lane", async || {
        let answer = till.api().post("/v1/redemptions", "", &body).await?;
        Ok((answer.status == 201).then_some(answer.body))
    })
    .await?;
    let id = kept["redemption_id"].as_str().context("a reservation has an id")?;
    till.api().call(&format!("/v1/redemptions/{id}/cancel"), "", &json!({})).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn yesterdays_till_goes_on_as_its_next_life_and_what_it_gave_twice_is_owed() -> anyhow::Result<()> {
    let mut shop = TestShop::open(1).await?;
    let member = shop.member(CARD, 600).await?;
    let mut choices = Choices::new(21);
    let mut numbers = vec![shop.sell(0, &mut choices).await?.number];
    hold(&shop, 0, 600).await?;
    shop.in_step().await?;
    let image = shop.image_of(0, "yesterday").await?;
    shop.lanes[0].0.start().await?;
    // Today, until the disk fails.
    numbers.push(shop.sell(0, &mut choices).await?.number);
    assert_eq!(shop.lanes[0].0.redeem("today", CARD, "five-off").await?.status, 201);
    shop.in_step().await?;
    shop.points_become(&member, 100, 0).await?;

    shop.line.set(LineState::Cut);
    shop.put_back(0, &image).await?;
    shop.lanes[0].0.start().await?;
    // Nothing here says that it is yesterday's: it gives what it held then, and no more.
    let twice = shop.lanes[0].0.redeem("again", CARD, "five-off").await?;
    assert_eq!((twice.status, &twice.body["rights"]), (201, &json!("held")), "{}", twice.body);
    let more = shop.lanes[0].0.spend("more", CARD, 200).await?;
    assert_eq!(more.status, 409, "the image held 600: {}", more.body);
    numbers.push(shop.sell(0, &mut choices).await?.number);

    shop.line.set(LineState::Up);
    let (till, _) = &shop.lanes[0];
    wait_until("the till goes on as its next life", async || {
        let status = till.status().await?;
        Ok((status["life"] == json!(2) && status["sound"] == json!(true)).then_some(()))
    })
    .await?;
    shop.books_hold(&numbers).await?;
    // 600 were there and 1000 were given: the second time is owed, less what came back from the life that ended.
    shop.points_become(&member, 0, 400).await?;
    assert_eq!(shop.total("debt.restored").await?.abs(), 400, "of this kind");
    let kinds = shop.exceptions().await?;
    assert!(kinds.iter().any(|kind| kind == "debt"), "{kinds:?}");
    let (till, _) = &shop.lanes[0];
    let page = till.status().await?;
    assert!(page.pointer("/hub/made_whole_at").is_some_and(Value::is_string), "{page}");

    // It spends again, and the redemption of before is known under its old id.
    shop.hub.adjust(&member, "points", 1_000, "collected since").await?;
    shop.points_become(&member, 600, 0).await?;
    let old_id = twice.body["redemption_id"].as_str().context("a redemption has an id")?;
    assert_eq!(till.api().get(&format!("/v1/redemptions/{old_id}")).await?.status, 200);
    wait_until("the till can give a reward again", async || {
        Ok((till.redeem("new", CARD, "five-off").await?.status == 201).then_some(()))
    })
    .await?;
    numbers.push(shop.sell(0, &mut choices).await?.number);
    shop.books_hold(&numbers).await?;
    shop.points_become(&member, 100, 0).await?;
    // The next life is an ordinary one: it survives a restart.
    shop.lanes[0].0.kill().await?;
    shop.lanes[0].0.start().await?;
    let status = shop.lanes[0].0.status().await?;
    assert_eq!((&status["sound"], &status["life"]), (&json!(true), &json!(2)), "{status}");
    shop.books_hold(&numbers).await?;
    shop.shut().await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_backup_of_head_office_is_made_whole_by_its_tills() -> anyhow::Result<()> {
    head_office_put_back(PutBack::Everything).await
}

/// Nobody need say it: what lies beside the database remembers more.
#[tokio::test(flavor = "multi_thread")]
async fn head_office_notices_an_older_database_by_itself() -> anyhow::Result<()> {
    head_office_put_back(PutBack::DatabaseAlone).await
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PutBack {
    Everything,
    DatabaseAlone,
}

async fn head_office_put_back(what: PutBack) -> anyhow::Result<()> {
    let mut shop = TestShop::open(2).await?;
    let member = shop.member(CARD, 1_700).await?;
    let mut choices = Choices::new(22);
    let mut numbers = vec![shop.sell(0, &mut choices).await?.number, shop.sell(1, &mut choices).await?.number];
    shop.in_step().await?;
    shop.hub.stop().await?;
    let data = PathBuf::from(shop.hub.data_dir());
    let backup = data.with_file_name("backup");
    copy_folder(&data, &backup)?;
    shop.hub.start().await?;
    // Before it answers, head office has marked where it stands: as far as the backup.
    let mark = || std::fs::read(data.join("hub.db.mark")).context("head office keeps a mark");
    let mark_then = mark()?;
    // What the backup knows nothing of: sales, rights given, points spent at both lanes.
    shop.in_step().await?;
    for lane in 0..2 {
        numbers.push(shop.sell(lane, &mut choices).await?.number);
        let (till, _) = &shop.lanes[lane];
        wait_until("a reward can be had", async || {
            Ok((till.redeem("day", CARD, "five-off").await?.status == 201).then_some(()))
        })
        .await?;
    }
    hold(&shop, 1, 200).await?;
    shop.books_hold(&numbers).await?;
    shop.points_become(&member, 700, 0).await?;

    wait_until("the mark beside the database has moved on", async || Ok((mark()? != mark_then).then_some(()))).await?;
    shop.hub.kill().await?;
    if what == PutBack::Everything {
        std::fs::remove_dir_all(&data)?;
        copy_folder(&backup, &data)?;
        shop.hub.command(&["epoch", "begin", "--reason", "the backup of noon was put back"]).await?;
    } else {
        let is_of_database = |name: &str| name.contains(".db") && !name.ends_with(".mark");
        for folder in [&data, &backup] {
            for entry in std::fs::read_dir(folder)? {
                let entry = entry?;
                let name = entry.file_name().to_string_lossy().into_owned();
                match is_of_database(&name) {
                    true if *folder == data => std::fs::remove_file(entry.path())?,
                    true => drop(std::fs::copy(entry.path(), data.join(name))?),
                    false => {}
                }
            }
        }
    }
    shop.hub.start().await?;
    wait_until("every till has reported", async || {
        let state: Value = serde_json::from_str(&shop.hub.command(&["epoch", "show", "--json"]).await?)?;
        Ok((state["missing"] == json!([]) && state["grants"] == json!(true)).then_some(()))
    })
    .await?;
    numbers.push(shop.sell(0, &mut choices).await?.number);
    shop.books_hold(&numbers).await?;
    shop.points_become(&member, 700, 0).await?;
    // Tills spend what they hold, and head office gives again.
    let (till, _) = &shop.lanes[1];
    wait_until("a reward can be had", async || {
        Ok((till.redeem("new", CARD, "five-off").await?.status == 201).then_some(()))
    })
    .await?;
    shop.books_hold(&numbers).await?;
    shop.points_become(&member, 200, 0).await?;
    shop.shut().await
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_copied_machine_one_goes_on_and_the_other_spends_no_more() -> anyhow::Result<()> {
    let mut shop = TestShop::open(2).await?;
    let member = shop.member(CARD, 600).await?;
    hold(&shop, 0, 600).await?;
    shop.in_step().await?;
    let image = shop.image_of(0, "copy").await?;
    shop.lanes[0].0.start().await?;
    shop.line.set(LineState::Cut);
    // The second machine is now the first one's twin; the till it was is switched off.
    shop.put_back(1, &image).await?;
    shop.lanes[1].0.start().await?;
    for (till, _) in &shop.lanes {
        let spent = till.redeem(&format!("at {}", till.number), CARD, "five-off").await?;
        assert_eq!(spent.status, 201, "each holds what one held: nobody can know while both are cut off");
        let more = till.spend("more", CARD, 200).await?;
        assert_eq!(more.status, 409, "that bounds what a copy can do: {}", more.body);
    }
    shop.line.set(LineState::Up);
    wait_until("one goes on as the next life, the other is out of service", async || {
        let mut lives = Vec::new();
        for (till, _) in &shop.lanes {
            let status = till.status().await?;
            lives.push((status["life"].clone(), status["sound"].clone()));
        }
        let goes_on = lives.contains(&(json!(2), json!(true)));
        let is_out = lives.contains(&(json!(1), json!(false)));
        Ok((goes_on && is_out).then_some(()))
    })
    .await?;
    let mut refused = 0;
    for (till, _) in &shop.lanes {
        let status = till.status().await?;
        if status["sound"] == json!(false) {
            let answer = till.spend("after", CARD, 10).await?;
            assert!(
                answer.body["type"].as_str().is_some_and(|kind| kind.ends_with("/till-retired")),
                "{}",
                answer.body
            );
            refused += 1;
        }
    }
    assert_eq!(refused, 1);
    // 600 were there, 1000 were given.
    shop.points_become(&member, 0, 400).await?;
    let kinds = shop.exceptions().await?;
    assert!(kinds.iter().any(|kind| kind == "debt"), "{kinds:?}");
    shop.hub.command(&["ledger", "verify"]).await?;
    shop.shut().await
}
