//! A shop for a test: real programs, real pseudo-terminals, a folder of its own, a line that can be cut.
//!
//! No test sleeps to synchronise or asserts a time; what must happen is waited for, with a patience that only a
//! hang exhausts.

use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};
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

    /// What head office shows of a member's points: balance and debt.
    ///
    /// # Errors
    /// When it shows none.
    pub async fn points(&self, member: &str) -> anyhow::Result<(i64, i64)> {
        let purse = self.shop.hub.purse(member, "points").await?;
        let number = |key: &str| purse.get(key).and_then(Value::as_i64).with_context(|| format!("no {key}: {purse}"));
        Ok((number("balance")?, number("debt")?))
    }

    /// Waits until head office shows a member with so many points, and so many owed.
    ///
    /// # Errors
    /// When that does not come.
    pub async fn points_become(&self, member: &str, balance: i64, debt: i64) -> anyhow::Result<()> {
        let mut last = (0, 0);
        let come = wait_until(&format!("{balance} points and {debt} owed at head office"), async || {
            last = self.points(member).await?;
            Ok((last == (balance, debt)).then_some(()))
        })
        .await;
        come.with_context(|| format!("it shows {} points and {} owed", last.0, last.1))
    }

    /// The kinds of exceptions at head office, sorted.
    ///
    /// # Errors
    /// When it gives no list.
    pub async fn exceptions(&self) -> anyhow::Result<Vec<String>> {
        let items = self.shop.hub.api().all("/v1/exceptions").await?;
        let mut kinds: Vec<String> =
            items.iter().filter_map(|item| Some(item.get("kind")?.as_str()?.to_owned())).collect();
        kinds.sort_unstable();
        Ok(kinds)
    }

    /// What an account of points comes to in the trial balance; by its name, or by whose sub-account it is.
    ///
    /// # Errors
    /// When it shows none.
    pub async fn total(&self, account: &str) -> anyhow::Result<i64> {
        let balance = self.shop.hub.api().read("/v1/ledger/trial-balance").await?;
        let purses = balance.get("purses").and_then(Value::as_array).context("no purses in the trial balance")?;
        let points = purses.iter().find(|purse| purse.get("purse").and_then(Value::as_str) == Some("points"));
        let accounts = points.and_then(|purse| purse.get("accounts")).and_then(Value::as_array);
        let of_account = accounts.context("no accounts of points")?.iter().filter(|row| {
            let name = row.get("account").and_then(Value::as_str).unwrap_or_default();
            let holder = row.get("holder").and_then(Value::as_str).unwrap_or_default();
            name == account || (!holder.is_empty() && holder == account)
        });
        Ok(of_account.filter_map(|row| row.get("total").and_then(Value::as_i64)).sum())
    }

    /// Stops a till, its tap with it, and copies its whole data directory; it does not run afterwards.
    ///
    /// # Errors
    /// When something does not stop, or the disk refuses.
    pub async fn image_of(&mut self, lane: usize, name: &str) -> anyhow::Result<PathBuf> {
        let (till, _) = &mut self.shop.lanes[lane];
        till.stop().await?;
        till.stop_tap()?;
        wait_until("the tap has stopped", async || Ok((!till.tap_runs()).then_some(()))).await?;
        let data = PathBuf::from(till.data_dir());
        let image = data.with_file_name(name);
        copy_folder(&data, &image)?;
        Ok(image)
    }

    /// Stops a till and puts a copy in the place of its whole data directory; it does not run afterwards.
    ///
    /// # Errors
    /// When something does not stop, or the disk refuses.
    pub async fn put_back(&mut self, lane: usize, image: &Path) -> anyhow::Result<()> {
        let (till, _) = &mut self.shop.lanes[lane];
        till.stop().await?;
        till.stop_tap()?;
        wait_until("the tap has stopped", async || Ok((!till.tap_runs()).then_some(()))).await?;
        let data = PathBuf::from(till.data_dir());
        std::fs::remove_dir_all(&data).with_context(|| format!("{} cannot be removed", data.display()))?;
        copy_folder(image, &data)
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

/// Copies files and folders; sockets and other such things stay where they are.
///
/// # Errors
/// When the disk refuses.
pub fn copy_folder(from: &Path, to: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(to).with_context(|| format!("{} cannot be made", to.display()))?;
    for entry in std::fs::read_dir(from).with_context(|| format!("{} cannot be read", from.display()))? {
        let entry = entry?;
        let (kind, target) = (entry.file_type()?, to.join(entry.file_name()));
        if kind.is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else if kind.is_file() {
            std::fs::copy(entry.path(), &target).with_context(|| format!("{} cannot be written", target.display()))?;
        }
    }
    Ok(())
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
