//! The real programs, `counterfoil` and `counterfoil-hub`: built where they are not fresh, started, watched, killed.
//!
//! A started program writes its log to a file of its own; nothing here reads its memory or links its code.

use std::ffi::OsStr;
use std::fs::File;
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail};
use rustix::process::{Pid, Signal};

/// How long anything in a shop may take before the story is given up. Generous: a machine may be slow, a story that
/// hangs must end.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Where the two programs are.
#[derive(Debug, Clone)]
pub struct Programs {
    /// `counterfoil`.
    pub till: PathBuf,
    /// `counterfoil-hub`.
    pub hub: PathBuf,
}

impl Programs {
    /// Builds both in the profile this program was built in (a moment, where nothing changed) and says where they are.
    /// Where `COUNTERFOIL_PROGRAMS` names a folder, those in it are taken as they are.
    ///
    /// # Errors
    /// When the build fails; what the compiler says has been printed then.
    pub fn built() -> anyhow::Result<Self> {
        if let Some(folder) = std::env::var_os("COUNTERFOIL_PROGRAMS").map(PathBuf::from) {
            return Ok(Self { till: folder.join("counterfoil"), hub: folder.join("counterfoil-hub") });
        }
        let own = std::env::current_exe().context("this program does not know where it is")?;
        let mut folder = own.parent().context("this program is in no folder")?;
        if folder.ends_with("deps") {
            folder = folder.parent().context("a test program is in no target folder")?;
        }
        let profile = match folder.file_name().and_then(OsStr::to_str) {
            Some("debug") | None => "dev",
            Some(name) => name,
        };
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        // Minutes the first time: a person sees cargo's own progress, a log only what went wrong.
        let quiet = (!std::io::stderr().is_terminal()).then_some("--quiet");
        let status = Command::new(cargo)
            .args(["build", "--profile", profile, "-p", "counterfoil-agent", "-p", "counterfoil-hub", "--bins"])
            .args(quiet)
            .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
            .stdin(Stdio::null())
            .status()
            .context("cargo does not start")?;
        if !status.success() {
            bail!("counterfoil and counterfoil-hub do not build; the compiler's words are above");
        }
        Ok(Self { till: folder.join("counterfoil"), hub: folder.join("counterfoil-hub") })
    }
}

/// A program that runs. Dropped, it is killed.
#[derive(Debug)]
pub struct Running {
    child: tokio::process::Child,
    name: String,
    log: PathBuf,
}

impl Running {
    /// Starts `program`; both its outputs go to `log`, which is appended to.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start<A: AsRef<OsStr>>(
        name: &str,
        program: &Path,
        arguments: impl IntoIterator<Item = A>,
        log: &Path,
    ) -> anyhow::Result<Self> {
        let file = File::options()
            .create(true)
            .append(true)
            .open(log)
            .with_context(|| format!("{} cannot be written", log.display()))?;
        let child = tokio::process::Command::new(program)
            .args(arguments)
            .env("RUST_BACKTRACE", "1")
            .stdin(Stdio::null())
            .stdout(file.try_clone().context("a log's handle cannot be copied")?)
            .stderr(file)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("{} does not start", program.display()))?;
        Ok(Self { child, name: name.to_owned(), log: log.to_path_buf() })
    }

    /// Its process.
    pub fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// Where it logs.
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// `kill -9`, and waits until it is gone.
    ///
    /// # Errors
    /// When it cannot be killed.
    pub async fn kill(mut self) -> anyhow::Result<()> {
        self.child.kill().await.with_context(|| format!("{} cannot be killed", self.name))
    }

    /// Asks it to stop (SIGTERM) and waits until it has.
    ///
    /// # Errors
    /// When it does not stop within [`PATIENCE`].
    pub async fn stop(mut self) -> anyhow::Result<ExitStatus> {
        if let Some(pid) = self.child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw) {
            let _ = rustix::process::kill_process(pid, Signal::TERM);
        }
        match tokio::time::timeout(PATIENCE, self.child.wait()).await {
            Ok(status) => status.with_context(|| format!("{} cannot be waited for", self.name)),
            Err(_) => bail!("{} does not stop when asked; its log: {}", self.name, self.log.display()),
        }
    }

    /// Waits until `ready` gives something, or says what the program's log says last when it ends or time is up.
    ///
    /// # Errors
    /// When the program ends, or nothing came within [`PATIENCE`].
    pub async fn wait_until<T>(&mut self, what: &str, mut ready: impl AsyncFnMut() -> Option<T>) -> anyhow::Result<T> {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            if let Some(value) = ready().await {
                return Ok(value);
            }
            let pause = tokio::time::Instant::now() + Duration::from_millis(20);
            if let Ok(status) = tokio::time::timeout_at(pause, self.child.wait()).await {
                bail!("{} ended ({}) before {what}; it said last:\n{}", self.name, status?, last_lines(&self.log));
            }
            if tokio::time::Instant::now() > deadline {
                bail!("{} did not come to {what} in {PATIENCE:?}; it said last:\n{}", self.name, last_lines(&self.log));
            }
        }
    }
}

/// Waits until `ready` gives something.
///
/// # Errors
/// When nothing came within [`PATIENCE`]; the error says what was waited for.
pub async fn wait_until<T>(what: &str, mut ready: impl AsyncFnMut() -> anyhow::Result<Option<T>>) -> anyhow::Result<T> {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    let mut pause = tokio::time::interval(Duration::from_millis(20));
    loop {
        if let Some(value) = ready().await.with_context(|| format!("while waiting until {what}"))? {
            return Ok(value);
        }
        if tokio::time::Instant::now() > deadline {
            bail!("waited {PATIENCE:?} until {what}, in vain");
        }
        pause.tick().await;
    }
}

/// Runs a program to its end and gives what it printed.
///
/// # Errors
/// When it does not start or fails; the error holds what it said.
pub async fn output<A: AsRef<OsStr>>(program: &Path, arguments: impl IntoIterator<Item = A>) -> anyhow::Result<String> {
    let output =
        tokio::process::Command::new(program).args(arguments).stdin(Stdio::null()).kill_on_drop(true).output().await;
    let output = output.with_context(|| format!("{} does not start", program.display()))?;
    if !output.status.success() {
        bail!("{} failed ({}): {}", program.display(), output.status, String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn last_lines(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}
