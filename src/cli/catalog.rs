//! `mintreu catalog`

use std::{
    fs,
    io::{self, Read, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Args, Subcommand};

use super::{Failure, Output, open, operator, output::counted};
use crate::{
    catalog::{self, Beside, By, Counts, Format, ImportError, ImportMode},
    config::Config,
    credentials::{BesideCatalogue, HookRules},
    db::Db,
    kernel::seal::Keyring,
};

#[derive(Debug, Subcommand)]
pub(super) enum Catalog {
    /// Write developers, categories, products with their hooks, plans with prices and endpoints, and coupons to a file.
    #[command(
        after_help = "Examples:\n  mintreu catalog export catalog.json\n  mintreu catalog export catalog.csv\n  mintreu catalog export - --format csv"
    )]
    Export(File),
    /// Make and change what a file says: all of it, or nothing.
    #[command(
        after_help = "Examples:\n  mintreu catalog import catalog.json --dry-run\n  mintreu catalog import catalog.csv\n  mintreu catalog import - --format json <catalog.json"
    )]
    Import {
        #[command(flatten)]
        file: File,
        /// Only tell what would change.
        #[arg(long)]
        dry_run: bool,
    },
}

#[derive(Debug, Args)]
pub(super) struct File {
    /// The file; `-` for the standard input or output.
    #[arg(value_name = "FILE")]
    path: PathBuf,
    /// `json` or `csv`; by the file's name if nothing is said.
    #[arg(long)]
    format: Option<Format>,
}

impl File {
    fn is_standard(&self) -> bool {
        self.path == Path::new("-")
    }

    fn format(&self) -> Result<Format, Failure> {
        let by_name = || match self.path.extension().and_then(|extension| extension.to_str()) {
            Some("json") => Some(Format::Json),
            Some("csv") => Some(Format::Csv),
            _ => None,
        };
        self.format
            .or_else(by_name)
            .ok_or_else(|| Failure::usage("the file's name ends with neither .json nor .csv: say `--format`"))
    }

    fn told<'a>(&'a self, what: &'a str) -> impl Fn(io::Error) -> Failure + 'a {
        move |error| Failure::failed(format!("cannot {what} {}: {error}", self.path.display()))
    }
}

impl Catalog {
    pub(super) async fn run(self, config: &Config, output: Output) -> Result<ExitCode, Failure> {
        match self {
            Self::Export(file) => {
                let format = file.format()?;
                let db = open::current_database(config).await?;
                let (keys, allows_plain) = hooks(config)?;
                let beside = BesideCatalogue(HookRules { keys: &keys, allows_plain });
                export(&db, &file, format, &beside).await?;
                db.close().await;
            }
            Self::Import { file, dry_run } => {
                let format = file.format()?;
                let mode = if dry_run { ImportMode::DryRun } else { ImportMode::Keep };
                let db = open::current_database(config).await?;
                let (keys, allows_plain) = hooks(config)?;
                let beside = BesideCatalogue(HookRules { keys: &keys, allows_plain });
                import(&db, &file, (format, mode), &beside, output).await?;
                db.close().await;
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// What hooks' secrets are sealed with, and whether their addresses may be of this machine or its network.
fn hooks(config: &Config) -> Result<(Keyring, bool), Failure> {
    Ok((open::keyring(config)?, !config.downloads.allow_networks.is_empty()))
}

async fn export(db: &Db, file: &File, format: Format, beside: &impl Beside) -> Result<(), Failure> {
    let bytes = catalog::export_with(db, format, beside).await.map_err(Failure::failed)?;
    if !file.is_standard() {
        return fs::write(&file.path, bytes).map_err(file.told("write"));
    }
    match io::stdout().lock().write_all(&bytes) {
        // Whoever reads has read enough (`| head`).
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result.map_err(file.told("write")),
    }
}

async fn import(
    db: &Db,
    file: &File,
    (format, mode): (Format, ImportMode),
    beside: &impl Beside,
    output: Output,
) -> Result<(), Failure> {
    let mut bytes = Vec::new();
    if file.is_standard() {
        io::stdin().lock().read_to_end(&mut bytes).map_err(file.told("read"))?;
    } else {
        bytes = fs::read(&file.path).map_err(file.told("read"))?;
    }
    let by = By::actor(operator());
    let imported =
        catalog::import_with(db, (format, &bytes), mode, beside, &by).await.map_err(|error| match error {
            ImportError::Invalid(flaws) => {
                Failure::lines(flaws.iter().map(|flaw| format!("{}: {}", flaw.pointer, flaw.detail)).collect())
            }
            ImportError::Unreadable(_) | ImportError::Db(_) => Failure::failed(error),
        })?;
    output.print(&imported, |imported| {
        let kinds = [
            ("developer", "developers", imported.developers),
            ("category", "categories", imported.categories),
            ("product", "products", imported.products),
            ("plan", "plans", imported.plans),
            ("coupon", "coupons", imported.coupons),
        ];
        let line = |(one, many, counts): (&str, &str, Counts)| {
            let Counts { created, changed, unchanged } = counts;
            let all = counted(created + changed + unchanged, one, many);
            format!("{all}: {created} made, {changed} changed, {unchanged} as they were")
        };
        let lines = kinds.map(line).join("\n");
        if imported.dry_run { format!("{lines}\nnothing was kept: this was a dry run") } else { lines }
    })
}
