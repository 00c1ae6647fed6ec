//! `mintreu flags`

use std::process::ExitCode;

use clap::Subcommand;
use serde_json::json;

use super::{Failure, Output, open, operator, output::table};
use crate::{
    config::Config,
    flags::{Applied, ChangedBy, Definition, Expected, FlagView, Flaw, Registry, RegistryOptions, Switch, SwitchState},
};

#[derive(Debug, Subcommand)]
pub(super) enum Flags {
    /// List the kill switches and the flags.
    #[command(after_help = "Examples:\n  mintreu flags list\n  mintreu flags list --json")]
    List,
    /// Show a flag's definition as JSON.
    #[command(after_help = "Example:\n  mintreu flags get checkout.guest")]
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
    #[command(after_help = "Example:\n  mintreu flags restore payments --reason \"provider is back\"")]
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
                let flag = registry.get(&key).ok_or_else(|| {
                    Failure::failed(format!("there is no flag `{key}`; `mintreu flags list` names those there are"))
                })?;
                Output::line(&serde_json::to_string_pretty(&flag).map_err(Failure::failed)?)?;
            }
            Self::Set { key, value, reason, version } => {
                if let Ok(switch) = key.parse::<Switch>() {
                    return Err(Failure::usage(format!(
                        "`{switch}` is a kill switch, not a flag: see `mintreu flags kill` and `mintreu flags restore`"
                    )));
                }
                let now = registry.get(&key);
                // A slip of the pen makes a flag that nobody asks for: it is told apart.
                let done = if now.is_none() { "is new and set" } else { "is set" };
                let definition = definition(&value, now.as_ref())?;
                let expected = match version {
                    None => Expected::Any,
                    Some(0) => Expected::Absent,
                    Some(version) => Expected::Version(version),
                };
                let applied =
                    registry.set(&key, &definition, expected, &by(&reason)?).await.map_err(Failure::failed)?;
                report(applied, &format!("flag `{key}` {done}"), &format!("flag `{key}` was set so already"), output)?;
            }
            Self::Kill { switch, reason } => {
                let applied = registry.kill(switch, &by(&reason)?).await?;
                report(applied, &format!("{switch} is stopped"), &format!("{switch} was stopped already"), output)?;
            }
            Self::Restore { switch, reason } => {
                let applied = registry.restore(switch, &by(&reason)?).await?;
                report(applied, &format!("{switch} works again"), &format!("{switch} was working already"), output)?;
            }
        }
        db.close().await;
        Ok(ExitCode::SUCCESS)
    }
}

fn by(reason: &str) -> Result<ChangedBy, Failure> {
    ChangedBy::new(operator(), reason).map_err(Failure::usage)
}

/// What `value` says: a definition, or `true` or `false` for everyone, which keeps what a flag is described by.
fn definition(value: &str, now: Option<&FlagView>) -> Result<Definition, Failure> {
    let Ok(truth) = value.parse::<bool>() else {
        return Definition::parse(value).map_err(|flaws| {
            let told = |flaw: &Flaw| match flaw.pointer.as_str() {
                // Where the text ends before its time there is no place to point at.
                "/?" => flaw.detail.clone(),
                _ => flaw.to_string(),
            };
            let flaws = flaws.iter().map(told).collect::<Vec<_>>().join("; ");
            Failure::usage(format!("the value is neither `true`, `false` nor the JSON of a definition: {flaws}"))
        });
    };
    Definition::for_everybody(truth, now.map(|flag| &flag.definition)).ok_or_else(|| {
        Failure::usage(format!("`{value}` is for boolean flags, and this one is not: give a definition"))
    })
}

fn report(applied: Applied, done: &str, already: &str, output: Output) -> Result<(), Failure> {
    output.print(&applied, |applied| match applied {
        Applied::Changed { revision } => format!("{done} (revision {revision}); servers follow within a second"),
        Applied::Already => already.to_owned(),
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
