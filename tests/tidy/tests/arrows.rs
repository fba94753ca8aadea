//! Arrows between crates point one way, and the pure crates cannot reach a clock, a network or entropy.

use std::collections::BTreeSet;

use counterfoil_tidy::text;

fn dependencies(manifest: &str) -> BTreeSet<String> {
    let manifest: toml::Table = text(manifest).parse().unwrap_or_else(|error| panic!("{manifest}: {error}"));
    manifest
        .get("dependencies")
        .and_then(|table| table.as_table())
        .map(|table| table.keys().cloned().collect())
        .unwrap_or_default()
}

#[test]
fn crates_use_only_what_the_map_allows() {
    let allowed: [(&str, &[&str]); 6] = [
        ("protocol/Cargo.toml", &[]),
        ("drivers/Cargo.toml", &[]),
        ("agent/till/Cargo.toml", &["counterfoil-protocol"]),
        ("agent/daemon/Cargo.toml", &["counterfoil-protocol", "counterfoil-drivers", "counterfoil-till"]),
        ("hub/ledger/Cargo.toml", &["counterfoil-protocol"]),
        ("hub/server/Cargo.toml", &["counterfoil-protocol", "counterfoil-ledger"]),
    ];
    for (manifest, allowed) in allowed {
        let ours: Vec<String> =
            dependencies(manifest).into_iter().filter(|name| name.starts_with("counterfoil-")).collect();
        let strangers: Vec<&String> = ours.iter().filter(|name| !allowed.contains(&name.as_str())).collect();
        assert!(strangers.is_empty(), "{manifest} must not use {strangers:?}");
    }
}

#[test]
fn pure_crates_reach_no_world() {
    let world = [
        "tokio",
        "tokio-util",
        "reqwest",
        "axum",
        "axum-server",
        "rand",
        "getrandom",
        "uuid",
        "rustls",
        "rustix",
        "tempfile",
        "serialport",
        "chrono",
        "time",
        "directories",
        "tracing",
        "tracing-subscriber",
    ];
    for (manifest, extra) in [
        ("protocol/Cargo.toml", &["rusqlite"][..]),
        ("agent/till/Cargo.toml", &[]),
        ("hub/ledger/Cargo.toml", &["rusqlite"]),
    ] {
        let found: Vec<String> = dependencies(manifest)
            .into_iter()
            .filter(|name| world.contains(&name.as_str()) || extra.contains(&name.as_str()))
            .collect();
        assert!(found.is_empty(), "{manifest} is pure and must not use {found:?}");
    }
}

#[test]
fn pure_crates_ban_clock_entropy_and_files() {
    for folder in ["protocol", "agent/till", "hub/ledger"] {
        let bans = text(&format!("{folder}/clippy.toml"));
        for ban in [
            "std::time::Instant::now",
            "std::time::SystemTime::now",
            "std::fs::File",
            "std::net::TcpStream",
            "std::collections::HashMap",
        ] {
            assert!(
                bans.contains(ban),
                "{folder}/clippy.toml must ban {ban}: clippy takes the nearest file and does not merge"
            );
        }
    }
    let root = text("Cargo.toml");
    assert!(root.contains("disallowed_methods = \"deny\"") && root.contains("disallowed_types = \"deny\""));
}
