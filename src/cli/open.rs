//! Opening what commands work with.

use std::{path::Path, sync::Arc, time::Duration};

use super::Failure;
use crate::{
    accounts::Passwords,
    config::{Config, ConfigError, KEY_FILE, MailKind, Profile, Sources, StorageKind},
    db::{Db, DbError, DbOptions, GroupLimits, OpenError, SchemaState},
    kernel::{IdSource, SystemClock, hook::HookSecret, seal::Keyring},
    notifications::{MailTo, Mailer},
    privacy::{self, Privacy},
    storage::{LocalStorage, S3Options, S3Storage, Storage, Stores},
    support::{Desk, Policy, Targets},
};

/// The configuration of this process.
pub(super) fn configuration(file: Option<&Path>) -> Result<Config, ConfigError> {
    Config::load(&Sources::gather(file, std::env::vars_os())?)
}

/// How the configuration says that the database is opened.
pub(super) fn options(config: &Config) -> DbOptions {
    let database = &config.database;
    DbOptions {
        max_connections: database.max_connections,
        read_connections: database.read_connections,
        group: GroupLimits { members: database.group_max, age: database.group_age },
        patience: database.patience,
        ..DbOptions::new(database.url.expose())
    }
}

/// The database as it is.
pub(super) async fn database(config: &Config) -> Result<Db, Failure> {
    open(&options(config)).await
}

async fn open(options: &DbOptions) -> Result<Db, Failure> {
    Db::open(options, IdSource::new(Arc::new(SystemClock))).await.map_err(|error| {
        let mend = mend(&error);
        Failure::failed(format!("{error}{mend}"))
    })
}

/// What to do about a database that does not open, where the error does not say.
fn mend(error: &OpenError) -> &'static str {
    let OpenError::Connect { url, error } = error else { return "" };
    match (url.starts_with("sqlite:"), error) {
        (true, DbError::Full(_)) => "; make room on its disk",
        // SQLite says no more than this when a file of its own finds no room.
        (true, _) if error.to_string().contains("disk I/O error") => {
            "; the disk is full or fails: make room on it, or name a file on another"
        }
        (true, DbError::Busy(_)) => "; another program holds it locked: end that program, or wait for it",
        (true, _) if error.to_string().contains("not a database") => {
            "; the file is left as it was: name another in database.url, or restore a backup over it"
        }
        (true, _) => "; name a file that this user can read and write, in a directory where it can make files",
        (false, DbError::Unavailable(_)) => "; start PostgreSQL there and let this machine reach it, or mend the URL",
        (false, _) => "; mend the user, password, host or database name in the URL, or create what it names",
    }
}

/// A server under load gives up SQLite's write lock for moments only: a command has more time to catch one than a
/// request.
const COMMAND_PATIENCE: Duration = Duration::from_secs(30);

/// A database that exists and whose schema is this program's: what commands other than `serve` and `migrate` need.
pub(super) async fn current_database(config: &Config) -> Result<Db, Failure> {
    if let Some(file) = config.database.url.sqlite_file()
        && !file.exists()
    {
        return Err(Failure::failed(format!(
            "there is no database at {}; `mintreu migrate` makes it, or mend database.url",
            file.display()
        )));
    }
    let mut options = options(config);
    if options.sqlite_file().is_some() {
        options.patience = options.patience.max(COMMAND_PATIENCE);
    }
    let db = open(&options).await?;
    match db.schema_state().await? {
        SchemaState::Current { .. } => Ok(db),
        state => Err(Failure::failed(describe(&state))),
    }
}

fn counted_migrations(count: usize) -> String {
    if count == 1 { "1 migration is".to_owned() } else { format!("{count} migrations are") }
}

/// A schema's state in a line, with the mend.
pub(super) fn describe(state: &SchemaState) -> String {
    match state {
        SchemaState::Current { version } => format!("the schema is current (version {version})"),
        SchemaState::Pending { versions } => {
            format!("{} to be run; run `mintreu migrate`", counted_migrations(versions.len()))
        }
        SchemaState::Newer { version } => {
            format!("the database is at version {version}, newer than this program knows; start the newer program")
        }
        SchemaState::Altered { version } => {
            format!("migration {version} in the database differs from this program's; restore the program that ran it")
        }
    }
}

