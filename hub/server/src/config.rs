//! `hub.toml`: what head office's machine says about its hub. The command line says the same and wins.
//!
//! Unknown keys are errors with line and column. Not here: opening anything that is named.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::Deserialize;

/// Where a hub listens when nobody says otherwise.
pub const LISTEN_DEFAULT: &str = "127.0.0.1:7400";

/// The whole file; every part may be absent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HubConfig {
    /// `[server]`
    pub server: ServerConfig,
    /// `[database]`
    pub database: DatabaseConfig,
    /// `[log]`
    pub log: LogConfig,
}

/// `[server]`: where and how the hub answers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ServerConfig {
    /// Address and port; port 0 takes any free one.
    pub listen: Option<SocketAddr>,
    /// `"auto"`: always beyond loopback, not on loopback. `"always"`: on loopback too.
    pub tls: TlsMode,
    /// Host names and addresses by which tills reach this hub: what its certificate is for.
    pub names: Vec<String>,
}

/// When the hub speaks TLS. There is no way to switch it off beyond loopback.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TlsMode {
    /// Beyond loopback.
    #[default]
    Auto,
    /// On loopback too.
    Always,
}

impl TlsMode {
    /// Whether an address is served with TLS.
    pub fn applies_to(self, listen: SocketAddr) -> bool {
        self == Self::Always || !listen.ip().is_loopback()
    }
}

/// `[database]`
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DatabaseConfig {
    /// `sqlite:PATH`; absent: `hub.db` in the data directory.
    pub url: Option<String>,
}

/// `[log]`
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogConfig {
    /// One JSON object a line instead of text.
    pub json: bool,
}

/// A configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {}: check the path given to --config", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file says something it cannot say.
    #[error("{}, line {line}, column {column}: {message}", path.display())]
    Parse {
        /// Which.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
        /// What is wrong.
        message: String,
    },
    /// A database this version does not keep.
    #[error("{url} names a PostgreSQL database, which this version does not keep yet; use sqlite:PATH")]
    PostgresLater {
        /// As given, without a password.
        url: String,
    },
    /// Not a database URL.
    #[error("{0:?} is no database: write sqlite:PATH, for example sqlite:/var/lib/counterfoil-hub/hub.db")]
    Database(String),
}

impl HubConfig {
    /// Reads `path`.
    ///
    /// # Errors
    /// When it cannot be read, or says something it cannot say.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text =
            std::fs::read_to_string(path).map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
        Self::parse(&text, path)
    }

    fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        toml::from_str(text).map_err(|error| {
            let (line, column) = line_and_column(text, error.span().map_or(0, |span| span.start));
            ConfigError::Parse { path: path.to_owned(), line, column, message: error.message().to_owned() }
        })
    }
}

fn line_and_column(text: &str, offset: usize) -> (usize, usize) {
    let before = &text[..text.floor_char_boundary(offset)];
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}

/// The path in a database URL.
///
/// # Errors
/// When it names anything but an SQLite file.
pub fn sqlite_path(url: &str) -> Result<PathBuf, ConfigError> {
    if url.starts_with("postgres://") || url.starts_with("postgresql://") {
        return Err(ConfigError::PostgresLater { url: without_password(url) });
    }
    match url.strip_prefix("sqlite:").map(|path| path.strip_prefix("//").unwrap_or(path)) {
        Some(path) if !path.is_empty() => Ok(PathBuf::from(path)),
        _ => Err(ConfigError::Database(url.to_owned())),
    }
}

fn without_password(url: &str) -> String {
    match (url.split_once("://"), url.rfind('@')) {
        (Some((scheme, _)), Some(at)) => format!("{scheme}://…{}", &url[at..]),
        _ => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<HubConfig, String> {
        HubConfig::parse(text, Path::new("hub.toml")).map_err(|error| error.to_string())
    }

    #[test]
    fn a_file_says_where_to_listen() {
        let config = parse(
            "[server]\nlisten = \"0.0.0.0:7400\"\ntls = \"always\"\nnames = [\"hub.example.org\"]\n\
             [database]\nurl = \"sqlite:/x/hub.db\"\n",
        )
        .unwrap();
        assert_eq!(config.server.listen, Some("0.0.0.0:7400".parse().unwrap()));
        assert_eq!(config.server.tls, TlsMode::Always);
        assert_eq!(parse("").unwrap(), HubConfig::default());
    }

    #[test]
    fn an_unknown_key_is_named_with_its_place() {
        let error = parse("[server]\n  lisen = \"127.0.0.1:1\"\n").unwrap_err();
        assert!(error.starts_with("hub.toml, line 2, column 3: unknown field `lisen`"), "{error}");
        let error = parse("[server]\ntls = \"off\"\n").unwrap_err();
        assert!(error.contains("line 2, column 7"), "{error}");
    }

    #[test]
    fn only_sqlite_is_a_database_yet() {
        assert_eq!(sqlite_path("sqlite:/x/hub.db").unwrap(), PathBuf::from("/x/hub.db"));
        assert_eq!(sqlite_path("sqlite:///x/hub.db").unwrap(), PathBuf::from("/x/hub.db"));
        let error = sqlite_path("postgres://hub:secret@db/hub").unwrap_err().to_string();
        assert!(error.contains("PostgreSQL") && !error.contains("secret"), "{error}");
        assert!(sqlite_path("sqlite:").is_err() && sqlite_path("hub.db").is_err());
    }

    #[test]
    fn plain_http_is_for_loopback_alone() {
        let applies = |mode: TlsMode, listen: &str| mode.applies_to(listen.parse().unwrap());
        assert!(!applies(TlsMode::Auto, "127.0.0.1:0") && !applies(TlsMode::Auto, "[::1]:0"));
        assert!(applies(TlsMode::Auto, "0.0.0.0:0") && applies(TlsMode::Auto, "192.168.1.4:7400"));
        assert!(applies(TlsMode::Always, "127.0.0.1:0"));
    }
}
