//! The two pages in a real browser: a cashier finds a member by card, redeems, is refused in words; head office sees
//! its terminals, days and books. Skipped, and said so, where there is no Chromium.

use std::process::Stdio;

use anyhow::Context as _;
use counterfoil_demo::shop::line::LineState;
use counterfoil_demo::shop::programs::wait_until;
use counterfoil_e2e::TestShop;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Map, Value, json};

const CARD: &str = "9826000000017";

/// A browser and its driver; both end with it.
struct Browser {
    client: Client,
    _driver: tokio::process::Child,
    _profile: tempfile::TempDir,
}

impl Browser {
    async fn open() -> anyhow::Result<Option<Self>> {
        let exists = |program: &str| {
            std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())
                .any(|folder| folder.join(program).exists())
        };
        if !exists("chromedriver") || !exists("chromium") {
            eprintln!("SKIPPED: no chromium and chromedriver on this machine; ./tests/run installs them");
            return Ok(None);
        }
        let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let driver = tokio::process::Command::new("chromedriver")
            .arg(format!("--port={port}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .context("chromedriver does not start")?;
        let profile = tempfile::TempDir::with_prefix("counterfoil-browser-")?;
        let data = format!("--user-data-dir={}", profile.path().display());
        let arguments = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--disable-dev-shm-usage",
            data.as_str(),
        ];
        let mut capabilities = Map::new();
        capabilities.insert("goog:chromeOptions".into(), json!({ "args": arguments }));
        let address = format!("http://127.0.0.1:{port}");
        let client = wait_until("the browser is up", async || {
            Ok(ClientBuilder::new(HttpConnector::new()).capabilities(capabilities.clone()).connect(&address).await.ok())
        })
        .await?;
        Ok(Some(Self { client, _driver: driver, _profile: profile }))
    }

    async fn text(&self) -> anyhow::Result<String> {
        Ok(self.client.find(Locator::Css("body")).await?.text().await?)
    }

    async fn waits_for(&self, words: &str) -> anyhow::Result<()> {
        wait_until(&format!("the page says “{words}”"), async || {
            // Between two pages there is no body to read.
            Ok(self.text().await.ok().filter(|text| text.contains(words)).map(|_| ()))
        })
        .await
    }

    async fn type_into(&self, field: &str, text: &str) -> anyhow::Result<()> {
        self.client.find(Locator::Css(field)).await?.send_keys(text).await?;
        Ok(())
    }

    /// Leaves a picture where a person asked for one.
    async fn picture(&self, name: &str) -> anyhow::Result<()> {
        if let Some(folder) = std::env::var_os("COUNTERFOIL_PICTURES") {
            std::fs::write(std::path::Path::new(&folder).join(name), self.client.screenshot().await?)?;
        }
        Ok(())
    }
}

/// Tells a story in a browser of its own, which is closed however it ends.
async fn in_a_browser(story: impl AsyncFnOnce(&Browser) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let Some(browser) = Browser::open().await? else { return Ok(()) };
    let told = story(&browser).await;
    if told.is_err() {
        eprintln!("the page said last: {}", browser.text().await.unwrap_or_default());
        let _ = browser.picture("failed.png").await;
    }
    browser.client.close().await.context("the browser does not close")?;
    told
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cashier_finds_redeems_and_is_refused_in_words() -> anyhow::Result<()> {
    in_a_browser(cashier).await
}

async fn cashier(browser: &Browser) -> anyhow::Result<()> {
    let shop = TestShop::open(1).await?;
    let member = shop.member(CARD, 700).await?;
    let (lane, _) = &shop.lanes[0];
    browser.client.goto(&format!("{}/", lane.api().base())).await?;
    browser.waits_for("Code from").await?;
    let code: Value = serde_json::from_str(&lane.command(&["pair", "--json"]).await?)?;
    browser.type_into("#code", &format!("{}\n", code["code"].as_str().context("a pairing code")?)).await?;
    browser.waits_for("Connected to head office").await?;
    // As a keyboard scanner does: the field has the focus, the code ends with Enter.
    browser.client.active_element().await?.send_keys(&format!("{CARD}\n")).await?;
    browser.waits_for("Ann").await?;
    browser.picture("cashier-member.png").await?;
    browser.client.find(Locator::Css("form.reward button:not([disabled])")).await?.click().await?;
    browser.waits_for("Done: 500 points were used").await?;
    browser.waits_for("200").await?;
    browser.picture("cashier-redeemed.png").await?;
    // It was the wrong reward: one button, and Enter on the question.
    browser.client.find(Locator::Css("form.last button")).await?.click().await?;
    browser.waits_for("Give back what Ann redeemed").await?;
    browser.picture("cashier-undo.png").await?;
    browser.client.active_element().await?.send_keys("\n").await?;
    browser.waits_for("Undone: 500 points are given back").await?;
    browser.waits_for("700").await?;
    let kept = lane.reserve("b1", CARD, "five-off").await?;
    anyhow::ensure!(kept.status == 201, "{}", kept.body);
    browser.client.active_element().await?.send_keys(&format!("{CARD}\n")).await?;
    browser.waits_for("Kept for the basket being rung up: 5.00 off (500 points)").await?;
    browser.picture("cashier-kept.png").await?;
    browser.client.find(Locator::Css("form.kept button")).await?.click().await?;
    browser.waits_for("Let go: nothing was used").await?;
    shop.points_become(&member, 700, 0).await?;
    shop.line.set(LineState::Cut);
    shop.cut_off().await?;
    browser.client.refresh().await.ok();
    browser.client.goto(&format!("{}/", lane.api().base())).await?;
    browser.waits_for("No connection to head office").await?;
    browser.client.active_element().await?.send_keys("0000000000000\n").await?;
    browser.waits_for("Nobody has this card").await?;
    browser.picture("cashier-offline.png").await?;
    shop.shut().await
}

#[tokio::test(flavor = "multi_thread")]
async fn head_office_sees_its_terminals_days_and_books() -> anyhow::Result<()> {
    in_a_browser(head_office).await
}

async fn head_office(browser: &Browser) -> anyhow::Result<()> {
    let mut shop = TestShop::open(1).await?;
    shop.member(CARD, 100).await?;
    let receipt = shop.sell(0, &mut counterfoil_demo::shop::books::Choices::new(1)).await?;
    shop.books_hold(&[receipt.number]).await?;
    browser.client.goto(&format!("{}/", shop.hub.api().base())).await?;
    browser.waits_for("API key").await?;
    browser.type_into("#key", "not a key\n").await?;
    browser.waits_for("not a valid API key").await?;
    browser.type_into("#key", &format!("{}\n", shop.hub.api().token())).await?;
    browser.waits_for("1 sales").await?;
    for words in ["high-street", "open", "points", "liability"] {
        browser.waits_for(words).await?;
    }
    browser.picture("head-office.png").await?;
    shop.shut().await
}
