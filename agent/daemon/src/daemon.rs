//! `counterfoil run`: opens the books, starts every part, stops them in order.
//!
//! Order of starting: books, engine, local API, line to head office, devices. It says that it is ready when the
//! API answers: to systemd, in the log, and by the file `api-address`. Order of stopping: whoever takes in new
//! work first, the engine last, so that what was promised is durable.

use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use counterfoil_till::{Settings, Till};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::config::Config;
use crate::engine::{self, Engine, EngineThread};
use crate::events::Events;
use crate::hub_link::HubLink;
use crate::hub_link::address::HubUrl;
use crate::hub_link::client::HubClient;
use crate::hub_link::exchange::Exchanges;
use crate::hub_link::grants::Grants;
use crate::hub_link::state::Link;
use crate::hub_link::trust;
use crate::places::Places;
use crate::shell::{Facts, Shell};
use crate::{api, books, capture, control, files, housekeeping, orders, tokens};

/// How long open connections may take to finish at a stop.
const STOP_PATIENCE: Duration = Duration::from_secs(5);
/// The name of the token in the file `api-token`.
const FIRST_TOKEN: &str = "first";

/// Runs the daemon until it is told to stop.
///
/// # Errors
/// When it cannot start, or a part of it failed; the error says what to do.
pub fn run(places: &Places) -> anyhow::Result<()> {
    crate::logging::start();
    let config = Config::read(&places.config, places.config_named)?;
    let mut till = open_books(places, &config)?;
    // What head office ordered and the till that stopped did not get to.
    orders::carry_out(&mut till, Clock::default().now());
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("cannot start the async runtime")?;
    runtime.block_on(serve(places, &config, till))
}

fn open_books(places: &Places, config: &Config) -> anyhow::Result<Till> {
    let settings = Settings {
        member_timeout_ms: i64::from(config.member.timeout_s) * 1_000,
        reservation_ms: i64::from(config.reservation.timeout_s) * 1_000,
        ..Settings::default()
    };
    let till = books::open(places, settings)?;
    let enrolment = till.enrolment();
    for (what, configured, enrolled) in
        [("store", &config.terminal.store, &enrolment.store.store), ("lane", &config.terminal.lane, &enrolment.lane)]
    {
        if configured.as_ref().is_some_and(|configured| configured != enrolled) {
            bail!(
                "{}: [terminal] {what} = {:?}, but head office enrolled this till as {enrolled:?}: correct the file, \
                 or enrol this till anew in an empty data directory",
                places.config.display(),
                configured.as_deref().unwrap_or_default(),
            );
        }
    }
    Ok(till)
}

async fn serve(places: &Places, config: &Config, till: Till) -> anyhow::Result<()> {
    let stopping = CancellationToken::new();
    // One left by a daemon that was killed would look like ours being ready.
    let _ = std::fs::remove_file(places.api_address());
    let listener = TcpListener::bind(config.api.listen)
        .await
        .with_context(|| format!("cannot listen on {}: is another daemon running?", config.api.listen))?;
    let address = listener.local_addr().context("the API's own address cannot be read")?;
    log_start(&till);
    let (shell, link) = assemble(config, till, address, &stopping)?;
    let (shell, mut engine_thread) = shell;
    first_token(places, &shell).await?;

    let mut parts = JoinSet::new();
    spawn_servers(&mut parts, places, &shell, listener)?;
    parts.spawn(housekeeping::run(shell.clone(), stopping.clone()));
    let line = link.run(stopping.clone());
    parts.spawn(async move { line.await.context("the line to head office") });
    let devices = capture::start(places, config, &shell)?;

    files::write_durably(&places.api_address(), 0o644, |file| writeln!(file, "{address}"))
        .with_context(|| format!("cannot write {}", places.api_address().display()))?;
    tracing::info!(%address, "ready: the till API and the cashier page answer");
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);

    let outcome = tokio::select! {
        signal = stop_signal() => {
            tracing::info!(signal, "stopping");
            Ok(())
        }
        () = engine_thread.ended() => Err(anyhow::anyhow!("the till's engine failed; a restart recovers")),
        Some(part) = parts.join_next() => part.context("a part of the daemon failed").and_then(|result| result),
    };
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Stopping]);
    stopping.cancel();
    capture::stop(devices).await;
    let finish = async { while parts.join_next().await.is_some() {} };
    if tokio::time::timeout(STOP_PATIENCE, finish).await.is_err() {
        tracing::warn!("some connections did not close in time");
    }
    let _ = std::fs::remove_file(places.api_address());
    let _ = std::fs::remove_file(places.control_socket());
    let stopped = engine_thread.stop().await;
    outcome?;
    stopped.context("the till's engine failed while stopping; a restart recovers")
}

