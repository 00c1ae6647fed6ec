//! `mintreu doctor`: what is wrong with this installation, and the mend.

use std::process::ExitCode;

use super::{
    Failure, Output, open,
    output::{FOUND, counted},
};
use crate::{
    app::{Finding, Weight, checkup},
    audit,
    config::{Config, ConfigError, Profile},
    db::{Db, SchemaState},
    invoices, usage,
};

/// Looks at everything and tells; exit code 3 when something is to be mended.
pub(super) async fn run(loaded: Result<Config, ConfigError>, output: Output) -> Result<ExitCode, Failure> {
    let mut findings = Vec::new();
    match loaded {
        Ok(config) => examine(&config, &mut findings).await,
        Err(error) => {
            findings.extend(error.problems.iter().map(|problem| Finding::wrong("configuration", problem.to_string())));
        }
    }
    output.print(&findings, |findings| findings.iter().map(line).collect::<Vec<_>>().join("\n"))?;
    let wrong = findings.iter().any(|finding| finding.weight == Weight::Wrong);
    Ok(if wrong { ExitCode::from(FOUND) } else { ExitCode::SUCCESS })
}

fn line(finding: &Finding) -> String {
    let mark = match finding.weight {
        Weight::Fine => "ok   ",
        Weight::Note => "note ",
        Weight::Wrong => "WRONG",
    };
    format!("{mark}  {:<14} {}", finding.about, finding.text)
}

async fn examine(config: &Config, findings: &mut Vec<Finding>) {
    findings.push(match config.profile {
        Profile::Production => Finding::fine("configuration", "valid, profile production"),
        Profile::Development => Finding::note(
            "configuration",
            "valid, profile development: sandbox payments are on; set profile = \"production\" to sell",
        ),
    });
    findings.push(keys(config));
    findings.extend(journal(config));
    findings.extend(open::mailer(config).err().map(|failure| Finding::wrong("mail", failure.to_string())));
    match open_database(config, findings).await {
        Some(db) => {
            if let Err(error) = examine_database(config, &db, findings).await {
                findings.push(Finding::wrong("database", error));
            }
            db.close().await;
        }
        None => findings.push(Finding::note("database", "nothing in it was looked at")),
    }
}

/// The keys, without making any: a look changes nothing.
fn keys(config: &Config) -> Finding {
    if !config.secrets.key.is_empty() {
        return Finding::fine(
            "secrets",
            match config.secrets.key.len() {
                1 => "a key is configured".to_owned(),
                keys => format!("{keys} keys are configured, the first seals"),
            },
        );
    }
    if std::path::Path::new(crate::config::KEY_FILE).exists() {
        return match open::keyring(config) {
            Ok(_) => Finding::note("secrets", format!("{} is in use; back it up", crate::config::KEY_FILE)),
            Err(failure) => Finding::wrong("secrets", failure.to_string()),
        };
    }
    Finding::note("secrets", "no key yet; the first start makes one, or set MINTREU__SECRETS__KEY")
}

fn journal(config: &Config) -> Vec<Finding> {
    let directory = &config.usage.journal_dir;
    if !directory.exists() {
        return vec![Finding::note("usage", format!("no journal at {} yet", directory.display()))];
    }
    match usage::inspect(directory) {
        Ok(journals) => {
            let records: u64 = journals.iter().map(|journal| journal.records).sum();
            let files = match journals.len() {
                1 => "the journal".to_owned(),
                many => format!("{many} journals"),
            };
            vec![Finding::fine(
                "usage",
                format!("{} in {} of {}", counted(records, "record", "records"), files, directory.display()),
            )]
        }
        Err(error) => vec![Finding::wrong("usage", error.to_string())],
    }
}

async fn open_database(config: &Config, findings: &mut Vec<Finding>) -> Option<Db> {
    if let Some(file) = config.database.url.sqlite_file()
        && !file.exists()
    {
        findings.push(Finding::wrong(
            "database",
            format!("there is none at {}; `mintreu migrate` makes it, or mend database.url", file.display()),
        ));
        return None;
    }
    match open::database(config).await {
        Ok(db) => Some(db),
        Err(failure) => {
            findings.push(Finding::wrong("database", failure.to_string()));
            None
        }
    }
}

async fn examine_database(config: &Config, db: &Db, findings: &mut Vec<Finding>) -> Result<(), String> {
    let told = |error: crate::db::DbError| error.to_string();
    let state = db.schema_state().await.map_err(told)?;
    let text = open::describe(&state);
    if !matches!(state, SchemaState::Current { .. }) {
        findings.push(Finding::wrong("schema", text));
        return Ok(());
    }
    findings.push(Finding::fine("schema", text));
    findings.push(match db.check_integrity().await.map_err(told)? {
        None => Finding::fine("database", format!("{} is whole", config.database.url)),
        Some(damage) => Finding::wrong("database", format!("damaged: {damage}; restore a backup")),
    });
    findings.push(trail(config, db).await);
    findings.extend(checkup(db).await.map_err(told)?);
    findings.extend(seller(config, db).await.map_err(told)?);
    Ok(())
}

/// Whether papers say where the seller is.
async fn seller(config: &Config, db: &Db) -> Result<Option<Finding>, crate::db::DbError> {
    if !config.seller.address.is_empty() && config.seller.country.is_some() {
        return Ok(None);
    }
    let text = "invoices do not say where the seller is; set seller.address and seller.country";
    Ok(invoices::any(db).await?.then(|| Finding::note("invoices", text)))
}

async fn trail(config: &Config, db: &Db) -> Finding {
    let keys = match open::keyring(config) {
        Ok(keys) => keys,
        Err(failure) => return Finding::wrong("audit", failure.to_string()),
    };
    match audit::verify(db, &keys, None).await {
        Ok(report) => match &report.problem {
            None => Finding::fine(
                "audit",
                format!(
                    "{} whole, {} not sealed yet",
                    counted(report.verified, "entry is", "entries are"),
                    report.unsealed
                ),
            ),
            Some(problem) => Finding::wrong("audit", problem.to_string()),
        },
        Err(error) => Finding::wrong("audit", error.to_string()),
    }
}
