//! Every option by name: one table for the file, the environment, `--set`, `config check` and the documentation.

/// How an option's text is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OptKind {
    /// As it is.
    Text,
    /// A whole number.
    Number,
    /// `true` or `false`.
    Switch,
    /// Texts with commas between them.
    List,
}

/// One option.
#[derive(Clone, Copy, Debug)]
pub struct Opt {
    /// Its name in the file, with a dot for the table, and in `--set NAME=VALUE`.
    pub name: &'static str,
    /// How its text is read.
    pub kind: OptKind,
    /// Its value when nobody sets it.
    pub default: &'static str,
    /// What it is.
    pub help: &'static str,
}

impl Opt {
    /// Its environment variable: `IMAGXP_` and the name in capitals with `_` for the dot.
    pub fn variable(&self) -> String {
        format!("IMAGXP_{}", self.name.replace('.', "_").to_ascii_uppercase())
    }
}

const fn opt(name: &'static str, kind: OptKind, default: &'static str, help: &'static str) -> Opt {
    Opt { name, kind, default, help }
}

use OptKind::{List, Number, Switch, Text};

/// Every option.
pub const OPTIONS: [Opt; 30] = [
    opt(
        "issuer",
        Text,
        "",
        "the broker's public origin, `https://host[:port]`; it names the broker in every token",
    ),
    opt("data", Text, "imagxp-data", "the folder of keys, operators and the embedded database"),
    opt("listen", Text, "127.0.0.1:8420", "where the service listens"),
    opt("admin_listen", Text, "127.0.0.1:8421", "where `/metrics` and `/health` are answered; never public"),
    opt(
        "allow_loopback",
        Switch,
        "false",
        "development: admits `localhost` and `127.0.0.1` as domains, over http",
    ),
    opt(
        "tls.certificate",
        Text,
        "",
        "PEM file with the certificate chain; empty: http, for a proxy in front",
    ),
    opt("tls.key", Text, "", "PEM file with the private key"),
    opt("database.url", Text, "", "`postgres://…`; empty: SQLite in the data folder"),
    opt(
        "database.sslmode",
        Text,
        "",
        "`disable`, `require`, `verify-ca` or `verify-full`; empty: what the URL says, else `disable` on this machine and `verify-full` elsewhere",
    ),
    opt(
        "database.ca_file",
        Text,
        "",
        "PEM file of the authorities that PostgreSQL's certificate is checked against; empty: those that browsers believe",
    ),
    opt(
        "replay.url",
        Text,
        "",
        "`redis://…`, `rediss://…` (TLS) or `postgres://…`, where several processes share the nonces they have seen; empty: `database.url` when that is PostgreSQL, else the data folder of one process",
    ),
    opt(
        "replay.ca_file",
        Text,
        "",
        "PEM file of the authorities that the certificate at `replay.url` is checked against; empty: those that browsers believe",
    ),
    opt(
        "keys.passphrase_file",
        Text,
        "",
        "file whose first line opens encrypted key files; empty: keys in the clear, mode 0600",
    ),
    opt(
        "money.assets",
        List,
        "USD:6",
        "assets as `CODE:SCALE`, digits after the point; the first is meant where none is named",
    ),
    opt("money.fee_bps", Number, "200", "the broker's fee in hundredths of a percent, rounded down"),
    opt("limits.body_bytes", Number, "65536", "bytes of a request's body"),
    opt("limits.redeem_bytes", Number, "2097152", "bytes of a request that presents visas"),
    opt(
        "limits.header_s",
        Number,
        "5",
        "seconds within which a request's header, and then its body, must have come",
    ),
    opt(
        "limits.handler_s",
        Number,
        "10",
        "seconds within which a request must be answered once its body is there",
    ),
    opt("limits.connections", Number, "4096", "connections at one time"),
    opt(
        "limits.requests",
        Number,
        "512",
        "requests at work at one time; twice as many wait, the rest get 503",
    ),
    opt(
        "limits.tenant_per_s",
        Number,
        "500",
        "commands that one tenant may give in a second (a visa that is presented is one); four times as many at once",
    ),
    opt("limits.streams", Number, "64", "streams of events at one time"),
    opt(
        "limits.lame_duck_s",
        Number,
        "5",
        "seconds that the service goes on answering when it stops, while `/health/ready` is 503 already",
    ),
    opt("limits.drain_s", Number, "15", "seconds that requests at work are given when the service stops"),
    opt("verify.policy", Text, "", "policy file (JSON or TOML) of `/v1/verify`; empty: that endpoint is off"),
    opt("verify.trusted", List, "", "addresses or networks of proxies that may ask `/v1/verify`"),
    opt(
        "verify.statuses",
        Text,
        "verdict",
        "`verdict`, or `auth_request`: 401 and 403 only, which is all that nginx passes on",
    ),
    opt("log.level", Text, "info", "`error`, `warn`, `info`, `debug` or `trace`"),
    opt("log.format", Text, "json", "`json` or `text`"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_readme_lists_every_option() {
        let readme = include_str!("../../README.md");
        for option in OPTIONS {
            let default =
                if option.default.is_empty() { String::new() } else { format!("`{}`", option.default) };
            let row = format!("| `{}` | {default} | {} |", option.name, option.help);
            assert!(readme.contains(&row), "README.md lacks the row\n{row}");
        }
    }

    #[test]
    fn no_two_variables_are_alike() {
        let mut names: Vec<_> = OPTIONS.iter().map(Opt::variable).collect();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), OPTIONS.len());
    }
}
