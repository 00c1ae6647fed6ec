//! Which letters there are, and what they are about.

use crate::text_enum;

text_enum! {
    /// What a letter is about: what people can decline, and what not.
    #[schemars(rename = "MailTopic")]
    pub enum Topic {
        /// Whose account it is, and who can use it.
        Account = "account",
        /// What was bought and paid.
        Orders = "orders",
        /// Questions and their answers.
        Support = "support",
        /// What operators and vendors have to look at.
        Operations = "operations",
        /// Licences that end.
        LicenseReminders = "license_reminders",
        /// New files of what was bought.
        ProductUpdates = "product_updates",
    }
}

impl Topic {
    /// Whether nobody has to get it. What belongs to a purchase or proves who somebody is cannot be declined.
    #[must_use]
    pub const fn is_optional(self) -> bool {
        match self {
            Self::LicenseReminders | Self::ProductUpdates => true,
            Self::Account | Self::Orders | Self::Support | Self::Operations => false,
        }
    }
}

text_enum! {
    /// A letter, by what it tells.
    #[schemars(rename = "MailTemplate")]
    pub enum Template {
        /// The link that proves an address.
        VerifyEmail = "verify_email",
        /// The link for another password.
        ResetPassword = "reset_password",
        /// Somebody registers with an address that has an account.
        AlreadyRegistered = "already_registered",
        /// The password was changed.
        PasswordChanged = "password_changed",
        /// The link that brings what a guest bought into an account.
        ClaimPurchases = "claim_purchases",
        /// The link with which a guest writes to support.
        GuestSupport = "guest_support",
        /// A payment arrived, and what was bought is not there yet.
        OrderPaid = "order_paid",
        /// What a paid order gave, and what it cost.
        OrderFulfilled = "order_fulfilled",
        /// Money went back.
        OrderRefunded = "order_refunded",
        /// A payment is disputed, or not any more.
        OrderDisputed = "order_disputed",
        /// A product has a new file.
        DownloadReady = "download_ready",
        /// A licence ends soon.
        LicenseExpiring = "license_expiring",
        /// A renewal could not be charged.
        RenewalFailed = "renewal_failed",
        /// A subscription ended.
        SubscriptionEnded = "subscription_ended",
        /// An order that a person has to look at.
        OrderNeedsAttention = "order_needs_attention",
        /// A product's file cannot be fetched.
        SourceBroken = "source_broken",
        /// A vendor's hook does not answer.
        CredentialStuck = "credential_stuck",
        /// A ticket arrived.
        TicketOpened = "ticket_opened",
        /// What a customer wrote.
        TicketNews = "ticket_news",
        /// An answer.
        TicketAnswered = "ticket_answered",
        /// A ticket is solved.
        TicketSolved = "ticket_solved",
        /// A target was missed.
        TicketLate = "ticket_late",
        /// An archive of somebody's data can be fetched.
        DataExportReady = "data_export_ready",
        /// An account will be deleted.
        DeletionScheduled = "deletion_scheduled",
        /// An account was deleted.
        AccountDeleted = "account_deleted",
    }
}

impl Template {
    /// What it is about.
    #[must_use]
    pub const fn topic(self) -> Topic {
        match self {
            Self::VerifyEmail
            | Self::ResetPassword
            | Self::AlreadyRegistered
            | Self::PasswordChanged
            | Self::ClaimPurchases
            | Self::DataExportReady
            | Self::DeletionScheduled
            | Self::AccountDeleted => Topic::Account,
            Self::OrderPaid
            | Self::OrderFulfilled
            | Self::OrderRefunded
            | Self::OrderDisputed
            | Self::RenewalFailed
            | Self::SubscriptionEnded => Topic::Orders,
            Self::GuestSupport | Self::TicketOpened | Self::TicketAnswered | Self::TicketSolved => Topic::Support,
            Self::OrderNeedsAttention
            | Self::SourceBroken
            | Self::CredentialStuck
            | Self::TicketNews
            | Self::TicketLate => Topic::Operations,
            Self::LicenseExpiring => Topic::LicenseReminders,
            Self::DownloadReady => Topic::ProductUpdates,
        }
    }
}
