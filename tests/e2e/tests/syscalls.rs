//! One durable sync per sale, counted from outside by `strace` on the real daemon. Skipped, and said so, where there
//! is no strace.

use std::process::Stdio;

use anyhow::Context as _;
use counterfoil_demo::shop::programs::wait_until;
use counterfoil_e2e::TestShop;
use serde_json::json;
use tokio::io::{AsyncBufReadExt as _, BufReader};

const SALES: u32 = 20;

#[tokio::test(flavor = "multi_thread")]
async fn a_sale_through_the_api_costs_one_sync_of_the_journal() -> anyhow::Result<()> {
    let is_there = std::process::Command::new("strace")
        .arg("-V")
        .stdout(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if !is_there {
        eprintln!("SKIPPED: no strace on this machine; ./tests/run installs it");
        return Ok(());
    }
    let shop = TestShop::open(1).await?;
    let (lane, pos) = &shop.lanes[0];
    let trace_file = shop.folder().join("trace");
    let pid = lane.pid().context("the daemon runs")?.to_string();
    let trace = trace_file.to_string_lossy().into_owned();
    let mut strace = tokio::process::Command::new("strace")
        .args(["-f", "-y", "-e", "trace=fsync,fdatasync", "-o", &trace, "-p", &pid])
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .context("strace does not start")?;
    let mut said = BufReader::new(strace.stderr.take().context("strace has a voice")?).lines();
    while let Some(line) = said.next_line().await? {
        if line.contains("attached") {
            break;
        }
        if line.contains("ptrace") {
            eprintln!("SKIPPED: strace may not look at processes here: {line}");
            return shop.shut().await;
        }
    }
    // The line is cut, so that nothing but the sales themselves is written.
    shop.line.set(counterfoil_demo::shop::line::LineState::Cut);
    shop.cut_off().await?;
    let before = wal_syncs(&trace_file)?;
    for number in 0..SALES {
        let sale = json!({ "receipt_number": format!("8-{number:04}"), "occurred_at": pos.clock(), "currency": "GBP", "total": 500,
            "lines": [ { "description": "BREAD", "amount": 500 } ] });
        lane.api().call("/v1/sales", &format!("sale {number}"), &sale).await?;
    }
    let expected = before + u64::from(SALES);
    wait_until("strace has written what it saw", async || Ok((wal_syncs(&trace_file)? >= expected).then_some(())))
        .await?;
    assert_eq!(
        wal_syncs(&trace_file)?,
        expected,
        "{SALES} sales, {} syncs of the journal",
        wal_syncs(&trace_file)? - before
    );
    strace.kill().await?;
    shop.shut().await
}

fn wal_syncs(trace: &std::path::Path) -> anyhow::Result<u64> {
    let text = std::fs::read_to_string(trace).unwrap_or_default();
    Ok(text
        .lines()
        .filter(|line| line.contains("till.db") && (line.contains("fsync(") || line.contains("fdatasync(")))
        .count() as u64)
}
