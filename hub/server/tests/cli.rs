//! The program itself: usage errors, what each command prints, and that commands work beside a running hub.

#![allow(clippy::unwrap_used, reason = "a test says what went wrong by panicking")]

mod support;

use serde_json::Value;
use support::{PROGRAM, Served, done, file, hub, hub_command, stderr, stdout};

fn json(output: &std::process::Output) -> Value {
    serde_json::from_str(&done(output)).unwrap()
}

#[test]
fn wrong_usage_is_two_and_says_what_is_right() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("hub");
    let config = file(dir.path(), "hub.toml", "[server]\nlisten = \"127.0.0.1:0\"\nport = 7400\n");
    let cases: [(&[&str], &str); 8] = [
        (&[], "Usage"),
        (&["sell"], "unrecognized subcommand"),
        (&["store", "add"], "STORE"),
        (&["api-key", "create", "--name", "x"], "--scope"),
        (&["api-key", "create", "--name", "x", "--scope", "everything"], "members:read"),
        (&["serve", "--database", "postgres://db/hub"], "PostgreSQL"),
        (&["ledger", "export", "--format", "xlsx"], "jsonl"),
        (&["serve", "--config", config.to_str().unwrap()], "line 3, column 1"),
    ];
    for (arguments, said) in cases {
        let output = hub(&data, arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {output:?}");
        assert!(stderr(&output).contains(said), "{arguments:?}: {}", stderr(&output));
    }
    assert!(!data.exists(), "wrong usage makes nothing");
    assert!(done(&hub(&data, &["terminal", "invite", "--help"])).contains("Example"));
}

#[test]
fn a_directory_without_a_hub_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let output = hub(&dir.path().join("nothing"), &["ledger", "verify"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("there is no hub in"), "{}", stderr(&output));
}

#[test]
fn a_store_is_added_and_a_till_invited() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path();
    let added = hub(
        data,
        &[
            "store",
            "add",
            "s1",
            "--name",
            "Main Street",
            "--time-zone",
            "Europe/London",
            "--currency",
            "GBP",
            "--day-ends",
            "03:00",
        ],
    );
    assert!(done(&added).contains("Main Street"));
    let bad = hub(data, &["store", "add", "s2", "--time-zone", "Mars/Base", "--currency", "GBP"]);
    assert_eq!(bad.status.code(), Some(1));
    assert!(stderr(&bad).contains("Mars/Base"), "{}", stderr(&bad));

    let invitation = json(&hub(data, &["terminal", "invite", "--store", "s1", "--lane", "1", "--json"]));
    assert!(invitation["code"].as_str().unwrap().starts_with("CF1-") && invitation["expires_at"].is_string());
    let plain = hub(data, &["terminal", "invite", "--store", "s1", "--lane", "2"]);
    assert!(done(&plain).starts_with("CF1-") && stdout(&plain).lines().count() == 1, "{plain:?}");
    let unknown = hub(data, &["terminal", "invite", "--store", "s9", "--lane", "1"]);
    assert_eq!(unknown.status.code(), Some(1));
    assert!(stderr(&unknown).contains("s9"), "{}", stderr(&unknown));
    let listed = json(&hub(data, &["terminal", "list", "--json"]));
    assert_eq!(listed.as_array().unwrap().len(), 2);
    let retired = hub(data, &["terminal", "retire", "x", "--reason", "broken"]);
    assert!(retired.status.code() == Some(1) && stderr(&retired).contains("terminal \"x\""), "{}", stderr(&retired));
    let nobody = "00000000000000000000000000000000";
    let forgiven = hub(data, &["member", "write-off", nobody, "--purse", "points", "--reason", "goodwill"]);
    assert!(forgiven.status.code() == Some(1) && stderr(&forgiven).contains("member"), "{}", stderr(&forgiven));
}

#[test]
fn a_key_is_printed_once() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path();
    let made =
        json(&hub(data, &["api-key", "create", "--name", "shop", "--scope", "members:read", "sales:write", "--json"]));
    let (id, key) = (made["id"].as_str().unwrap(), made["key"].as_str().unwrap());
    let listed = done(&hub(data, &["api-key", "list", "--json"]));
    assert!(listed.contains(id) && listed.contains("sales:write") && !listed.contains(key));
    assert!(done(&hub(data, &["api-key", "revoke", id])).contains("revoked"));
    assert_eq!(hub(data, &["api-key", "revoke", "none"]).status.code(), Some(1));
}

