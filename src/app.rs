//! What every edge is handed.

mod checkup;
mod crew;

use std::sync::Arc;

pub(crate) use checkup::counted;
pub use checkup::{Finding, Weight, checkup};
pub use crew::{ActorState, ActorStatus, Crew, Tree, UnknownChild};

use crate::{
    accounts::{self, Passwords},
    api_keys::ApiKeys,
    config::Profile,
    credentials::{self, Credentials},
    db::Db,
    downloads::{self, Downloads},
    flags::{Registry, Switch},
    jobs::Job,
    kernel::{Currency, Time, hook::HookSecret, seal::Keyring},
    licenses::{self, CallLimits, KeyMaker, LicenseCache},
    notifications::{Mailer, Notice},
    orders::Policy,
    payments::{self, Intake, Providers, sandbox::Sandbox},
    privacy::{self, Privacy},
    support,
    usage::{Meter, Usage},
};

/// The queues that a server feeds from.
pub const QUEUES: [&str; 8] = [
    payments::HandleEvent::QUEUE,
    licenses::IssueLicenses::QUEUE,
    downloads::VerifySource::QUEUE,
    credentials::SweepCredentials::QUEUE,
    Notice::QUEUE,
    accounts::Housekeeping::QUEUE,
    support::ReceiveMail::QUEUE,
    privacy::BuildArchive::QUEUE,
];

/// A running installation; clones share its parts, and cost next to nothing.
#[derive(Debug, Clone)]
pub struct App(Arc<Parts>);

/// The open parts of a running installation.
#[derive(Debug)]
pub struct Parts {
    /// The database.
    pub db: Db,
    /// Flags and kill switches.
    pub flags: Registry,
    /// The counter of calls.
    pub usage: Usage,
    /// What of monthly limits is used.
    pub meter: Meter,
    /// The keys that seal.
    pub keys: Keyring,
    /// Hashes and checks passwords, so many at a time.
    pub passwords: Passwords,
    /// Sends mail.
    pub mailer: Mailer,
    /// What verifies reports about mails; nothing if they are not heard.
    pub report_secrets: Vec<HookSecret>,
    /// Makes and recognises licence keys.
    pub license_keys: KeyMaker,
    /// Licences in memory, for validation.
    pub license_cache: LicenseCache,
    /// How often programs may ask about licences.
    pub license_limits: CallLimits,
    /// API keys in memory.
    pub api_keys: ApiKeys,
    /// Credentials of outside APIs.
    pub credentials: Credentials,
    /// Products' files, and who gets them.
    pub downloads: Downloads,
    /// The payment providers that are on, the preferred first.
    pub providers: Providers,
    /// What verifies and stores their events.
    pub webhooks: Intake,
    /// The provider that only pretends, if it is on.
    pub sandbox: Option<Sandbox>,
    /// The shop's rules.
    pub shop: Arc<Shop>,
    /// The support desk.
    pub support: Arc<support::Desk>,
    /// Who does the work.
    pub crew: Crew,
    /// When this process began.
    pub started_at: Time,
    /// Archives of people's data, and deletions.
    pub privacy: Privacy,
}

impl std::ops::Deref for App {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl From<Parts> for App {
    fn from(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }
}

impl Parts {
    /// Whether a capability may work.
    #[must_use]
    pub fn is_on(&self, switch: Switch) -> bool {
        self.flags.is_on(switch)
    }
}

/// The shop, as its operator set it up.
#[derive(Debug, Clone)]
pub struct Shop {
    /// What customers read in mails and on pages.
    pub name: String,
    /// How customers reach this server, without a slash at the end.
    pub public_url: String,
    /// The currency of prices where none is named.
    pub currency: Currency,
    /// What the operator decided about selling.
    pub policy: Policy,
    /// Who is told of what a person has to look at.
    pub operators: Vec<String>,
    /// How strict it is with operators.
    pub profile: Profile,
}

impl Shop {
    /// Whether customers reach it over TLS.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.public_url.starts_with("https://")
    }

    /// The site's origin (RFC 6454), as browsers write it: scheme, host and port, without a path.
    #[must_use]
    pub fn origin(&self) -> &str {
        let host = self.public_url.find("://").map_or(0, |at| at + 3);
        let end = self.public_url[host..].find('/').map_or(self.public_url.len(), |at| host + at);
        &self.public_url[..end]
    }

    /// Whether operators must sign in with a second factor before they may do anything.
    #[must_use]
    pub fn operators_need_second_factor(&self) -> bool {
        self.profile == Profile::Production
    }
}
