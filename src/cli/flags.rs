//! `mintreu flags`

use std::process::ExitCode;

use clap::Subcommand;
use serde_json::json;

use super::{Failure, Output, open, operator, output::table};
use crate::{
    config::Config,
    flags::{Applied, ChangedBy, Definition, Expected, FlagView, Registry, RegistryOptions, Switch, SwitchState},
};

#[derive(Debug, Subcommand)]
pub(super) enum Flags {
    /// List the kill switches and the flags.
    List,
    /// Show a flag's definition.
    Get {
        /// Its key, such as `checkout.guest`.
        key: String,
    },
    /// Set a flag's definition, or a boolean flag to `true` or `false`.
    #[command(after_help = "Examples:
  mintreu flags set checkout.guest false --reason \"too much fraud\"
  mintreu flags set shop.banner '{\"type\":\"string\",\"variants\":{\"a\":\"Hello\"},\"default\":\"a\"}' --reason \"new banner\"")]
    Set {
        /// Its key.
        key: String,
        /// `true`, `false`, or a definition in JSON.
        value: String,
        /// Why; it is kept in the audit trail.
        #[arg(long)]
        reason: String,
        /// Only if the flag is at this version; 0 if it must not have been set.
        #[arg(long)]
        version: Option<i64>,
    },
    /// Stop a capability: payments, licensing, downloads, referrals, ai or support.
    #[command(after_help = "Example:\n  mintreu flags kill payments --reason \"provider is down\"")]
    Kill {
        /// Which capability.
        switch: Switch,
        /// Why; it is kept in the audit trail.
        #[arg(long)]
        reason: String,
    },
    /// Let a stopped capability work again.
    Restore {
        /// Which capability.
        switch: Switch,
        /// Why; it is kept in the audit trail.
        #[arg(long)]
        reason: String,
    },
}

impl Flags {
    pub(super) async fn run(self, config: &Config, output: Output) -> Result<ExitCode, Failure> {
        let db = open::current_database(config).await?;
        let registry = Registry::load(db.clone(), RegistryOptions::default()).await?;
        match self {
            Self::List => list(&registry, output)?,
            Self::Get { key } => {
                let flag = registry.get(&key).ok_or_else(|| Failure::failed(format!("there is no flag `{key}`")))?;
                Output::line(&serde_json::to_string_pretty(&flag).map_err(Failure::failed)?)?;
            }
            Self::Set { key, value, reason, version } => {
                let definition = definition(&value)?;
                let expected = match version {
                    None => Expected::Any,
                    Some(0) => Expected::Absent,
                    Some(version) => Expected::Version(version),
                };
                let applied =
                    registry.set(&key, &definition, expected, &by(&reason)?).await.map_err(Failure::failed)?;
                report(applied, &format!("flag `{key}`"), output)?;
            }
            Self::Kill { switch, reason } => {
                let applied = registry.kill(switch, &by(&reason)?).await?;
                report(applied, &format!("{switch} is stopped: switch"), output)?;
            }
            Self::Restore { switch, reason } => {
                let applied = registry.restore(switch, &by(&reason)?).await?;
                report(applied, &format!("{switch} works again: switch"), output)?;
            }
        }
        db.close().await;
        Ok(ExitCode::SUCCESS)
    }
}

fn by(reason: &str) -> Result<ChangedBy, Failure> {
    ChangedBy::new(operator(), reason).map_err(Failure::usage)
}

fn definition(value: &str) -> Result<Definition, Failure> {
    let json = match value {
        "true" => r#"{"type":"boolean","default":"on"}"#,
        "false" => r#"{"type":"boolean","default":"off"}"#,
        json => json,
    };
    Definition::parse(json).map_err(|flaws| {
        let flaws: Vec<_> = flaws.iter().map(ToString::to_string).collect();
        Failure::usage(format!("no definition of a flag: {}", flaws.join("; ")))
    })
}

fn report(applied: Applied, what: &str, output: Output) -> Result<(), Failure> {
    output.print(&applied, |applied| match applied {
        Applied::Changed { revision } => {
            format!("{what} changed (revision {revision}); servers follow within a second")
        }
        Applied::Already => format!("{what} was like that already"),
    })
}

fn list(registry: &Registry, output: Output) -> Result<(), Failure> {
    let (switches, flags) = (registry.switches(), registry.list());
    output.print(&json!({ "switches": switches, "flags": flags }), |_| {
        let switches: Vec<_> = switches.iter().map(switch_row).collect();
        let flags: Vec<_> = flags.iter().map(flag_row).collect();
        format!(
            "{}\n\n{}",
            table(&["SWITCH", "STATE", "SINCE", "REASON"], &switches),
            table(&["FLAG", "VERSION", "CHANGED BY", "DEFINITION"], &flags)
        )
    })
}

fn switch_row(state: &SwitchState) -> Vec<String> {
    vec![
        state.switch.to_string(),
        if state.killed { "KILLED" } else { "on" }.to_owned(),
        state.changed_at.map(|at| at.to_string()).unwrap_or_default(),
        state.reason.clone().unwrap_or_default(),
    ]
}

fn flag_row(flag: &FlagView) -> Vec<String> {
    vec![
        flag.key.clone(),
        flag.version.map_or_else(|| "default".to_owned(), |version| version.to_string()),
        flag.changed_by.clone().unwrap_or_default(),
        flag.definition.to_json().to_string(),
    ]
}
