//! A durable sale through the engine, and through the daemon's API, against a bare one-row durable insert on the same
//! disk; each round is bracketed by plain fdatasync calls. `cargo bench -p counterfoil-bench`.

use std::fs::File;
use std::io::Write as _;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use counterfoil_bench::{bare_database, median_and_p99, till_in, timed};
use counterfoil_demo::shop::Shop;
use counterfoil_demo::shop::hub::Transport;
use counterfoil_demo::shop::programs::Programs;
use counterfoil_protocol::sale::Sale;
use counterfoil_till::{Call, Now};
use serde_json::json;

const ROUNDS: u32 = 25;
const CALLS_PER_ROUND: u32 = 20;

fn main() -> anyhow::Result<()> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let folder = tempfile::Builder::new().prefix("counterfoil-bench-").tempdir()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let programs = Programs::built()?;
    let shop = runtime.block_on(Shop::open(&programs, &folder.path().join("shop"), 1, Transport::Plain))?;
    let mut till = till_in(folder.path())?;
    let bare = bare_database(&folder.path().join("bare.db"))?;
    let mut scratch = File::create(folder.path().join("scratch"))?;
    let (mut fsync, mut insert, mut engine, mut api) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut number = 0u32;
    for _ in 0..ROUNDS {
        reference(&mut scratch, &mut fsync)?;
        for _ in 0..CALLS_PER_ROUND {
            number += 1;
            let sale = sale_json(number);
            let body = sale.to_string();
            timed(&mut insert, || {
                bare.execute("INSERT INTO sale VALUES (?1, ?2)", (number, body.as_bytes()))?;
                Ok(())
            })?;
            let parsed: Sale = serde_json::from_value(sale.clone())?;
            let now = Now::at(jiff::Timestamp::now().as_millisecond());
            timed(&mut engine, || {
                till.record_sale(parsed, Call::api(), now)?;
                Ok(())
            })?;
            let (lane, _) = shop.lanes.first().context("a lane")?;
            let began = Instant::now();
            runtime.block_on(lane.api().call("/v1/sales", &format!("bench {number}"), &sale))?;
            api.push(began.elapsed());
        }
        reference(&mut scratch, &mut fsync)?;
    }
    runtime.block_on(shop.shut())?;
    report("fdatasync of one appended page", &fsync, &insert);
    report("bare durable insert", &insert, &insert);
    report("sale through the engine", &engine, &insert);
    report("sale through the API", &api, &insert);
    Ok(())
}

fn sale_json(number: u32) -> serde_json::Value {
    json!({
        "receipt_number": format!("{number:06}"), "occurred_at": jiff::Timestamp::now().to_string(), "currency": "GBP",
        "total": 2009, "tax": 335, "tax_included": true,
        "lines": [
            { "id": "1", "sku": "5000112637922", "description": "COFFEE BEANS 1KG", "category": "coffee", "quantity": "1", "unit_price": 1334, "amount": 1334 },
            { "id": "2", "sku": "5010000000014", "description": "SOURDOUGH LOAF", "quantity": "1", "unit_price": 320, "amount": 320 },
            { "id": "3", "sku": "5010000000021", "description": "SEMI-SKIMMED MILK 2L", "quantity": "1", "unit_price": 155, "amount": 155 },
            { "id": "4", "sku": "5010000000069", "description": "APPLES BRAEBURN 6", "quantity": "1", "unit_price": 200, "amount": 200 }
        ],
        "tenders": [ { "kind": "card", "amount": 2009 } ], "member": { "identifier": "9826000000017" }
    })
}

fn reference(scratch: &mut File, samples: &mut Vec<Duration>) -> anyhow::Result<()> {
    for _ in 0..CALLS_PER_ROUND {
        timed(samples, || {
            scratch.write_all(&[7; 4096])?;
            scratch.sync_data().context("fdatasync")
        })?;
    }
    Ok(())
}

fn report(what: &str, samples: &[Duration], against: &[Duration]) {
    let (median, p99) = median_and_p99(samples);
    let (base, _) = median_and_p99(against);
    let ratio = median.as_secs_f64() / base.as_secs_f64().max(f64::MIN_POSITIVE);
    println!("{what:32} median {:8.1} µs   p99 {:8.1} µs   {ratio:5.2} × bare insert", micros(median), micros(p99));
}

fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}
