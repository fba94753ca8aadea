//! Asking the till's books: the running daemon where there is one, the database itself where there is none.

use anyhow::{Context as _, bail};
use counterfoil_till::{Settings, Till};
use reqwest::{Method, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::books;
use crate::places::Places;

/// Who has the books.
pub enum Books {
    /// A daemon; it is asked over its control socket.
    Daemon(Daemon),
    /// Nobody: they were opened here.
    Here(Box<Till>),
}

/// A running daemon.
pub struct Daemon {
    http: reqwest::Client,
    runtime: tokio::runtime::Runtime,
}

/// Finds the books.
///
/// # Errors
/// When this is no till, or the books cannot be opened.
pub fn books(places: &Places) -> anyhow::Result<Books> {
    if let Some(daemon) = daemon(places)? {
        return Ok(Books::Daemon(daemon));
    }
    let till = books::open(places, Settings::default())?;
    Ok(Books::Here(Box::new(till)))
}

/// The daemon that runs on this data directory, if one does.
///
/// # Errors
/// When its socket may not be used.
pub fn daemon(places: &Places) -> anyhow::Result<Option<Daemon>> {
    let socket = places.control_socket();
    match std::os::unix::net::UnixStream::connect(&socket) {
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
            bail!("{} may not be used: run this as the service's user, or as one of its group", socket.display())
        }
        // No file, or one that a killed daemon left behind.
        Err(_) => return Ok(None),
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("no async runtime")?;
    let http = reqwest::Client::builder()
        .unix_socket(socket)
        .tls_backend_preconfigured(crate::hub_link::trust::nobody())
        .no_proxy()
        .build()
        .context("no HTTP client")?;
    Ok(Some(Daemon { http, runtime }))
}

impl Daemon {
    /// Asks for JSON.
    ///
    /// # Errors
    /// When the daemon refuses or does not answer; the error is the daemon's own sentence.
    pub fn ask<T: DeserializeOwned>(&self, method: Method, path: &str, body: Option<&Value>) -> anyhow::Result<T> {
        self.runtime.block_on(async {
            let mut request = self.http.request(method, address(path));
            if let Some(body) = body {
                request = request.json(body);
            }
            let response = request.send().await.context("the daemon does not answer")?;
            let status = response.status();
            let body = response.bytes().await.context("the daemon's answer was cut off")?;
            if status == StatusCode::OK {
                return serde_json::from_slice(&body).context("the daemon's answer cannot be read");
            }
            let problem: Value = serde_json::from_slice(&body).unwrap_or_default();
            bail!("{}", problem["detail"].as_str().unwrap_or("the daemon refuses"))
        })
    }

    /// Copies a streamed answer to `sink`.
    ///
    /// # Errors
    /// When the daemon refuses, or the stream is cut.
    pub fn stream(&self, path: &str, mut sink: impl FnMut(&[u8]) -> std::io::Result<()>) -> anyhow::Result<()> {
        self.runtime.block_on(async {
            let mut response = self.http.get(address(path)).send().await.context("the daemon does not answer")?;
            if response.status() != StatusCode::OK {
                bail!("the daemon refuses");
            }
            while let Some(chunk) = response.chunk().await.context("the daemon's answer was cut off")? {
                sink(&chunk).context("cannot write the output")?;
            }
            Ok(())
        })
    }
}

/// The host is of no meaning on a Unix socket.
fn address(path: &str) -> String {
    format!("http://localhost{path}")
}
