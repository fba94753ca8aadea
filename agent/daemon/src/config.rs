//! `counterfoil.toml`: what a till is told by hand. Everything else comes from head office.
//!
//! Unknown keys are errors with line and column; so is what cannot work. Not here: what enrolment wrote
//! (`[terminal]` may repeat store and lane, and must then agree), where files are (`places`).

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use counterfoil_protocol::limits::GRANT_DEADLINE_MS;
use serde::Deserialize;
use toml::Spanned;

use crate::devices::DeviceConfig;

/// Beyond it a customer notices; below it no line answers.
const GRANT_DEADLINES_MS: RangeInclusive<u64> = 20..=5_000;

/// A configuration file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// Not there, or not readable.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Not TOML, an unknown key, a value of the wrong kind or one that cannot work.
    #[error("{}, line {line}, column {column}: {message}", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
        /// What is wrong and what to write.
        message: String,
    },
}

/// The whole file, with defaults filled in.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// What the file says of the terminal.
    pub terminal: Terminal,
    /// Head office's address, where the file overrides the one of enrolment.
    pub hub_url: Option<String>,
    /// How long a cashier waits for head office.
    pub grant_deadline: GrantDeadline,
    /// The local API.
    pub api: Api,
    /// Members and their cards.
    pub member: Member,
    /// Units kept for baskets.
    pub reservation: Reservation,
    /// The devices, in file order.
    pub devices: Vec<DeviceConfig>,
}

/// `[terminal]`: what enrolment said; given, it must agree.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Terminal {
    /// The store's id.
    pub store: Option<String>,
    /// The lane.
    pub lane: Option<String>,
}

/// `[api]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Api {
    /// Where the till API listens; port 0 lets the system choose.
    pub listen: SocketAddr,
    /// Whether calls need a token. `false` is for tests only.
    pub token: bool,
}

impl Default for Api {
    fn default() -> Self {
        Self { listen: SocketAddr::from(([127, 0, 0, 1], 7410)), token: true }
    }
}

/// `[member]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member {
    /// How long a scanned card waits for its sale.
    pub timeout_s: u32,
}

impl Default for Member {
    fn default() -> Self {
        Self { timeout_s: 300 }
    }
}

/// `[reservation]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reservation {
    /// How long units are kept for a basket whose sale does not come.
    pub timeout_s: u32,
}

impl Default for Reservation {
    fn default() -> Self {
        Self { timeout_s: 900 }
    }
}

/// `[hub] grant_deadline_ms`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GrantDeadline(pub Duration);

