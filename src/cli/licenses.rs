//! `mintreu licenses`

use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::{Failure, Output, open, operator};
use crate::{
    config::Config,
    db::Db,
    kernel::{PageFrom, PageRequest},
    licenses::{self, Change, KeyMaker, LicenseFilter, LicenseView, Step},
};

#[derive(Debug, Subcommand)]
pub(super) enum Licenses {
    /// Show a licence, found by its id or its key.
    #[command(after_help = "Examples:\n  mintreu licenses show lic_01h…\n  mintreu licenses show MINTREU-REG-… --json")]
    Show {
        /// Its id or its key.
        license: String,
    },
    /// Stop a licence until it is resumed.
    #[command(after_help = "Example:\n  mintreu licenses suspend lic_01h… --reason \"shared in a forum\"")]
    Suspend(Which),
    /// Let a suspended licence go on.
    #[command(after_help = "Example:\n  mintreu licenses resume lic_01h… --reason \"the owner explained\"")]
    Resume(Which),
    /// Take a licence back for good.
    #[command(after_help = "Example:\n  mintreu licenses revoke lic_01h… --reason \"bought with a stolen card\"")]
    Revoke(Which),
}

#[derive(Debug, Args)]
pub(super) struct Which {
    /// Its id or its key.
    license: String,
    /// Why; it is kept in the audit trail and shown to the owner.
    #[arg(long)]
    reason: String,
}

impl Licenses {
    pub(super) async fn run(self, config: &Config, output: Output) -> Result<ExitCode, Failure> {
        let db = open::current_database(config).await?;
        let keys = KeyMaker::new(&open::keyring(config)?);
        let license = match self {
            Self::Show { license } => find(&db, &keys, &license).await?,
            Self::Suspend(which) => take(&db, &keys, which, Step::Suspend).await?,
            Self::Resume(which) => take(&db, &keys, which, Step::Resume).await?,
            Self::Revoke(which) => take(&db, &keys, which, Step::Revoke).await?,
        };
        output.print(&license, text)?;
        db.close().await;
        Ok(ExitCode::SUCCESS)
    }
}

/// The licence that an id or a key names.
async fn find(db: &Db, keys: &KeyMaker, named: &str) -> Result<LicenseView, Failure> {
    let found = if let Ok(id) = named.parse() {
        licenses::find_any(db, id).await?
    } else {
        let key = keys.recognise(named).map_err(|error| {
            Failure::usage(format!(
                "the argument is neither a licence's id (lic_…) nor a key of this installation: {error}"
            ))
        })?;
        let filter = LicenseFilter { key: Some(key), ..LicenseFilter::default() };
        let page = PageRequest { limit: 1, from: PageFrom::Start };
        licenses::list_any(db, &filter, page).await?.data.into_iter().next()
    };
    found.ok_or_else(|| Failure::failed("there is no such licence"))
}

async fn take(db: &Db, keys: &KeyMaker, which: Which, step: Step) -> Result<LicenseView, Failure> {
    let Which { license, reason } = which;
    if reason.trim().is_empty() {
        return Err(Failure::usage("--reason is empty: say why, for the audit trail"));
    }
    let id = find(db, keys, &license).await?.id;
    let change = Change::by(operator()).because(reason);
    db.write(async |tx| licenses::take_step(tx, id, step, &change).await.map(|_| ())).await.map_err(Failure::failed)?;
    licenses::find_any(db, id).await?.ok_or_else(|| Failure::failed("there is no such licence"))
}

fn text(license: &LicenseView) -> String {
    let limit = |limit: Option<i64>| limit.map_or_else(|| "no limit".to_owned(), |limit| limit.to_string());
    let some = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
    let rules = |rules: &[String]| if rules.is_empty() { "anywhere".to_owned() } else { rules.join(", ") };
    [
        ("licence", license.id.to_string()),
        ("key", format!("…{}", license.key_hint)),
        ("status", license.status.to_string()),
        ("reason", some(license.reason.clone())),
        ("type", license.license_type.to_string()),
        ("product", format!("{} ({})", license.product.title, license.product.id)),
        ("plan", format!("{} ({})", license.plan.name, license.plan.id)),
        ("order", license.order.to_string()),
        ("tenant", some(license.tenant.map(|tenant| tenant.to_string()))),
        ("activations", format!("{} of {}", license.activations.count, limit(license.activations.limit))),
        ("uses", format!("{} of {}", license.usage.count, limit(license.usage.limit))),
        ("domains", rules(&license.domains)),
        ("addresses", rules(&license.ips)),
        ("expires", license.expires_at.map_or_else(|| "never".to_owned(), |time| time.to_string())),
        ("issued", license.created_at.to_string()),
    ]
    .map(|(name, value)| format!("{name:<12} {value}"))
    .join("\n")
}
