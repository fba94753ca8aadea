//! A hub that runs: listener, TLS, the core's thread, signals, an orderly end.
//!
//! Plain HTTP is for loopback alone; there is no switch to change that. Killed at any moment, the hub loses
//! nothing it answered: whatever it says is durable before it is said.

use std::io::Write as _;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use axum_server::Handle;
use axum_server::accept::NoDelayAcceptor;
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use hyper_util::rt::TokioTimer;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use crate::api::{self, AppState};
use crate::bell::{Bell, Ringer};
use crate::clock::now_ms;
use crate::config::TlsMode;
use crate::console::SessionKey;
use crate::core::Hub;
use crate::data_dir::DataDir;
use crate::desk::Desk;
use crate::mark;
use crate::settle::settle_log;
use crate::tls;

/// How old the mark beside the database may be.
const MARK_EVERY: Duration = Duration::from_secs(5);
/// How long running requests may go on after a signal.
const GRACE: Duration = Duration::from_secs(5);
/// How long a connection may take over a request's headers, or be silent between two requests.
const HEADERS_TIME_MAX: Duration = Duration::from_secs(60);

/// How to serve.
#[derive(Debug, Clone)]
pub struct Options {
    /// Address and port; port 0 takes any free one.
    pub listen: SocketAddr,
    /// TLS on loopback too?
    pub tls: TlsMode,
    /// What the certificate is for, beside what this machine is called.
    pub names: Vec<String>,
    /// Where to write the ready message as well.
    pub ready_file: Option<PathBuf>,
}

/// What a hub says once it answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ready {
    /// Always true.
    pub ready: bool,
    /// Address and port it is bound to.
    pub address: SocketAddr,
    /// What to give tills and browsers on this machine.
    pub url: String,
    /// Whether it speaks TLS.
    pub tls: bool,
    /// Its data directory.
    pub data_dir: PathBuf,
}

/// The parts of a hub without a listener: what tests drive in process.
#[derive(Debug)]
pub struct Running {
    /// Shared by all requests.
    pub state: AppState,
    threads: [JoinHandle<()>; 2],
    ringer: Ringer,
}

impl Running {
    /// Opens or makes the hub in `place` and starts its threads.
    ///
    /// # Errors
    /// When the data directory cannot be used.
    pub fn start(place: &DataDir, secure_cookies: bool) -> anyhow::Result<Self> {
        let mut hub = place.open_or_create()?;
        settle_log(hub.connection(), place.database()).context("cannot serve")?;
        mark::look(place, &mut hub, now_ms()).context("cannot serve")?;
        match hub.post_pending(now_ms()) {
            Ok(0) => {}
            Ok(posted) => tracing::info!(posted, "posted records that had arrived before the last stop"),
            // One journal that cannot be posted keeps nobody from being served.
            Err(error) => tracing::error!(
                error = format!("{:#}", anyhow::Error::new(error)),
                "records of a till wait to be posted; they are durable and tried again when it next pushes"
            ),
        }
        if !hub.api_keys()?.iter().any(|key| key.revoked_at.is_none()) {
            tracing::info!(
                "no API key yet: make one with `counterfoil-hub api-key create --name console --scope admin --data-dir {}`",
                place.root().display()
            );
        }
        let (bell, ringer) = Bell::start(place.connect()?)?;
        let opener = || {
            let place = place.clone();
            Box::new(move || Ok(place.open()?))
        };
        let (desk, core) = Desk::start("core", hub, opener())?;
        let (reads, reader) = Desk::start("reads", place.open()?, opener())?;
        let state = AppState {
            desk,
            reads,
            bell,
            metrics: Arc::default(),
            session_key: SessionKey::derive(&place.root_seed()?),
            secure_cookies,
            stopping: CancellationToken::new(),
        };
        Ok(Self { state, threads: [core, reader], ringer })
    }

    /// Ends the threads. Every other clone of the state must be gone, or the core serves it first.
    pub fn stop(self) {
        let Self { state, threads, ringer } = self;
        drop(state);
        drop(ringer);
        for thread in threads {
            if thread.join().is_err() {
                tracing::error!("a core's thread ended by a panic: report this line");
            }
        }
    }
}

/// Serves until a signal.
///
/// # Errors
/// When the data directory, the address or the certificate cannot be used.
pub fn serve(place: &DataDir, options: &Options) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("no async runtime")?;
    let ended = runtime.block_on(serve_until_signal(place, options));
    // A request that hangs in the core must not keep a stopped hub alive: it is durable or it did not happen.
    runtime.shutdown_timeout(GRACE);
    ended
}

