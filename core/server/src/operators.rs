//! Operators: people and programs that run the broker. Their tokens are kept as hashes (`operators.json` in the data folder).

use crate::error::SetupError;
use crate::folder;
use crate::random;
use imagxp::Timestamp;
use imagxp::digest::sha256;
use imagxp::encoding::{hex_decode, hex_encode};
use imagxp_files::atomic::{self, Existing};
use imagxp_storage::Registry;
use imagxp_storage::operator::Token;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

/// What every operator's token begins with, so that scanners find one that has leaked.
pub const TOKEN_PREFIX: &str = "imagxp_op_";

/// What an operator may do; each includes the ones before it, except that a viewer books no deposits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Book deposits, and nothing else: the webhook of a payment provider.
    Depositor,
    /// Read.
    Viewer,
    /// Book deposits and settle withdrawals.
    Cashier,
    /// Everything: decide disputes, freeze accounts, correct.
    Admin,
}

impl Role {
    /// The name in files, on the command line and in the OpenAPI document.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Depositor => "depositor",
            Self::Viewer => "viewer",
            Self::Cashier => "cashier",
            Self::Admin => "admin",
        }
    }

    /// Whether this role may do what is for that one: what comes before is included, but who only reads books nothing.
    pub(crate) fn may(self, least: Self) -> bool {
        self >= least && (least, self) != (Self::Depositor, Self::Viewer)
    }

    /// The role with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Depositor, Self::Viewer, Self::Cashier, Self::Admin]
            .into_iter()
            .find(|role| role.as_str() == name)
    }
}

/// One operator, without the token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Operator {
    /// The name, which is written beside everything that the operator does.
    pub name: String,
    /// What the operator may do.
    pub role: Role,
    /// SHA-256 of the token, hexadecimal. The token has 256 random bits, so a slow hash would add nothing.
    token_sha256: String,
    /// When it was made, RFC 3339.
    pub created_at: String,
}

/// The operators of a broker.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Operators {
    version: u8,
    operators: Vec<Operator>,
}

impl Operators {
    /// Reads the operators; none when there is no file. Errors: `io.failed`, `operators.malformed`.
    pub(crate) fn open(data: &Path) -> Result<Self, SetupError> {
        let path = file(data);
        match std::fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text)
                .ok()
                .filter(|operators: &Self| operators.version == 1)
                .ok_or_else(|| {
                    SetupError::new("operators.malformed", "`operators.json` is not what this program writes")
                }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                Ok(Self { version: 1, operators: Vec::new() })
            }
            Err(error) => {
                Err(SetupError::new("io.failed", format!("`{}` cannot be read: {error}", path.display())))
            }
        }
    }

    /// Adds an operator and writes the file. Returns the token, which is shown once and kept nowhere.
    ///
    /// Errors: `usage.argument` (the name is taken, or not 1 to 64 characters of `a-z A-Z 0-9 . _ @ -`), `io.failed`.
    pub(crate) fn add(
        data: &Path,
        name: &str,
        role: Role,
        now: Timestamp,
    ) -> Result<Zeroizing<String>, SetupError> {
        let (operator, token) = new(name, role, now)?;
        let _lock = folder::lock(data)?;
        let mut operators = Self::open(data)?;
        if operators.by_name(name).is_some() {
            return Err(taken(name));
        }
        operators.operators.push(operator);
        operators.write(data)?;
        Ok(token)
    }

    /// Removes an operator; a server that runs notices within seconds. `usage.argument` when there is none of that name.
    pub(crate) fn remove(data: &Path, name: &str) -> Result<(), SetupError> {
        let _lock = folder::lock(data)?;
        let mut operators = Self::open(data)?;
        let before = operators.operators.len();
        operators.operators.retain(|operator| operator.name != name);
        if operators.operators.len() == before {
            return Err(unknown(name));
        }
        operators.write(data)
    }

    /// The operators in the order in which they were added.
    pub fn list(&self) -> &[Operator] {
        &self.operators
    }

    /// Whose token this is.
    pub(crate) fn by_token(&self, token: &str) -> Option<&Operator> {
        let hash = sha256(token.as_bytes());
        self.operators.iter().find(|operator| {
            let known: Option<[u8; 32]> = hex_decode(operator.token_sha256.as_bytes());
            known.is_some_and(|known| known.ct_eq(&hash).into())
        })
    }

    /// The operator of this name, as long as there is one.
    pub(crate) fn by_name(&self, name: &str) -> Option<&Operator> {
        self.operators.iter().find(|operator| operator.name == name)
    }

    /// What a session of this operator is bound to: another token, by whatever way, is another stamp.
    pub(crate) fn stamp(operator: &Operator) -> String {
        hex_encode(&sha256(
            format!("session {} {}", operator.token_sha256, operator.role.as_str()).as_bytes(),
        ))
    }

    fn write(&self, data: &Path) -> Result<(), SetupError> {
        let path = file(data);
        let failed = |error: std::io::Error| {
            SetupError::new("io.failed", format!("`{}` cannot be written: {error}", path.display()))
        };
        let text = serde_json::to_vec_pretty(self).map_err(|error| failed(error.into()))?;
        atomic::write(&path, &text, Existing::Replace).map_err(failed)
    }
}

