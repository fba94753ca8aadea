//! One lane: a POS, a receipt printer and a scanner on pseudo-terminals, and the till between them.
//!
//! The POS knows only its printer line; the till is the real daemon, with the configuration a technician would write.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use counterfoil_drivers::spool::{LockState, lock_state};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use super::api::{Answer, Api};
use super::counter::Counter;
use super::programs::{Programs, Running, output};

/// One lane of a store.
#[derive(Debug)]
pub struct Lane {
    /// Its number, as printed.
    pub number: u32,
    /// The hardware.
    pub counter: Counter,
    programs: Programs,
    folder: PathBuf,
    running: Option<Running>,
    api: Api,
}

/// What a lane is set up with.
#[derive(Debug, Clone)]
pub struct LaneSetUp<'a> {
    /// Its number.
    pub number: u32,
    /// Where head office is, for this lane.
    pub hub_url: &'a str,
    /// The one-time code.
    pub code: &'a str,
    /// The business date printed on receipts, and the POS's clock, are the machine's.
    pub template: &'a str,
}

impl Lane {
    /// Plugs the hardware in, enrols the till and starts it.
    ///
    /// # Errors
    /// When any of it fails.
    pub async fn open(programs: &Programs, folder: &Path, set_up: LaneSetUp<'_>) -> anyhow::Result<Self> {
        std::fs::create_dir_all(folder).with_context(|| format!("{} cannot be made", folder.display()))?;
        let counter = Counter::plug_in(folder, set_up.number)?;
        let lane = Self {
            number: set_up.number,
            counter,
            programs: programs.clone(),
            folder: folder.to_path_buf(),
            running: None,
            api: Api::new("", "")?,
        };
        let config = format!(
            "[api]\nlisten = \"127.0.0.1:0\"\n\n\
             [[device]]\nname = \"receipts\"\nkind = \"receipt-tap\"\nport = \"{pos}\"\nforward_to = \"{printer}\"\ntemplate = \"{template}\"\n\n\
             [[device]]\nname = \"scanner\"\nkind = \"scanner\"\nport = \"{scanner}\"\n",
            pos = lane.counter.pos_port().display(),
            printer = lane.counter.printer_port().display(),
            scanner = lane.counter.scanner_port().display(),
            template = set_up.template,
        );
        std::fs::write(lane.config(), config).with_context(|| format!("{} cannot be written", lane.config()))?;
        let (config, data_dir) = (lane.config(), lane.data_dir());
        let arguments = [
            "enroll",
            "--hub",
            set_up.hub_url,
            "--code",
            set_up.code,
            "--config",
            config.as_str(),
            "--data-dir",
            data_dir.as_str(),
        ];
        output(&lane.programs.till, arguments).await.context("the till cannot be enrolled")?;
        let mut lane = lane;
        lane.start().await?;
        Ok(lane)
    }

