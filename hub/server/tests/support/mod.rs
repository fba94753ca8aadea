//! What the tests of the shell share: a hub in a directory of its own, asked in process or run as a program.

#![allow(dead_code, reason = "each test file uses its own part")]

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode, header};
use counterfoil_hub::api;
use counterfoil_hub::api::auth::new_key;
use counterfoil_hub::data_dir::DataDir;
use counterfoil_hub::server::Running;
use serde_json::Value;
use tower::ServiceExt as _;

/// A program with points and one reward.
pub const PROGRAM: &str = r#"
program = "corner-club"
currency = "GBP"
time_zone = "Europe/London"

[purse.points]
kind = "points"
spend_fresh = true

[[earn]]
id = "base"
purse = "points"
award = { every = 100, give = 1 }
reason = "1 point for each pound"

[[reward]]
id = "five-off"
title = "5.00 off"
cost = { purse = "points", amount = 500 }
benefit = { kind = "discount", amount = 500 }
"#;

/// A hub in process.
pub struct Office {
    pub router: Router,
    pub place: DataDir,
    pub running: Running,
    _dir: tempfile::TempDir,
}

/// An answer, its body read.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: axum::http::HeaderMap,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&self.body)))
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Asserts a problem and gives its document.
    pub fn problem(&self, status: u16, kind: &str) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.text());
        assert_eq!(self.headers[header::CONTENT_TYPE], "application/problem+json");
        let problem = self.json();
        assert_eq!(problem["type"], format!("/problems/{kind}"), "{problem}");
        assert_eq!(problem["status"], status, "{problem}");
        assert!(problem["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{problem}");
        problem
    }
}

impl Office {
    pub fn open() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let place = DataDir::resolve(Some(dir.path().join("hub")), None).unwrap();
        let running = Running::start(&place, false).unwrap();
        Self { router: api::router(running.state.clone()), place, running, _dir: dir }
    }

    /// A key, made beside the running hub as the command line does it.
    pub fn key(&self, scopes: &[&str]) -> String {
        let (key, hash) = new_key();
        let scopes: Vec<String> = scopes.iter().map(|scope| (*scope).to_owned()).collect();
        self.place.open().unwrap().add_api_key("test", &scopes, hash.0, 1_700_000_000_000).unwrap();
        key
    }

    pub async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, 16 << 20).await.unwrap().to_vec();
        Answer { status: parts.status, headers: parts.headers, body }
    }

    /// A call with a key; `headers` are added.
    pub async fn call(
        &self,
        method: &str,
        path: &str,
        key: &str,
        body: Option<&str>,
        headers: &[(&str, &str)],
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        if !key.is_empty() {
            request = request.header(header::AUTHORIZATION, format!("Bearer {key}"));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = body.map_or_else(Body::empty, |body| Body::from(body.to_owned()));
        self.send(request.body(body).unwrap()).await
    }

    pub async fn get(&self, path: &str, key: &str) -> Answer {
        self.call("GET", path, key, None, &[]).await
    }

    pub async fn post(&self, path: &str, key: &str, body: &Value) -> Answer {
        self.call("POST", path, key, Some(&body.to_string()), &[]).await
    }
}

/// The program under test, with a data directory.
pub fn hub(data_dir: &Path, arguments: &[&str]) -> Output {
    hub_command(data_dir).args(arguments).output().unwrap()
}

pub fn hub_command(data_dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_counterfoil-hub"));
    command.env_remove("STATE_DIRECTORY").env_remove("CONFIGURATION_DIRECTORY").env("NO_COLOR", "1");
    command.env("COUNTERFOIL_HUB_DATA_DIR", data_dir);
    command
}

pub fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Asserts success and gives standard output.
pub fn done(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    stdout(output)
}

pub fn file(dir: &Path, name: &str, text: &str) -> PathBuf {
    let path = dir.join(name);
    std::fs::write(&path, text).unwrap();
    path
}

/// A hub process that serves; killed when dropped.
pub struct Served {
    child: Child,
    pub ready: Value,
}

impl Served {
    pub fn start(data_dir: &Path, arguments: &[&str]) -> Self {
        Self::start_on("127.0.0.1:0", data_dir, arguments)
    }

    pub fn start_on(listen: &str, data_dir: &Path, arguments: &[&str]) -> Self {
        let mut command = hub_command(data_dir);
        command.args(["serve", "--listen", listen]).args(arguments);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self { child, ready: serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}")) }
    }

    pub fn url(&self) -> String {
        self.ready["url"].as_str().unwrap().to_owned()
    }

    /// Asks it to stop and gives its exit code.
    pub fn stop(&mut self) -> Option<i32> {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        self.child.wait().unwrap().code()
    }

    /// Kills it as a power cut would.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // Gone already, most likely.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
