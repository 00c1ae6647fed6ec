//! What there is to tell.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    jobs::Job,
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
    /// To the operators: a target was missed.
    TicketLate {
        /// Of which ticket.
        ticket: TicketId,
        /// Whether it is the one for solving it; else the one for the first answer.
        resolution: bool,
    },
}

impl Job for Notice {
    const KIND: &'static str = "notifications.send";
    const QUEUE: &'static str = "notifications";
}
