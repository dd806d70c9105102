//! `imagxp serve`: the broker's HTTP service, and what prepares it.

use crate::context::Context;
use crate::error::{CliError, Exit};
use imagxp::Timestamp;
use imagxp::json::Object;
use imagxp_server::config::{Config, Layers};
use imagxp_server::operators::Role;
use imagxp_server::{Registry, SetupError};
use imagxp_storage::Migrate;
use std::path::{Path, PathBuf};

/// What Kubernetes sets in each pod beside a service that is called `imagxp`.
const CLUSTER: [&str; 2] = ["IMAGXP_SERVICE_", "IMAGXP_PORT"];
/// What other commands and the reference SDK read, which may stand in the same shell.
const ELSEWHERE: [&str; 5] = [
    "IMAGXP_AGENT_ID",
    "IMAGXP_BROKER_URL",
    "IMAGXP_OPERATOR_TOKEN",
    "IMAGXP_PRIVATE_KEY",
    "IMAGXP_PUBLIC_KEY",
];

/// Options that `serve`, `config check`, `keys` and `operator` share.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct Options {
    /// The configuration file, TOML
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The folder of keys, operators and the embedded database
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Any option of the configuration file; may be repeated
    #[arg(long, value_name = "NAME=VALUE")]
    set: Vec<String>,
}

impl Options {
    /// The layers, flags over environment over file over defaults.
    pub(super) fn layers(&self) -> Result<Layers, CliError> {
        let mut layers = Layers::new(self.config.as_deref(), &self.set).map_err(wrong)?;
        if let Some(data) = &self.data {
            layers.flag("data", &text(data)?).map_err(wrong)?;
        }
        Ok(layers)
    }

    /// The configuration for a command that works on the data folder or the database: whose they are does not matter.
    pub(super) fn beside(&self) -> Result<Config, CliError> {
        let mut layers = self.layers()?;
        layers.suggest("issuer", "https://broker.example").map_err(wrong)?;
        layers.config().map_err(wrong)
    }

    /// Where keys and operators are, to change them: an empty database gets its tables.
    pub(super) fn registry(&self, context: &Context) -> Result<Registry, CliError> {
        warn_of_variables(&self.layers()?, context);
        Registry::open(&self.beside()?, Migrate::WhenEmpty, now()?).map_err(wrong)
    }

    /// The same, to read them.
    pub(super) fn registry_to_read(&self, context: &Context) -> Result<Registry, CliError> {
        warn_of_variables(&self.layers()?, context);
        Registry::open(&self.beside()?, Migrate::Never, now()?).map_err(wrong)
    }
}

/// Run the broker's HTTP service: visas, settlement, verification for proxies, dashboard
///
/// Without configuration the ledger is a SQLite file in the data folder. `imagxp config check` prints every option.
#[derive(Debug, clap::Args)]
pub(crate) struct Serve {
    #[command(flatten)]
    options: Options,
    /// Where the service listens
    #[arg(long, value_name = "ADDR:PORT")]
    listen: Option<String>,
    /// Where metrics and health are answered
    #[arg(long, value_name = "ADDR:PORT")]
    admin_listen: Option<String>,
    /// The broker's public origin, which is in every token
    #[arg(long, value_name = "URL")]
    issuer: Option<String>,
    /// Try it out: makes keys and an operator in the data folder, admits localhost as a domain, listens on this machine only
    #[arg(long)]
    dev: bool,
}

impl Serve {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, CliError> {
        let mut layers = self.options.layers()?;
        warn_of_variables(&layers, context);
        for (name, value) in
            [("listen", &self.listen), ("admin_listen", &self.admin_listen), ("issuer", &self.issuer)]
        {
            if let Some(value) = value {
                layers.flag(name, value).map_err(wrong)?;
            }
        }
        if self.dev {
            suggest_dev(&mut layers)?;
        }
        let config = layers.config().map_err(wrong)?;
        let token = if self.dev { prepare_dev(&config)? } else { None };
        let (issuer, data) = (config.issuer.clone(), config.data.clone());
        let mut shown = false;
        let told = |addresses: imagxp_server::Addresses| {
            shown = true;
            let text = started(&issuer, &data, addresses, self.dev, token.as_deref().map(String::as_str));
            if context.out.is_json() {
                let mut object = Object::new();
                object.insert("listen", addresses.public.to_string());
                object.insert("admin_listen", addresses.admin.to_string());
                object.insert("issuer", issuer.clone());
                // Whoever starts the service and reads this line is the operator; nobody else can.
                if let Some(token) = &token {
                    object.insert("operator_token", token.as_str().to_owned());
                }
                let _ = context.out.object(&object);
            } else {
                let _ = context.out.text(&text);
            }
        };
        let ended = imagxp_server::run(config, told).map_err(wrong);
        // The operator is there, whatever has kept the service from starting, and nothing else knows the token.
        let told = token.filter(|_| !shown).map_or(Ok(()), |token| tell_token(context, &token));
        ended.and(told).map(|()| Exit::Ok)
    }
}