async fn serve_until_signal(place: &DataDir, options: &Options) -> anyhow::Result<()> {
    let _lock = place.lock_for_serving()?;
    let listener = TcpListener::bind(options.listen)
        .with_context(|| format!("cannot listen on {}: is another program there? Choose --listen", options.listen))?;
    let address = listener.local_addr().context("the listener has no address")?;
    let with_tls = options.tls.applies_to(address);
    let running = Running::start(place, with_tls)?;
    let handle = Handle::new();
    tokio::spawn(stop_on_signal(handle.clone(), running.state.stopping.clone()));
    let upkeep = tokio::spawn(crate::upkeep::run(running.state.clone()));
    let marking = tokio::spawn(keep_mark(place.clone(), running.state.clone()));
    let router = api::router(running.state.clone());
    let ready = ready(place, address, with_tls);
    let config = if with_tls { Some(tls_config(place, &running, options, address).await?) } else { None };
    announce(&ready, options.ready_file.as_deref())?;
    listen(listener, router, config, handle).await.context("the hub stopped listening")?;
    running.state.stopping.cancel();
    upkeep.await.context("head office's own work ended by a panic: report this")?;
    marking.await.context("keeping the mark ended by a panic: report this")?;
    tracing::info!("stopped: everything answered is on disk");
    tokio::task::spawn_blocking(move || running.stop()).await.context("the hub did not stop in order")
}

/// Keeps the mark beside the database up with it.
async fn keep_mark(place: DataDir, state: AppState) {
    let mut last = None;
    let mut is_failing = false;
    while !state.stopping.is_cancelled() {
        let here = place.clone();
        let kept = state.reads.ask(move |hub| mark::keep(&here, hub, last)).await;
        match kept {
            Ok(Ok(mark)) => (last, is_failing) = (Some(mark), false),
            Ok(Err(error)) if !is_failing => {
                is_failing = true;
                tracing::error!("{error:#}: a backup that is put back may not be noticed; tried again");
            }
            Ok(Err(_)) | Err(_) => {}
        }
        tokio::select! {
            () = tokio::time::sleep(MARK_EVERY) => {}
            () = state.stopping.cancelled() => {}
        }
    }
}

async fn tls_config(
    place: &DataDir,
    running: &Running,
    options: &Options,
    address: SocketAddr,
) -> anyhow::Result<RustlsConfig> {
    let root_pem = running.state.desk.ask(|hub: &mut Hub| hub.root_certificate().to_owned()).await?;
    place.publish_root_certificate(&root_pem)?;
    let names = tls::certificate_names(&options.names, address);
    tracing::info!("tills may call this hub {}: add others to [server] names", names.join(", "));
    Ok(RustlsConfig::from_config(tls::server_config(&place.root_seed()?, &root_pem, &names)?))
}

async fn listen(
    listener: TcpListener,
    router: Router,
    config: Option<RustlsConfig>,
    handle: Handle<SocketAddr>,
) -> std::io::Result<()> {
    let service = router.into_make_service();
    let mut server = axum_server::from_tcp(listener)?
        .handle(handle)
        .first_request_timeout(HEADERS_TIME_MAX)
        .accept_error_handler(|_, error| tracing::debug!("a connection did not come about: {error}"));
    server.http_builder().http1().timer(TokioTimer::new()).header_read_timeout(HEADERS_TIME_MAX);
    match config {
        Some(config) => {
            server.acceptor(RustlsAcceptor::new(config).acceptor(NoDelayAcceptor::new())).serve(service).await
        }
        None => server.acceptor(NoDelayAcceptor::new()).serve(service).await,
    }
}

fn ready(place: &DataDir, address: SocketAddr, tls: bool) -> Ready {
    let host = if address.ip().is_unspecified() {
        SocketAddr::new(std::net::Ipv4Addr::LOCALHOST.into(), address.port())
    } else {
        address
    };
    let scheme = if tls { "https" } else { "http" };
    Ready { ready: true, address, url: format!("{scheme}://{host}"), tls, data_dir: place.root().to_owned() }
}

fn announce(ready: &Ready, file: Option<&Path>) -> anyhow::Result<()> {
    let line = serde_json::to_string(ready).context("the ready message is plain JSON")?;
    if let Some(path) = file {
        let write = || {
            let written = path.with_extension("new");
            std::fs::write(&written, format!("{line}\n"))?;
            std::fs::rename(&written, path)
        };
        write().with_context(|| format!("cannot write the ready file {}", path.display()))?;
    }
    tracing::info!("head office answers at {} (console: open it in a browser)", ready.url);
    // Nobody reads it where standard output is closed; the hub serves all the same.
    let _ = writeln!(std::io::stdout(), "{line}");
    Ok(())
}

async fn stop_on_signal(handle: Handle<SocketAddr>, stopping: CancellationToken) {
    use tokio::signal::unix::{SignalKind, signal};
    match (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) {
        (Ok(mut terminate), Ok(mut interrupt)) => tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        },
        _ => {
            tracing::error!("this system delivers no signals: stop the hub with kill -9, nothing will be lost");
            return;
        }
    }
    tracing::info!("stopping: running requests get {} seconds", GRACE.as_secs());
    stopping.cancel();
    handle.graceful_shutdown(Some(GRACE));
}
