//! Where the agent keeps what: the configuration file and the data directory, and the files in it.
//!
//! Order: the command line, then systemd's `CONFIGURATION_DIRECTORY` and `STATE_DIRECTORY`, then the
//! platform's own directories.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use directories::ProjectDirs;

/// No place to keep anything.
#[derive(Debug, thiserror::Error)]
#[error("no home directory to keep {what} in: give {flag}")]
pub struct NoPlace {
    what: &'static str,
    flag: &'static str,
}

/// Where things are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    /// The configuration file.
    pub config: PathBuf,
    /// Whether a person named that file, so that it must exist.
    pub config_named: bool,
    /// The data directory.
    pub data: PathBuf,
}

impl Places {
    /// Finds both, from the command line, `env` (an environment variable by name) and the platform.
    ///
    /// # Errors
    /// When neither is given and there is no home directory.
    pub fn find(
        config: Option<PathBuf>,
        data: Option<PathBuf>,
        env: impl Fn(&str) -> Option<OsString>,
    ) -> Result<Self, NoPlace> {
        // systemd gives a list, separated by colons, where a unit asks for several: the first is ours.
        let unit_directory = |name| {
            let list = env(name)?.into_string().ok()?;
            list.split(':').next().filter(|first| !first.is_empty()).map(PathBuf::from)
        };
        let platform = ProjectDirs::from("", "", "counterfoil");
        let config_named = config.is_some();
        let config = config
            .or_else(|| Some(unit_directory("CONFIGURATION_DIRECTORY")?.join("counterfoil.toml")))
            .or_else(|| Some(platform.as_ref()?.config_dir().join("counterfoil.toml")))
            .ok_or(NoPlace { what: "the configuration", flag: "--config" })?;
        let data = data
            .or_else(|| unit_directory("STATE_DIRECTORY"))
            .or_else(|| Some(platform.as_ref()?.data_dir().to_path_buf()))
            .ok_or(NoPlace { what: "data", flag: "--data-dir" })?;
        Ok(Self { config, config_named, data })
    }

    /// The value database: journal, entries, rights.
    pub fn value_database(&self) -> PathBuf {
        self.data.join("till.db")
    }

    /// The directory of all members.
    pub fn directory_database(&self) -> PathBuf {
        self.data.join("directory.db")
    }

    /// What remembers, outside the database, how far the journal came.
    pub fn marker(&self) -> PathBuf {
        self.data.join("marker")
    }

    /// The first API token.
    pub fn api_token(&self) -> PathBuf {
        self.data.join("api-token")
    }

    /// The address the API listens on while the daemon runs, one line.
    pub fn api_address(&self) -> PathBuf {
        self.data.join("api-address")
    }

    /// The socket on which commands ask the daemon.
    pub fn control_socket(&self) -> PathBuf {
        control_socket(&self.data)
    }

    /// The key an enrolment has made and not yet finished with.
    pub fn enrolment_key(&self) -> PathBuf {
        self.data.join("enrolment-key")
    }

    /// The spools of the taps, one directory for each device.
    pub fn spool(&self) -> PathBuf {
        self.data.join("spool")
    }
}

/// The control socket of a data directory.
pub fn control_socket(data: &Path) -> PathBuf {
    data.join("control.sock")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_wins_over_the_unit_and_the_unit_over_the_platform() {
        let unit = |name: &str| match name {
            "CONFIGURATION_DIRECTORY" => Some("/etc/counterfoil:/etc/other".into()),
            "STATE_DIRECTORY" => Some("/var/lib/counterfoil".into()),
            _ => None,
        };
        let found = Places::find(None, None, unit).unwrap();
        assert_eq!(found.config, Path::new("/etc/counterfoil/counterfoil.toml"));
        assert_eq!(found.data, Path::new("/var/lib/counterfoil"));
        assert!(!found.config_named);
        let found = Places::find(Some("a.toml".into()), Some("d".into()), unit).unwrap();
        assert_eq!((found.config.as_path(), found.data.as_path()), (Path::new("a.toml"), Path::new("d")));
        assert!(found.config_named);
    }
}
