//! The tables of a backup: the same in both databases.

/// What a column holds, and how it stands in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Column {
    /// A number.
    Int,
    /// A string.
    Text,
    /// Lower-case hex.
    Bytes,
    /// A string of decimal digits.
    Units,
}

/// A table.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) name: &'static str,
    pub(crate) columns: &'static [(&'static str, Column)],
    /// Columns that follow from the others and are made again when it is restored.
    pub(crate) derived: &'static [(&'static str, Column)],
    /// By what it is read in pages: the first so many columns.
    pub(super) key: usize,
}

use Column::{Bytes, Int, Text, Units};

/// In the order in which they are restored: what is referred to comes first.
pub(crate) const TABLES: &[Table] = &[
    Table {
        name: "account",
        columns: &[
            ("id", Bytes),
            ("asset", Text),
            ("kind", Text),
            ("owner", Text),
            ("reference", Text),
            ("debits_pending", Units),
            ("debits_posted", Units),
            ("credits_pending", Units),
            ("credits_posted", Units),
            ("frozen", Int),
            ("closed", Int),
            ("created_at", Int),
            ("version", Int),
        ],
        derived: &[],
        key: 1,
    },
    Table {
        name: "leaf",
        columns: &[("seq", Int), ("hash", Bytes)],
        derived: &[("subtrees", Bytes)],
        key: 1,
    },
    Table {
        name: "transfer",
        columns: &[
            ("seq", Int),
            ("id", Bytes),
            ("asset", Text),
            ("code", Text),
            ("phase", Text),
            ("pending_id", Bytes),
            ("debit", Bytes),
            ("credit", Bytes),
            ("amount", Units),
            ("reference", Text),
            ("memo", Text),
            ("actor", Text),
            ("created_at", Int),
        ],
        derived: &[],
        key: 1,
    },
    Table {
        name: "visa",
        columns: &[
            ("jti", Bytes),
            ("agent", Text),
            ("publisher", Text),
            ("asset", Text),
            ("amount", Units),
            ("state", Text),
            ("due_at", Int),
            ("version", Int),
            ("row", Text),
        ],
        derived: &[],
        key: 1,
    },
    Table {
        name: "event",
        columns: &[
            ("seq", Int),
            ("kind", Text),
            ("jti", Bytes),
            ("account", Bytes),
            ("actor", Text),
            ("created_at", Int),
            ("body", Text),
        ],
        derived: &[],
        key: 1,
    },
    Table {
        name: "idempotency",
        columns: &[
            ("actor", Text),
            ("key", Text),
            ("request", Bytes),
            ("result", Text),
            ("created_at", Int),
            ("expires_at", Int),
        ],
        derived: &[],
        key: 2,
    },
    Table {
        name: "once",
        columns: &[
            ("scope", Text),
            ("name", Text),
            ("transfer", Bytes),
            ("created_at", Int),
            ("expires_at", Int),
        ],
        derived: &[],
        key: 2,
    },
    Table {
        name: "operator",
        columns: &[("name", Text), ("role", Text), ("created_at", Int), ("disabled_at", Int)],
        derived: &[],
        key: 1,
    },
    Table {
        name: "token",
        columns: &[
            ("hash", Bytes),
            ("operator", Text),
            ("label", Text),
            ("created_at", Int),
            ("expires_at", Int),
            ("revoked_at", Int),
        ],
        derived: &[],
        key: 1,
    },
    Table {
        name: "signing_key",
        columns: &[
            ("kid", Text),
            ("algorithm", Text),
            ("public_jwk", Text),
            ("location", Text),
            ("published_at", Int),
            ("active_at", Int),
            ("retired_at", Int),
            ("last_expiry", Int),
            ("sealed", Text),
            ("dropped_at", Int),
            ("dropped_for", Text),
        ],
        derived: &[],
        key: 1,
    },
    Table { name: "session_end", columns: &[("session", Bytes), ("expires_at", Int)], derived: &[], key: 1 },
    Table { name: "shared", columns: &[("name", Text), ("value", Text)], derived: &[], key: 1 },
];

impl Table {
    pub(super) fn find(name: &str) -> Option<&'static Self> {
        TABLES.iter().find(|table| table.name == name)
    }

    /// The names of the columns that are in a backup.
    pub(super) fn names(&self) -> String {
        self.columns.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
    }

    /// The names of all columns, and the types that PostgreSQL has for them.
    pub(super) fn restored(&self) -> (String, Vec<&'static str>) {
        let ty = |column| match column {
            Int => "bigint",
            Text => "text",
            Bytes => "bytea",
            Units => "numeric",
        };
        let columns = self.columns.iter().chain(self.derived);
        let (names, types): (Vec<_>, Vec<_>) = columns.map(|(name, column)| (*name, ty(*column))).unzip();
        (names.join(", "), types)
    }
}
