//! `mintreu audit`

use std::{fs::File, io, path::PathBuf, process::ExitCode};

use clap::{Args, Subcommand};

use super::{
    Failure, Output, open,
    output::{FOUND, counted, table},
};
use crate::{
    audit::{self, AuditEntryId, Disclosure, ExportError, Filter, Head, PageRequest, Record},
    config::Config,
    db::Db,
    kernel::{Time, seal::Keyring},
};

#[derive(Debug, Subcommand)]
pub(super) enum Audit {
    /// Prove that no sealed entry was edited, removed or moved; exit code 3 when one was.
    #[command(
        after_help = "Examples:\n  mintreu audit verify\n  mintreu audit verify --head 1042:9f3c…   # against a head kept elsewhere"
    )]
    Verify {
        /// A head that was published earlier: everything up to it must still be as it was then.
        #[arg(long, value_name = "SEQUENCE:MAC", value_parser = head)]
        head: Option<Head>,
    },
    /// List entries, newest first.
    #[command(
        after_help = "Examples:\n  mintreu audit list --limit 10\n  mintreu audit list --object-type order --object ord_01h…\n  mintreu audit list --action switch.killed --since 2030-01-01T00:00:00Z"
    )]
    List {
        #[command(flatten)]
        which: Which,
        /// How many at most.
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=1000))]
        limit: u16,
        /// Only those behind this entry: the last of the previous page.
        #[arg(long, value_name = "ENTRY")]
        after: Option<AuditEntryId>,
    },
    /// Write sealed entries as JSON lines, the chain's head last.
    #[command(
        after_help = "Examples:\n  mintreu audit export --output audit.jsonl\n  mintreu audit export --since 2030-01-01T00:00:00Z | gzip >january.jsonl.gz"
    )]
    Export {
        #[command(flatten)]
        which: Which,
        /// Write to this file instead of the standard output.
        #[arg(long, value_name = "FILE")]
        output: Option<PathBuf>,
        /// Open personal data whose person was not erased.
        #[arg(long)]
        disclose: bool,
    },
}

#[derive(Debug, Args)]
pub(super) struct Which {
    /// Only this action, such as `flag.changed`.
    #[arg(long)]
    action: Option<String>,
    /// Only things of this type, such as `order`.
    #[arg(long, value_name = "TYPE")]
    object_type: Option<String>,
    /// Only the thing with this identifier.
    #[arg(long, value_name = "ID")]
    object: Option<String>,
    /// Not before this time (RFC 3339).
    #[arg(long, value_name = "TIME")]
    since: Option<Time>,
    /// Before this time (RFC 3339).
    #[arg(long, value_name = "TIME")]
    until: Option<Time>,
}

impl Which {
    fn filter(self) -> Filter {
        Filter {
            action: self.action,
            object_type: self.object_type,
            object_id: self.object,
            since: self.since,
            until: self.until,
            ..Filter::default()
        }
    }
}

fn head(text: &str) -> Result<Head, String> {
    text.parse().map_err(str::to_owned)
}

impl Audit {
    pub(super) async fn run(self, config: &Config, output: Output) -> Result<ExitCode, Failure> {
        let (db, keys) = (open::current_database(config).await?, open::keyring(config)?);
        let code = match self {
            Self::Verify { head } => verify(&db, &keys, head.as_ref(), output).await?,
            Self::List { which, limit, after } => {
                list(&db, &keys, &which.filter(), PageRequest { limit, after }, output).await?
            }
            Self::Export { which, output: file, disclose } => {
                let disclosure = if disclose { Disclosure::Opened } else { Disclosure::Sealed };
                export(&db, &keys, disclosure, &which.filter(), file).await?
            }
        };
        db.close().await;
        Ok(code)
    }
}

async fn verify(db: &Db, keys: &Keyring, head: Option<&Head>, output: Output) -> Result<ExitCode, Failure> {
    let report = audit::verify(db, keys, head).await.map_err(Failure::failed)?;
    output.print(&report, |report| match &report.problem {
        Some(problem) => {
            format!("BROKEN: {problem}\nverified before it: {}", counted(report.verified, "entry", "entries"))
        }
        None => format!(
            "whole: {} verified, {} with data of erased persons, {} not sealed yet",
            counted(report.verified, "entry", "entries"),
            report.erased,
            report.unsealed
        ),
    })?;
    Ok(if report.is_whole() { ExitCode::SUCCESS } else { ExitCode::from(FOUND) })
}

async fn list(
    db: &Db,
    keys: &Keyring,
    filter: &Filter,
    page: PageRequest,
    output: Output,
) -> Result<ExitCode, Failure> {
    let page = audit::list(db, keys, Disclosure::Opened, filter, page).await.map_err(Failure::failed)?;
    output.print(&page, |page| {
        if page.data.is_empty() {
            return "no entries".to_owned();
        }
        table(&["TIME", "ACTOR", "ACTION", "OBJECT", "REASON"], &page.data.iter().map(row).collect::<Vec<_>>())
    })?;
    Ok(ExitCode::SUCCESS)
}

fn row(record: &Record) -> Vec<String> {
    vec![
        record.occurred_at.to_string(),
        format!("{}:{}", record.actor_kind, record.actor_id),
        record.action.clone(),
        format!("{}:{}", record.object_type, record.object_id),
        record.reason.clone().unwrap_or_default(),
    ]
}

async fn export(
    db: &Db,
    keys: &Keyring,
    disclosure: Disclosure,
    filter: &Filter,
    file: Option<PathBuf>,
) -> Result<ExitCode, Failure> {
    let to_stdout = file.is_none();
    let result = match file {
        Some(path) => {
            let mut out = File::create(&path)
                .map(io::BufWriter::new)
                .map_err(|error| Failure::failed(format!("cannot write {}: {error}", path.display())))?;
            audit::export(db, keys, disclosure, filter, &mut out).await
        }
        None => audit::export(db, keys, disclosure, filter, &mut io::stdout()).await,
    };
    match result {
        // Whoever reads has read enough (`| head`).
        Err(ExportError::Write(error)) if to_stdout && error.kind() == io::ErrorKind::BrokenPipe => {}
        result => drop(result.map_err(Failure::failed)?),
    }
    Ok(ExitCode::SUCCESS)
}
