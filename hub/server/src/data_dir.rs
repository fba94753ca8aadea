//! The hub's data directory: `hub.db`, `root.key`, `root.crt`, and who may use them when.
//!
//! The first command that writes makes it, one process at a time, in an order that a crash at any point can be
//! continued from: root key, then database. Not here: what is in the database.

use std::fs::{File, OpenOptions, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use counterfoil_protocol::identifier::ProgramKey;
use rusqlite::Connection;
use rustix::fs::{FlockOperation, flock};

use crate::config::{ConfigError, sqlite_path};
use crate::core::{Hub, HubError};
use crate::entropy;
use crate::tls::{TlsError, parse_root_key_pem, root_certificate, root_key_pem};

const ROOT_KEY: &str = "root.key";
const ROOT_CERTIFICATE: &str = "root.crt";
const DATABASE: &str = "hub.db";
/// How long one process waits for another's transaction.
const LOCK_WAIT: Duration = Duration::from_secs(10);

/// Where a hub lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataDir {
    root: PathBuf,
    database: PathBuf,
}

/// A data directory that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    /// Nobody said where, and the platform does not know either.
    #[error("no data directory: give --data-dir DIR (this account has no home directory)")]
    Nowhere,
    /// The database URL is none.
    #[error(transparent)]
    Database(#[from] ConfigError),
    /// A file operation failed.
    #[error("cannot {action} {}", path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: std::io::Error,
    },
    /// There is none yet.
    #[error(
        "there is no hub in {}: check --data-dir, or start `counterfoil-hub serve` there once", .0.display()
    )]
    Absent(PathBuf),
    /// The key is not a key.
    #[error("{} is not an Ed25519 key in PEM: put the file back from the backup", .0.display())]
    BadKey(PathBuf),
    /// A database without its key.
    #[error(
        "{} exists and {} is missing: tills trust that key alone, so put it back from the backup",
        database.display(), key.display()
    )]
    KeyMissing {
        /// The database.
        database: PathBuf,
        /// Where the key belongs.
        key: PathBuf,
    },
    /// Two hubs on one SQLite file.
    #[error("another `counterfoil-hub serve` runs on {}: stop it first", .0.display())]
    Served(PathBuf),
    /// The database file cannot be opened.
    #[error("cannot open the database {}", path.display())]
    Open {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: rusqlite::Error,
    },
    /// The core refuses the database.
    #[error("cannot use the database {}", path.display())]
    Hub {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: HubError,
    },
    /// No root certificate.
    #[error("cannot make this hub's root certificate")]
    Certificate(#[source] TlsError),
}

