//! Who asks: the agents' domains, the broker's, and what each of them serves.

use crate::error::CliError;
use crate::grade::wire::{Heard, Reply, bind, listen};
use crate::random;
use imagxp::crypto::{Algorithm, PrivateKey};
use imagxp::json::{Object, Value, object_to_canonical};
use imagxp::manifest::ManifestKey;
use imagxp::{AgentId, Manifest, Timestamp};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

macro_rules! roles {
    ($($(#[$meta:meta])* $name:ident = $text:literal,)*) => {
        /// A domain of the grader's own.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Role { $($(#[$meta])* $name,)* }

        impl Role {
            /// Everybody, in the order of their ports.
            pub(crate) const ALL: &'static [Role] = &[$(Role::$name,)*];

            /// The label of the domain.
            pub(crate) const fn name(self) -> &'static str {
                match self { $(Role::$name => $text,)* }
            }
        }
    };
}

roles! {
    /// The policy refuses it.
    Denied = "denied",
    /// The policy bounds its rate.
    Rated = "rated",
    /// The broker that the policy trusts.
    Broker = "broker",
    /// One whose key set cannot be had.
    Bankrupt = "bankrupt",
    /// The agent of most cases: an ES256 key.
    Reader = "reader",
    /// An Ed25519 key.
    Edwards = "edwards",
    /// A manifest in the seed's form.
    Seed = "seed",
    /// Two keys at once, and a third that has ended.
    Rotating = "rotating",
    /// Publishes its new key only after the first request.
    Renewed = "renewed",
    /// 404.
    Nobody = "nobody",
    /// A manifest that is no JSON.
    Broken = "broken",
    /// The manifest of another.
    Impostor = "impostor",
    /// A kid that is not the thumbprint.
    WrongKid = "wrong-kid",
    /// More than 16 KiB.
    Large = "large",
    /// A redirect to a good manifest.
    Redirecting = "redirecting",
    /// 500.
    Failing = "failing",
    /// Nobody asks for it before its own case does.
    Fresh = "fresh",
}

impl Role {
    /// Whether the policy names it, so that its name is the same in every run. All others have new names each time, which no site remembers.
    const fn lasts(self) -> bool {
        matches!(self, Self::Denied | Self::Rated | Self::Broker | Self::Bankrupt)
    }
}

/// Where the domains of the grader are.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    /// On this machine: one port for each that the policy names, counted from here, and whichever are free for the others.
    Loopback(u16),
    /// Subdomains of this domain, which lead to the grader's one listener.
    Domain(String),
}

impl Place {
    /// The agent_id of a role that the policy names.
    pub(crate) fn agent_id(&self, role: Role) -> String {
        match self {
            Self::Loopback(base) => {
                let index = Role::ALL.iter().position(|other| *other == role).unwrap_or_default();
                let port = base.saturating_add(u16::try_from(index).unwrap_or(u16::MAX));
                format!("127.0.0.1:{port}")
            }
            Self::Domain(domain) => format!("{}.{domain}", role.name()),
        }
    }

    /// Where its documents are.
    pub(crate) fn origin(&self, role: Role) -> String {
        self.at(&self.agent_id(role))
    }

    /// The origin of a domain.
    fn at(&self, agent: &str) -> String {
        let scheme = if self.is_loopback() { "http" } else { "https" };
        format!("{scheme}://{agent}")
    }

    /// A role's agent_id in this run, and on this machine where it listens.
    fn settle(&self, role: Role, run: &str) -> Result<(String, Option<TcpListener>), CliError> {
        match self {
            Self::Domain(domain) if !role.lasts() => Ok((format!("{}-{run}.{domain}", role.name()), None)),
            Self::Domain(_) => Ok((self.agent_id(role), None)),
            Self::Loopback(_) => {
                let any = || "127.0.0.1:0".to_owned();
                let listener = bind(&if role.lasts() { self.agent_id(role) } else { any() })?;
                let local = listener.local_addr().map_err(|error| {
                    CliError::new(CliError::SYSTEM, format!("no address for `{}`: {error}", role.name()))
                })?;
                Ok((local.to_string(), Some(listener)))
            }
        }
    }

    pub(crate) const fn is_loopback(&self) -> bool {
        matches!(self, Self::Loopback(_))
    }
}

/// The keys of one role.
pub(crate) struct Keys {
    /// The one it signs with.
    pub(crate) own: PrivateKey,
    /// Published beside it, or after it.
    pub(crate) next: PrivateKey,
    /// Never published, or published as ended.
    pub(crate) other: PrivateKey,
}

/// Everybody's keys, served and counted.
pub(crate) struct Cast {
    pub(crate) place: Place,
    shared: Arc<Shared>,
}

struct Shared {
    place: Place,
    members: Vec<Member>,
    spare: Keys,
    renewed: AtomicBool,
}

struct Member {
    role: Role,
    agent: String,
    keys: Keys,
    /// How often its document has been asked for.
    fetched: AtomicUsize,
}

impl Cast {
    /// Makes everybody's keys and serves their documents.
    pub(crate) fn new(place: &Place, address: &str) -> Result<Self, CliError> {
        let run = random::uuid()?;
        let run = run.split('-').next().unwrap_or_default();
        let (mut members, mut listeners) = (Vec::new(), Vec::new());
        for &role in Role::ALL {
            let (agent, listener) = place.settle(role, run)?;
            members.push(Member { role, agent, keys: Keys::new(role)?, fetched: AtomicUsize::new(0) });
            listeners.extend(listener.map(|listener| (role, listener)));
        }
        let spare = Keys::new(Role::Reader)?;
        let shared =
            Arc::new(Shared { place: place.clone(), members, spare, renewed: AtomicBool::new(false) });
        let cast = Self { place: place.clone(), shared };
        if place.is_loopback() {
            for (role, listener) in listeners {
                let shared = Arc::clone(&cast.shared);
                listen(listener, Arc::new(move |heard| shared.answer(role, heard)));
            }
        } else {
            let shared = Arc::clone(&cast.shared);
            listen(bind(address)?, Arc::new(move |heard| shared.by_host(heard)));
        }
        Ok(cast)
    }