/// What `--dev` sets where nobody else does. The issuer is what the listener's address says, so port 0 needs an issuer of its own.
fn suggest_dev(layers: &mut Layers) -> Result<(), CliError> {
    let listen =
        layers.settings().into_iter().find(|setting| setting.name == "listen").map(|setting| setting.value);
    let issuer = format!("http://{}", listen.unwrap_or_default());
    for (name, value) in [
        ("allow_loopback", "true"),
        ("issuer", &issuer),
        ("log.format", "text"),
        ("limits.lame_duck_s", "0"),
        ("verify.trusted", "127.0.0.1,::1"),
    ] {
        layers.suggest(name, value).map_err(wrong)?;
    }
    Ok(())
}

/// Makes what is missing: keys, and the operator `dev`. Returns the token when it is new.
fn prepare_dev(config: &Config) -> Result<Option<zeroize::Zeroizing<String>>, CliError> {
    if !config.listen.ip().is_loopback() {
        return Err(CliError::usage("--dev listens on this machine only"));
    }
    let now = crate::time::now_or(None)?;
    // The service comes next.
    let registry = Registry::open(config, Migrate::Always, now).map_err(wrong)?;
    match registry.create_key(now) {
        Ok(_) => {}
        Err(error) if error.code() == "keys.exist" => {}
        Err(error) => return Err(wrong(error)),
    }
    if !registry.operators().map_err(wrong)?.list().is_empty() {
        return Ok(None);
    }
    registry.add_operator("dev", Role::Admin, now).map(Some).map_err(wrong)
}

/// The token of an operator whom a service has that did not start.
fn tell_token(context: &Context, token: &str) -> Result<(), CliError> {
    if !context.out.is_json() {
        return context.out.secret(&operator(token), true);
    }
    let mut object = Object::new();
    object.insert("operator_token", token.to_owned());
    context.out.object(&object)
}

fn operator(token: &str) -> String {
    format!("operator   dev, role admin; the token is shown this once:\n           {token}\n")
}

fn started(
    issuer: &str,
    data: &Path,
    addresses: imagxp_server::Addresses,
    dev: bool,
    token: Option<&str>,
) -> String {
    let mut text = format!(
        "broker     {issuer}, listening on {}\nmetrics    http://{}/metrics, /health/live, /health/ready\ndata       {}\n",
        addresses.public,
        addresses.admin,
        data.display()
    );
    if !dev {
        return text;
    }
    let shown = token.unwrap_or("$TOKEN");
    match token {
        Some(token) => text.push_str(&operator(token)),
        None => text.push_str("operator   made before; `imagxp operator add NAME` makes another\n"),
    }
    text.push_str(&format!(
        "\nNext:\n  curl -s {issuer}/.well-known/openid-configuration\n  curl -s {issuer}/v1/deposits -H 'authorization: Bearer {shown}' \\\n    -H 'content-type: application/json' -d '{{\"owner\":\"localhost:9000\",\"amount\":\"10\",\"asset\":\"USD\",\"reference\":\"first\"}}'\n  open {issuer}/imagxp/dashboard\n"
    ));
    text
}

/// Says which variables look like options of the service and are none, or a slip would be found out when it is too late. By name only: who
/// misspells the name of a secret has its value there.
pub(super) fn warn_of_variables(layers: &Layers, context: &Context) {
    let expected =
        |name: &str| ELSEWHERE.contains(&name) || CLUSTER.iter().any(|start| name.starts_with(start));
    for variable in layers.unknown_variables().iter().filter(|name| !expected(name)) {
        let message = format!("the variable `{variable}` is no option of the service");
        context.out.warning(&CliError::new("config.unknown_variable", message));
    }
}

pub(super) fn wrong(error: SetupError) -> CliError {
    CliError::new(error.code(), error.message().to_owned())
}

pub(super) fn now() -> Result<Timestamp, CliError> {
    crate::time::now_or(None)
}

fn text(path: &Path) -> Result<String, CliError> {
    path.to_str().map(str::to_owned).ok_or_else(|| CliError::usage("the path of --data is not text"))
}
