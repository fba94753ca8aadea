//! The built program as people and scripts run it.

#![allow(clippy::unwrap_used, reason = "test code")]

mod support;

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use reqwest::StatusCode;
use serde_json::{Value, json};
use support::fake_hub::FakeHub;

fn counterfoil(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_counterfoil"));
    command.current_dir(dir).env_clear();
    command
}

fn placed(dir: &Path, args: &[&str]) -> Command {
    let mut command = counterfoil(dir);
    command.args(args).args(["--config", "counterfoil.toml", "--data-dir", "data"]);
    command
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn succeeds(command: &mut Command) -> String {
    let Output { status, stdout, stderr } = command.output().unwrap();
    assert!(status.success(), "{command:?}: {}{}", text(&stdout), text(&stderr));
    text(&stdout)
}

fn fails(command: &mut Command, code: i32) -> String {
    let Output { status, stdout, stderr } = command.output().unwrap();
    assert_eq!(status.code(), Some(code), "{command:?}: {}{}", text(&stdout), text(&stderr));
    text(&stderr)
}

/// A daemon that is stopped and reaped whatever the test does.
struct Daemon {
    child: Child,
    log: BufReader<std::process::ChildStderr>,
}

impl Daemon {
    fn start(dir: &Path) -> Self {
        let mut child = placed(dir, &["run"]).stderr(Stdio::piped()).spawn().unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        let mut this = Self { child, log };
        this.wait_for("ready");
        this
    }

    fn wait_for(&mut self, word: &str) {
        let mut seen = String::new();
        loop {
            let before = seen.len();
            self.log.read_line(&mut seen).unwrap();
            assert_ne!(seen.len(), before, "the daemon ended: {seen}");
            if seen[before..].contains(word) {
                return;
            }
        }
    }

    fn terminate(mut self) -> Option<i32> {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        self.child.wait().unwrap().code()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn wrong_usage_is_two_and_help_has_examples() {
    let dir = tempfile::tempdir().unwrap();
    for args in
        [&[][..], &["nothing"], &["run", "--colour"], &["enroll"], &["token", "create", "--name", "x", "--scope", "y"]]
    {
        fails(counterfoil(dir.path()).args(args), 2);
    }
    fails(counterfoil(dir.path()).args(["enroll", "--hub", "http://10.0.0.1", "--code", "CF1-"]), 2);
    for command in [
        "run", "enroll", "tap", "simulate", "token", "status", "doctor", "journal", "receipt", "program", "devices",
        "pair",
    ] {
        let help = succeeds(counterfoil(dir.path()).args([command, "--help"]));
        assert!(help.contains("Example"), "{command}: {help}");
        assert!(!help.contains('\x1b'), "no colour into a pipe");
    }
    assert!(succeeds(counterfoil(dir.path()).arg("--version")).starts_with("counterfoil "));
}

#[test]
fn what_is_not_a_till_says_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    assert!(
        fails(&mut placed(dir.path(), &["run"]), 1).contains("cannot read counterfoil.toml"),
        "a named file must be there"
    );
    std::fs::write(dir.path().join("counterfoil.toml"), "").unwrap();
    for args in [&["run"][..], &["status"], &["token", "list"], &["journal", "verify"]] {
        assert!(fails(&mut placed(dir.path(), args), 1).contains("counterfoil enroll"), "{args:?}");
    }
    assert!(fails(&mut placed(dir.path(), &["pair"]), 1).contains("counterfoil run"));
    std::fs::write(dir.path().join("counterfoil.toml"), "[api]\ncolour = 1\n").unwrap();
    let words = fails(&mut placed(dir.path(), &["run"]), 1);
    assert!(words.contains("line 2, column 1") && words.contains("colour"), "{words}");
    fails(counterfoil(dir.path()).args(["receipt", "learn", "a.bin", "--out", "b.toml"]), 1);
}

#[test]
fn a_program_is_checked_and_tried() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
    write("program.toml", support::fake_hub::PROGRAM);
    write("bad.toml", "program = \"x\"\ncurrency = \"GBP\"\ntime_zone = \"Europe/London\"\ncolour = 1\n");
    let sale = json!({ "receipt_number": "1", "occurred_at": "2026-11-20T10:15:00+00:00", "currency": "GBP",
                       "total": 1234, "lines": [ { "description": "COFFEE", "amount": 1234 } ] });
    write("sale.json", &sale.to_string());
    succeeds(counterfoil(dir.path()).args(["program", "check", "program.toml"]));
    let output = counterfoil(dir.path()).args(["program", "check", "bad.toml"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stdout).contains("line 4, column 1"), "{}", text(&output.stdout));
    let tried =
        succeeds(counterfoil(dir.path()).args(["program", "try", "program.toml", "--sale", "sale.json", "--json"]));
    let tried: Value = serde_json::from_str(&tried).unwrap();
    let rule = json!({ "rule": "base", "amount": 12, "reason": "1 point for each pound" });
    assert_eq!(tried, json!({ "accrued": [ { "purse": "points", "amount": 12, "rules": [ rule ] } ], "skipped": [] }));
}

/// From a code to a running till and back, with every command that asks the books, before, while and after a
/// daemon has them.
#[test]
fn a_till_is_enrolled_runs_and_is_asked() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let hub = runtime.block_on(FakeHub::start(600));
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let enroll = ["enroll", "--hub", &hub.url(), "--code", &hub.code()];
    succeeds(&mut placed(dir, &enroll));
    assert!(fails(&mut placed(dir, &enroll), 1).contains("already"), "an enrolled till stays what it is");
    let config = std::fs::read_to_string(dir.join("counterfoil.toml")).unwrap();
    std::fs::write(dir.join("counterfoil.toml"), format!("{config}\n[api]\nlisten = \"127.0.0.1:0\"\n")).unwrap();
    assert!(!dir.join("data/enrolment-key").exists());

    let here = succeeds(&mut placed(dir, &["token", "create", "--name", "before"]));
    let state: Value = serde_json::from_str(&succeeds(&mut placed(dir, &["status", "--json"]))).unwrap();
    assert_eq!((&state["running"], &state["journal"]["position"]), (&json!(false), &json!(0)));

    let mut daemon = Daemon::start(dir);
    daemon.wait_for("head office answers");
    let address = std::fs::read_to_string(dir.join("data/api-address")).unwrap();
    let base = format!("http://{}", address.trim());
    let first = std::fs::read_to_string(dir.join("data/api-token")).unwrap();
    let during: Value =
        serde_json::from_str(&succeeds(&mut placed(dir, &["token", "create", "--name", "during", "--json"]))).unwrap();
    for token in [here.trim(), first.trim(), during["token"].as_str().unwrap()] {
        assert_eq!(runtime.block_on(status_with(&base, token)), StatusCode::OK);
    }
    succeeds(&mut placed(dir, &["token", "revoke", "during"]));
    assert_eq!(runtime.block_on(status_with(&base, during["token"].as_str().unwrap())), StatusCode::UNAUTHORIZED);
    assert!(succeeds(&mut placed(dir, &["token", "list"])).contains("before"));

    runtime.block_on(record_a_sale(&base, first.trim()));
    runtime.block_on(hub.records_at_least(1));
    let state: Value = serde_json::from_str(&succeeds(&mut placed(dir, &["status", "--json"]))).unwrap();
    assert_eq!((&state["running"], &state["hub"]["reachable"]), (&json!(true), &json!(true)));
    assert!(succeeds(&mut placed(dir, &["status"])).contains("running"));
    let exported = succeeds(&mut placed(dir, &["journal", "export", "--format", "jsonl"]));
    assert_eq!(exported.lines().count(), 1);
    succeeds(&mut placed(dir, &["journal", "verify"]));
    let pairing: Value = serde_json::from_str(&succeeds(&mut placed(dir, &["pair", "--json"]))).unwrap();
    runtime.block_on(open_the_page(&base, pairing["url"].as_str().unwrap()));
    assert!(fails(&mut placed(dir, &["run"]), 1).contains("daemon running"), "a second daemon is refused");

    assert_eq!(daemon.terminate(), Some(0));
    assert!(!dir.join("data/api-address").exists());
    assert_eq!(succeeds(&mut placed(dir, &["journal", "export"])), exported, "the books are the same without a daemon");
    let report: Value = serde_json::from_str(&succeeds(&mut placed(dir, &["journal", "verify", "--json"]))).unwrap();
    assert_eq!((&report["records"], &report["problems"]), (&json!(1), &json!([])));

    std::fs::remove_file(dir.join("data/marker")).unwrap();
    let output = placed(dir, &["status"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "a till whose marker is gone spends nothing, and says so");
    assert!(text(&output.stdout).contains("older copy"), "{}", text(&output.stdout));
}

/// The books are made, and the power goes before the key's file is removed: the same call finishes it.
#[test]
fn an_enrolment_cut_short_is_finished() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let hub = runtime.block_on(FakeHub::start(0));
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let key_file = dir.join("data/enrolment-key");
    std::fs::create_dir(dir.join("data")).unwrap();
    std::fs::write(&key_file, [7; 32]).unwrap();
    let enroll = ["enroll", "--hub", &hub.url(), "--code", &hub.code()];
    succeeds(&mut placed(dir, &enroll));
    std::fs::write(&key_file, [7; 32]).unwrap();
    succeeds(&mut placed(dir, &enroll));
    assert!(!key_file.exists());
    std::fs::write(&key_file, [8; 32]).unwrap();
    assert!(fails(&mut placed(dir, &enroll), 1).contains("already"), "another key is no part of this till");
}

