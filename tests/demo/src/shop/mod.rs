//! A shop made of real programs: a hub, lanes with hardware on pseudo-terminals, and the line between them.
//!
//! `cargo demo` plays a day in it; `tests/e2e` breaks it. Not here: what happens in it.

pub mod api;
pub mod books;
pub mod counter;
pub mod hub;
pub mod lane;
pub mod line;
pub mod pos;
pub mod programs;

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde_json::Value;

use hub::{Hub, Transport};
use lane::{Lane, LaneSetUp};
use line::Line;
use pos::Pos;
use programs::{Programs, wait_until};

use crate::voice::Voice;

/// The store's id.
pub const STORE: &str = "high-street";
/// The program that a shop runs.
pub const PROGRAM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../protocol/examples/corner-shop.toml");

/// A shop.
#[derive(Debug)]
pub struct Shop {
    /// Head office.
    pub hub: Hub,
    /// The line to it.
    pub line: Line,
    /// The lanes, and each one's POS.
    pub lanes: Vec<(Lane, Pos)>,
    folder: PathBuf,
}

impl Shop {
    /// Opens a hub and `lane_count` lanes below `folder`: store, program and members by the hub's command line,
    /// tills enrolled by one-time codes.
    ///
    /// # Errors
    /// When any of it fails; the error names the log to read.
    pub async fn open(
        programs: &Programs,
        folder: &Path,
        lane_count: u32,
        transport: Transport,
    ) -> anyhow::Result<Self> {
        let hub = Hub::open(programs, &folder.join("hub"), transport).await?;
        // As far from now as can be: no story runs over the end of its business day, whenever it is played.
        let half_a_day = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(12);
        let day_ends = pos::local(half_a_day).strftime("%H:%M").to_string();
        let store = [
            "store",
            "add",
            STORE,
            "--name",
            "High Street",
            "--time-zone",
            pos::ZONE,
            "--currency",
            "GBP",
            "--day-ends",
            &day_ends,
        ];
        hub.command(&store).await?;
        hub.command(&["program", "publish", PROGRAM]).await?;
        let line = Line::to(hub.address()).await.context("the line cannot be laid")?;
        let mut lanes = Vec::new();
        for number in 1..=lane_count {
            let code = hub.invite(STORE, &number.to_string()).await?;
            let set_up = LaneSetUp {
                number,
                hub_url: &format!("{}://{}", transport.scheme(), line.address()),
                code: &code,
                template: "demo",
            };
            let lane = Lane::open(programs, &folder.join(format!("lane-{number}")), set_up).await?;
            lanes.push((lane, Pos::new(number)));
        }
        let shop = Self { hub, line, lanes, folder: folder.to_path_buf() };
        shop.in_step().await?;
        Ok(shop)
    }

    /// Where everything is kept.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Waits until every till says that head office answers and that nothing waits to be sent.
    ///
    /// # Errors
    /// When that does not come.
    pub async fn in_step(&self) -> anyhow::Result<()> {
        for (lane, _) in &self.lanes {
            wait_until(&format!("lane {} has delivered everything", lane.number), async || {
                let status = lane.status().await?;
                let pending = status.pointer("/journal/pending").and_then(Value::as_u64);
                Ok((is_reachable(&status) && pending == Some(0)).then_some(()))
            })
            .await?;
        }
        Ok(())
    }

    /// Waits until every till has noticed that head office does not answer.
    ///
    /// # Errors
    /// When that does not come.
    pub async fn cut_off(&self) -> anyhow::Result<()> {
        for (lane, _) in &self.lanes {
            wait_until(&format!("lane {} notices that the line is down", lane.number), async || {
                Ok((!is_reachable(&lane.status().await?)).then_some(()))
            })
            .await?;
        }
        Ok(())
    }

    /// Waits until each till has captured so many sales.
    ///
    /// # Errors
    /// When that does not come.
    pub async fn captured(&self, lane: usize, receipt: &str) -> anyhow::Result<Value> {
        let (lane, _) = &self.lanes[lane];
        wait_until(&format!("receipt {receipt} of lane {} is in the journal", lane.number), async || {
            let answer = lane.api().get(&format!("/v1/sales?receipt_number={receipt}")).await?;
            Ok((answer.status == 200).then_some(answer.body))
        })
        .await
    }

    /// Says where a person can look and how to get in.
    ///
    /// # Errors
    /// When a till gives no pairing code.
    pub async fn say_where_to_look(&self, voice: &Voice) -> anyhow::Result<()> {
        for (lane, _) in &self.lanes {
            let pairing: Value = serde_json::from_str(&lane.command(&["pair", "--json"]).await?)?;
            let url = pairing.get("url").and_then(Value::as_str).context("`pair --json` prints no url")?;
            voice.say(&format!("cashier's page of lane {}: {url}  (opens once, within ten minutes)", lane.number));
        }
        voice.say(&format!("head office's page: {}/  (API key: {})", self.hub.api().base(), self.hub.api().token()));
        voice.say("Ctrl-C closes the shop");
        Ok(())
    }

    /// Stops everything, tills first.
    ///
    /// # Errors
    /// When something does not stop.
    pub async fn shut(mut self) -> anyhow::Result<()> {
        for (lane, _) in &mut self.lanes {
            lane.stop().await?;
            lane.stop_tap()?;
        }
        self.hub.stop().await
    }
}

fn is_reachable(status: &Value) -> bool {
    status.pointer("/hub/reachable").and_then(Value::as_bool) == Some(true)
}
