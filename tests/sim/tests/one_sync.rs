//! One sale, one durable sync of the till's database; what gives or spends rights adds one of the marker.

use counterfoil_protocol::sale::{MemberRef, SaleKind};
use counterfoil_sim::disk::Disk;
use counterfoil_sim::rig;
use counterfoil_sim::rng::Rng;
use counterfoil_sim::world::{BEGINNING_MS, Register, card};
use counterfoil_till::{Call, Marker, Now, Witness, WitnessError};

struct OnDisk(Disk);

impl Witness for OnDisk {
    fn store(&mut self, marker: &Marker) -> Result<(), WitnessError> {
        self.0.replace_file("marker", marker.to_text().as_bytes()).map_err(|error| WitnessError(Box::new(error)))
    }
}

#[test]
fn a_sale_costs_one_sync() {
    let (database, beside) = (Disk::new(1), Disk::new(2));
    let value = database.open("till.db").unwrap();
    let directory = database.open("directory.db").unwrap();
    let mut till = rig::till(value, directory, Box::new(OnDisk(beside.clone())), 10);
    let (mut rng, mut register) = (Rng::new(1), Register::new(1));
    // The log grows past its beginning once, so that its header is there.
    let mut sell = |member: Option<usize>| {
        let mut sale = register.sell(&mut rng, BEGINNING_MS, SaleKind::Sale);
        sale.member = member.map(|member| MemberRef { identifier: Some(card(member)), member_id: None });
        let before = (database.counters().syncs, beside.counters().syncs);
        till.record_sale(sale, Call::api(), Now::at(BEGINNING_MS)).unwrap();
        (database.counters().syncs - before.0, beside.counters().syncs - before.1)
    };
    sell(None);
    let without: Vec<_> = (0..50).map(|_| sell(None)).collect();
    assert!(without.iter().all(|syncs| *syncs == (1, 0)), "{without:?}");
    let with: Vec<_> = (0..50).map(|member| sell(Some(member % 10))).collect();
    assert!(with.iter().all(|syncs| *syncs == (1, 1)), "{with:?}");
}
