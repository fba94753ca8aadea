//! A shop for a test: real programs, real pseudo-terminals, a folder of its own, a line that can be cut.
//!
//! No test sleeps to synchronise or asserts a time; what must happen is waited for, with a patience that only a
//! hang exhausts.

use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context as _, ensure};
use counterfoil_demo::shop::Shop;
use counterfoil_demo::shop::books::Choices;
use counterfoil_demo::shop::hub::Transport;
use counterfoil_demo::shop::pos::Receipt;
use counterfoil_demo::shop::programs::{Programs, wait_until};
use serde_json::Value;
use tempfile::TempDir;

/// A shop that is gone when the test has passed. After one that failed its folder stays, with every log in it.
#[derive(Debug)]
pub struct TestShop {
    shop: Shop,
    folder: TempDir,
}

impl TestShop {
    /// A shop with so many lanes.
    ///
    /// # Errors
    /// When it does not open.
    pub async fn open(lanes: u32) -> anyhow::Result<Self> {
        Self::open_over(Transport::Plain, lanes).await
    }

    /// A shop whose tills reach head office over TLS, as they do beyond one machine.
    ///
    /// # Errors
    /// When it does not open.
    pub async fn open_over_tls(lanes: u32) -> anyhow::Result<Self> {
        Self::open_over(Transport::Tls, lanes).await
    }

    async fn open_over(transport: Transport, lanes: u32) -> anyhow::Result<Self> {
        let programs = programs()?;
        let mut folder = TempDir::with_prefix("counterfoil-e2e-").context("no temporary folder")?;
        folder.disable_cleanup(true);
        eprintln!("a shop in {}", folder.path().display());
        let shop = Shop::open(&programs, folder.path(), lanes, transport).await?;
        Ok(Self { shop, folder })
    }

    /// Closes the shop in good order.
    ///
    /// # Errors
    /// When something does not stop when it is asked.
    pub async fn shut(self) -> anyhow::Result<()> {
        let Self { shop, mut folder } = self;
        folder.disable_cleanup(false);
        shop.shut().await?;
        folder.close().context("the shop's folder cannot be removed")
    }

    /// Rings up one basket at a lane and waits until it is in the journal.
    ///
    /// # Errors
    /// When it does not get there.
    pub async fn sell(&mut self, lane: usize, choices: &mut Choices) -> anyhow::Result<Receipt> {
        let (at, pos) = &mut self.shop.lanes[lane];
        let receipt = pos.sell(&choices.basket());
        at.counter.print(&receipt.bytes)?;
        self.shop.captured(lane, &receipt.number).await?;
        Ok(receipt)
    }

    /// A member with a card and points at head office, known at every lane.
    ///
    /// # Errors
    /// When that does not come about.
    pub async fn member(&self, card: &str, points: i64) -> anyhow::Result<String> {
        let member = self.shop.hub.enlist("Ann", card).await?;
        if points > 0 {
            self.shop.hub.adjust(&member, "points", points, "for a test").await?;
        }
        for (lane, _) in &self.shop.lanes {
            wait_until("the member is known at the till", async || {
                Ok((lane.look_up(card).await?.status == 200).then_some(()))
            })
            .await?;
        }
        Ok(member)
    }

    /// Laws 1 and 4 at head office: every receipt in `numbers` is there exactly once and nothing else is, the trial
    /// balance is zero, and the hub's own check of chains, signatures and holders finds nothing.
    ///
    /// # Errors
    /// When any of it does not hold.
    pub async fn books_hold(&self, numbers: &[String]) -> anyhow::Result<()> {
        self.shop.in_step().await?;
        let sales = self.shop.hub.api().all("/v1/sales").await?;
        let mut at_hub: Vec<&str> =
            sales.iter().filter_map(|sale| sale.pointer("/sale/receipt_number")?.as_str()).collect();
        at_hub.sort_unstable();
        let mut expected: Vec<&str> = numbers.iter().map(String::as_str).collect();
        expected.sort_unstable();
        ensure!(at_hub == expected, "head office has the receipts {at_hub:?}, the POS printed {expected:?}");
        let balance = self.shop.hub.api().read("/v1/ledger/trial-balance").await?;
        let purses = balance.get("purses").and_then(Value::as_array).context("no purses in the trial balance")?;
        ensure!(
            purses.iter().all(|purse| purse.get("total") == Some(&Value::from(0))),
            "the trial balance is not zero: {balance}"
        );
        self.shop.hub.command(&["ledger", "verify"]).await?;
        for (lane, _) in &self.shop.lanes {
            lane.command(&["journal", "verify"]).await?;
        }
        Ok(())
    }
}

impl Deref for TestShop {
    type Target = Shop;

    fn deref(&self) -> &Shop {
        &self.shop
    }
}

impl DerefMut for TestShop {
    fn deref_mut(&mut self) -> &mut Shop {
        &mut self.shop
    }
}

/// The programs, built once for all tests of one process.
fn programs() -> anyhow::Result<Programs> {
    static BUILT: Mutex<Option<Programs>> = Mutex::new(None);
    let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(programs) = built.as_ref() {
        return Ok(programs.clone());
    }
    let _ = rustls::crypto::ring::default_provider().install_default();
    Ok(built.insert(Programs::built()?).clone())
}
