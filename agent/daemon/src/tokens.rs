//! Tokens of the till API: made here, shown once, kept as SHA-256 in the value database.
//!
//! A token is 256 bits of entropy, so a plain digest is enough to keep. Scopes say what a token may do; without
//! any it may do everything.

use std::fmt;
use std::str::FromStr;

use counterfoil_protocol::id::Digest;
use counterfoil_till::{CommandError, Now, Till, TokenInfo};

use crate::api::guard::Caller;
use crate::api::problem::Problem;
use crate::engine::Engine;

/// What a token may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Look up members.
    MembersRead,
    /// Sign up and edit members.
    MembersWrite,
    /// Find sales, and quote.
    SalesRead,
    /// Record, void and return sales.
    SalesWrite,
    /// Spend units.
    RedemptionsWrite,
    /// Close the business day.
    DayWrite,
    /// See state and events.
    StatusRead,
}

impl Scope {
    /// Every scope.
    pub const ALL: [Self; 7] = [
        Self::MembersRead,
        Self::MembersWrite,
        Self::SalesRead,
        Self::SalesWrite,
        Self::RedemptionsWrite,
        Self::DayWrite,
        Self::StatusRead,
    ];

    /// What the cashier page needs.
    pub const PAGE: [Self; 4] = [Self::MembersRead, Self::SalesRead, Self::RedemptionsWrite, Self::StatusRead];

    fn as_str(self) -> &'static str {
        match self {
            Self::MembersRead => "members:read",
            Self::MembersWrite => "members:write",
            Self::SalesRead => "sales:read",
            Self::SalesWrite => "sales:write",
            Self::RedemptionsWrite => "redemptions:write",
            Self::DayWrite => "day:write",
            Self::StatusRead => "status:read",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Scope {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let known = || Self::ALL.map(Self::as_str).join(", ");
        Self::ALL
            .into_iter()
            .find(|scope| scope.as_str() == text)
            .ok_or_else(|| format!("{text:?} is no scope; known are {}", known()))
    }
}

/// A new secret and what is kept of it.
pub fn make() -> (String, Digest) {
    let secret = format!("cft_{}", crate::random::secret());
    let hash = hash(&secret);
    (secret, hash)
}

/// What is kept of a secret.
pub fn hash(secret: &str) -> Digest {
    Digest::of(&[secret.as_bytes()])
}

/// Makes a token in the till's books; its secret is seen only here.
///
/// # Errors
/// When the name is taken or the disk refuses.
pub fn create(till: &mut Till, name: &str, scopes: &[Scope], now: Now) -> Result<String, CommandError> {
    let (secret, hash) = make();
    let scopes: Vec<String> = scopes.iter().map(Scope::to_string).collect();
    till.add_token(name, &scopes, hash, now)?;
    Ok(secret)
}

/// Whose secret this is; `None`: nobody's, or revoked.
///
/// # Errors
/// The problem to answer with when the engine cannot say.
pub async fn check(engine: &Engine, secret: String) -> Result<Option<Caller>, Problem> {
    let found = engine.call(move |till| till.check_token(hash(&secret))).await.map_err(|_| Problem::stopping())?;
    Ok(found?.map(caller))
}

/// A token as a caller. Without scopes it may do everything; a scope this version does not know gives nothing.
pub fn caller(token: TokenInfo) -> Caller {
    let scopes = if token.scopes.is_empty() {
        Scope::ALL.to_vec()
    } else {
        token.scopes.iter().filter_map(|scope| scope.parse().ok()).collect()
    };
    Caller::new(token.name, scopes)
}
