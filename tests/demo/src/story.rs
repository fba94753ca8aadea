//! A day in a shop: a morning with the line up, the line cut, sales and redemptions without it, the line back, the
//! day closed and the books compared with what the POS counted.
//!
//! The story only does what people and hardware do (prints, scans, looks up, redeems, cuts the line) and reads the
//! results over the published APIs.

use anyhow::{Context as _, ensure};
use serde::Serialize;
use serde_json::Value;

use crate::shop::Shop;
use crate::shop::books::Choices;
use crate::shop::line::LineState;
use crate::shop::programs::wait_until;
use crate::voice::Voice;

/// How much happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    /// Receipts per lane while the line is up in the morning.
    pub morning: u32,
    /// Receipts per lane while it is down.
    pub outage: u32,
    /// Receipts per lane after it is back.
    pub afternoon: u32,
    /// A receipt that the POS prints and the tap never sees, by its place in the first lane's morning: the negative
    /// control. The POS counts it; nobody else can.
    pub drop_receipt: Option<u32>,
}

impl Plan {
    /// Plays in well under half a minute.
    pub const QUICK: Self = Self { morning: 6, outage: 4, afternoon: 3, drop_receipt: None };
    /// A day that a person can watch.
    pub const DAY: Self = Self { morning: 60, outage: 40, afternoon: 40, drop_receipt: None };
}

/// What came of the day. One line of JSON, for scripts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Sales that the POS of all lanes counted.
    pub sales: u64,
    /// Sales that head office has, each exactly once.
    pub delivered: u64,
    /// Redemptions made while the line was down.
    pub redeemed_offline: u64,
    /// Redemptions refused while the line was down, with a reason.
    pub refused_offline: u64,
    /// Sum of the trial balance over all purses: 0.
    pub trial_balance: i64,
    /// Business days of all tills.
    pub days: u64,
    /// Of those, days on which till, head office and POS agree.
    pub days_balanced: u64,
    /// Days on which they do not, with every difference in words.
    pub differences: Vec<String>,
    /// Minor units the POS counted.
    pub gross: i64,
    /// Exceptions that wait for a person at head office.
    pub exceptions: u64,
    /// What does not hold. Empty: the books balance.
    pub findings: Vec<String>,
    /// How long it took, milliseconds.
    pub wall_ms: u64,
}

impl Summary {
    /// Whether the books balance.
    pub fn balances(&self) -> bool {
        self.findings.is_empty()
    }
}

/// Far more than anybody's points allow.
const REDEMPTION_ROUNDS_MAX: u32 = 50;

struct Person {
    name: &'static str,
    card: &'static str,
}

const ANN: Person = Person { name: "Ann", card: "9826000000017" };
const PEOPLE: [Person; 4] = [
    Person { name: "Ben", card: "9826000000024" },
    Person { name: "Chloe", card: "9826000000031" },
    Person { name: "Dev", card: "9826000000048" },
    Person { name: "Esi", card: "9826000000055" },
];

/// Plays the day and compares the books.
///
/// # Errors
/// When something does not happen at all. Books that do not balance are no error but findings in the summary.
pub async fn play(shop: &mut Shop, plan: Plan, voice: &Voice) -> anyhow::Result<Summary> {
    let mut summary = Summary::default();
    let mut choices = Choices::new(20_261_120);
    voice.part("People join");
    let ann = shop.hub.enlist(ANN.name, ANN.card).await?;
    for person in &PEOPLE {
        shop.hub.enlist(person.name, person.card).await?;
    }
    shop.hub.adjust(&ann, "points", 600, "goodwill").await?;
    voice.say("five members at head office; Ann got 600 points as goodwill");
    known_at_tills(shop).await?;

    voice.part("Morning: the line is up");
    sell(shop, plan.morning, &mut choices, plan.drop_receipt, voice).await?;
    shop.in_step().await?;
    voice.say("everything sold so far is at head office");
    let (lane, at_till) = placed(shop).await?;
    voice.say("head office has placed Ann's points where she is likely to redeem");
    voice.say(&format!("lane {lane} looks Ann up: {}", purse_in_words(&at_till)));

    voice.part("The line to head office is cut");
    shop.line.set(LineState::Cut);
    shop.cut_off().await?;
    voice.say("both tills have noticed; the queue has not");
    sell(shop, plan.outage, &mut choices, None, voice).await?;
    redeem_offline(shop, &mut summary, voice).await?;

    voice.part("The line is back");
    shop.line.set(LineState::Up);
    shop.in_step().await?;
    voice.say("both tills have handed over what they kept");
    sell(shop, plan.afternoon, &mut choices, None, voice).await?;
    void_one(shop, &mut choices, voice).await?;

    voice.part("Closing time");
    close(shop, voice).await?;
    compare(shop, &mut summary, voice).await?;
    summary.wall_ms = u64::try_from(voice.elapsed().as_millis()).unwrap_or(u64::MAX);
    Ok(summary)
}

