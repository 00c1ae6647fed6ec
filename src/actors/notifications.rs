//! Notifications: gathers what a notice is about, writes the letter, and sends it.

use std::sync::Arc;

use uuid::Uuid;

use super::{Capability, credential_letters, order_letters, source_letters, ticket_letters};
use crate::{
    accounts::{self, Account, ProofToMail, Purpose},
    app::{App, Shop},
    db::Db,
    jobs::{Attempt, External, Failure, Handlers},
    kernel::{UserId, seal::Keyring},
    licenses::KeyMaker,
    notifications::{
        AlreadyRegisteredLetter, ClaimPurchasesLetter, Letter, Letterhead, MailError, Mailer, Notice,
        PasswordChangedLetter, ResetPasswordLetter, Unwritable, VerifyEmailLetter, Write,
    },
    support,
};

/// What a shard owns.
#[derive(Debug, Clone)]
pub struct Notifications {
    mailer: Mailer,
    pub(super) keys: Keyring,
    pub(super) license_keys: KeyMaker,
    pub(super) shop: Arc<Shop>,
    pub(super) support: Arc<support::Desk>,
}

impl Notifications {
    fn letterhead(&self) -> Letterhead {
        Letterhead { shop: self.shop.name.clone(), url: self.shop.public_url.clone() }
    }

    pub(super) fn write(&self, to: &str, letter: &impl Write) -> Result<Vec<Letter>, Failure> {
        Ok(vec![letter.write(&self.letterhead(), to)?])
    }
}

impl From<Unwritable> for Failure {
    fn from(error: Unwritable) -> Self {
        Self::dead(error)
    }
}

impl From<MailError> for Failure {
    fn from(error: MailError) -> Self {
        match &error {
            MailError::Refused(_) => Self::dead(error),
            MailError::Configured(_) | MailError::Later(_) => Self::retry(error),
        }
    }
}

impl External<Notifications> for Notice {
    async fn run(self, state: &mut Notifications, db: &Db, attempt: Attempt) -> Result<(), Failure> {
        let letters = gather(state, db, &self).await?;
        for (number, letter) in letters.iter().enumerate() {
            let id = if number == 0 { attempt.job.to_string() } else { format!("{}.{number}", attempt.job) };
            let sent = state.mailer.send(letter, &id, db.now()).await;
            let outcome = match &sent {
                Ok(()) => "sent",
                Err(MailError::Refused(_)) => "refused",
                Err(MailError::Configured(_) | MailError::Later(_)) => "failed",
            };
            metrics::counter!("mintreu_mails_total", "outcome" => outcome).increment(1);
            sent?;
        }
        Ok(())
    }
}

/// The letters that a notice comes to: none if what it tells of is no more.
async fn gather(state: &Notifications, db: &Db, notice: &Notice) -> Result<Vec<Letter>, Failure> {
    match *notice {
        Notice::VerifyEmail { proof } => gather_proof(state, db, proof, Purpose::VerifyEmail).await,
        Notice::ResetPassword { proof } => gather_proof(state, db, proof, Purpose::ResetPassword).await,
        Notice::ClaimPurchases { proof } => gather_proof(state, db, proof, Purpose::ClaimPurchases).await,
        Notice::AlreadyRegistered { user } => gather_already_registered(state, db, user).await,
        Notice::PasswordChanged { user } => gather_password_changed(state, db, user).await,
        Notice::OrderFulfilled { order } => order_letters::order_fulfilled(state, db, order).await,
        Notice::OrderRefunded { order, amount } => order_letters::order_refunded(state, db, order, amount).await,
        Notice::LicenseExpiring { license, days } => order_letters::license_expiring(state, db, license, days).await,
        Notice::RenewalFailed { subscription, .. } => order_letters::renewal_failed(state, db, subscription).await,
        Notice::SubscriptionEnded { subscription } => order_letters::subscription_ended(state, db, subscription).await,
        Notice::SourceBroken { source } => source_letters::source_broken(state, db, source).await,
        Notice::CredentialStuck { credential } => credential_letters::stuck(state, db, credential).await,
        Notice::OrderNeedsAttention { order } => order_letters::order_needs_attention(state, db, order).await,
        Notice::TicketOpened { ticket } => ticket_letters::opened(state, db, ticket).await,
        Notice::TicketReplied { ticket, message } => ticket_letters::replied(state, db, ticket, message).await,
        Notice::TicketAnswered { ticket, message } => ticket_letters::answered(state, db, ticket, message).await,
        Notice::TicketSolved { ticket } => ticket_letters::solved(state, db, ticket).await,
        Notice::TicketLate { ticket, resolution } => ticket_letters::late(state, db, ticket, resolution).await,
    }
}

/// A link that proves an address. One that was used or has ended meanwhile is not worth a mail.
async fn gather_proof(state: &Notifications, db: &Db, id: Uuid, purpose: Purpose) -> Result<Vec<Letter>, Failure> {
    let found = accounts::proof_to_mail(db, id).await?;
    let Some(ProofToMail { email, name, expires_at, .. }) =
        found.filter(|proof| proof.purpose == purpose && !proof.used && proof.expires_at > db.now())
    else {
        return Ok(Vec::new());
    };
    let (to, token) = (email.as_str(), accounts::proof_token(&state.keys, purpose, id));
    match purpose {
        Purpose::VerifyEmail => state.write(to, &VerifyEmailLetter { name, token }),
        Purpose::ResetPassword => state.write(to, &ResetPasswordLetter { name, token }),
        Purpose::ClaimPurchases => state.write(to, &ClaimPurchasesLetter { token, expires_at }),
    }
}

async fn gather_already_registered(state: &Notifications, db: &Db, user: UserId) -> Result<Vec<Letter>, Failure> {
    let Some(Account { email, name, .. }) = accounts::find_any_account(db, user).await? else { return Ok(Vec::new()) };
    state.write(email.as_str(), &AlreadyRegisteredLetter { name: Some(name) })
}

async fn gather_password_changed(state: &Notifications, db: &Db, user: UserId) -> Result<Vec<Letter>, Failure> {
    let Some(Account { email, name, .. }) = accounts::find_any_account(db, user).await? else { return Ok(Vec::new()) };
    state.write(email.as_str(), &PasswordChangedLetter { name: Some(name) })
}

/// The capability and the kinds of jobs that it does.
#[must_use]
pub fn capability(app: &App) -> Capability<Notifications> {
    let state = Notifications {
        mailer: app.mailer.clone(),
        keys: app.keys.clone(),
        license_keys: app.license_keys.clone(),
        shop: Arc::clone(&app.shop),
        support: Arc::clone(&app.support),
    };
    let handlers = Handlers::new(app.db.clone()).external::<Notice>();
    Capability::new("notifications", move || state.clone(), Arc::new(handlers))
}
