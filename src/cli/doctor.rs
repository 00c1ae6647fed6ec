//! `mintreu doctor`: what is wrong with this installation, and the mend.

use std::process::ExitCode;

use serde::Serialize;

use super::{
    Failure, Output, open,
    output::{FOUND, counted},
};
use crate::{
    audit,
    config::{Config, ConfigError, Profile},
    db::{Db, SchemaState},
    flags::{Registry, RegistryOptions},
    invoices,
    jobs::admin::{self, JobState},
    orders,
    payments::ledger,
    usage,
};

/// How a finding weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Weight {
    /// As it should be.
    Fine,
    /// Worth knowing.
    Note,
    /// To be mended.
    Wrong,
}

/// One thing that was looked at.
#[derive(Debug, Serialize)]
struct Finding {
    weight: Weight,
    about: &'static str,
    text: String,
}

impl Finding {
    fn fine(about: &'static str, text: impl Into<String>) -> Self {
        Self { weight: Weight::Fine, about, text: text.into() }
    }
    fn note(about: &'static str, text: impl Into<String>) -> Self {
        Self { weight: Weight::Note, about, text: text.into() }
    }
    fn wrong(about: &'static str, text: impl Into<String>) -> Self {
        Self { weight: Weight::Wrong, about, text: text.into() }
    }
}

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
    dead_jobs(db, findings).await.map_err(told)?;
    for queue in admin::queues(db).await.map_err(told)?.iter().filter(|queue| queue.paused) {
        let reason = queue.reason.as_deref().unwrap_or("no reason given");
        let text = format!("queue `{0}` is paused ({reason}); `mintreu jobs resume {0}`", queue.queue);
        findings.push(Finding::note("jobs", text));
    }
    let flags = Registry::load(db.clone(), RegistryOptions::default()).await.map_err(told)?;
    for state in flags.switches().iter().filter(|state| state.killed) {
        let reason = state.reason.as_deref().unwrap_or("no reason given");
        let text = format!("`{0}` is stopped ({reason}); `mintreu flags restore {0} --reason …`", state.switch);
        findings.push(Finding::note("flags", text));
    }
    findings.push(trail(config, db).await);
    findings.push(books(db).await.map_err(told)?);
    papers(config, db, findings).await.map_err(told)?;
    let waiting = orders::awaiting_attention(db).await.map_err(told)?;
    if waiting > 0 {
        let text = format!("{} a person's eyes: GET /api/admin/orders?attention=true", counted_need(waiting));
        findings.push(Finding::note("orders", text));
    }
    Ok(())
}

fn counted_need(orders: i64) -> String {
    if orders == 1 { "1 order needs".to_owned() } else { format!("{orders} orders need") }
}

/// Proves that the ledger balances: every transaction, in every currency.
async fn books(db: &Db) -> Result<Finding, crate::db::DbError> {
    let wrong = ledger::verify(db).await?;
    let Some(first) = wrong.first() else {
        let transactions = u64::try_from(ledger::count(db).await?).unwrap_or(0);
        let text = format!("{}, each balanced", counted(transactions, "transaction", "transactions"));
        return Ok(Finding::fine("ledger", text));
    };
    let off = first.off.map_or_else(|| "has no entries".to_owned(), |off| format!("is off by {off}"));
    let text = format!("{} ({}) {off}: its rows were changed by hand; restore a backup", first.id, first.cause);
    Ok(Finding::wrong("ledger", text))
}

/// Proves that the invoices are whole, and are what the ledger says.
async fn papers(config: &Config, db: &Db, findings: &mut Vec<Finding>) -> Result<(), crate::db::DbError> {
    let (papers, wrong) = invoices::prove(db).await?;
    if wrong.is_empty() {
        let text = format!("{}, without gaps and as the ledger says", counted(papers, "paper", "papers"));
        findings.push(Finding::fine("invoices", text));
    }
    findings.extend(wrong.iter().map(|finding| Finding::wrong("invoices", finding.to_string())));
    let due = u64::try_from(invoices::waiting(db).await?).unwrap_or(0);
    if due > 0 {
        let text = format!("{} due; a running server issues them within seconds", counted(due, "is", "are"));
        findings.push(Finding::note("invoices", text));
    }
    if papers > 0 && (config.seller.address.is_empty() || config.seller.country.is_none()) {
        let text = "invoices do not say where the seller is; set seller.address and seller.country";
        findings.push(Finding::note("invoices", text));
    }
    Ok(())
}

async fn dead_jobs(db: &Db, findings: &mut Vec<Finding>) -> Result<(), crate::db::DbError> {
    let dead: i64 = admin::counts(db)
        .await?
        .iter()
        .filter(|count| count.state == JobState::Discarded.as_str())
        .map(|count| count.jobs)
        .sum();
    findings.push(match dead {
        0 => Finding::fine("jobs", "none is dead"),
        dead => Finding::wrong(
            "jobs",
            format!(
                "{} dead; see `mintreu jobs list --state dead`, mend the cause, then `mintreu jobs retry --state dead`",
                counted(dead, "is", "are")
            ),
        ),
    });
    Ok(())
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
