//! Publishing programs: versions, from when on, signed. A version never changes.

use counterfoil_protocol::program::Program;
use counterfoil_protocol::time::rfc3339_utc;
use counterfoil_protocol::wire::sign::{Sig, sign};
use counterfoil_protocol::wire::v1::feed::PublishedProgram;
use rusqlite::{OptionalExtension as _, Row};

use super::Hub;
use super::act::{Act, signed, unsigned};
use super::error::{Doing as _, HubError};
use super::views::ProgramView;

/// Which of the versions is in force, here as at a till: the newest that has taken effect.
const IN_FORCE: &str = "FROM program WHERE effective_ms <= ?1 ORDER BY version DESC LIMIT 1";
const COLUMNS: &str = "SELECT version, name, effective_ms, published_ms, json";

fn view(row: &Row<'_>) -> rusqlite::Result<ProgramView> {
    let (effective_ms, published_ms, json): (i64, i64, String) = (row.get(2)?, row.get(3)?, row.get(4)?);
    Ok(ProgramView {
        version: unsigned(row.get(0)?),
        id: row.get(1)?,
        effective_at: rfc3339_utc(effective_ms),
        published_at: rfc3339_utc(published_ms),
        program: serde_json::from_str(&json).unwrap_or_default(),
    })
}

impl Act<'_> {
    /// A version, compiled; `None` where it was never published.
    pub(super) fn compiled(&self, version: u64) -> Result<Option<Program>, HubError> {
        if let Some(program) = self.own.programs.borrow().get(&version) {
            return Ok(Some(program.clone()));
        }
        let json: Option<String> = self
            .tx
            .prepare_cached("SELECT json FROM program WHERE version = ?1")
            .and_then(|mut query| query.query_row([signed(version)], |row| row.get(0)).optional())
            .doing("reading a program")?;
        let Some(json) = json else { return Ok(None) };
        let program = Program::from_json(&json).map_err(|problems| HubError::Database {
            detail: format!("published program {version} is refused by this hub, which is older than it: {problems}"),
        })?;
        self.own.programs.borrow_mut().insert(version, program.clone());
        Ok(Some(program))
    }

    /// The program in force now.
    pub(super) fn program_in_force(&self) -> Result<Option<Program>, HubError> {
        self.program_where(&format!("SELECT version {IN_FORCE}"), self.now_ms)
    }

    /// The program published last, in force or not.
    pub(super) fn latest_program(&self) -> Result<Option<Program>, HubError> {
        self.program_where("SELECT max(version) FROM program WHERE ?1 IS NOT NULL HAVING count(*) > 0", 0)
    }

    fn program_where(&self, sql: &str, at_ms: i64) -> Result<Option<Program>, HubError> {
        let version: Option<i64> = self
            .tx
            .prepare_cached(sql)
            .and_then(|mut query| query.query_row([at_ms], |row| row.get(0)).optional())
            .doing("looking for a program")?;
        version.map_or(Ok(None), |version| self.compiled(unsigned(version)))
    }

    /// A version as tills get it.
    pub(super) fn published(&self, version: u64) -> Result<PublishedProgram, HubError> {
        self.tx
            .prepare_cached("SELECT effective_ms, json, signature FROM program WHERE version = ?1")
            .and_then(|mut query| {
                query.query_row([signed(version)], |row| {
                    let (effective_ms, json) = (row.get(0)?, row.get(1)?);
                    Ok(PublishedProgram { version, effective_ms, json, signature: Sig(row.get(2)?) })
                })
            })
            .doing("reading a published program")
    }

    fn publish(&self, program: &Program, effective_ms: i64) -> Result<ProgramView, HubError> {
        let json = program.to_json();
        let same: Option<ProgramView> = self
            .tx
            .query_row(
                &format!(
                    "{COLUMNS} FROM program WHERE json = ?1 AND effective_ms = ?2
                     AND version = (SELECT max(version) FROM program)"
                ),
                (&json, effective_ms),
                view,
            )
            .optional()
            .doing("looking for the same program")?;
        if let Some(same) = same {
            return Ok(same);
        }
        let version: i64 = self
            .tx
            .query_row("SELECT 1 + coalesce(max(version), 0) FROM program", [], |row| row.get(0))
            .doing("counting programs")?;
        let text = PublishedProgram::signed_text(unsigned(version), effective_ms, &json);
        self.tx
            .execute(
                "INSERT INTO program (version, name, effective_ms, published_ms, json, signature)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                (version, program.id(), effective_ms, self.now_ms, &json, sign(&self.own.root, &text).0),
            )
            .doing("writing a program")?;
        self.own.programs.borrow_mut().remove(&unsigned(version));
        self.feed_program(unsigned(version))?;
        // Stores that leave time zone or currency to the program may have changed with it.
        for store in self.store_ids()? {
            self.feed_store(&store)?;
        }
        self.tx
            .query_row(&format!("{COLUMNS} FROM program WHERE version = ?1"), [version], view)
            .doing("reading a program back")
    }
}

impl Hub {
    /// Checks and publishes a program (as JSON); all tills hear of it. The rules published last, with the
    /// same date again, are the same version.
    ///
    /// # Errors
    /// `Invalid`, with everything that is wrong with it.
    pub fn publish_program(&mut self, json: &str, effective_ms: i64, now_ms: i64) -> Result<ProgramView, HubError> {
        let program =
            Program::from_json(json).map_err(|problems| HubError::invalid("program", problems.to_string()))?;
        self.change(now_ms, |act| act.publish(&program, effective_ms))
    }

    /// A version.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn program(&self, version: u64) -> Result<ProgramView, HubError> {
        self.conn
            .query_row(&format!("{COLUMNS} FROM program WHERE version = ?1"), [signed(version)], view)
            .optional()
            .doing("reading a program")?
            .ok_or_else(|| HubError::not_found("program version", version))
    }

    /// The version in force; `None` before the first.
    ///
    /// # Errors
    /// When the database fails.
    pub fn current_program(&self, now_ms: i64) -> Result<Option<ProgramView>, HubError> {
        self.conn
            .query_row(&format!("{COLUMNS} {IN_FORCE}"), [now_ms], view)
            .optional()
            .doing("reading the program in force")
    }

    /// All versions, latest first.
    ///
    /// # Errors
    /// When the database fails.
    pub fn programs(&self) -> Result<Vec<ProgramView>, HubError> {
        self.conn
            .prepare_cached(&format!("{COLUMNS} FROM program ORDER BY version DESC"))
            .and_then(|mut query| query.query_map([], view)?.collect())
            .doing("listing programs")
    }
}
