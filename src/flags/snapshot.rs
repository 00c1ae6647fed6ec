//! Everything that is known of flags and switches at one revision.

use std::{collections::HashMap, sync::Arc};

use super::{
    CompiledFlag, Context, Declared, Definition, Evaluation, Switch, SwitchState,
    store::{FlagRow, Stored, SwitchRow},
};

/// Flags and switches at one revision; never changes.
#[derive(Debug, Clone)]
pub struct Snapshot {
    revision: i64,
    switches: [SwitchState; 6],
    flags: HashMap<Box<str>, Arc<KnownFlag>>,
}

/// A flag that is stored or declared.
#[derive(Debug)]
pub(super) struct KnownFlag {
    pub(super) compiled: CompiledFlag,
    pub(super) definition: Definition,
    /// `None`: nobody has set it.
    pub(super) row: Option<FlagRow>,
}

impl Snapshot {
    /// What holds before anything is read.
    pub(super) fn declared(declared: &[Declared]) -> Self {
        let flags = declared.iter().filter_map(|flag| {
            let definition = flag.definition();
            match CompiledFlag::compile(flag.key, &definition) {
                Ok(compiled) => Some((flag.key.into(), Arc::new(KnownFlag { compiled, definition, row: None }))),
                Err(flaws) => {
                    tracing::error!(flag = flag.key, ?flaws, "a declared flag is flawed");
                    None
                }
            }
        });
        Self { revision: -1, switches: Switch::ALL.map(SwitchState::untouched), flags: flags.collect() }
    }

    /// The snapshot of what is stored. What cannot be read keeps the meaning that it had in `before`.
    pub(super) fn build(stored: Stored, declared: &[Declared], before: &Self) -> Self {
        let mut snapshot = Self::declared(declared);
        snapshot.revision = stored.revision;
        for row in stored.switches {
            snapshot.set_switch(row);
        }
        for row in stored.flags {
            let key = row.key.clone();
            let last = before.flags.get(key.as_str()).filter(|known| known.row.is_some());
            let known = match last {
                // Not changed: it keeps its compiled form, and its counters.
                Some(last) if last.row.as_ref() == Some(&row) => Some(Arc::clone(last)),
                _ => match read(row, declared) {
                    Ok(known) => Some(Arc::new(known)),
                    Err(flaws) => {
                        metrics::counter!("mintreu_flags_unreadable_total").increment(1);
                        tracing::error!(flag = key, flaws, "the stored flag cannot be read; what held before holds on");
                        last.cloned()
                    }
                },
            };
            if let Some(known) = known {
                snapshot.flags.insert(key.into(), known);
            }
        }
        snapshot
    }

    pub(super) fn set_switch(&mut self, row: SwitchRow) {
        let SwitchRow { name, killed, reason, changed_by, changed_at } = row;
        match name.parse::<Switch>() {
            Ok(switch) => {
                self.switches[switch as usize] = SwitchState { switch, killed, reason, changed_by, changed_at };
            }
            Err(error) => tracing::warn!(%error, "the database has a switch that this program does not know"),
        }
    }

    /// Grows with every change; two snapshots of one revision are equal.
    #[must_use]
    pub const fn revision(&self) -> i64 {
        self.revision
    }

    /// The six switches.
    #[must_use]
    pub const fn switches(&self) -> &[SwitchState; 6] {
        &self.switches
    }

    /// How one of them stands.
    #[must_use]
    pub const fn switch(&self, switch: Switch) -> &SwitchState {
        &self.switches[switch as usize]
    }

    /// Those that are killed.
    pub fn killed(&self) -> impl Iterator<Item = Switch> {
        self.switches.iter().filter(|state| state.killed).map(|state| state.switch)
    }

    /// The killed switches as a set of bits.
    pub(super) fn killed_bits(&self) -> u8 {
        self.killed().fold(0, |bits, switch| bits | switch.bit())
    }

    /// A flag, ready to be evaluated any number of times.
    #[must_use]
    pub fn flag(&self, key: &str) -> Option<&CompiledFlag> {
        self.flags.get(key).map(|known| &known.compiled)
    }

    /// Evaluates a flag; `None` if there is none of this key.
    #[must_use]
    pub fn evaluate(&self, key: &str, context: &Context<'_>) -> Option<Evaluation<'_>> {
        Some(self.flag(key)?.evaluate(context))
    }

    /// The keys of all flags.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.flags.keys().map(|key| &**key)
    }

    pub(super) fn known(&self) -> impl Iterator<Item = (&str, &KnownFlag)> {
        self.flags.iter().map(|(key, known)| (&**key, &**known))
    }

    pub(super) fn known_flag(&self, key: &str) -> Option<&KnownFlag> {
        self.flags.get(key).map(|known| &**known)
    }
}

fn read(row: FlagRow, declared: &[Declared]) -> Result<KnownFlag, String> {
    let definition: Definition =
        row.definition.parse().map_err(|flaws: super::definition::FlawedDefinition| flaws.to_string())?;
    if let Some(flag) = declared.iter().find(|flag| flag.key == row.key && flag.kind() != definition.kind) {
        return Err(format!("the program asks for a {}, this is a {}", flag.kind(), definition.kind));
    }
    let compiled = CompiledFlag::compile(&row.key, &definition)
        .map_err(|flaws| super::definition::FlawedDefinition(flaws).to_string())?;
    Ok(KnownFlag { compiled, definition, row: Some(row) })
}