/// Held while a hub serves a data directory.
#[derive(Debug)]
pub struct ServeLock(#[expect(dead_code, reason = "the lock lives as long as the file is open")] File);

impl DataDir {
    /// `data_dir` as said, else systemd's, else the platform's; `database` as a URL, else `hub.db` in it.
    ///
    /// # Errors
    /// When there is nowhere to live or the URL names no SQLite file.
    pub fn resolve(data_dir: Option<PathBuf>, database: Option<&str>) -> Result<Self, DataDirError> {
        let platform = || directories::ProjectDirs::from("", "", "counterfoil-hub").map(|d| d.data_dir().to_owned());
        let systemd = || std::env::var_os("STATE_DIRECTORY").map(PathBuf::from);
        let root = data_dir.or_else(systemd).or_else(platform).ok_or(DataDirError::Nowhere)?;
        let database = database.map(sqlite_path).transpose()?.unwrap_or_else(|| root.join(DATABASE));
        Ok(Self { root, database })
    }

    /// The directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The database file.
    pub fn database(&self) -> &Path {
        &self.database
    }

    /// Opens the hub that is here.
    ///
    /// # Errors
    /// When there is none, or it cannot be used.
    pub fn open(&self) -> Result<Hub, DataDirError> {
        if !self.database.exists() && !self.key_path().exists() {
            return Err(DataDirError::Absent(self.root.clone()));
        }
        self.open_or_create()
    }

    /// Opens the hub that is here, or makes one.
    ///
    /// # Errors
    /// When it cannot be used or made.
    pub fn open_or_create(&self) -> Result<Hub, DataDirError> {
        self.make_directory(&self.root)?;
        let lock = self.lock_file("create.lock")?;
        flock(&lock, FlockOperation::LockExclusive)
            .map_err(|error| self.failed("lock", "create.lock", error.into()))?;
        let seed = self.root_seed()?;
        let connection = self.connect()?;
        if is_empty(&connection).map_err(|source| self.unopened(source))? {
            let certificate = root_certificate(&seed).map_err(DataDirError::Certificate)?;
            tracing::info!(dir = %self.root.display(), "made a new hub: back up root.key, tills trust nothing else");
            let program_key = ProgramKey(entropy::bytes());
            return Hub::create(connection, seed, program_key, 1, certificate).map_err(|error| self.refused(error));
        }
        Hub::open(connection, seed).map_err(|error| self.refused(error))
    }

    /// The seed of the root key.
    ///
    /// # Errors
    /// When it cannot be read or made.
    pub fn root_seed(&self) -> Result<[u8; 32], DataDirError> {
        let path = self.key_path();
        match std::fs::read_to_string(&path) {
            Ok(text) => parse_root_key_pem(&text).ok_or(DataDirError::BadKey(path)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => self.make_root_key(),
            Err(source) => Err(self.failed("read", ROOT_KEY, source)),
        }
    }

    /// Takes the right to serve this directory until the lock is dropped.
    ///
    /// # Errors
    /// When another process has it.
    pub fn lock_for_serving(&self) -> Result<ServeLock, DataDirError> {
        self.make_directory(&self.root)?;
        let file = self.lock_file("serve.lock")?;
        flock(&file, FlockOperation::NonBlockingLockExclusive).map_err(|_| DataDirError::Served(self.root.clone()))?;
        Ok(ServeLock(file))
    }

    /// A connection of its own that only watches for changes.
    ///
    /// # Errors
    /// When the database cannot be opened.
    pub fn connect(&self) -> Result<Connection, DataDirError> {
        if let Some(parent) = self.database.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            self.make_directory(parent)?;
        }
        let connection = Connection::open(&self.database).map_err(|source| self.unopened(source))?;
        connection.busy_timeout(LOCK_WAIT).map_err(|source| self.unopened(source))?;
        Ok(connection)
    }

    /// Writes the root certificate beside the key, for API clients that pin it as the tills do. It is no secret, and
    /// it is made again from the database wherever it is missing.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn publish_root_certificate(&self, pem: &str) -> Result<(), DataDirError> {
        let path = self.root.join(ROOT_CERTIFICATE);
        if std::fs::read_to_string(&path).is_ok_and(|present| present == pem) {
            return Ok(());
        }
        std::fs::write(&path, pem).map_err(|source| self.failed("write", ROOT_CERTIFICATE, source))
    }

    fn key_path(&self) -> PathBuf {
        self.root.join(ROOT_KEY)
    }

    fn make_root_key(&self) -> Result<[u8; 32], DataDirError> {
        if self.database.exists() {
            let connection = self.connect()?;
            if !is_empty(&connection).map_err(|source| self.unopened(source))? {
                return Err(DataDirError::KeyMissing { database: self.database.clone(), key: self.key_path() });
            }
        }
        let seed: [u8; 32] = entropy::bytes();
        let written = self.root.join("root.key.new");
        let failed = |source| self.failed("write", ROOT_KEY, source);
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&written).map_err(failed)?;
        file.write_all(root_key_pem(&seed).as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
        std::fs::rename(&written, self.key_path()).map_err(failed)?;
        File::open(&self.root).and_then(|directory| directory.sync_all()).map_err(failed)?;
        Ok(seed)
    }

    fn make_directory(&self, path: &Path) -> Result<(), DataDirError> {
        if path.is_dir() {
            return Ok(());
        }
        let failed = |source| DataDirError::File { action: "make the directory", path: path.to_owned(), source };
        std::fs::create_dir_all(path).map_err(failed)?;
        std::fs::set_permissions(path, Permissions::from_mode(0o700)).map_err(failed)
    }

    fn lock_file(&self, name: &str) -> Result<File, DataDirError> {
        let open = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(self.root.join(name));
        open.map_err(|source| self.failed("open", name, source))
    }

    fn failed(&self, action: &'static str, name: &str, source: std::io::Error) -> DataDirError {
        DataDirError::File { action, path: self.root.join(name), source }
    }

    fn unopened(&self, source: rusqlite::Error) -> DataDirError {
        DataDirError::Open { path: self.database.clone(), source }
    }

    fn refused(&self, source: HubError) -> DataDirError {
        DataDirError::Hub { path: self.database.clone(), source }
    }
}

/// Whether nothing was ever committed to this database.
fn is_empty(connection: &Connection) -> rusqlite::Result<bool> {
    connection.query_row("SELECT NOT EXISTS (SELECT 1 FROM sqlite_schema)", [], |row| row.get(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn here(dir: &tempfile::TempDir) -> DataDir {
        DataDir::resolve(Some(dir.path().join("data")), None).unwrap()
    }

    #[test]
    fn a_hub_is_made_once_and_keeps_its_key() {
        let dir = tempfile::tempdir().unwrap();
        let place = here(&dir);
        assert!(matches!(place.open(), Err(DataDirError::Absent(_))));
        drop(place.open_or_create().unwrap());
        let seed = place.root_seed().unwrap();
        drop(place.open().unwrap());
        assert_eq!(place.root_seed().unwrap(), seed);
        let mode = std::fs::metadata(place.key_path()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        std::fs::remove_file(place.key_path()).unwrap();
        assert!(matches!(place.open(), Err(DataDirError::KeyMissing { .. })));
    }

    #[test]
    fn one_hub_serves_a_directory() {
        let dir = tempfile::tempdir().unwrap();
        let place = here(&dir);
        let lock = place.lock_for_serving().unwrap();
        assert!(matches!(place.lock_for_serving(), Err(DataDirError::Served(_))));
        drop(lock);
        assert!(place.lock_for_serving().is_ok());
    }
}