    /// A role's keys.
    pub(crate) fn keys(&self, role: Role) -> &Keys {
        self.shared.keys(role)
    }

    /// A role's agent_id.
    pub(crate) fn agent_id(&self, role: Role) -> String {
        self.shared.agent_id(role)
    }

    /// How often a role's document has been asked for.
    pub(crate) fn fetched(&self, role: Role) -> usize {
        self.shared.member(role).map_or(0, |member| member.fetched.load(Ordering::SeqCst))
    }

    /// [`Role::Renewed`] publishes its next key from now on.
    pub(crate) fn renew(&self) {
        self.shared.renewed.store(true, Ordering::SeqCst);
    }
}

impl Keys {
    fn new(role: Role) -> Result<Self, CliError> {
        let algorithm = if role == Role::Edwards { Algorithm::EdDsa } else { Algorithm::Es256 };
        let key = |algorithm| PrivateKey::generate(algorithm, &mut random::fill).map_err(CliError::from);
        Ok(Self { own: key(algorithm)?, next: key(algorithm)?, other: key(algorithm)? })
    }
}

impl Shared {
    fn member(&self, role: Role) -> Option<&Member> {
        self.members.iter().find(|member| member.role == role)
    }

    fn agent_id(&self, role: Role) -> String {
        self.member(role).map(|member| member.agent.clone()).unwrap_or_default()
    }

    fn keys(&self, role: Role) -> &Keys {
        self.member(role).map_or(&self.spare, |member| &member.keys)
    }

    /// Behind one address: whose document is asked for, `Host` tells.
    fn by_host(&self, heard: &Heard) -> Reply {
        let host = heard.values("host").first().map(|host| host.to_ascii_lowercase()).unwrap_or_default();
        let host = host.split(':').next().unwrap_or_default();
        let member = self.members.iter().find(|member| member.agent == host);
        member.map_or_else(
            || Reply::new(404, "text/plain", "no such domain\n"),
            |member| self.answer(member.role, heard),
        )
    }

    fn answer(&self, role: Role, heard: &Heard) -> Reply {
        let path = if matches!(role, Role::Broker | Role::Bankrupt) {
            "/jwks.json"
        } else {
            "/.well-known/imagxp-agent.json"
        };
        if heard.target != path {
            return Reply::new(404, "text/plain", "nothing here\n");
        }
        if let Some(member) = self.member(role) {
            member.fetched.fetch_add(1, Ordering::SeqCst);
        }
        let json = |body: Vec<u8>| Reply::new(200, "application/json", body);
        match role {
            Role::Nobody => Reply::new(404, "text/plain", "not here\n"),
            Role::Failing | Role::Bankrupt => Reply::new(500, "text/plain", "out of order\n"),
            Role::Broken => json(b"{\"agent_id\":".to_vec()),
            Role::Redirecting => {
                let there = format!("{}{path}", self.place.at(&self.agent_id(Role::Reader)));
                Reply::new(302, "text/plain", "elsewhere\n").with("location", there)
            }
            Role::Broker => json(self.jwks()),
            role => json(self.manifest(role)),
        }
    }

    fn jwks(&self) -> Vec<u8> {
        let key = self.keys(Role::Broker).own.public_key();
        let mut jwk = key.to_jwk();
        jwk.insert("kid", key.thumbprint().as_str().to_owned());
        let mut set = Object::new();
        set.insert("keys", vec![Value::Object(jwk)]);
        object_to_canonical(&set)
    }

    fn manifest(&self, role: Role) -> Vec<u8> {
        let keys = self.keys(role);
        let agent = self.agent_id(if role == Role::Impostor { Role::Reader } else { role });
        let mut object = Object::new();
        object.insert("agent_id", agent.clone());
        object.insert("public_key", keys.own.public_key().to_spki_base64());
        if role == Role::Seed {
            object.insert("contact_email", "security@seed.example");
            return object_to_canonical(&object);
        }
        if role == Role::WrongKid {
            let mut entry = Object::new();
            entry.insert("kid", keys.other.public_key().thumbprint().as_str().to_owned());
            entry.insert("public_key", keys.own.public_key().to_spki_base64());
            object.insert("keys", vec![Value::Object(entry)]);
            return object_to_canonical(&object);
        }
        let mut listed = vec![ManifestKey::new(keys.own.public_key().clone())];
        let renewed = role == Role::Renewed && self.renewed.load(Ordering::SeqCst);
        if role == Role::Rotating || renewed {
            listed.push(ManifestKey::new(keys.next.public_key().clone()));
        }
        if role == Role::Rotating {
            let ended = Timestamp::from_secs(1_600_000_000);
            let key = ManifestKey::new(keys.other.public_key().clone());
            listed.push(ManifestKey { not_after: Some(ended), ..key });
        }
        let contact = (role == Role::Large).then(|| "x".repeat(17 * 1024));
        AgentId::parse(&agent, true)
            .and_then(|agent| Manifest::new(agent, contact, listed).ok())
            .map(|manifest| manifest.to_json())
            .unwrap_or_default()
    }
}