/// Every card by itself: the feed brings members in no order between buckets, and a look-up that asks head office says
/// nothing of the others.
async fn known_at_tills(shop: &Shop) -> anyhow::Result<()> {
    for (lane, _) in &shop.lanes {
        for person in std::iter::once(&ANN).chain(&PEOPLE) {
            wait_until(&format!("lane {} knows {}", lane.number, person.name), async || {
                Ok((lane.look_up(person.card).await?.status == 200).then_some(()))
            })
            .await?;
        }
    }
    Ok(())
}

async fn look_up(shop: &Shop, lane: usize, card: &str) -> anyhow::Result<Value> {
    let answer = shop.lanes[lane].0.look_up(card).await?;
    ensure!(answer.status == 200, "looking up {card} answered {}: {}", answer.status, answer.body);
    Ok(answer.body)
}

/// Waits until one of the lanes can give Ann her reward with no line to anyone; which, and what it shows.
async fn placed(shop: &Shop) -> anyhow::Result<(u32, Value)> {
    wait_until("a lane holds what Ann's reward costs", async || {
        for (index, (lane, _)) in shop.lanes.iter().enumerate() {
            let member = look_up(shop, index, ANN.card).await?;
            let rewards = member.get("rewards").and_then(Value::as_array);
            let mut five_off = rewards.into_iter().flatten().filter(|reward| text(reward, "/reward_id") == "five-off");
            if five_off.any(|reward| reward.get("available") == Some(&Value::Bool(true))) {
                return Ok(Some((lane.number, member)));
            }
        }
        Ok(None)
    })
    .await
}

/// Rings up `count` baskets at every lane; every second one belongs to a member whose card is scanned first.
async fn sell(
    shop: &mut Shop,
    count: u32,
    choices: &mut Choices,
    drop_receipt: Option<u32>,
    voice: &Voice,
) -> anyhow::Result<()> {
    let bar = voice.bar("receipts", u64::from(count) * shop.lanes.len() as u64);
    for round in 0..count {
        for index in 0..shop.lanes.len() {
            let card = match choices.below(4) {
                0 => Some(ANN.card),
                1 => Some(PEOPLE[choices.below(PEOPLE.len())].card),
                _ => None,
            };
            if let Some(card) = card {
                scan(shop, index, card).await?;
            }
            let (lane, pos) = &mut shop.lanes[index];
            let receipt = pos.sell(&choices.basket());
            if index == 0 && drop_receipt == Some(round) {
                voice.say(&format!("receipt {} is printed past the tap", receipt.number));
                continue;
            }
            lane.counter.print(&receipt.bytes)?;
            bar.inc(1);
            // Whoever scans next must not be taken for this sale's member, nor the other way round.
            shop.captured(index, &receipt.number).await?;
        }
    }
    bar.finish_and_clear();
    voice.say(&format!("{count} receipts printed at each of {} lanes, and read on their way", shop.lanes.len()));
    Ok(())
}

async fn scan(shop: &Shop, index: usize, card: &str) -> anyhow::Result<()> {
    let (lane, _) = &shop.lanes[index];
    lane.counter.scan(card);
    wait_until(&format!("lane {} has heard the scanner", lane.number), async || {
        let status = lane.status().await?;
        Ok(status.pointer("/member/pending").filter(|pending| !pending.is_null()).map(|_| ()))
    })
    .await
}

/// Lane after lane, Ann redeems what the rights held there allow, until each till has had to refuse.
async fn redeem_offline(shop: &Shop, summary: &mut Summary, voice: &Voice) -> anyhow::Result<()> {
    for (lane, _) in &shop.lanes {
        for round in 1.. {
            ensure!(round <= REDEMPTION_ROUNDS_MAX, "lane {} refused nothing in {round} rounds", lane.number);
            let key = format!("five-off {round} at lane {}", lane.number);
            let began = std::time::Instant::now();
            let answer = lane.redeem(&key, ANN.card, "five-off").await?;
            let took = began.elapsed().as_millis();
            if answer.status == 409 {
                summary.refused_offline += 1;
                let detail = answer.body.get("detail").and_then(Value::as_str).unwrap_or_default();
                voice.say(&format!("lane {}: Ann asks; refused: “{detail}” ({took} ms)", lane.number));
                break;
            }
            ensure!(
                answer.status == 201,
                "a redemption at lane {} answered {}: {}",
                lane.number,
                answer.status,
                answer.body
            );
            summary.redeemed_offline += 1;
            voice.say(&format!("lane {}: Ann redeems 5.00 off, with no line to anyone ({took} ms)", lane.number));
            // Asked again with the same key, the till gives its first answer and spends nothing.
            let again = lane.redeem(&key, ANN.card, "five-off").await?;
            ensure!(
                again.body == answer.body,
                "the same request was answered twice: {} and {}",
                answer.body,
                again.body
            );
        }
    }
    Ok(())
}

