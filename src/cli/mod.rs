//! The command line. Commands work on the database directly; a running server notices within a second.
//!
//! Exit codes: 0 done, 1 it could not be done, 2 the command line or the configuration is wrong, 3 a check found
//! something wrong.

mod audit;
mod catalog;
mod config;
mod demo;
mod doctor;
mod flags;
mod jobs;
mod licenses;
mod migrate;
mod open;
mod openapi;
mod output;
mod serve;
mod support;
mod users;
mod webhooks;

use std::{os::unix::fs::MetadataExt, path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};

pub(crate) use output::{Failure, Output};

/// Sells digital products: downloads, licence keys, metered API access, subscriptions.
#[derive(Debug, Parser)]
#[command(
    name = "mintreu",
    version,
    max_term_width = 110,
    after_help = "Examples:
  mintreu demo                                   # see it work, in an empty directory
  mintreu serve                                  # an empty directory will do
  mintreu config show                            # what is in effect, and where it comes from
  mintreu flags kill payments --reason \"provider is down\"
  mintreu jobs list --state dead
  mintreu doctor"
)]
struct Cli {
    /// Read this configuration file instead of `mintreu.toml` in the working directory.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print JSON instead of text.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server: the API, the queue's workers and their actors.
    #[command(
        after_help = "Examples:\n  mintreu serve\n  MINTREU__DATABASE__URL=postgres://shop@db/shop mintreu serve"
    )]
    Serve,
    /// Open a shop with goods on its shelves and walk through a purchase, step by step; then go on serving.
    #[command(after_help = "Examples:
  mintreu demo          # in an empty directory
  mintreu demo --exit   # walk and leave; the exit code tells whether all went well")]
    Demo {
        /// Leave after the walk.
        #[arg(long)]
        exit: bool,
    },
    /// Bring the database's schema up to date.
    #[command(
        after_help = "Examples:\n  mintreu migrate\n  mintreu migrate --check   # exit code 3 when something is to do"
    )]
    Migrate(migrate::Migrate),
    /// Check or show the configuration.
    #[command(subcommand)]
    Config(config::Config),
    /// Look at and change feature flags and kill switches.
    #[command(subcommand)]
    Flags(flags::Flags),
    /// Look at, retry, cancel, pause and purge background jobs.
    #[command(subcommand)]
    Jobs(jobs::Jobs),
    /// Make, list and change accounts.
    #[command(subcommand)]
    Users(users::Users),
    /// Look at what payment providers sent, and have it handled again.
    #[command(subcommand)]
    Webhooks(webhooks::Webhooks),
    /// Look at licences, suspend, resume and revoke them.
    #[command(subcommand)]
    Licenses(licenses::Licenses),
    /// Take in mails for the support desk.
    #[command(subcommand)]
    Support(support::Support),
    /// Verify, list and export the audit trail.
    #[command(subcommand)]
    Audit(audit::Audit),
    /// Export and import the catalogue.
    #[command(subcommand)]
    Catalog(catalog::Catalog),
    /// Print what a server with this configuration serves at `/api/openapi.json`; needs no database.
    #[command(
        name = "openapi",
        after_help = "Examples:\n  mintreu openapi | jq '.paths | keys'\n  mintreu openapi --output openapi.json"
    )]
    OpenApi(openapi::OpenApi),
    /// Tell what is wrong with this installation and how to mend it; changes nothing.
    #[command(
        after_help = "Examples:\n  mintreu doctor\n  mintreu doctor --json   # exit code 3 when something is to be mended"
    )]
    Doctor,
}

/// Runs the command line of this process.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let output = Output::new(cli.json);
    // The one cryptography of the whole process; whoever installed one before it meant this one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return output.fail(&Failure::failed(format!("cannot start threads: {error}"))),
    };
    let result = runtime.block_on(run(cli, output));
    // Whatever still runs has had its time; nothing in it is owed an answer.
    runtime.shutdown_timeout(std::time::Duration::from_millis(100));
    match result {
        Ok(code) => code,
        Err(failure) => output.fail(&failure),
    }
}

async fn run(cli: Cli, output: Output) -> Result<ExitCode, Failure> {
    let loaded = open::configuration(cli.config.as_deref());
    match cli.command {
        Command::Serve => serve::run(loaded?).await,
        Command::Demo { exit } => Box::pin(demo::run(loaded?, exit)).await,
        Command::Migrate(command) => command.run(&loaded?, output).await,
        Command::Config(command) => command.run(loaded, output),
        Command::Flags(command) => command.run(&loaded?, output).await,
        Command::Jobs(command) => command.run(&loaded?, output).await,
        Command::Users(command) => command.run(&loaded?, output).await,
        Command::Webhooks(command) => command.run(&loaded?, output).await,
        Command::Licenses(command) => command.run(&loaded?, output).await,
        Command::Support(command) => command.run(loaded, output).await,
        Command::Audit(command) => command.run(&loaded?, output).await,
        Command::Catalog(command) => command.run(&loaded?, output).await,
        Command::OpenApi(command) => Box::pin(command.run(loaded?)).await,
        Command::Doctor => doctor::run(loaded, output).await,
    }
}

/// Who changes something from here: the account that runs the command.
fn operator() -> crate::audit::Actor {
    let named = ["SUDO_USER", "USER", "LOGNAME"].iter().find_map(|name| std::env::var(name).ok());
    // Services and containers often have no name in their environment, but always a number.
    let numbered = || std::fs::metadata("/proc/self").map_or(None, |process| Some(format!("uid {}", process.uid())));
    let account = named.or_else(numbered).unwrap_or_else(|| "unknown".to_owned());
    crate::audit::Actor::operator(format!("cli:{account}"))
}
