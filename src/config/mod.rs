//! The configuration: typed, complete, and refused as a whole when anything in it is wrong.
//!
//! Four layers, each over the one before: `config.toml` (built in), what the profile changes, a file, the environment.
//! Every value remembers where it was written, so that an error is one line that names the place, the key and the
//! mend. All errors are told at once.

mod check;
mod de;
mod key_file;
mod layers;
mod mail;
mod problem;
mod sections;
mod show;
mod urls;
mod values;

#[cfg(test)]
mod tests;

use std::{
    ffi::OsString,
    io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use self::layers::{Layers, Raw};
pub use self::{
    key_file::KeyFileError,
    mail::{Sender, SmtpUrl},
    problem::{ConfigError, Origin, Problem, env_name},
    sections::*,
    show::Setting,
    urls::{DatabaseUrl, PublicUrl, RedisUrl},
    values::{Bytes, LogFilter},
};
use crate::kernel::{
    SecretKey,
    seal::{Keyring, Random},
};

/// The built-in `config.toml`: every key, its default and what it means.
pub const DEFAULT: &str = include_str!("../../config.toml");

/// The file that is read from the working directory when `--config` names none.
pub const IMPLICIT_FILE: &str = "mintreu.toml";

/// Where development keeps the key that it makes for itself.
pub const KEY_FILE: &str = "var/secret.key";

/// Where configuration comes from. Nothing else is looked at, so equal sources make equal configurations.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// A file's path (for messages) and text.
    pub file: Option<(PathBuf, String)>,
    /// Environment variables; those that do not begin with `MINTREU_` are ignored.
    pub env: Vec<(String, String)>,
}

impl Sources {
    /// Reads the file that `--config` names, else `mintreu.toml` if there is one in the working directory, and takes
    /// the variables that are ours.
    ///
    /// A named file stands instead of the implicit one: who names a file gets that file and no other.
    pub fn gather(
        named: Option<&Path>,
        env: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Self, ConfigError> {
        let file = read_file(named, Path::new(IMPLICIT_FILE))?;
        let mut ours = Vec::new();
        for (name, value) in env {
            let Some(name) = name.to_str().filter(|name| name.starts_with("MINTREU_")) else { continue };
            let Ok(value) = value.into_string() else {
                let what = "is not UTF-8 text; set it anew".to_owned();
                return Err(Problem { origin: Origin::Env(name.to_owned()), key: String::new(), what }.into());
            };
            ours.push((name.to_owned(), value));
        }
        Ok(Self { file, env: ours })
    }
}

/// The file's path and text; none if it is the implicit one and there is none.
fn read_file(named: Option<&Path>, implicit: &Path) -> Result<Option<(PathBuf, String)>, Problem> {
    let path = named.unwrap_or(implicit);
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some((path.to_owned(), text))),
        Err(error) if error.kind() == io::ErrorKind::NotFound && named.is_none() => Ok(None),
        Err(error) => Err(unreadable(path, &error)),
    }
}

fn unreadable(path: &Path, error: &io::Error) -> Problem {
    let what = match error.kind() {
        io::ErrorKind::NotFound => "there is no such file; mend the path after --config".to_owned(),
        io::ErrorKind::InvalidData => "is not UTF-8 text; save it as UTF-8".to_owned(),
        io::ErrorKind::PermissionDenied => format!("cannot be read: {error}; make it readable for this user"),
        _ => format!("cannot be read: {error}"),
    };
    Problem { origin: Origin::File(path.into(), 1), key: String::new(), what }
}

/// The whole configuration. The fields are the sections of `config.toml`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// How strict the program is with itself.
    pub profile: Profile,
    /// The listener of the shop and its API.
    pub http: Http,
    /// How it sells.
    pub shop: Shop,
    /// Who sells, on invoices.
    pub seller: Seller,
    /// How orders are taxed.
    pub tax: Tax,
    /// Invoices and credit notes.
    pub invoices: Invoices,
    /// The metrics' listener.
    pub metrics: Metrics,
    /// Where the data is.
    pub database: Database,
    /// Shared state between replicas.
    pub redis: Redis,
    /// The queue.
    pub jobs: Jobs,
    /// Counting of calls.
    pub usage: Usage,
    /// The audit trail.
    pub audit: Audit,
    /// Feature flags and kill switches.
    pub flags: Flags,
    /// Validation of licences.
    pub licensing: Licensing,
    /// Where files are.
    pub storage: Storage,
    /// How buyers get them.
    pub downloads: Downloads,
    /// Keys of APIs.
    pub api_keys: ApiKeys,
    /// Credentials of outside APIs.
    pub credentials: Credentials,
    /// Logs.
    pub telemetry: Telemetry,
    /// Mail.
    pub mail: Mail,
    /// Payment providers.
    pub payments: Payments,
    /// The support desk.
    pub support: Support,
    /// What people can ask for under data protection law.
    pub privacy: Privacy,
    /// Keys.
    pub secrets: Secrets,
    /// The end of the process.
    pub shutdown: Shutdown,
    #[serde(skip)]
    layers: Option<Layers>,
}

