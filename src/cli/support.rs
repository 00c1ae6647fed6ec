//! `mintreu support`

use std::{
    io::{self, Read},
    process::ExitCode,
};

use clap::Subcommand;
use serde_json::json;

use super::{Failure, Output, open};
use crate::{
    config::{Config, ConfigError},
    support::{self, DeliverError, Delivered},
};

/// What mail servers take for "try again later" and "do not": sysexits(3).
const TEMPORARY: u8 = 75;
const REFUSED: u8 = 65;

#[derive(Debug, Subcommand)]
pub(super) enum Support {
    /// Take in a mail from the standard input; the running server handles it. For a mail server's pipe.
    #[command(after_help = "Examples:
  mintreu support receive < mail.eml
  # Postfix, in master.cf; mails to support+TOKEN@HOST go through it:
  # mintreu unix - n n - - pipe user=mintreu directory=/srv/mintreu argv=/usr/bin/mintreu support receive

Exit codes: 0 it is kept, 65 it is refused for good, 75 it could not be kept now: try again later.")]
    Receive,
}

impl Support {
    /// A mail is not sent back because of a configuration that is broken for the moment.
    pub(super) async fn run(self, loaded: Result<Config, ConfigError>, output: Output) -> Result<ExitCode, Failure> {
        match self {
            Self::Receive => receive(&loaded.map_err(later)?, output).await,
        }
    }
}

fn later(error: impl Into<Failure>) -> Failure {
    error.into().ending_with(TEMPORARY)
}

async fn receive(config: &Config, output: Output) -> Result<ExitCode, Failure> {
    let limit = config.support.inbound_size.0;
    let mut raw = Vec::new();
    let room = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    let unreadable = |error| later(Failure::failed(format!("the mail cannot be read: {error}")));
    io::stdin().lock().take(room).read_to_end(&mut raw).map_err(unreadable)?;
    if raw.len() > limit {
        let what = format!("the mail is larger than support.inbound_size allows ({limit} bytes)");
        return Err(Failure::failed(what).ending_with(REFUSED));
    }
    let desk = open::support_desk(config);
    let db = open::current_database(config).await.map_err(later)?;
    let delivered = support::deliver(&db, &desk.files, raw.into()).await;
    db.close().await;
    let (id, duplicate) = match delivered {
        Ok(Delivered::Kept(id)) => (id, false),
        Ok(Delivered::Again(id)) => (id, true),
        Err(error @ DeliverError::Empty) => return Err(Failure::failed(error).ending_with(REFUSED)),
        Err(error @ (DeliverError::Storage(_) | DeliverError::Db(_))) => return Err(later(Failure::failed(error))),
    };
    output.print(&json!({ "id": id, "duplicate": duplicate }), |_| {
        if duplicate { format!("{id} had come before") } else { format!("{id} is kept") }
    })?;
    Ok(ExitCode::SUCCESS)
}