    /// Starts the daemon and waits until its API answers.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn start(&mut self) -> anyhow::Result<()> {
        let address_file = self.folder.join("data/api-address");
        let _ = std::fs::remove_file(&address_file);
        let (config, data_dir) = (self.config(), self.data_dir());
        let arguments = ["run", "--config", config.as_str(), "--data-dir", data_dir.as_str()];
        let name = format!("the till of lane {}", self.number);
        let mut running = Running::start(&name, &self.programs.till, arguments, &self.log())?;
        let token_file = self.folder.join("data/api-token");
        self.api = running
            .wait_until("its first answer", async || {
                let address = std::fs::read_to_string(&address_file).ok()?;
                let token = std::fs::read_to_string(&token_file).ok()?;
                let api = Api::new(&format!("http://{}", address.trim()), &token).ok()?;
                api.read("/healthz").await.is_ok().then_some(api)
            })
            .await?;
        self.running = Some(running);
        Ok(())
    }

    /// `kill -9` of the daemon; its tap lives on.
    ///
    /// # Errors
    /// When there is nothing to kill.
    pub async fn kill(&mut self) -> anyhow::Result<()> {
        self.running.take().context("the till does not run")?.kill().await
    }

    /// Asks the daemon to stop, and waits.
    ///
    /// # Errors
    /// When it does not.
    pub async fn stop(&mut self) -> anyhow::Result<()> {
        self.running.take().context("the till does not run")?.stop().await.map(drop)
    }

    /// Stops the tap that outlived the daemon.
    ///
    /// # Errors
    /// When there is one that cannot be stopped.
    pub fn stop_tap(&self) -> anyhow::Result<()> {
        self.signal_tap(Signal::TERM).map(drop)
    }

    /// Whether a tap has the spool.
    pub fn tap_runs(&self) -> bool {
        matches!(lock_state(&self.folder.join("data/spool/receipts")), Ok(LockState::Held { .. }))
    }

    /// `kill -9` of the tap; the daemon is to start another.
    ///
    /// # Errors
    /// When there is none.
    pub fn kill_tap(&self) -> anyhow::Result<()> {
        ensure!(self.signal_tap(Signal::KILL)?, "lane {} has no tap", self.number);
        Ok(())
    }

    fn signal_tap(&self, signal: Signal) -> anyhow::Result<bool> {
        let Ok(LockState::Held { pid }) = lock_state(&self.folder.join("data/spool/receipts")) else {
            return Ok(false);
        };
        let Some(pid) = pid.and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw) else { return Ok(false) };
        match kill_process(pid, signal) {
            Ok(()) | Err(Errno::SRCH) => Ok(true),
            Err(error) => Err(error).with_context(|| format!("the tap of lane {} takes no signal", self.number)),
        }
    }

    /// The daemon's process.
    pub fn pid(&self) -> Option<u32> {
        self.running.as_ref().and_then(Running::pid)
    }

    /// Its local API.
    pub fn api(&self) -> &Api {
        &self.api
    }

    /// Its data directory.
    pub fn data_dir(&self) -> String {
        self.folder.join("data").to_string_lossy().into_owned()
    }

    /// Its configuration.
    pub fn config(&self) -> String {
        self.folder.join("counterfoil.toml").to_string_lossy().into_owned()
    }

    /// Its log.
    pub fn log(&self) -> PathBuf {
        self.folder.join("till.log")
    }

    /// Runs a command of the daemon's program on this till.
    ///
    /// # Errors
    /// When the command fails.
    pub async fn command(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let (config, data_dir) = (self.config(), self.data_dir());
        let place = ["--config", config.as_str(), "--data-dir", data_dir.as_str()];
        output(&self.programs.till, arguments.iter().copied().chain(place)).await
    }

    /// The daemon's status.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn status(&self) -> anyhow::Result<Value> {
        self.api.read("/v1/status").await
    }

    /// Adds to the configuration; it holds from the next start.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn configure(&self, lines: &str) -> anyhow::Result<()> {
        let path = self.config();
        let text = std::fs::read_to_string(&path).with_context(|| format!("{path} cannot be read"))?;
        std::fs::write(&path, format!("{text}\n{lines}\n")).with_context(|| format!("{path} cannot be written"))
    }

    /// Looks a member up, as a cashier does.
    ///
    /// # Errors
    /// When the till does not answer.
    pub async fn look_up(&self, identifier: &str) -> anyhow::Result<Answer> {
        self.api.post("/v1/members/lookup", "", &json!({ "identifier": identifier })).await
    }

    /// Redeems a reward for a member.
    ///
    /// # Errors
    /// When the till does not answer.
    pub async fn redeem(&self, key: &str, identifier: &str, reward_id: &str) -> anyhow::Result<Answer> {
        let body = json!({ "member": { "identifier": identifier }, "reward_id": reward_id });
        self.api.post("/v1/redemptions", key, &body).await
    }
}

impl Lane {
    /// Redeems units of a member's points.
    ///
    /// # Errors
    /// When the till does not answer.
    pub async fn spend(&self, key: &str, identifier: &str, amount: i64) -> anyhow::Result<Answer> {
        let body = json!({ "member": { "identifier": identifier }, "purse": "points", "amount": amount });
        self.api.post("/v1/redemptions", key, &body).await
    }

    /// Keeps a reward for a basket.
    ///
    /// # Errors
    /// When the till does not answer.
    pub async fn reserve(&self, sale_ref: &str, identifier: &str, reward_id: &str) -> anyhow::Result<Answer> {
        let body = json!({ "member": { "identifier": identifier }, "reward_id": reward_id, "sale_ref": sale_ref,
            "reserve": true });
        self.api.post("/v1/redemptions", "", &body).await
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        // A tap outlives its daemon on purpose, but not the shop.
        let _ = self.signal_tap(Signal::KILL);
    }
}