#[test]
fn a_bad_program_says_line_and_column() {
    let dir = tempfile::tempdir().unwrap();
    let bad = file(dir.path(), "bad.toml", &PROGRAM.replace("kind = \"points\"", "kind = \"pointz\""));
    let good = file(dir.path(), "good.toml", PROGRAM);
    let data = dir.path().join("hub");
    let output = hub(&data, &["program", "publish", bad.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("bad.toml, line 7, column"), "{}", stderr(&output));
    let output = hub(&data, &["program", "publish", good.to_str().unwrap(), "--effective", "soon"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(done(&hub(&data, &["program", "publish", good.to_str().unwrap()])).contains("corner-club version 1"));
}

#[test]
fn bad_rows_go_to_a_file_with_reasons() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("hub");
    let members = file(
        dir.path(),
        "members.csv",
        "display_name,card,email\nAnn,9826000000017,ann@example.org\nBob,9826000000024\nCid,,\nDee,9826000000031,\n",
    );
    let summary = json(&hub(&data, &["member", "import", members.to_str().unwrap(), "--json"]));
    assert_eq!((&summary["rows"], &summary["created"], &summary["rejected"]), (&4.into(), &2.into(), &2.into()));
    let rejects = std::fs::read_to_string(summary["rejects_file"].as_str().unwrap()).unwrap();
    let lines: Vec<&str> = rejects.lines().collect();
    assert_eq!(lines[0], "line,reason,display_name,card,email");
    assert!(lines.iter().any(|line| line.starts_with("3,2 fields where the heading has 3,Bob")), "{rejects}");
    assert!(lines.iter().any(|line| line.starts_with("4,") && line.contains("Cid")), "{rejects}");

    let again = json(&hub(&data, &["member", "import", members.to_str().unwrap(), "--json"]));
    assert_eq!(again["created"], 0, "an import may be repeated: {again}");
    let corrected = file(dir.path(), "corrected.csv", &rejects.replace("Bob,9826000000024", "Bob,9826000000024,"));
    let corrected = json(&hub(&data, &["member", "import", corrected.to_str().unwrap(), "--json"]));
    assert_eq!((&corrected["created"], &corrected["rejected"]), (&1.into(), &1.into()));
    let unknown = file(dir.path(), "unknown.csv", "card,shoe size\n1,2\n");
    let output = hub(&data, &["member", "import", unknown.to_str().unwrap()]);
    assert!(output.status.code() == Some(1) && stderr(&output).contains("shoe size"), "{output:?}");
}

#[test]
fn the_books_are_exported_and_verified() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path();
    done(&hub(data, &["store", "add", "s1", "--time-zone", "Europe/London", "--currency", "GBP"]));
    let heading = done(&hub(data, &["ledger", "export", "--format", "csv"]));
    assert!(heading.starts_with("id,kind,member_id,purse,amount"), "{heading}");
    assert_eq!(done(&hub(data, &["ledger", "export", "--format", "jsonl"])), "");
    let later = hub(data, &["ledger", "export", "--format", "parquet"]);
    assert!(later.status.code() == Some(1) && stderr(&later).contains("later version"));
    assert!(done(&hub(data, &["ledger", "verify"])).contains("the books hold"));
    assert_eq!(json(&hub(data, &["ledger", "verify", "--json"]))["holds"], true);
}

#[test]
fn a_hub_says_when_it_is_ready_and_stops_on_a_signal() {
    let dir = tempfile::tempdir().unwrap();
    let ready_file = dir.path().join("ready.json");
    let mut served = Served::start(&dir.path().join("hub"), &["--ready-file", ready_file.to_str().unwrap()]);
    assert_eq!((&served.ready["ready"], &served.ready["tls"]), (&true.into(), &false.into()));
    let written: Value = serde_json::from_str(&std::fs::read_to_string(&ready_file).unwrap()).unwrap();
    assert_eq!(written, served.ready);
    let second = hub(&dir.path().join("hub"), &["serve", "--listen", "127.0.0.1:0"]);
    assert!(second.status.code() == Some(1) && stderr(&second).contains("another"), "{second:?}");
    done(&hub(&dir.path().join("hub"), &["store", "add", "s1", "--time-zone", "UTC", "--currency", "GBP"]));
    assert_eq!(served.stop(), Some(0));
}

#[test]
fn a_taken_port_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = hub_command(dir.path()).args(["serve", "--listen", &address]).output().unwrap();
    assert!(output.status.code() == Some(1) && stderr(&output).contains("cannot listen on"), "{output:?}");
}

#[test]
fn a_till_is_retired_and_an_epoch_begun_beside_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path();
    done(&hub(data, &["terminal", "invite", "--store", "s1", "--lane", "1", "--create-store"]));
    let refused = hub(data, &["terminal", "retire", "s1-1"]);
    assert_eq!(refused.status.code(), Some(2), "a reason is needed");
    let retired = json(&hub(data, &["terminal", "retire", "s1-1", "--reason", "never built", "--json"]));
    assert_eq!(retired["state"], "retired");
    assert!(done(&hub(data, &["terminal", "list"])).contains("retired"));
    assert_eq!(json(&hub(data, &["epoch", "show", "--json"]))["epoch"], 1);
    let begun = json(&hub(data, &["epoch", "begin", "--reason", "a drill", "--json"]));
    assert!(begun["epoch"].as_u64().unwrap() > 1_700_000_000, "{begun}");
    assert_eq!((&begun["missing"], &begun["grants"]), (&serde_json::json!([]), &serde_json::json!(true)));
    let again = json(&hub(data, &["epoch", "begin", "--reason", "another", "--json"]));
    assert!(again["epoch"].as_u64() > begun["epoch"].as_u64());
    assert!(done(&hub(data, &["epoch", "show"])).contains("every till has reported"));
    assert_eq!(hub(data, &["epoch", "accept", "--by", "Kim"]).status.code(), Some(1), "there is nothing to accept");
}