impl Config {
    /// Reads and checks the configuration that `sources` make.
    pub fn load(sources: &Sources) -> Result<Self, ConfigError> {
        Self::load_over(DEFAULT, sources)
    }

    fn load_over(default: &str, sources: &Sources) -> Result<Self, ConfigError> {
        let mut problems = Vec::new();
        let mut layers = Layers::new(layers::parse_toml(default, |_| Origin::Default)?);
        let file = match &sources.file {
            Some((path, text)) => layers::parse_file(path, text)?,
            None => layers::Leaves::new(),
        };
        let env = layers::parse_env(&sources.env, &layers.keys(), &mut problems);
        let profile = chosen_profile([&env, &file]);
        layers.overlay(layers::parse_toml(profile.overrides(), |_| Origin::Profile(profile))?, &mut problems);
        layers.overlay(file, &mut problems);
        layers.overlay(env, &mut problems);
        let mut config = read_all(&mut layers, &mut problems)?;
        follow_listener(&mut config, &layers);
        for problem in check::check(&config, &layers) {
            // A value that was refused already was replaced by its default: that is not what was written.
            if !problems.iter().any(|known| known.key == problem.key) {
                problems.push(problem);
            }
        }
        if problems.is_empty() { Ok(Self { layers: Some(layers), ..config }) } else { Err(ConfigError { problems }) }
    }

    /// Where the value of `key`, such as `http.listen`, was written: for errors that show later, such as a busy port.
    #[must_use]
    pub fn origin(&self, key: &str) -> Origin {
        let leaf = self.layers.as_ref().and_then(|layers| layers.get(key));
        leaf.map_or(Origin::Default, |leaf| leaf.origin.clone())
    }

    /// The configured keys, the first of which seals.
    ///
    /// Development without any reads `file` ([`KEY_FILE`]), which is made the first time.
    pub fn keyring(&self, file: &Path) -> Result<Keyring, KeyFileError> {
        let made: Vec<SecretKey> =
            if self.secrets.key.is_empty() { vec![key_file::read_or_make(file)?] } else { Vec::new() };
        let keys = self.secrets.key.iter().chain(&made).map(SecretKey::bytes);
        Ok(Keyring::new(keys, Random::os())?)
    }
}

/// The profile decides a layer below the file and the environment that name it. A name that is none is told later.
fn chosen_profile(layers: [&layers::Leaves; 2]) -> Profile {
    let written = layers.iter().find_map(|layer| match &layer.get("profile")?.raw {
        Raw::Text(text) | Raw::Toml(toml::Value::String(text)) => Some(text.as_str()),
        Raw::Toml(_) => None,
    });
    if written == Some(Profile::Production.name()) { Profile::Production } else { Profile::Development }
}

/// A shop that is only told where to listen is reached there.
fn follow_listener(config: &mut Config, layers: &Layers) {
    let told = |key: &str| layers.get(key).is_some_and(|leaf| leaf.origin != Origin::Default);
    // Port 0 is whatever the system gives.
    if told("http.listen") && !told("http.public_url") && config.http.listen.port() != 0 {
        config.http.public_url = PublicUrl::of_listener(config.http.listen);
    }
}

/// Reads every section. A value of the wrong kind is told and replaced by its default, so that the next is told too.
fn read_all(layers: &mut Layers, problems: &mut Vec<Problem>) -> Result<Config, ConfigError> {
    loop {
        let (key, what) = match de::read(layers) {
            Ok(config) => return Ok(config),
            Err(error) => error,
        };
        let origin = layers.retreat(&key);
        let done = origin.is_none();
        problems.push(Problem { origin: origin.unwrap_or(Origin::Default), key, what });
        if done {
            return Err(ConfigError { problems: std::mem::take(problems) });
        }
    }
}