/// An operator and the token. Errors: `usage.argument` for what is no name, `system.unavailable`.
pub(crate) fn new(
    name: &str,
    role: Role,
    now: Timestamp,
) -> Result<(Operator, Zeroizing<String>), SetupError> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'@' | b'-');
    if name.is_empty() || name.len() > 64 || !name.bytes().all(plain) {
        return Err(SetupError::new(
            "usage.argument",
            "a name has 1 to 64 characters of a-z A-Z 0-9 . _ @ -",
        ));
    }
    let token = Zeroizing::new(format!("{TOKEN_PREFIX}{}", random::secret()?));
    let operator = Operator {
        name: name.to_owned(),
        role,
        token_sha256: hex_encode(&sha256(token.as_bytes())),
        created_at: now.to_string(),
    };
    Ok((operator, token))
}

pub(crate) fn taken(name: &str) -> SetupError {
    SetupError::new("usage.argument", format!("there is an operator `{name}` already"))
}

pub(crate) fn unknown(name: &str) -> SetupError {
    SetupError::new("usage.argument", format!("there is no operator `{name}`"))
}

/// Puts an operator into a database. `false` when the name is taken.
pub(crate) fn insert(registry: &mut Registry<'_>, operator: &Operator) -> imagxp_storage::Result<bool> {
    let created_at = Timestamp::parse(&operator.created_at).map_or(0, Timestamp::as_millis);
    let row = imagxp_storage::operator::Operator {
        name: operator.name.clone(),
        role: operator.role.as_str().to_owned(),
        created_at,
        disabled_at: None,
    };
    let token = Token {
        // What is no hash is no token's.
        hash: hex_decode(operator.token_sha256.as_bytes()).unwrap_or_default(),
        operator: operator.name.clone(),
        label: String::new(),
        created_at,
        expires_at: None,
        revoked_at: None,
    };
    Ok(registry.add_operator(&row)? && registry.add_token(&token)?)
}

/// The operators of a database, in the order in which they were added.
pub(crate) fn of_rows(rows: &[imagxp_storage::operator::Operator], tokens: &[Token]) -> Operators {
    let mut rows: Vec<_> = rows.iter().filter(|row| row.disabled_at.is_none()).collect();
    rows.sort_by(|a, b| (a.created_at, &a.name).cmp(&(b.created_at, &b.name)));
    let operator = |row: &imagxp_storage::operator::Operator| {
        let token = tokens.iter().rfind(|token| token.operator == row.name && token.revoked_at.is_none())?;
        Some(Operator {
            name: row.name.clone(),
            role: Role::from_name(&row.role)?,
            token_sha256: hex_encode(&token.hash),
            created_at: Timestamp::from_millis(row.created_at).to_string(),
        })
    };
    Operators { version: 1, operators: rows.into_iter().filter_map(operator).collect() }
}

pub(crate) fn file(data: &Path) -> PathBuf {
    data.join("operators.json")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_known_by_their_hash() {
        let data = tempfile::tempdir().unwrap();
        let now = Timestamp::from_secs(1_800_000_000);
        let token = Operators::add(data.path(), "ann", Role::Admin, now).unwrap();
        let other = Operators::add(data.path(), "bob", Role::Viewer, now).unwrap();
        for refused in ["ann", "", "a b", "ü", &"x".repeat(65)] {
            assert_eq!(
                Operators::add(data.path(), refused, Role::Viewer, now).unwrap_err().code(),
                "usage.argument"
            );
        }
        let text = std::fs::read_to_string(file(data.path())).unwrap();
        assert!(!text.contains(token.strip_prefix(TOKEN_PREFIX).unwrap()), "the token is kept");
        let operators = Operators::open(data.path()).unwrap();
        assert_eq!(operators.by_token(&token).unwrap().name, "ann");
        assert_eq!(operators.by_token(&other).unwrap().role, Role::Viewer);
        assert!(
            operators.by_token(&token.replacen("i", "I", 1)).is_none() && operators.by_token("").is_none()
        );
        Operators::remove(data.path(), "ann").unwrap();
        assert!(Operators::open(data.path()).unwrap().by_token(&token).is_none());
        assert!(Operators::remove(data.path(), "ann").is_err());
    }

    #[test]
    fn roles_are_ordered() {
        assert!(Role::Viewer < Role::Cashier && Role::Cashier < Role::Admin);
        assert_eq!(Role::from_name("admin"), Some(Role::Admin));
        assert!(Role::Depositor.may(Role::Depositor) && !Role::Depositor.may(Role::Viewer));
        assert!(!Role::Viewer.may(Role::Depositor) && Role::Cashier.may(Role::Depositor));
    }
}