impl Default for GrantDeadline {
    fn default() -> Self {
        Self(Duration::from_millis(GRANT_DEADLINE_MS))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    terminal: Terminal,
    #[serde(default)]
    hub: HubTable,
    #[serde(default)]
    api: ApiTable,
    #[serde(default)]
    member: MemberTable,
    #[serde(default)]
    reservation: ReservationTable,
    #[serde(default)]
    device: Vec<Spanned<DeviceConfig>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct HubTable {
    url: Option<Spanned<String>>,
    grant_deadline_ms: Option<Spanned<u64>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ApiTable {
    listen: Option<Spanned<String>>,
    token: Option<Spanned<String>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct MemberTable {
    timeout_s: Option<Spanned<u32>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ReservationTable {
    timeout_s: Option<Spanned<u32>>,
}

impl Config {
    /// Reads a file. An absent one means the defaults, unless a person `named` it.
    ///
    /// # Errors
    /// When it cannot be read or used; the error says where and why.
    pub fn read(path: &Path, named: bool) -> Result<Self, ConfigError> {
        match std::fs::read_to_string(path) {
            Ok(text) => Self::parse(&text, path),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && !named => Ok(Self::default()),
            Err(source) => Err(ConfigError::Read { path: path.to_path_buf(), source }),
        }
    }

    /// Reads the text of a file; `path` is for messages.
    ///
    /// # Errors
    /// When it cannot be used; the error says where and why.
    pub fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        let invalid = |at: usize, message: String| {
            let (line, column) = line_and_column(text, at);
            ConfigError::Invalid { path: path.to_path_buf(), line, column, message }
        };
        let file: File = toml::from_str(text)
            .map_err(|error| invalid(error.span().map_or(0, |span| span.start), error.message().to_owned()))?;
        let mut config = Self { terminal: file.terminal, ..Self::default() };
        if let Some(url) = file.hub.url {
            crate::hub_link::address::HubUrl::parse(url.get_ref())
                .map_err(|error| invalid(url.span().start, error.to_string()))?;
            config.hub_url = Some(url.into_inner());
        }
        if let Some(deadline) = file.hub.grant_deadline_ms {
            let (span, ms) = (deadline.span(), deadline.into_inner());
            if !GRANT_DEADLINES_MS.contains(&ms) {
                let message = format!(
                    "grant_deadline_ms: a cashier waits for head office between {} and {} milliseconds",
                    GRANT_DEADLINES_MS.start(),
                    GRANT_DEADLINES_MS.end()
                );
                return Err(invalid(span.start, message));
            }
            config.grant_deadline = GrantDeadline(Duration::from_millis(ms));
        }
        if let Some(listen) = file.api.listen {
            config.api.listen =
                listen_address(listen.get_ref()).map_err(|message| invalid(listen.span().start, message))?;
        }
        if let Some(token) = file.api.token {
            config.api.token = match token.get_ref().as_str() {
                "on" => true,
                "off" => false,
                other => {
                    let message = format!("token = {other:?}: write \"on\", or \"off\" for a test");
                    return Err(invalid(token.span().start, message));
                }
            };
        }
        for (given, what, timeout_s) in [
            (file.member.timeout_s, "a scanned card waits for its sale", &mut config.member.timeout_s),
            (file.reservation.timeout_s, "units are kept for a basket", &mut config.reservation.timeout_s),
        ] {
            let Some(given) = given else { continue };
            let span = given.span();
            *timeout_s = given.into_inner();
            if !(1..=86_400).contains(timeout_s) {
                return Err(invalid(span.start, format!("timeout_s: {what} between 1 and 86400 seconds")));
            }
        }
        for device in file.device {
            let start = device.span().start;
            let device = device.into_inner();
            device.check().map_err(|error| invalid(start, error.to_string()))?;
            if config.devices.iter().any(|other| other.name == device.name) {
                let message = format!("a second device is named {:?}: give each a name of its own", device.name);
                return Err(invalid(start, message));
            }
            config.devices.push(device);
        }
        Ok(config)
    }
}

fn listen_address(text: &str) -> Result<SocketAddr, String> {
    let address: SocketAddr = text
        .parse()
        .map_err(|_| format!("listen = {text:?} is not an address with a port: write \"127.0.0.1:7410\""))?;
    if address.ip().is_loopback() {
        Ok(address)
    } else {
        Err(format!(
            "listen = {text:?} can be reached from other machines, and this version serves the till API without TLS: \
             use a loopback address (127.0.0.1)"
        ))
    }
}

fn line_and_column(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Config, String> {
        Config::parse(text, Path::new("counterfoil.toml")).map_err(|error| error.to_string())
    }

    #[test]
    fn an_empty_file_means_the_defaults() {
        let config = parse("").unwrap();
        assert_eq!(config.api.listen.to_string(), "127.0.0.1:7410");
        assert!(config.api.token);
        assert_eq!((config.member.timeout_s, config.reservation.timeout_s), (300, 900));
        assert_eq!(config.grant_deadline.0.as_millis(), 250);
    }

    #[test]
    fn the_published_keys_are_read() {
        let config = parse(
            r#"
            [terminal]
            store = "s1"
            lane = "2"
            [hub]
            url = "https://hq.example:7400"
            grant_deadline_ms = 400
            [api]
            listen = "127.0.0.1:0"
            token = "off"
            [member]
            timeout_s = 60
            [reservation]
            timeout_s = 120
            "#,
        )
        .unwrap();
        assert_eq!(config.terminal.store.as_deref(), Some("s1"));
        assert_eq!(config.hub_url.as_deref(), Some("https://hq.example:7400"));
        assert_eq!((config.api.listen.port(), config.api.token), (0, false));
        assert_eq!((config.member.timeout_s, config.reservation.timeout_s), (60, 120));
        assert_eq!(config.grant_deadline.0.as_millis(), 400);
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        for (text, place, word) in [
            ("[api]\nlisten = \"127.0.0.1:1\"\ncolour = 1\n", "line 3, column 1", "colour"),
            ("[apii]\n", "line 1, column 2", "apii"),
            ("[api]\nlisten = 7410\n", "line 2, column 10", "string"),
            ("[api]\n\n  listen = \"nowhere\"", "line 3, column 12", "127.0.0.1:7410"),
            ("[api]\nlisten = \"0.0.0.0:7410\"", "line 2, column 10", "TLS"),
            ("[api]\ntoken = \"maybe\"", "line 2, column 9", "off"),
            ("[member]\ntimeout_s = 0", "line 2, column 13", "between 1"),
            ("[reservation]\ntimeout_s = 86401", "line 2, column 13", "basket"),
            ("[hub]\ngrant_deadline_ms = 5", "line 2, column 21", "20"),
            ("[hub]\nurl = \"http://hq.example\"", "line 2, column 7", "https"),
            ("[hub]\nurl = \"hq.example\"", "line 2, column 7", "https://"),
            ("[api\n", "line 1, column", ""),
        ] {
            let message = parse(text).unwrap_err();
            assert!(message.contains(place) && message.contains(word), "{text:?} gave {message:?}");
        }
    }
}
