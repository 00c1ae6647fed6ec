//! `mintreu migrate`

use std::process::ExitCode;

use clap::Args;

use super::{Failure, Output, open, output::FOUND};
use crate::{config::Config, db::SchemaState};

#[derive(Debug, Args)]
pub(super) struct Migrate {
    /// Only tell whether migrations are to be run.
    #[arg(long)]
    check: bool,
}

impl Migrate {
    pub(super) async fn run(self, config: &Config, output: Output) -> Result<ExitCode, Failure> {
        if self.check {
            return check(config, output).await;
        }
        let db = open::database(config).await?;
        let run = db.migrate().await.map_err(Failure::failed)?;
        output.print(&serde_json::json!({ "migrated": run }), |_| match run.last() {
            None => "the schema was current".to_owned(),
            Some(newest) => format!("{} migrations run; the schema is at version {newest}", run.len()),
        })?;
        db.close().await;
        Ok(ExitCode::SUCCESS)
    }
}

async fn check(config: &Config, output: Output) -> Result<ExitCode, Failure> {
    // A look must not make the file it looks for.
    if config.database.url.sqlite_file().is_some_and(|file| !file.exists()) {
        output.print(&serde_json::json!({ "schema": "missing" }), |_| {
            "there is no database yet; run `mintreu migrate`".to_owned()
        })?;
        return Ok(ExitCode::from(FOUND));
    }
    let db = open::database(config).await?;
    let state = db.schema_state().await?;
    db.close().await;
    output.print(&state, open::describe)?;
    Ok(match state {
        SchemaState::Current { .. } => ExitCode::SUCCESS,
        _ => ExitCode::from(FOUND),
    })
}
