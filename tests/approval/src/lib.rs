//! How many honest offline redemptions a chain grants, and what that costs its other channels: a month of a modelled
//! chain over the real rules of posting, planning and granting (`hub/ledger`) and the real arithmetic of entries.
//!
//! Not here: the till's engine and the wire; `tests/sim` breaks those. A till is what it holds, and it spends that and
//! nothing else. Floats only draw chances; units are integers. Every posting is checked: an entry that its author does
//! not cover ends the run. One seed, one month, whatever the policy: policies are compared on the same visits.

pub mod assumptions;
pub mod chain;
pub mod chance;
pub mod outages;
pub mod people;
pub mod plot;
pub mod policy;
pub mod report;
pub mod run;
pub mod study;