async fn void_one(shop: &mut Shop, choices: &mut Choices, voice: &Voice) -> anyhow::Result<()> {
    scan(shop, 0, ANN.card).await?;
    let (lane, pos) = &mut shop.lanes[0];
    let receipt = pos.sell(&choices.basket());
    let void = pos.void(&receipt);
    lane.counter.print(&receipt.bytes)?;
    lane.counter.print(&void.bytes)?;
    shop.captured(0, &receipt.number).await?;
    voice.say(&format!("lane 1: receipt {} is undone by {}", receipt.number, void.number));
    Ok(())
}

async fn close(shop: &mut Shop, voice: &Voice) -> anyhow::Result<()> {
    for (lane, pos) in &mut shop.lanes {
        let report = pos.z_report();
        lane.counter.print(&report)?;
        lane.counter.paper_is_what_was_sent()?;
        voice.say(&format!("lane {}: Z report; the printer got every byte the POS sent", lane.number));
    }
    shop.in_step().await?;
    let lanes = shop.lanes.len();
    wait_until("the days are closed at head office", async || {
        let days = shop.hub.api().all("/v1/reconciliation").await?;
        let closed = days.iter().filter(|day| day.get("till").is_some_and(|till| !till.is_null())).count();
        Ok((closed >= lanes).then_some(()))
    })
    .await?;
    shop.in_step().await
}

/// Head office's books against what each POS counted.
async fn compare(shop: &Shop, summary: &mut Summary, voice: &Voice) -> anyhow::Result<()> {
    summary.sales = shop.lanes.iter().map(|(_, pos)| pos.count().sales).sum();
    summary.gross = shop.lanes.iter().map(|(_, pos)| pos.count().gross_minor).sum();
    let hub = shop.hub.api();
    let sales = hub.all("/v1/sales").await?;
    let mut numbers: Vec<String> = sales
        .iter()
        .map(|sale| format!("{}/{}", text(sale, "/terminal"), text(sale, "/sale/receipt_number")))
        .collect();
    numbers.sort();
    let before = numbers.len();
    numbers.dedup();
    summary.delivered = numbers.len() as u64;
    if before != numbers.len() {
        summary.findings.push(format!("{} sales are at head office twice", before - numbers.len()));
    }
    if summary.delivered != summary.sales {
        summary
            .findings
            .push(format!("the POS counted {} sales, head office has {}", summary.sales, summary.delivered));
    }
    let balance = hub.read("/v1/ledger/trial-balance").await?;
    let purses = balance.get("purses").and_then(Value::as_array).context("the trial balance has no purses")?;
    summary.trial_balance =
        purses.iter().filter_map(|purse| purse.get("total").and_then(Value::as_i64)).map(i64::abs).sum();
    if summary.trial_balance != 0 {
        summary.findings.push(format!("the trial balance is {}", summary.trial_balance));
    }
    for day in hub.all("/v1/reconciliation").await? {
        if day.get("till").is_none_or(Value::is_null) && text(&day, "/state") == "open" {
            continue;
        }
        summary.days += 1;
        if text(&day, "/state") == "balanced" {
            summary.days_balanced += 1;
            continue;
        }
        let words = day.get("differences").and_then(Value::as_array).cloned().unwrap_or_default();
        let words: Vec<&str> = words.iter().filter_map(Value::as_str).collect();
        summary.differences.push(format!(
            "lane {}, {}: {}: {}",
            text(&day, "/lane"),
            text(&day, "/business_date"),
            text(&day, "/state"),
            words.join("; ")
        ));
    }
    if summary.days == 0 || summary.days_balanced != summary.days {
        summary.findings.push(format!("{} of {} days balance", summary.days_balanced, summary.days));
    }
    summary.exceptions =
        hub.all("/v1/exceptions").await?.iter().filter(|exception| text(exception, "/state") == "open").count() as u64;
    let verified = shop.hub.command(&["ledger", "verify"]).await;
    if let Err(error) = verified {
        summary.findings.push(format!("`ledger verify` says: {error:#}"));
    }
    for (lane, _) in &shop.lanes {
        if let Err(error) = lane.command(&["journal", "verify"]).await {
            summary.findings.push(format!("`journal verify` at lane {} says: {error:#}", lane.number));
        }
    }
    voice.say(&format!(
        "head office has {} of {} sales; trial balance {}; {} of {} days balanced",
        summary.delivered, summary.sales, summary.trial_balance, summary.days_balanced, summary.days
    ));
    for difference in &summary.differences {
        voice.say(difference);
    }
    Ok(())
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn purse_in_words(member: &Value) -> String {
    let purses = member.get("purses").and_then(Value::as_array).cloned().unwrap_or_default();
    let words: Vec<String> = purses
        .iter()
        .map(|purse| {
            let number = |key: &str| purse.get(key).and_then(Value::as_i64).unwrap_or_default();
            format!(
                "{} {}, {} of them can be used here with no line",
                number("balance"),
                text(purse, "/purse"),
                number("spendable")
            )
        })
        .collect();
    words.join("; ")
}
