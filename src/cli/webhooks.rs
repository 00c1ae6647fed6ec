//! `mintreu webhooks`

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::json;

use super::{Failure, Output, open, operator, output::table};
use crate::{
    config::Config,
    db::Db,
    kernel::{PageFrom, PageRequest},
    payments::{self, InboxFilter, InboxView, ProviderName, ReplayError, WebhookId},
};

#[derive(Debug, Subcommand)]
pub(super) enum Webhooks {
    /// List what payment providers sent, newest first.
    #[command(
        after_help = "Examples:\n  mintreu webhooks list --unhandled\n  mintreu webhooks list --provider stripe --outcome rejected --json"
    )]
    List {
        #[command(flatten)]
        which: Which,
        /// How many at most.
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(i64).range(1..=1000))]
        limit: i64,
        /// Only those before this one: the last of the previous page.
        #[arg(long, value_name = "WEBHOOK")]
        before: Option<WebhookId>,
    },
    /// Show one event with its body, as JSON.
    #[command(after_help = "Example:\n  mintreu webhooks show whk_01h…")]
    Show {
        /// Which one.
        webhook: WebhookId,
    },
    /// Have an event handled again, whatever became of it; its effects happen once all the same.
    #[command(after_help = "Example:\n  mintreu webhooks replay whk_01h…")]
    Replay {
        /// Which one.
        webhook: WebhookId,
    },
}

/// Which events.
#[derive(Debug, Args)]
pub(super) struct Which {
    /// Sent by this provider: stripe, paypal or sandbox.
    #[arg(long)]
    provider: Option<ProviderName>,
    /// Of this type, e.g. checkout.session.completed.
    #[arg(long = "type", value_name = "TYPE")]
    event_type: Option<String>,
    /// With this outcome, e.g. rejected.
    #[arg(long)]
    outcome: Option<String>,
    /// Only those that nobody has handled yet.
    #[arg(long, conflicts_with = "outcome")]
    unhandled: bool,
}

impl Webhooks {
    pub(super) async fn run(self, config: &Config, output: Output) -> Result<ExitCode, Failure> {
        let db = open::current_database(config).await?;
        match self {
            Self::List { which, limit, before } => list(&db, which, limit, before, output).await?,
            Self::Show { webhook } => show(&db, webhook).await?,
            Self::Replay { webhook } => replay(&db, webhook, output).await?,
        }
        db.close().await;
        Ok(ExitCode::SUCCESS)
    }
}

async fn list(db: &Db, which: Which, limit: i64, before: Option<WebhookId>, output: Output) -> Result<(), Failure> {
    let Which { provider, event_type, outcome, unhandled } = which;
    let provider = provider.map(|name| name.to_string());
    let filter = InboxFilter { provider, event_type, outcome, unhandled, ..InboxFilter::default() };
    let request = PageRequest { limit, from: before.map_or(PageFrom::Start, PageFrom::After) };
    let page = payments::list(db, &filter, &request).await?;
    output.print(&page.data, |events| {
        if events.is_empty() {
            return "no events".to_owned();
        }
        let head = ["WEBHOOK", "RECEIVED", "PROVIDER", "TYPE", "OUTCOME"];
        table(&head, &events.iter().map(row).collect::<Vec<_>>())
    })
}

fn row(event: &InboxView) -> Vec<String> {
    let outcome = event.outcome.clone().unwrap_or_else(|| "waits".to_owned());
    vec![event.id.to_string(), event.received_at.to_string(), event.provider.clone(), event.event_type.clone(), outcome]
}

async fn show(db: &Db, id: WebhookId) -> Result<(), Failure> {
    let event = payments::show(db, id).await?.ok_or_else(|| Failure::failed(format!("there is no event {id}")))?;
    Output::line(&serde_json::to_string_pretty(&event).map_err(Failure::failed)?)
}

async fn replay(db: &Db, id: WebhookId, output: Output) -> Result<(), Failure> {
    db.write(async |tx| payments::replay(tx, id, operator()).await).await.map_err(|error| match error {
        ReplayError::Unknown => Failure::failed(format!("there is no event {id}")),
        ReplayError::Db(error) => error.into(),
    })?;
    output.print(&json!({ "replayed": id }), |_| format!("{id} is handled again"))
}