/// The keys that seal.
pub(super) fn keyring(config: &Config) -> Result<Keyring, Failure> {
    config.keyring(Path::new(KEY_FILE)).map_err(Failure::failed)
}

/// What hashes and checks passwords.
pub(super) fn passwords(keys: &Keyring) -> Passwords {
    Passwords::new(keys.random().clone())
}

/// What sends mail.
pub(super) fn mailer(config: &Config) -> Result<Mailer, Failure> {
    let mail = &config.mail;
    let to = match (mail.kind, &mail.smtp.url) {
        (MailKind::Smtp, Some(url)) => MailTo::Server {
            url: url.expose().to_owned(),
            authorities: authorities(&mail.smtp.ca_file)?,
            timeout: mail.smtp.timeout,
        },
        (MailKind::Smtp, None) => return Err(Failure::usage("mail.smtp.url is empty")),
        (MailKind::File, _) => {
            if config.profile == Profile::Production {
                tracing::warn!(
                    path = %mail.file.path.display(),
                    "mail.kind is \"file\": nobody gets the mails; set it to \"smtp\""
                );
            }
            MailTo::Directory(mail.file.path.clone())
        }
    };
    Mailer::new(mail.smtp.from.as_str(), to).map_err(Failure::usage)
}

/// The certificates in a file, if one is named.
fn authorities(file: &Path) -> Result<Option<String>, Failure> {
    if file.as_os_str().is_empty() {
        return Ok(None);
    }
    let told = |error| Failure::usage(format!("mail.smtp.ca_file: cannot read {}: {error}", file.display()));
    std::fs::read_to_string(file).map_err(told).map(Some)
}

/// Where files are.
pub(in crate::cli) fn stores(config: &Config) -> Stores {
    let (storage, s3) = (&config.storage, &config.storage.s3);
    let bucket = (!s3.bucket.is_empty()).then(|| {
        let bucket = S3Storage::new(S3Options {
            bucket: s3.bucket.clone(),
            region: s3.region.clone(),
            endpoint: Some(s3.endpoint.clone()).filter(|endpoint| !endpoint.is_empty()),
            access_key: s3.access_key.clone(),
            secret_key: s3.secret_key.clone(),
            path_style: s3.path_style,
            patience: config.downloads.timeout,
        });
        Arc::new(bucket) as Arc<dyn Storage>
    });
    Stores {
        local: Arc::new(LocalStorage::new(&storage.local.path)),
        s3: bucket,
        prefers_s3: storage.kind == StorageKind::S3,
    }
}

/// What verifies reports about mails.
pub(super) fn report_secrets(config: &Config) -> Result<Vec<HookSecret>, Failure> {
    let given = config.mail.report_secret.iter().filter(|secret| !secret.expose().is_empty());
    let read = |error| Failure::usage(format!("mail.report_secret: {error}"));
    given.map(|secret| secret.expose().parse().map_err(read)).collect()
}

/// The support desk.
pub(super) fn support_desk(config: &Config) -> Desk {
    let section = &config.support;
    let each = |of: &crate::config::SupportTargets| [of.low, of.normal, of.high, of.urgent];
    let contact = if section.contact.is_empty() { &section.mail_address } else { &section.contact };
    Desk {
        policy: Policy {
            targets: Targets { first_response: each(&section.first_response), resolution: each(&section.resolution) },
            close_after: section.close_after,
            tickets_per_hour: section.tickets_per_hour,
            attachment_size: section.attachment_size.0,
            attachments_per_message: section.attachments_per_message,
            mail_address: section.mail_address.clone(),
            contact: contact.clone(),
            inbound_secret: section.inbound_secret.iter().filter(|it| !it.expose().is_empty()).cloned().collect(),
            inbound_size: section.inbound_size.0,
        },
        files: stores(config),
    }
}

/// What archives and deletions need.
pub(super) fn privacy(config: &Config, db: &Db, keys: &Keyring) -> Result<Privacy, Failure> {
    let policy =
        privacy::Policy { export_ttl: config.privacy.export_ttl, deletion_grace: config.privacy.deletion_grace };
    let (files, mailer) = (stores(config), mailer(config)?);
    Ok(Privacy { db: db.clone(), keys: keys.clone(), files, mailer, policy })
}
