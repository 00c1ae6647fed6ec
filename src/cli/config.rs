//! `mintreu config`

use std::process::ExitCode;

use clap::Subcommand;

use super::{Failure, Output, open};
use crate::config::{self, ConfigError};

#[derive(Debug, Subcommand)]
pub(super) enum Config {
    /// Tell all that is wrong with the configuration; exit code 2 when something is.
    #[command(after_help = "Examples:\n  mintreu config check\n  mintreu --config /etc/mintreu.toml config check")]
    Check,
    /// Print what is in effect and where each value comes from; secrets are not shown.
    #[command(
        after_help = "Examples:\n  mintreu config show\n  MINTREU__PROFILE=production mintreu config show --json"
    )]
    Show,
}

impl Config {
    pub(super) fn run(self, loaded: Result<config::Config, ConfigError>, output: Output) -> Result<ExitCode, Failure> {
        let config = loaded?;
        match self {
            Self::Check => {
                // What a file says that the configuration names.
                open::mailer(&config)?;
                output.print(&serde_json::json!({ "valid": true }), |_| "the configuration is valid".to_owned())?;
            }
            Self::Show => output.print(&config.settings(), |_| config.show().trim_end().to_owned())?,
        }
        Ok(ExitCode::SUCCESS)
    }
}
