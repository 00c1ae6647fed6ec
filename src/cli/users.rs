//! `mintreu users`

use std::{io::Read, process::ExitCode, time::Duration};

use clap::Subcommand;
use serde_json::json;

use super::{Failure, Output, open, operator, output::table};
use crate::{
    accounts::{self, Account, AccountChange, AccountFilter, By, Email, Name, NewAccount, NewPassword, Role},
    config::Config,
    db::{Db, DbError},
    kernel::{PageFrom, PageRequest, Sort, Sorted},
    privacy::{self, RequestedBy, Scheduling, SchedulingError},
};

#[derive(Debug, Subcommand)]
pub(super) enum Users {
    /// Make an account whose address counts as confirmed: the first operator's, for example.
    #[command(after_help = "Example:
  mintreu users create --email ada@example.com --name Ada --role admin --password-stdin < password.txt")]
    Create {
        /// The address to sign in with.
        #[arg(long)]
        email: Email,
        /// What its owner is called; what stands before the @ if left out.
        #[arg(long)]
        name: Option<Name>,
        /// customer, developer, affiliate or admin.
        #[arg(long, default_value = "customer")]
        role: Role,
        /// Read the password from the standard input, up to the end of its first line.
        #[arg(long, required = true)]
        password_stdin: bool,
    },
    /// List accounts, the newest first.
    #[command(after_help = "Examples:\n  mintreu users list\n  mintreu users list --role admin --json")]
    List {
        /// Only those whose address contains this.
        #[arg(long)]
        email: Option<String>,
        /// Only those in this role.
        #[arg(long)]
        role: Option<Role>,
        /// How many at most.
        #[arg(long, default_value = "50")]
        limit: u16,
    },
    /// Give an account another role.
    #[command(after_help = "Example:\n  mintreu users set-role ada@example.com admin --reason \"runs the shop\"")]
    SetRole {
        /// Its address.
        email: Email,
        /// customer, developer, affiliate or admin.
        role: Role,
        /// Why; it is kept in the audit trail.
        #[arg(long)]
        reason: String,
    },
    /// Let nobody sign in to an account, and end its sessions.
    #[command(after_help = "Example:\n  mintreu users disable eve@example.com --reason \"stolen cards\"")]
    Disable {
        /// Its address.
        email: Email,
        /// Why; it is kept in the audit trail.
        #[arg(long)]
        reason: String,
    },
    /// Let a disabled account be used again.
    #[command(after_help = "Example:\n  mintreu users enable eve@example.com --reason \"it was a mistake\"")]
    Enable {
        /// Its address.
        email: Email,
        /// Why; it is kept in the audit trail.
        #[arg(long)]
        reason: String,
    },
    /// Have an archive written of all that is kept about somebody; a mail tells them where it is.
    #[command(after_help = "Example:\n  mintreu users export ada@example.com --reason \"letter 2026-17\"")]
    Export {
        /// The account's address.
        email: Email,
        /// Why; it is kept in the audit trail.
        #[arg(long)]
        reason: String,
    },
    /// Have an account deleted, and its person forgotten.
    #[command(after_help = "Example:\n  mintreu users delete ada@example.com --reason \"letter 2026-17\"")]
    Delete {
        /// Its address.
        email: Email,
        /// Why; it is kept in the audit trail, which forgets nothing: name a file rather than a person.
        #[arg(long)]
        reason: String,
        /// Without the time in which it can be cancelled.
        #[arg(long)]
        at_once: bool,
    },
    /// Take the second factor from an account whose owner lost it.
    #[command(after_help = "Example:\n  mintreu users reset-totp ada@example.com --reason \"lost her telephone\"")]
    ResetTotp {
        /// Its address.
        email: Email,
        /// Why; it is kept in the audit trail.
        #[arg(long)]
        reason: String,
    },
}

impl Users {
    pub(super) async fn run(self, config: &Config, output: Output) -> Result<ExitCode, Failure> {
        let db = open::current_database(config).await?;
        match self {
            Self::Create { email, name, role, password_stdin: _ } => {
                create(config, &db, (email, name, role), output).await?;
            }
            Self::List { email, role, limit } => {
                let filter = AccountFilter { email, role, ..AccountFilter::default() };
                list(&db, filter, limit, output).await?;
            }
            Self::SetRole { email, role, reason } => {
                let change = AccountChange { role: Some(role), disabled: None };
                change_account(&db, &email, change, &reason, output).await?;
            }
            Self::Disable { email, reason } => {
                let change = AccountChange { role: None, disabled: Some(true) };
                change_account(&db, &email, change, &reason, output).await?;
            }
            Self::Enable { email, reason } => {
                let change = AccountChange { role: None, disabled: Some(false) };
                change_account(&db, &email, change, &reason, output).await?;
            }
            Self::Export { email, reason } => export(&db, &email, &reason, output).await?,
            Self::Delete { email, reason, at_once } => {
                let grace = if at_once { Duration::ZERO } else { config.privacy.deletion_grace };
                delete(&db, &email, (&reason, grace), output).await?;
            }
            Self::ResetTotp { email, reason } => reset_second_factor(&db, &email, &reason, output).await?,
        }
        db.close().await;
        Ok(ExitCode::SUCCESS)
    }
}

fn by() -> By {
    By::actor(operator())
}

