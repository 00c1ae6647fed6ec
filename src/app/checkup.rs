//! What is wrong in the database of an installation, and the mend: for `mintreu doctor` and for operators' pages.

use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    db::{Db, DbError},
    flags::{Registry, RegistryOptions},
    invoices,
    jobs::admin::{self, JobState},
    orders,
    payments::ledger,
};

/// How a finding weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "FindingWeight")]
pub enum Weight {
    /// As it should be.
    Fine,
    /// Worth knowing.
    Note,
    /// To be mended.
    Wrong,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Finding {
    /// How it weighs.
    pub weight: Weight,
    /// What was looked at.
    pub about: &'static str,
    /// What was found, and the mend.
    pub text: String,
}

impl Finding {
    /// It is as it should be.
    pub fn fine(about: &'static str, text: impl Into<String>) -> Self {
        Self { weight: Weight::Fine, about, text: text.into() }
    }
    /// It is worth knowing.
    pub fn note(about: &'static str, text: impl Into<String>) -> Self {
        Self { weight: Weight::Note, about, text: text.into() }
    }
    /// It is to be mended.
    pub fn wrong(about: &'static str, text: impl Into<String>) -> Self {
        Self { weight: Weight::Wrong, about, text: text.into() }
    }
}

/// So many of these, in words.
pub(crate) fn counted(number: impl Into<i128>, one: &str, many: &str) -> String {
    let number = number.into();
    format!("{number} {}", if number == 1 { one } else { many })
}

/// Looks at jobs, queues, switches, books, papers and orders. Reads all of the books and papers.
pub async fn checkup(db: &Db) -> Result<Vec<Finding>, DbError> {
    let mut findings = vec![dead_jobs(db).await?];
    for queue in admin::queues(db).await?.iter().filter(|queue| queue.paused) {
        let reason = queue.reason.as_deref().unwrap_or("no reason given");
        let text = format!("queue `{0}` is paused ({reason}); `mintreu jobs resume {0}`", queue.queue);
        findings.push(Finding::note("jobs", text));
    }
    let flags = Registry::load(db.clone(), RegistryOptions::default()).await?;
    for state in flags.switches().iter().filter(|state| state.killed) {
        let reason = state.reason.as_deref().unwrap_or("no reason given");
        let text = format!("`{0}` is stopped ({reason}); `mintreu flags restore {0} --reason …`", state.switch);
        findings.push(Finding::note("flags", text));
    }
    findings.push(books(db).await?);
    findings.extend(papers(db).await?);
    let waiting = orders::awaiting_attention(db).await?;
    if waiting > 0 {
        let need = counted(waiting, "order needs", "orders need");
        findings.push(Finding::note("orders", format!("{need} a person's eyes: GET /api/admin/orders?attention=true")));
    }
    Ok(findings)
}

async fn dead_jobs(db: &Db) -> Result<Finding, DbError> {
    let counts = admin::counts(db).await?;
    let dead = counts.iter().filter(|count| count.state == JobState::Discarded.as_str()).map(|count| count.jobs).sum();
    Ok(match dead {
        0_i64 => Finding::fine("jobs", "none is dead"),
        dead => Finding::wrong(
            "jobs",
            format!(
                "{} dead; see `mintreu jobs list --state dead`, mend the cause, then `mintreu jobs retry --state dead`",
                counted(dead, "is", "are")
            ),
        ),
    })
}

/// Proves that the ledger balances: every transaction, in every currency.
async fn books(db: &Db) -> Result<Finding, DbError> {
    let wrong = ledger::verify(db).await?;
    let Some(first) = wrong.first() else {
        let text = format!("{}, each balanced", counted(ledger::count(db).await?, "transaction", "transactions"));
        return Ok(Finding::fine("ledger", text));
    };
    let text = format!("{} {}: its rows were changed by hand; restore a backup", first.id, first.fault());
    Ok(Finding::wrong("ledger", text))
}

/// Proves that the invoices are whole, and are what the ledger says.
async fn papers(db: &Db) -> Result<Vec<Finding>, DbError> {
    let mut findings = Vec::new();
    let (papers, wrong) = invoices::prove(db).await?;
    if wrong.is_empty() {
        let text = format!("{}, without gaps and as the ledger says", counted(papers, "paper", "papers"));
        findings.push(Finding::fine("invoices", text));
    }
    findings.extend(wrong.iter().map(|finding| Finding::wrong("invoices", finding.to_string())));
    let due = invoices::waiting(db).await?;
    if due > 0 {
        let text = format!("{} due; a running server issues them within seconds", counted(due, "is", "are"));
        findings.push(Finding::note("invoices", text));
    }
    Ok(findings)
}