fn assemble(
    config: &Config,
    till: Till,
    address: SocketAddr,
    stopping: &CancellationToken,
) -> anyhow::Result<((Shell, EngineThread), HubLink)> {
    let enrolment = till.enrolment();
    let hub = HubUrl::parse(config.hub_url.as_deref().unwrap_or(&enrolment.hub_url))?;
    let trust = trust::pinned(&enrolment.root_certificate)?;
    let facts = Facts::of(&till, config, hub.as_str(), address);
    let (engine, thread) = engine::start(till).context("cannot start the engine's thread")?;
    let (clock, link, hint) = (Clock::default(), Link::default(), Arc::new(Notify::new()));
    let client = HubClient::new(hub, trust).context("the TLS settings cannot be used")?;
    let exchanges = Exchanges::new(engine.clone(), client, clock.clone(), link.clone());
    let grants =
        Grants::new(engine.clone(), exchanges.clone(), link.clone(), Arc::clone(&hint), config.grant_deadline.0);
    let events = Events::default();
    let driver = HubLink {
        engine: engine.clone(),
        exchanges,
        clock: clock.clone(),
        link: link.clone(),
        events: events.clone(),
        hint,
    };
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
    Ok(((shell, thread), driver))
}

fn log_start(till: &Till) {
    let enrolment = till.enrolment();
    let (store, lane) = (&enrolment.store.store, &enrolment.lane);
    tracing::info!(%store, %lane, position = till.head().position, "the books are open");
    if !till.standing().is_sound() {
        tracing::error!(standing = %till.standing(), "this till spends nothing");
    }
}

fn spawn_servers(
    parts: &mut JoinSet<anyhow::Result<()>>,
    places: &Places,
    shell: &Shell,
    listener: TcpListener,
) -> anyhow::Result<()> {
    let stop = shell.stopping.clone();
    let service = api::router(shell.clone());
    parts.spawn(async move {
        let stopped = async move { stop.cancelled().await };
        axum::serve(listener, service).with_graceful_shutdown(stopped).await.context("the till API")
    });
    let path = places.control_socket();
    let socket = control::listen(&path).with_context(|| format!("cannot open {}", path.display()))?;
    let stop = shell.stopping.clone();
    let service = control::router(shell.clone());
    parts.spawn(async move {
        let stopped = async move { stop.cancelled().await };
        axum::serve(socket, service).with_graceful_shutdown(stopped).await.context("the control socket")
    });
    Ok(())
}

/// Makes the first token where its file is missing or names none of these books'; the service's group may read it.
async fn first_token(places: &Places, shell: &Shell) -> anyhow::Result<()> {
    let path = places.api_token();
    if !shell.facts.token_needed {
        return Ok(());
    }
    if let Ok(secret) = std::fs::read_to_string(&path) {
        let hash = tokens::hash(secret.trim());
        if shell.engine.call(move |till| till.check_token(hash)).await??.is_some() {
            return Ok(());
        }
    }
    let secret = new_first_token(&shell.engine, shell.clock.now()).await?;
    files::write_durably(&path, 0o640, |file| writeln!(file, "{secret}"))
        .with_context(|| format!("cannot write {}", path.display()))?;
    tracing::info!(path = %path.display(), "a first API token is in this file");
    Ok(())
}

async fn new_first_token(engine: &Engine, now: counterfoil_till::Now) -> anyhow::Result<String> {
    let made = engine
        .call(move |till| {
            // One whose file was lost is of no use to anybody.
            till.revoke_token(FIRST_TOKEN)?;
            tokens::create(till, FIRST_TOKEN, &[], now)
        })
        .await?;
    made.context("the first API token cannot be made")
}

async fn stop_signal() -> &'static str {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut terminate), Ok(mut interrupt)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        // Without handlers the signals end the process as the system does: the books survive that too.
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    }
}
