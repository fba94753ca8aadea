//! Head office as a process: set up by its own command line, asked over its own API.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde_json::{Value, json};

use super::api::Api;
use super::programs::{Programs, Running, output};

/// How tills reach the hub.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// Plain HTTP, as is allowed on one machine.
    Plain,
    /// TLS, as everywhere else.
    Tls,
}

impl Transport {
    /// The scheme of a URL.
    pub fn scheme(self) -> &'static str {
        match self {
            Self::Plain => "http",
            Self::Tls => "https",
        }
    }
}

/// The hub of one shop.
#[derive(Debug)]
pub struct Hub {
    programs: Programs,
    folder: PathBuf,
    running: Option<Running>,
    transport: Transport,
    address: SocketAddr,
    api: Api,
}

impl Hub {
    /// Starts a new hub below `folder`, on a free port, with an API key for everything.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn open(programs: &Programs, folder: &Path, transport: Transport) -> anyhow::Result<Self> {
        std::fs::create_dir_all(folder).with_context(|| format!("{} cannot be made", folder.display()))?;
        let unset = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut hub = Self {
            programs: programs.clone(),
            folder: folder.to_path_buf(),
            running: None,
            transport,
            address: unset,
            api: Api::new("", "")?,
        };
        hub.start().await?;
        let key = hub.command(&["api-key", "create", "--name", "demo", "--scope", "admin", "--json"]).await?;
        let key: Value =
            serde_json::from_str(&key).with_context(|| format!("`api-key create --json` printed {key}"))?;
        let key = key.get("key").and_then(Value::as_str).context("`api-key create --json` prints no key")?;
        hub.api = match transport {
            Transport::Plain => Api::new(&format!("http://{}", hub.address), key)?,
            // What the story asks is asked in the same way: trusting nobody but the hub's own root.
            Transport::Tls => Api::trusting(&format!("https://{}", hub.address), key, &hub.root_certificate()?)?,
        };
        Ok(hub)
    }

    /// Starts the process, on the port it had before if it had one.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn start(&mut self) -> anyhow::Result<()> {
        let ready = self.folder.join("ready.json");
        let _ = std::fs::remove_file(&ready);
        let mut arguments: Vec<String> = [
            "serve",
            "--data-dir",
            &self.data_dir(),
            "--listen",
            &self.address.to_string(),
            "--ready-file",
            &ready.to_string_lossy(),
        ]
        .map(str::to_owned)
        .into();
        if self.transport == Transport::Tls {
            arguments.push("--tls".into());
        }
        let mut running = Running::start("the hub", &self.programs.hub, arguments, &self.log())?;
        let message = running
            .wait_until("its first answer", async || {
                let text = std::fs::read_to_string(&ready).ok()?;
                serde_json::from_str::<Value>(&text).ok()
            })
            .await?;
        let address =
            message.get("address").and_then(Value::as_str).context("the hub's ready message has no address")?;
        self.address = address.parse().with_context(|| format!("the hub says it listens on {address:?}"))?;
        self.running = Some(running);
        Ok(())
    }

    /// `kill -9`.
    ///
    /// # Errors
    /// When there is nothing to kill.
    pub async fn kill(&mut self) -> anyhow::Result<()> {
        self.running.take().context("the hub does not run")?.kill().await
    }

    /// Asks it to stop, and waits.
    ///
    /// # Errors
    /// When it does not.
    pub async fn stop(&mut self) -> anyhow::Result<()> {
        self.running.take().context("the hub does not run")?.stop().await.map(drop)
    }

    /// Runs one of its commands beside it and gives what it prints.
    ///
    /// # Errors
    /// When the command fails.
    pub async fn command(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let data_dir = self.data_dir();
        output(&self.programs.hub, arguments.iter().copied().chain(["--data-dir", data_dir.as_str()])).await
    }

    /// Its API, with a key for everything.
    pub fn api(&self) -> &Api {
        &self.api
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its data directory.
    pub fn data_dir(&self) -> String {
        self.folder.join("data").to_string_lossy().into_owned()
    }

    fn root_certificate(&self) -> anyhow::Result<Vec<u8>> {
        let path = self.folder.join("data/root.crt");
        std::fs::read(&path).with_context(|| format!("{} cannot be read", path.display()))
    }

    /// Its log.
    pub fn log(&self) -> PathBuf {
        self.folder.join("hub.log")
    }

    /// A one-time enrolment code.
    ///
    /// # Errors
    /// When the hub gives none.
    pub async fn invite(&self, store: &str, lane: &str) -> anyhow::Result<String> {
        let text = self.command(&["terminal", "invite", "--store", store, "--lane", lane, "--json"]).await?;
        let invitation: Value =
            serde_json::from_str(&text).with_context(|| format!("`terminal invite --json` printed {text}"))?;
        Ok(invitation
            .get("code")
            .and_then(Value::as_str)
            .context("`terminal invite --json` prints no code")?
            .to_owned())
    }

    /// Gives a member units, as a person at head office would.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn adjust(&self, member_id: &str, purse: &str, amount: i64, reason: &str) -> anyhow::Result<()> {
        let body = json!({ "purse": purse, "amount": amount, "reason": reason });
        let key = format!("adjust {member_id} {purse} {amount} {reason}");
        self.api.call(&format!("/v1/members/{member_id}/adjustments"), &key, &body).await.map(drop)
    }

    /// Publishes a program by its text.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn publish(&self, program: &str) -> anyhow::Result<()> {
        let path = self.folder.join("program.toml");
        std::fs::write(&path, program).with_context(|| format!("{} cannot be written", path.display()))?;
        self.command(&["program", "publish", &path.to_string_lossy()]).await.map(drop)
    }

    /// One purse of a member, as head office shows it.
    ///
    /// # Errors
    /// When it shows none.
    pub async fn purse(&self, member_id: &str, purse: &str) -> anyhow::Result<Value> {
        let member = self.api.read(&format!("/v1/members/{member_id}")).await?;
        let purses = member.get("purses").and_then(Value::as_array).context("a member has no purses")?;
        let found = purses.iter().find(|shown| shown.get("purse").and_then(Value::as_str) == Some(purse));
        found.cloned().with_context(|| format!("no {purse} in {member}"))
    }

    /// Makes a member; gives its id.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn enlist(&self, display_name: &str, identifier: &str) -> anyhow::Result<String> {
        let body = json!({ "display_name": display_name, "identifiers": [identifier] });
        let member = self.api.call("/v1/members", &format!("enlist {identifier}"), &body).await?;
        Ok(member.get("member_id").and_then(Value::as_str).context("a new member has no member_id")?.to_owned())
    }
}
