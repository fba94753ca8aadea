//! One sale, one durable sync; spending adds one of the marker beside the database.

use counterfoil_protocol::record::Rights;
use counterfoil_protocol::sale::{MemberRef, SaleKind};
use counterfoil_sim::disk::Disk;
use counterfoil_sim::rig;
use counterfoil_sim::rng::Rng;
use counterfoil_sim::world::{BEGINNING_MS, Register, card};
use counterfoil_till::{Call, Marker, Now, Redeem, RedeemWhat, Till, Witness, WitnessError};

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
    let syncs = || (database.counters().syncs, beside.counters().syncs);
    let mut sell = |till: &mut Till, member: Option<usize>| {
        let mut sale = register.sell(&mut rng, BEGINNING_MS, SaleKind::Sale);
        sale.member = member.map(reference);
        let before = syncs();
        till.record_sale(sale, Call::api(), Now::at(BEGINNING_MS)).unwrap();
        (syncs().0 - before.0, syncs().1 - before.1)
    };
    // The log gets its header once.
    sell(&mut till, None);
    let without: Vec<_> = (0..50).map(|_| sell(&mut till, None)).collect();
    assert!(without.iter().all(|syncs| *syncs == (1, 0)), "{without:?}");
    let with: Vec<_> = (0..50).map(|member| sell(&mut till, Some(member % 2))).collect();
    assert!(with.iter().all(|syncs| *syncs == (1, 0)), "{with:?}");
    let before = syncs();
    let redeem = Redeem {
        member: reference(0),
        what: RedeemWhat::Units { purse: "points".to_owned(), amount: 1 },
        sale_ref: None,
        operator: None,
        rights: Rights::Held,
        reserve: false,
        cut_off: false,
    };
    till.redeem(redeem, Call::api(), Now::at(BEGINNING_MS)).unwrap();
    assert_eq!((syncs().0 - before.0, syncs().1 - before.1), (1, 1));
}

fn reference(member: usize) -> MemberRef {
    MemberRef { identifier: Some(card(member)), member_id: None }
}