fn http() -> reqwest::Client {
    reqwest::Client::builder()
        .tls_backend_preconfigured(counterfoil_agent::hub_link::trust::nobody())
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .build()
        .unwrap()
}

async fn status_with(base: &str, token: &str) -> StatusCode {
    http().get(format!("{base}/v1/status")).bearer_auth(token).send().await.unwrap().status()
}

async fn record_a_sale(base: &str, token: &str) {
    let sale = json!({ "receipt_number": "1", "occurred_at": jiff::Timestamp::now().to_string(), "currency": "GBP",
                       "total": 1234, "lines": [ { "description": "COFFEE", "amount": 1234 } ] });
    let response = http().post(format!("{base}/v1/sales")).bearer_auth(token).json(&sale).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::CREATED);
}

/// The link opens a session once, and the session the page.
async fn open_the_page(base: &str, link: &str) {
    let http = http();
    let closed = http.get(format!("{base}/")).send().await.unwrap();
    assert_eq!(closed.status(), StatusCode::UNAUTHORIZED);
    let paired = http.get(link).send().await.unwrap();
    assert_eq!(paired.status(), StatusCode::SEE_OTHER);
    let cookie = paired.headers()["set-cookie"].to_str().unwrap().to_owned();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
    let session = cookie.split(';').next().unwrap();
    let page = http.get(format!("{base}/")).header("cookie", session).send().await.unwrap();
    assert_eq!(page.status(), StatusCode::OK);
    assert!(page.text().await.unwrap().contains("Corner Shop, till 1"));
    let again = http.get(link).send().await.unwrap();
    assert_eq!(again.status(), StatusCode::UNAUTHORIZED, "a link works once");
}
