//! Opening and creating a till's books: two databases and the marker, by their paths.
//!
//! The engine opens no files; this does, and says in words what stands in the way.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use counterfoil_till::{Enrolment, OpenError, Settings, Till};
use rusqlite::Connection;

use crate::files;
use crate::marker::MarkerFile;
use crate::places::Places;

/// Why the books do not open.
#[derive(Debug, thiserror::Error)]
pub enum BooksError {
    /// The disk.
    #[error("cannot use {}", path.display())]
    Disk {
        /// The file or directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// SQLite does not open the file at all.
    #[error("cannot open {}", path.display())]
    Database {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: rusqlite::Error,
    },
    /// Another process has them.
    #[error("another process has the books in {} open: is a daemon running on this data directory?", path.display())]
    InUse {
        /// The data directory.
        path: PathBuf,
    },
    /// The engine refuses them.
    #[error(transparent)]
    Open(#[from] OpenError),
}

/// Opens the books of an enrolled till.
///
/// # Errors
/// When it is not enrolled, another process has them, or the disk refuses.
pub fn open(places: &Places, settings: Settings) -> Result<Till, BooksError> {
    if !places.value_database().exists() {
        return Err(OpenError::NotEnrolled.into());
    }
    let (value, directory) = connections(places)?;
    let (witness, marker) = marker(places)?;
    let till =
        Till::open(value, directory, settings, Box::new(witness), marker).map_err(|error| in_use(error, places))?;
    // The engine holds both databases exclusively from here on, and has told nobody anything yet.
    for database in [places.value_database(), places.directory_database()] {
        let log = log_of(&database);
        files::rewrite_in_place(&log).map_err(disk(&log))?;
    }
    Ok(till)
}

/// SQLite's write-ahead log of a database.
fn log_of(database: &Path) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push("-wal");
    name.into()
}

/// Creates the books of a till that was just taken in.
///
/// # Errors
/// When there are books already, or the disk refuses.
pub fn create(places: &Places, enrolment: &Enrolment, settings: Settings) -> Result<Till, BooksError> {
    prepare_data_directory(&places.data)?;
    // A marker without books is left over from books that were removed by hand.
    if !places.value_database().exists() {
        remove(&places.marker())?;
    }
    let (value, directory) = connections(places)?;
    let (witness, _) = marker(places)?;
    let till = Till::create(value, directory, enrolment, settings, Box::new(witness))
        .map_err(|error| in_use(error, places))?;
    files::sync_directory(&places.value_database()).map_err(disk(&places.data))?;
    Ok(till)
}

/// Makes the data directory where it is absent, for the owner and its group.
///
/// # Errors
/// When the disk refuses.
pub fn prepare_data_directory(path: &Path) -> Result<(), BooksError> {
    fs::DirBuilder::new().recursive(true).mode(0o750).create(path).map_err(disk(path))
}

/// The databases hold the till's key: only the owner reads them. SQLite gives its other files the same mode.
fn connections(places: &Places) -> Result<(Connection, Connection), BooksError> {
    let open = |path: PathBuf| {
        match fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(disk(&path)(error)),
            _ => {}
        }
        Connection::open(&path).map_err(|source| BooksError::Database { path, source })
    };
    Ok((open(places.value_database())?, open(places.directory_database())?))
}

fn marker(places: &Places) -> Result<(MarkerFile, Option<counterfoil_till::Marker>), BooksError> {
    MarkerFile::open(&places.marker()).map_err(disk(&places.marker()))
}

fn remove(path: &Path) -> Result<(), BooksError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(disk(path)(error)),
        _ => Ok(()),
    }
}

fn disk(path: &Path) -> impl FnOnce(io::Error) -> BooksError {
    let path = path.to_path_buf();
    move |source| BooksError::Disk { path, source }
}

/// SQLite says "busy" or "locked" where another process holds its exclusive lock.
fn in_use(error: OpenError, places: &Places) -> BooksError {
    use rusqlite::ErrorCode::{DatabaseBusy, DatabaseLocked};
    match &error {
        OpenError::Storage(storage)
            if matches!(storage.source.sqlite_error_code(), Some(DatabaseBusy | DatabaseLocked)) =>
        {
            BooksError::InUse { path: places.data.clone() }
        }
        _ => error.into(),
    }
}

#[cfg(test)]
mod tests {
    use counterfoil_protocol::identifier::ProgramKey;
    use counterfoil_protocol::wire::sign::PublicKey;
    use counterfoil_protocol::wire::v1::enrol::StoreSettings;

    use super::*;

    fn enrolment() -> Enrolment {
        Enrolment {
            terminal: "t".into(),
            lane: "1".into(),
            store: StoreSettings {
                store: "s".into(),
                name: "Shop".into(),
                time_zone: "Europe/London".into(),
                currency: "GBP".into(),
                day_ends: "00:00".into(),
                groups: vec![],
            },
            key_seed: [1; 32],
            epoch: 1,
            root_key: PublicKey([2; 32]),
            root_certificate: String::new(),
            program_key: ProgramKey([3; 32]),
            hub_url: "https://hq.example".into(),
        }
    }

    fn places(dir: &Path) -> Places {
        Places { config: dir.join("counterfoil.toml"), config_named: false, data: dir.join("data") }
    }

    #[test]
    fn books_are_made_once_and_opened_by_one() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let places = places(dir.path());
        let not_enrolled = |result| matches!(result, Err(BooksError::Open(OpenError::NotEnrolled)));
        assert!(not_enrolled(open(&places, Settings::default())));
        // What a cut in the middle of enrolment may leave.
        prepare_data_directory(&places.data).unwrap();
        fs::write(places.value_database(), b"").unwrap();
        assert!(not_enrolled(open(&places, Settings::default())));
        let till = create(&places, &enrolment(), Settings::default()).unwrap();
        assert!(till.standing().is_sound());
        assert!(matches!(open(&places, Settings::default()), Err(BooksError::InUse { .. })));
        drop(till);
        assert!(open(&places, Settings::default()).unwrap().standing().is_sound());
        let again = create(&places, &enrolment(), Settings::default());
        assert!(matches!(again, Err(BooksError::Open(OpenError::AlreadyEnrolled { .. }))));
        assert!(
            open(&places, Settings::default()).unwrap().standing().is_sound(),
            "a refused creation leaves them as they were"
        );
        let mode = |path: PathBuf| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(places.directory_database()), 0o600);
        fs::remove_file(places.marker()).unwrap();
        assert!(
            !open(&places, Settings::default()).unwrap().standing().is_sound(),
            "without its marker it may be a copy"
        );
    }
}
