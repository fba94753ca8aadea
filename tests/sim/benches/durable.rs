//! What a durable sale costs at the till's engine, against the least that SQLite could do on the same disk, and
//! against the disk itself: `cargo bench --profile demo -p counterfoil-sim`.
//!
//! Rounds of each kind alternate, so that a disk that changes its mind meanwhile does it to all of them; a loop of
//! bare writes with a sync stands before and after every round. Ratios are of medians over rounds. The disk is
//! the one that holds `COUNTERFOIL_BENCH_DIR`, the system's temporary directory where that is not set.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use counterfoil_protocol::sale::{MemberRef, SaleKind};
use counterfoil_sim::rig;
use counterfoil_sim::rng::Rng;
use counterfoil_sim::world::{BEGINNING_MS, Register, card};
use counterfoil_till::{Call, Marker, Now, Till, Witness, WitnessError};
use rusqlite::Connection;

const ROUNDS: usize = 7;
const OPERATIONS: usize = 200;

struct MarkerFile(PathBuf);

impl Witness for MarkerFile {
    fn store(&mut self, marker: &Marker) -> Result<(), WitnessError> {
        let write = || {
            let next = self.0.with_extension("next");
            let mut file = File::create(&next)?;
            file.write_all(marker.to_text().as_bytes())?;
            file.sync_data()?;
            std::fs::rename(&next, &self.0)?;
            File::open(self.0.parent().expect("the marker stands in a directory"))?.sync_all()
        };
        write().map_err(|error: std::io::Error| WitnessError(Box::new(error)))
    }
}

/// Time for one operation, over a round.
fn round(mut operation: impl FnMut()) -> Duration {
    let began = Instant::now();
    (0..OPERATIONS).for_each(|_| operation());
    began.elapsed() / OPERATIONS as u32
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort();
    times[times.len() / 2]
}

fn bare(path: &Path) -> Connection {
    let connection = Connection::open(path).expect("a database in a fresh directory");
    for (pragma, value) in [("locking_mode", "EXCLUSIVE"), ("journal_mode", "WAL"), ("synchronous", "FULL")] {
        connection.pragma_update(None, pragma, value).expect("a pragma");
    }
    connection.execute_batch("CREATE TABLE fact (id INTEGER PRIMARY KEY, body BLOB) STRICT").expect("a table");
    connection
}

fn main() {
    let base = std::env::var_os("COUNTERFOIL_BENCH_DIR").map_or_else(std::env::temp_dir, PathBuf::from);
    let directory = tempfile::tempdir_in(base).expect("a directory on the disk to measure");
    let at = |name: &str| directory.path().join(name);
    let open = |name: &str| Connection::open(at(name)).expect("a database in a fresh directory");

    let mut log = File::create(at("log")).expect("a file in a fresh directory");
    let mut write_and_sync = || {
        log.write_all(&[7; 4096]).expect("room on the disk");
        log.sync_data().expect("a disk that syncs");
    };
    let bare = bare(&at("bare.db"));
    let mut insert = || {
        bare.prepare_cached("INSERT INTO fact (body) VALUES (zeroblob(200))")
            .and_then(|mut statement| statement.execute([]))
            .expect("an insert");
    };
    let mut till = rig::till(open("till.db"), open("directory.db"), Box::new(MarkerFile(at("marker"))), 100);
    let (mut rng, mut register) = (Rng::new(1), Register::new(1));
    let mut sell = |till: &mut Till, member: Option<usize>| {
        let mut sale = register.sell(&mut rng, BEGINNING_MS, SaleKind::Sale);
        sale.member = member.map(|member| MemberRef { identifier: Some(card(member)), member_id: None });
        till.record_sale(sale, Call::api(), Now::at(BEGINNING_MS)).expect("a sale");
    };

    let (mut syncs, mut inserts, mut plain, mut members) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        syncs.push(round(&mut write_and_sync));
        inserts.push(round(&mut insert));
        syncs.push(round(&mut write_and_sync));
        plain.push(round(|| sell(&mut till, None)));
        syncs.push(round(&mut write_and_sync));
        let mut next = 0;
        members.push(round(|| {
            next += 1;
            sell(&mut till, Some(next % 100));
        }));
        syncs.push(round(&mut write_and_sync));
    }
    let spread = syncs.iter().max().expect("rounds ran").as_secs_f64() / syncs.iter().min().expect("ran").as_secs_f64();
    let sync = median(&mut syncs).as_secs_f64();
    let insert = median(&mut inserts).as_secs_f64();
    println!("{OPERATIONS} operations a round, {ROUNDS} rounds, medians");
    println!("write and sync, the disk itself        {:>9.1} µs (rounds differ by a factor {spread:.2})", sync * 1e6);
    println!("bare one-row insert, durable           {:>9.1} µs  {:.2} × sync", insert * 1e6, insert / sync);
    for (what, times) in
        [("sale at the engine, no member", &mut plain), ("sale that gives rights, with marker", &mut members)]
    {
        let time = median(times).as_secs_f64();
        println!("{what:<38} {:>9.1} µs  {:.2} × sync  {:.2} × insert", time * 1e6, time / sync, time / insert);
    }
}
