//! Notifications: what people are told by mail.
//!
//! A slice that has something to tell enqueues a [`Notice`] in its transaction. Who it goes to and what it says is
//! gathered when it is written, so a notice holds identifiers only: no key, no token, no address. What was gathered
//! is what is [`Owed`], and the [`Post`] sends it: one mail for each cause, in the reader's language, with a record of what
//! became of it.

mod account_letters;
mod credential_letters;
mod languages;
mod letter;
mod license_letters;
mod mailer;
mod mails;
mod notice;
mod order_letters;
mod post;
mod preferences;
mod privacy_letters;
mod recipients;
mod record;
mod report;
mod reports;
mod samples;
mod smtp;
mod source_letters;
mod suppressions;
mod ticket_letters;
mod topic;
mod unsubscribe;

pub use account_letters::{
    AlreadyRegisteredLetter, ClaimPurchasesLetter, PasswordChangedLetter, ResetPasswordLetter, VerifyEmailLetter,
};
pub use credential_letters::CredentialStuckLetter;
pub use languages::{Direction, ENGLISH, Language, Word, is_language, language, languages};
pub use letter::{Letter, Letterhead, Sheet, Thread, UnsubscribePage, Unwritable, Write};
pub use license_letters::{LicenseExpiringLetter, RenewalFailedLetter, SubscriptionEndedLetter};
pub use mailer::{MailError, MailTo, Mailer};
pub use mails::{Mail, MailFilter, ResendError, mail, mails, resend};
pub use notice::{AnnounceFile, ForgetMails, Notice, OneMail, TellOfPayments};
pub use order_letters::{
    Dispute, OrderDisputedLetter, OrderFulfilledLetter, OrderLine, OrderNeedsAttentionLetter, OrderPaidLetter,
    OrderRefundedLetter,
};
pub use post::{Owed, Post, Posted, Telling};
pub use preferences::{PreferenceChange, Preferences, TopicPreference, change_preferences, language_of, preferences};
pub use privacy_letters::{AccountDeletedLetter, DataExportReadyLetter, DeletionScheduledLetter};
pub use recipients::Recipients;
pub use record::{MailState, forget_mails};
pub use report::{LONGEST_REPORT, Reported, ReportedMail, Unreadable, read_event, read_report};
pub use reports::{
    Heard, MailReport, MailReportId, MailReportMarker, ReportFilter, ReportKind, ReportOutcome, Trust, hear_reports,
    mail_reports,
};
pub use samples::Sample;
pub use source_letters::{DownloadReadyLetter, SourceBrokenLetter};
pub use suppressions::{
    Suppression, SuppressionFilter, SuppressionId, SuppressionMarker, SuppressionReason, suppress, suppression,
    suppressions, unsuppress,
};
pub use ticket_letters::{
    GuestSupportLetter, TicketAnsweredLetter, TicketHead, TicketLateLetter, TicketNewsLetter, TicketOpenedLetter,
    TicketSolvedLetter,
};
pub use topic::{Template, Topic};
pub use unsubscribe::{Holder, Permission, permission, token as unsubscribe_token, unsubscribe};

crate::id_type!(MailId, MailMarker, "mail", "A mail, and what became of it.");
