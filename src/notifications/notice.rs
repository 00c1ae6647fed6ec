//! What there is to tell.

use std::{borrow::Cow, time::Duration};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    jobs::{Job, JobId, RetryPolicy},
    kernel::{LicenseId, OrderId, SubscriptionId, TicketId, TicketMessageId, UserId},
};

/// A mail that is owed.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "notice", rename_all = "snake_case")]
pub enum Notice {
    /// To a new account: the link that proves the address. Names a row of `mail_proofs`.
    VerifyEmail {
        /// The row.
        proof: Uuid,
    },
    /// To whoever asked for a new password.
    ResetPassword {
        /// The row.
        proof: Uuid,
    },
    /// To a guest: the link that brings what was bought into an account.
    ClaimPurchases {
        /// The row.
        proof: Uuid,
    },
    /// To a guest: the link with which they write to support.
    GuestSupport {
        /// The row.
        proof: Uuid,
    },
    /// To somebody who registers with an address that has an account.
    AlreadyRegistered {
        /// The account.
        user: UserId,
    },
    /// The password was changed.
    PasswordChanged {
        /// Whose.
        user: UserId,
    },
    /// What a paid order gave: items, total, licence keys.
    OrderFulfilled {
        /// Which one.
        order: OrderId,
    },
    /// An order is paid, and what it owes is not there after a while.
    OrderPaid {
        /// Which one.
        order: OrderId,
    },
    /// The payment of an order is disputed, or not any more.
    OrderDisputed {
        /// Which one.
        order: OrderId,
    },
    /// A product has a new file: to somebody who may have it. Names a row of `product_sources`.
    DownloadReady {
        /// The row.
        source: Uuid,
        /// Whom.
        user: UserId,
    },
    /// Money went back.
    OrderRefunded {
        /// Which one.
        order: OrderId,
        /// In minor units of the order's currency.
        amount: i64,
    },
    /// A licence ends soon.
    LicenseExpiring {
        /// Which one.
        license: LicenseId,
        /// How soon.
        days: i64,
    },
    /// A renewal could not be charged.
    RenewalFailed {
        /// Which one.
        subscription: SubscriptionId,
        /// Which reminder it is, from 1; the last announces the end.
        step: i64,
    },
    /// A subscription ended.
    SubscriptionEnded {
        /// Which one.
        subscription: SubscriptionId,
    },
    /// To the operators and the vendor: a product's file cannot be fetched. Names a row of `product_sources`.
    SourceBroken {
        /// The row.
        source: Uuid,
    },
    /// To the operators and the vendor: a vendor's hook failed for the last time. Names a row of `api_credentials`.
    CredentialStuck {
        /// The row.
        credential: Uuid,
    },
    /// To the operators: an order that a person has to look at, e.g. a payment of another amount.
    OrderNeedsAttention {
        /// Which one.
        order: OrderId,
    },
    /// A ticket was opened: to its customer, and to those who answer.
    TicketOpened {
        /// Which one.
        ticket: TicketId,
    },
    /// The customer wrote again: to those who answer.
    TicketReplied {
        /// Which ticket.
        ticket: TicketId,
        /// What.
        message: TicketMessageId,
    },
    /// Somebody answered: to the customer.
    TicketAnswered {
        /// Which ticket.
        ticket: TicketId,
        /// What.
        message: TicketMessageId,
    },
    /// A ticket was solved without a word: to the customer.
    TicketSolved {
        /// Which one.
        ticket: TicketId,
    },
    /// An archive of somebody's data can be fetched. Names a row of `data_exports`.
    DataExportReady {
        /// The row.
        export: Uuid,
    },
    /// An account will be deleted. Names a row of `account_deletions`.
    DeletionScheduled {
        /// The row.
        deletion: Uuid,
    },
    /// An account was deleted: to the address that it had. Names a row of `account_deletions`.
    AccountDeleted {
        /// The row.
        deletion: Uuid,
    },
    /// To the operators: a target was missed.
    TicketLate {
        /// Of which ticket.
        ticket: TicketId,
        /// Whether it is the one for solving it; else the one for the first answer.
        resolution: bool,
    },
}

impl Notice {
    /// What it is told for, as far as the notice itself says: two with the same text have the same cause. None where each
    /// notice is a cause of its own, as every change of a password is.
    fn matter(&self) -> Option<String> {
        Some(match self {
            Self::VerifyEmail { proof }
            | Self::ResetPassword { proof }
            | Self::ClaimPurchases { proof }
            | Self::GuestSupport { proof } => proof.simple().to_string(),
            Self::DataExportReady { export: row }
            | Self::DeletionScheduled { deletion: row }
            | Self::AccountDeleted { deletion: row } => row.simple().to_string(),
            Self::OrderPaid { order } | Self::OrderFulfilled { order } | Self::OrderDisputed { order } => {
                order.to_string()
            }
            Self::LicenseExpiring { license, days } => format!("{license}:{days}"),
            Self::RenewalFailed { subscription, step } => format!("{subscription}:{step}"),
            Self::SubscriptionEnded { subscription } => subscription.to_string(),
            Self::DownloadReady { source, user } => format!("{}:{user}", source.simple()),
            Self::TicketReplied { message, .. } | Self::TicketAnswered { message, .. } => message.to_string(),
            Self::TicketOpened { ticket } | Self::TicketLate { ticket, .. } | Self::TicketSolved { ticket } => {
                ticket.to_string()
            }
            Self::AlreadyRegistered { .. }
            | Self::PasswordChanged { .. }
            | Self::OrderRefunded { .. }
            | Self::SourceBroken { .. }
            | Self::CredentialStuck { .. }
            | Self::OrderNeedsAttention { .. } => return None,
        })
    }

