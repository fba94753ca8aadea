//! The till daemon's shell: HTTP, TLS, devices, files and the clock around the engine of `counterfoil-till`.
//!
//! Thin by design: what is earned, spent or kept is decided in the engine; what is said to head office in the
//! protocol. Here is I/O, and who may ask.

pub mod api;
pub mod books;
pub mod capture;
pub mod cli;
pub mod clock;
pub mod config;
pub mod control;
pub mod daemon;
pub mod engine;
pub mod enrol;
pub mod errors;
pub mod events;
pub mod files;
pub mod housekeeping;
pub mod hub_link;
pub mod journal;
pub mod logging;
pub mod marker;
pub mod metrics;
pub mod page;
pub mod pairing;
pub mod places;
pub mod random;
pub mod shell;
pub mod tokens;
pub mod watch;

/// The devices follow: until then no device can be configured.
pub mod devices {
    /// One `[[device]]`.
    #[derive(Debug, Clone, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct DeviceConfig {
        /// Its name.
        pub name: String,
    }
    impl DeviceConfig {
        /// Refuses every device.
        pub fn check(&self) -> Result<(), String> {
            Err("this build has no devices".to_owned())
        }
    }
}
/// Follows.
pub mod tap {
    #[derive(Debug, clap::Args)]
    pub struct TapArgs {}
    pub fn run_tap(_: TapArgs) -> anyhow::Result<()> {
        anyhow::bail!("this build has no tap")
    }
}
/// Follows.
pub mod simulate {
    #[derive(Debug, clap::Args)]
    pub struct SimulateArgs {}
    pub fn run(_: SimulateArgs) -> anyhow::Result<()> {
        anyhow::bail!("this build has no virtual hardware")
    }
}
