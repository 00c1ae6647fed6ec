//! What the sandbox can be told to do, beside what a provider does.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    db::DbError,
    kernel::Currency,
    payments::{IntakeError, ProviderError},
    text_enum,
};

text_enum! {
    /// How a buyer's attempt to pay ends.
    pub enum PayOutcome {
        /// The money is there.
        Paid = "paid",
        /// The card is declined; the buyer may try again.
        Declined = "declined",
        /// A transfer that arrives after the delay.
        Delayed = "delayed",
        /// A transfer that never arrives, which is told after the delay.
        DelayedFails = "delayed_fails",
        /// Paid, and at once given back in full.
        PaidAndRefunded = "paid_and_refunded",
        /// The session ends unpaid.
        Expired = "expired",
    }
}

/// How events are delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Delivering {
    /// How often each is sent, 1 to 50.
    pub copies: u32,
    /// How much later, in seconds, up to a day.
    pub delay_seconds: u32,
    /// The last first.
    pub reversed: bool,
}

impl Default for Delivering {
    fn default() -> Self {
        Self { copies: 1, delay_seconds: 0, reversed: false }
    }
}

/// More copies of an event teach nothing.
const MOST_COPIES: u32 = 50;
/// A day.
const LONGEST_DELAY: u32 = 86_400;

impl Delivering {
    pub(super) fn check(self) -> Result<Self, SandboxError> {
        if !(1..=MOST_COPIES).contains(&self.copies) {
            return Err(SandboxError::Copies);
        }
        if self.delay_seconds > LONGEST_DELAY {
            return Err(SandboxError::Delay);
        }
        Ok(self)
    }

    pub(super) fn delay(self) -> Duration {
        Duration::from_secs(self.delay_seconds.into())
    }
}

/// What a buyer does on the sandbox's page.
#[derive(Debug, Clone, Copy)]
pub struct Completion {
    /// How it ends.
    pub outcome: PayOutcome,
    /// How the events come.
    pub delivering: Delivering,
    /// What is charged instead of what was asked for, in minor units.
    pub amount: Option<i64>,
    /// In which currency instead.
    pub currency: Option<Currency>,
}

/// Why the sandbox does not do something.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// It has no such thing.
    #[error("the sandbox knows no such thing")]
    Unknown,
    /// The thing is in another state.
    #[error("{0}")]
    State(&'static str),
    /// Not 1 to 50.
    #[error("expected 1 to {MOST_COPIES} copies")]
    Copies,
    /// More than a day.
    #[error("expected at most {LONGEST_DELAY} seconds")]
    Delay,
    /// Not above 0, or more than there is.
    #[error("expected an amount above 0 and up to what was charged")]
    Amount,
    /// Its own intake does not take what it sends.
    #[error(transparent)]
    Intake(#[from] IntakeError),
    /// The database does not do it.
    #[error(transparent)]
    Db(#[from] DbError),
}

impl From<SandboxError> for ProviderError {
    fn from(error: SandboxError) -> Self {
        match error {
            SandboxError::Unknown => Self::NotFound,
            SandboxError::Intake(error) => Self::Unavailable(error.to_string()),
            SandboxError::Db(error) => super::down(&error),
            refused @ (SandboxError::State(_) | SandboxError::Copies | SandboxError::Delay | SandboxError::Amount) => {
                Self::Refused(refused.to_string())
            }
        }
    }
}
