//! A till in a temporary directory, with a fake head office: for tests of the daemon's shell.

#![allow(dead_code)]

pub mod fake_hub;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use counterfoil_agent::books;
use counterfoil_agent::clock::Clock;
use counterfoil_agent::config::Config;
use counterfoil_agent::engine::{self, EngineThread};
use counterfoil_agent::events::Events;
use counterfoil_agent::hub_link::HubLink;
use counterfoil_agent::hub_link::address::HubUrl;
use counterfoil_agent::hub_link::client::HubClient;
use counterfoil_agent::hub_link::exchange::Exchanges;
use counterfoil_agent::hub_link::grants::Grants;
use counterfoil_agent::hub_link::state::Link;
use counterfoil_agent::hub_link::trust;
use counterfoil_agent::places::Places;
use counterfoil_agent::shell::{Facts, Shell};
use counterfoil_agent::tokens;
use counterfoil_protocol::identifier::ProgramKey;
use counterfoil_protocol::wire::sign::PublicKey;
use counterfoil_protocol::wire::v1::enrol::StoreSettings;
use counterfoil_till::{Enrolment, Settings, Till};
use ed25519_dalek::SigningKey;
use reqwest::{Client, RequestBuilder, StatusCode};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use self::fake_hub::FakeHub;

/// The card of the member that the fake hub knows.
pub const CARD: &str = "9826000000017";

/// How long a cashier waits here: a slow machine is no silent head office.
pub const DEADLINE: Duration = Duration::from_millis(250);

pub const PROGRAM_KEY: ProgramKey = ProgramKey([9; 32]);

pub fn root_key() -> SigningKey {
    SigningKey::from_bytes(&[1; 32])
}

pub fn places(dir: &Path) -> Places {
    Places { config: dir.join("counterfoil.toml"), config_named: false, data: dir.join("data") }
}

pub fn enrolment(hub_url: &str) -> Enrolment {
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::new(vec!["hub".to_owned()]).unwrap().self_signed(&key).unwrap();
    Enrolment {
        terminal: "s1-1".into(),
        lane: "1".into(),
        store: StoreSettings {
            store: "s1".into(),
            name: "Corner Shop".into(),
            time_zone: "Europe/London".into(),
            currency: "GBP".into(),
            day_ends: "00:00".into(),
            groups: vec![],
        },
        key_seed: [2; 32],
        epoch: 1,
        root_key: PublicKey::of(&root_key()),
        root_certificate: certificate.pem(),
        program_key: PROGRAM_KEY,
        hub_url: hub_url.into(),
    }
}

/// A till whose API answers on a loopback port.
pub struct Served {
    pub shell: Shell,
    pub base: String,
    pub token: String,
    pub http: Client,
    pub stopping: CancellationToken,
    _thread: EngineThread,
    _dir: tempfile::TempDir,
}

impl Served {
    /// With a fake hub; its first page is applied when this returns.
    pub async fn with_hub(hub: &FakeHub) -> Self {
        let this = Self::start(&hub.url(), true).await;
        let mut link = this.shell.link.subscribe();
        link.wait_for(|state| state.up == Some(true)).await.unwrap();
        hub.first_page_applied().await;
        this
    }

    /// With no hub at all.
    pub async fn alone() -> Self {
        Self::start("http://127.0.0.1:9", false).await
    }

    async fn start(hub_url: &str, linked: bool) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let places = places(dir.path());
        let mut till = books::create(&places, &enrolment(hub_url), Settings::default()).unwrap();
        let clock = Clock::default();
        let token = tokens::create(&mut till, "test", &[], clock.now()).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let facts = Facts::of(&till, &Config::default(), hub_url, address);
        let stopping = CancellationToken::new();
        let (shell, thread) = assemble(till, clock, hub_url, linked, facts, &stopping);
        let service = counterfoil_agent::api::router(shell.clone());
        tokio::spawn(async move { axum::serve(listener, service).await.unwrap() });
        let http = Client::builder()
            .tls_backend_preconfigured(trust::nobody())
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .unwrap();
        Self { shell, base: format!("http://{address}"), token, http, stopping, _thread: thread, _dir: dir }
    }

    /// As if it had been taken in by the fake hub: it keeps the hub's answer.
    pub async fn proves_itself(&self) {
        let proof = fake_hub::proof(&SigningKey::from_bytes(&[2; 32]));
        self.shell.engine.call(move |till| till.keep_proof(&proof)).await.unwrap().unwrap();
    }

    pub fn get(&self, path: &str) -> RequestBuilder {
        self.http.get(format!("{}{path}", self.base)).bearer_auth(&self.token)
    }

    pub fn post(&self, path: &str, body: &Value) -> RequestBuilder {
        self.http.post(format!("{}{path}", self.base)).bearer_auth(&self.token).json(body)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.stopping.cancel();
    }
}

fn assemble(
    till: Till,
    clock: Clock,
    hub_url: &str,
    linked: bool,
    facts: Facts,
    stopping: &CancellationToken,
) -> (Shell, EngineThread) {
    let (engine, thread) = engine::start(till).unwrap();
    let (link, hint, events) = (Link::default(), Arc::new(Notify::new()), Events::default());
    let client = HubClient::new(HubUrl::parse(hub_url).unwrap(), trust::nobody()).unwrap();
    let exchanges = Exchanges::new(engine.clone(), client, clock.clone(), link.clone());
    let grants = Grants::new(engine.clone(), exchanges.clone(), link.clone(), Arc::clone(&hint), DEADLINE);
    if linked {
        let driver = HubLink {
            engine: engine.clone(),
            exchanges,
            clock: clock.clone(),
            link: link.clone(),
            events: events.clone(),
            hint,
        };
        tokio::spawn(driver.run(stopping.clone()));
    }
    let shell = Shell {
        engine,
        clock,
        link,
        grants: Some(grants),
        events,
        devices: Default::default(),
        pairing: Default::default(),
        metrics: Default::default(),
        facts: Arc::new(facts),
        stopping: stopping.clone(),
    };
    (shell, thread)
}

/// Sends, and gives status and JSON.
pub async fn answer(request: RequestBuilder) -> (StatusCode, Value) {
    let response = request.send().await.unwrap();
    let status = response.status();
    let text = response.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}
