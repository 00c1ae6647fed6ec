//! What became of one attempt at a job.

use std::time::Duration;

use crate::kernel::Time;

/// Why an attempt did not complete its job, and what shall happen next.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// Try again: after `after`, or when it is `None` after the backoff of the job's kind. Spends an attempt.
    #[error("{error}")]
    Retry {
        /// What went wrong; kept in the job's error history.
        error: String,
        /// A wait that the other side asked for (`Retry-After`).
        after: Option<Duration>,
    },
    /// Not yet: run again at `until`. Spends no attempt.
    #[error("not before {until}")]
    Snooze {
        /// When the job is due again.
        until: Time,
    },
    /// Never: the job is dead at once, kept for an operator.
    #[error("{error}")]
    Dead {
        /// What went wrong; kept in the job's error history.
        error: String,
    },
}

impl Failure {
    /// A failure that a later attempt may not meet.
    pub fn retry(error: impl std::fmt::Display) -> Self {
        Self::Retry { error: error.to_string(), after: None }
    }

    /// A failure that every attempt would meet.
    pub fn dead(error: impl std::fmt::Display) -> Self {
        Self::Dead { error: error.to_string() }
    }
}

/// What became of one attempt at a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Done, and recorded as done by the very transaction that held its effect.
    Settled,
    /// Done; to be recorded.
    Completed,
    /// Not done; to be recorded.
    Failed(Failure),
    /// Stopped because an operator cancelled it; to be recorded.
    Cancelled,
    /// Never started: its lease goes back and no attempt is spent.
    Returned,
    /// The worker lost its lease; whoever has it now records what becomes of the job.
    LeaseLost,
}
