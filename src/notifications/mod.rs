//! Notifications: what people are told by mail.
//!
//! A slice that has something to tell enqueues a [`Notice`] in its transaction. Who it goes to and what it says is
//! gathered when it is written, so a notice holds identifiers only: no key, no token, no address. What was gathered
//! becomes a [`Letter`], and the [`Mailer`] sends it.

mod account_letters;
mod credential_letters;
mod letter;
mod mailer;
mod notice;
mod order_letters;
mod source_letters;
mod ticket_letters;

pub use account_letters::{
    AlreadyRegisteredLetter, ClaimPurchasesLetter, PasswordChangedLetter, ResetPasswordLetter, VerifyEmailLetter,
};
pub use credential_letters::CredentialStuckLetter;
pub use letter::{Letter, Letterhead, Thread, Unwritable, Write};
pub use mailer::{MailError, MailTo, Mailer};
pub use notice::Notice;
pub use order_letters::{
    LicenseExpiringLetter, OrderFulfilledLetter, OrderLine, OrderNeedsAttentionLetter, OrderRefundedLetter,
    RenewalFailedLetter, SubscriptionEndedLetter,
};
pub use source_letters::SourceBrokenLetter;
pub use ticket_letters::{
    TicketAnsweredLetter, TicketHead, TicketLateLetter, TicketNewsLetter, TicketOpenedLetter, TicketSolvedLetter,
};
