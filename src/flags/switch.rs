//! The six kill switches.

use std::{fmt, str::FromStr};

use schemars::JsonSchema;
use serde::Serialize;

use crate::kernel::Time;

/// A capability that an operator can stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "KillSwitch")]
pub enum Switch {
    /// New orders and checkouts. Webhooks are still taken in.
    Payments,
    /// Issuing, activating, deactivating. Validation and revocation go on.
    Licensing,
    /// Starting and fetching downloads.
    Downloads,
    /// Tracking clicks and accruing commissions.
    Referrals,
    /// Assistance by models.
    Ai,
    /// New tickets. Old ones can be read.
    Support,
}

impl Switch {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Payments, Self::Licensing, Self::Downloads, Self::Referrals, Self::Ai, Self::Support];

    /// Its name, in the database, the command line and labels.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Payments => "payments",
            Self::Licensing => "licensing",
            Self::Downloads => "downloads",
            Self::Referrals => "referrals",
            Self::Ai => "ai",
            Self::Support => "support",
        }
    }

    /// Its bit in a set of switches.
    pub(super) const fn bit(self) -> u8 {
        1 << self as u8
    }
}

impl fmt::Display for Switch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that names no switch.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no kill switch; there are payments, licensing, downloads, referrals, ai and support")]
pub struct ParseSwitchError(String);

impl FromStr for Switch {
    type Err = ParseSwitchError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|switch| switch.as_str() == text).ok_or_else(|| ParseSwitchError(text.to_owned()))
    }
}

/// How a switch stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "KillSwitchState")]
pub struct SwitchState {
    /// Which one.
    pub switch: Switch,
    /// Whether the capability is stopped.
    pub killed: bool,
    /// Why it was last flipped.
    pub reason: Option<String>,
    /// Who last flipped it, as `kind:id`.
    pub changed_by: Option<String>,
    /// When it was last flipped.
    pub changed_at: Option<Time>,
}

impl SwitchState {
    /// A switch that was never flipped.
    #[must_use]
    pub const fn untouched(switch: Switch) -> Self {
        Self { switch, killed: false, reason: None, changed_by: None, changed_at: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_switch_is_read_back_from_its_name() {
        for switch in Switch::ALL {
            assert_eq!(switch.to_string().parse(), Ok(switch));
        }
    }

    #[test]
    fn another_name_is_refused_with_the_six_that_exist() {
        let error = "payment".parse::<Switch>().expect_err("unknown").to_string();
        for switch in Switch::ALL {
            assert!(error.contains(switch.as_str()), "{error}");
        }
    }

    #[test]
    fn no_two_switches_share_a_bit() {
        assert_eq!(Switch::ALL.iter().fold(0, |set, switch| set | switch.bit()).count_ones(), 6);
    }
}