    /// The same, where `job` stands for a notice that is a cause of its own.
    #[must_use]
    pub fn matter_of(&self, job: JobId) -> String {
        self.matter().unwrap_or_else(|| job.to_string())
    }

    const fn name(&self) -> &'static str {
        match self {
            Self::VerifyEmail { .. } => "verify_email",
            Self::ResetPassword { .. } => "reset_password",
            Self::ClaimPurchases { .. } => "claim_purchases",
            Self::GuestSupport { .. } => "guest_support",
            Self::AlreadyRegistered { .. } => "already_registered",
            Self::PasswordChanged { .. } => "password_changed",
            Self::OrderPaid { .. } => "order_paid",
            Self::OrderFulfilled { .. } => "order_fulfilled",
            Self::OrderRefunded { .. } => "order_refunded",
            Self::OrderDisputed { .. } => "order_disputed",
            Self::DownloadReady { .. } => "download_ready",
            Self::LicenseExpiring { .. } => "license_expiring",
            Self::RenewalFailed { .. } => "renewal_failed",
            Self::SubscriptionEnded { .. } => "subscription_ended",
            Self::SourceBroken { .. } => "source_broken",
            Self::CredentialStuck { .. } => "credential_stuck",
            Self::OrderNeedsAttention { .. } => "order_needs_attention",
            Self::TicketOpened { .. } => "ticket_opened",
            Self::TicketReplied { .. } => "ticket_replied",
            Self::TicketAnswered { .. } => "ticket_answered",
            Self::TicketSolved { .. } => "ticket_solved",
            Self::TicketLate { .. } => "ticket_late",
            Self::DataExportReady { .. } => "data_export_ready",
            Self::DeletionScheduled { .. } => "deletion_scheduled",
            Self::AccountDeleted { .. } => "account_deleted",
        }
    }
}

/// About two days, the last tries two hours apart: a server that is away for a night gets it, one that is away for an
/// hour gets it within two.
const PATIENT: RetryPolicy =
    RetryPolicy { max_attempts: 60, base: Duration::from_secs(2), cap: Duration::from_hours(2) };
/// Longer than every step of a conversation with a server may take together, so that its end is always told.
const TIMEOUT: Duration = Duration::from_mins(3);

impl Job for Notice {
    const KIND: &'static str = "notifications.send";
    const QUEUE: &'static str = "notifications";
    const RETRY: RetryPolicy = PATIENT;
    const TIMEOUT: Duration = TIMEOUT;

    /// Two notices with one cause are never at it at the same time: the second sees what the first has done.
    fn group_key(&self) -> Option<Cow<'_, str>> {
        self.matter().map(|matter| format!("mail:{}:{matter}", self.name()).into())
    }
}

/// One mail of a notice: to one of several whom it is told to, or once more, since an operator wants it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct OneMail {
    /// What is told.
    pub notice: Notice,
    /// The notice's own job.
    pub of: JobId,
    /// Which of its mails.
    pub cause: String,
}

impl Job for OneMail {
    const KIND: &'static str = "notifications.send_one";
    const QUEUE: &'static str = Notice::QUEUE;
    const RETRY: RetryPolicy = PATIENT;
    const TIMEOUT: Duration = TIMEOUT;

    fn group_key(&self) -> Option<Cow<'_, str>> {
        Some(format!("mail:{}", self.cause).into())
    }
}

/// A product has a new file: to everybody who may have it, some at a time. Names a row of `product_sources`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AnnounceFile {
    /// The row.
    pub source: Uuid,
    /// Who was told last.
    pub after: Option<UserId>,
}

impl Job for AnnounceFile {
    const KIND: &'static str = "notifications.announce_file";
    const QUEUE: &'static str = Notice::QUEUE;
    const PRIORITY: i32 = 4;
}

/// Tells buyers whose payment arrived some time ago, and who have nothing yet, that it did.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TellOfPayments {}

impl Job for TellOfPayments {
    const KIND: &'static str = "notifications.tell_of_payments";
    const QUEUE: &'static str = Notice::QUEUE;
}

/// Deletes records of mails that are older than they are kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ForgetMails {}

impl Job for ForgetMails {
    const KIND: &'static str = "notifications.forget_mails";
    const QUEUE: &'static str = Notice::QUEUE;
}