/// A reason that tells something.
fn reason(text: &str) -> Result<&str, Failure> {
    let text = text.trim();
    if text.is_empty() || text.contains('\0') {
        return Err(Failure::usage("--reason is empty; it is kept in the audit trail, so say why"));
    }
    Ok(text)
}

async fn create(
    config: &Config,
    db: &Db,
    (email, name, role): (Email, Option<Name>, Role),
    output: Output,
) -> Result<(), Failure> {
    let password = NewPassword::choose(password_from_stdin()?, &email)
        .map_err(|error| Failure::usage(format!("the password on the standard input: {error}")))?;
    let name = match name {
        Some(name) => name,
        None => email.local_part().parse().map_err(Failure::usage)?,
    };
    let passwords = open::passwords(&open::keyring(config)?);
    let new = NewAccount { name, email: email.clone(), password, role };
    accounts::create_account(db, &passwords, new, &by())
        .await
        .map_err(|error| Failure::failed(format!("{email}: {error}")))?;
    show(&find(db, &email).await?, "is made", output)
}

/// The first line of the standard input, which is not longer than any password.
fn password_from_stdin() -> Result<String, Failure> {
    const ENOUGH: u64 = 8 * 1024;
    let mut text = String::new();
    let read = std::io::stdin().lock().take(ENOUGH).read_to_string(&mut text);
    read.map_err(|error| Failure::usage(format!("the standard input holds no password: {error}")))?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

async fn find(db: &Db, email: &Email) -> Result<Account, Failure> {
    let missing =
        || Failure::failed(format!("there is no account of {email}; `mintreu users list` names those there are"));
    accounts::find_any_account_by_email(db, email).await?.ok_or_else(missing)
}

fn show(account: &Account, done: &str, output: Output) -> Result<(), Failure> {
    output.print(account, |account| format!("{} ({}, {}) {done}", account.email, account.role, account.id))
}

async fn change_account(
    db: &Db,
    email: &Email,
    change: AccountChange,
    why: &str,
    output: Output,
) -> Result<(), Failure> {
    let (account, why) = (find(db, email).await?, reason(why)?);
    accounts::change_account(db, (account.id, None), change, &by(), why).await.map_err(Failure::failed)?;
    let account = find(db, email).await?;
    let state = if account.disabled_at.is_some() { "is disabled" } else { "is enabled" };
    show(&account, state, output)
}

async fn reset_second_factor(db: &Db, email: &Email, why: &str, output: Output) -> Result<(), Failure> {
    let (account, why) = (find(db, email).await?, reason(why)?);
    let had = db
        .write(async |tx| accounts::reset_second_factor(tx, account.id, &by(), why).await)
        .await
        .map_err(|error: DbError| Failure::failed(error))?;
    let done = if had { "signs in without a second factor now" } else { "had no second factor" };
    show(&find(db, email).await?, done, output)
}

async fn export(db: &Db, email: &Email, why: &str, output: Output) -> Result<(), Failure> {
    let (account, why) = (find(db, email).await?, reason(why)?);
    let by = (&by(), RequestedBy::Operator);
    let export = db
        .write(async |tx| privacy::request_export(tx, account.id, by, Some(why)).await)
        .await
        .map_err(|error| Failure::failed(format!("{email}: {error}")))?;
    output.print(&export, |export| format!("{}: a running server writes the archive and mails {email}", export.id))
}

async fn delete(db: &Db, email: &Email, (why, grace): (&str, Duration), output: Output) -> Result<(), Failure> {
    let (account, why) = (find(db, email).await?, reason(why)?);
    let due_at = db.now() + grace;
    let wanted = Scheduling { user: account.id, requested_by: RequestedBy::Operator, due_at, reason: Some(why) };
    let deletion = db.write(async |tx| privacy::schedule_deletion(tx, wanted, &by()).await).await.map_err(told)?;
    output
        .print(&deletion, |deletion| format!("{email} will be deleted by a running server from {} on", deletion.due_at))
}

fn told(error: SchedulingError) -> Failure {
    match error {
        SchedulingError::Blocked(blockers) => {
            let names: Vec<_> = blockers.iter().map(|blocker| blocker.as_str()).collect();
            Failure::failed(format!("the account cannot be deleted yet: {}", names.join(", ")))
        }
        error => Failure::failed(error),
    }
}

async fn list(db: &Db, filter: AccountFilter, limit: u16, output: Output) -> Result<(), Failure> {
    let filter = AccountFilter { email: filter.email.map(|email| email.to_lowercase()), ..filter };
    let request = PageRequest { limit: i64::from(limit.max(1)), from: PageFrom::Start };
    let page = Sorted::of(Sort::default(), request).map_err(Failure::failed)?;
    let page = accounts::all_accounts(db, &filter, &page).await?;
    output.print(&json!({ "data": page.data, "has_more": page.has_more }), |_| {
        let rows: Vec<_> = page.data.iter().map(row).collect();
        table(&["EMAIL", "NAME", "ROLE", "STATE", "2ND FACTOR", "ID"], &rows)
    })
}

fn row(account: &Account) -> Vec<String> {
    let state = match (account.disabled_at, account.email_verified_at) {
        (Some(_), _) => "disabled",
        (None, None) => "unconfirmed",
        (None, Some(_)) => "active",
    };
    vec![
        account.email.to_string(),
        account.name.clone(),
        account.role.to_string(),
        state.to_owned(),
        if account.second_factor { "yes" } else { "no" }.to_owned(),
        account.id.to_string(),
    ]
}
