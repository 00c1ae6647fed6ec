//! Notifications: gathers what a notice is about, and has it posted.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use uuid::Uuid;

use super::{
    Capability, credential_letters, license_letters, order_letters, privacy_letters, source_letters, ticket_letters,
};
use crate::{
    accounts::{self, Account, ProofToMail, Purpose},
    app::{App, Shop},
    db::{Db, DbError},
    jobs::{Attempt, External, Failure, Handlers, Schedule, cron::CronError},
    kernel::{UserId, seal::Keyring},
    licenses::KeyMaker,
    notifications::{
        AlreadyRegisteredLetter, AnnounceFile, ClaimPurchasesLetter, ForgetMails, GuestSupportLetter, Letterhead,
        Notice, OneMail, Owed, PasswordChangedLetter, Post, ResetPasswordLetter, TellOfPayments, Telling,
        VerifyEmailLetter, forget_mails,
    },
    support,
};

/// How long records of mails are kept.
const RECORDS_KEPT: Duration = Duration::from_hours(180 * 24);

/// What a shard owns.
#[derive(Debug, Clone)]
pub struct Notifications {
    post: Post,
    pub(super) keys: Keyring,
    pub(super) license_keys: KeyMaker,
    pub(super) shop: Arc<Shop>,
    pub(super) support: Arc<support::Desk>,
}

/// What a notice comes to: nothing if what it tells of is no more.
pub(super) type Letters = Result<Vec<Owed>, Failure>;

impl External<Notifications> for Notice {
    async fn run(self, state: &mut Notifications, db: &Db, attempt: Attempt) -> Result<(), Failure> {
        let telling = Telling { notice: &self, of: attempt.job, attempt };
        let owed = gather(state, db, &self).await?;
        if let [only] = owed.as_slice() {
            Box::pin(state.post.post(db, only, &telling)).await?;
            return Ok(());
        }
        // A job for each: one that cannot be reached keeps nothing from the others.
        let causes: BTreeSet<String> = owed.iter().map(|owed| state.post.cause(owed, &telling)).collect();
        db.write(async |tx| {
            for cause in &causes {
                tx.enqueue(&OneMail { notice: self.clone(), of: attempt.job, cause: cause.clone() }).await?;
            }
            Ok::<_, DbError>(())
        })
        .await?;
        Ok(())
    }
}

impl External<Notifications> for OneMail {
    async fn run(self, state: &mut Notifications, db: &Db, attempt: Attempt) -> Result<(), Failure> {
        let telling = Telling { notice: &self.notice, of: self.of, attempt };
        let owed = gather(state, db, &self.notice).await?;
        match owed.iter().find(|owed| state.post.cause(owed, &telling) == self.cause) {
            Some(owed) => Box::pin(state.post.post(db, owed, &telling)).await.map(|_| ()),
            None => Ok(state.post.nothing_to_tell(db, &self.cause).await?),
        }
    }
}

impl External<Notifications> for ForgetMails {
    async fn run(self, _: &mut Notifications, db: &Db, _: Attempt) -> Result<(), Failure> {
        let forgotten = forget_mails(db, db.now() - RECORDS_KEPT).await?;
        tracing::debug!(forgotten, "old records of mails are deleted");
        Ok(())
    }
}

/// What a notice comes to.
async fn gather(state: &Notifications, db: &Db, notice: &Notice) -> Letters {
    match *notice {
        Notice::VerifyEmail { proof } => gather_proof(state, db, proof, Purpose::VerifyEmail).await,
        Notice::ResetPassword { proof } => gather_proof(state, db, proof, Purpose::ResetPassword).await,
        Notice::ClaimPurchases { proof } => gather_proof(state, db, proof, Purpose::ClaimPurchases).await,
        Notice::GuestSupport { proof } => gather_proof(state, db, proof, Purpose::GuestSupport).await,
        Notice::AlreadyRegistered { user } => gather_already_registered(db, user).await,
        Notice::PasswordChanged { user } => gather_password_changed(db, user).await,
        Notice::OrderPaid { order } => order_letters::order_paid(state, db, order).await,
        Notice::OrderFulfilled { order } => order_letters::order_fulfilled(state, db, order).await,
        Notice::OrderRefunded { order, amount } => order_letters::order_refunded(db, order, amount).await,
        Notice::OrderDisputed { order } => order_letters::order_disputed(db, order).await,
        Notice::LicenseExpiring { license, days } => license_letters::license_expiring(db, license, days).await,
        Notice::RenewalFailed { subscription, .. } => license_letters::renewal_failed(db, subscription).await,
        Notice::SubscriptionEnded { subscription } => license_letters::subscription_ended(db, subscription).await,
        Notice::DownloadReady { source, user } => source_letters::download_ready(db, source, user).await,
        Notice::SourceBroken { source } => source_letters::source_broken(state, db, source).await,
        Notice::CredentialStuck { credential } => credential_letters::stuck(state, db, credential).await,
        Notice::OrderNeedsAttention { order } => order_letters::order_needs_attention(state, db, order).await,
        Notice::TicketOpened { ticket } => ticket_letters::opened(state, db, ticket).await,
        Notice::TicketReplied { ticket, message } => ticket_letters::replied(state, db, ticket, message).await,
        Notice::TicketAnswered { ticket, message } => ticket_letters::answered(state, db, ticket, message).await,
        Notice::TicketSolved { ticket } => ticket_letters::solved(state, db, ticket).await,
        Notice::DataExportReady { export } => privacy_letters::export_ready(state, db, export).await,
        Notice::DeletionScheduled { deletion } => privacy_letters::deletion_scheduled(db, deletion).await,
        Notice::AccountDeleted { deletion } => privacy_letters::account_deleted(state, db, deletion).await,
        Notice::TicketLate { ticket, resolution } => ticket_letters::late(state, db, ticket, resolution).await,
    }
}

/// A link that proves an address. One that was used or has ended meanwhile is not worth a mail.
async fn gather_proof(state: &Notifications, db: &Db, id: Uuid, purpose: Purpose) -> Letters {
    let found = accounts::proof_to_mail(db, id).await?;
    let Some(ProofToMail { email, user, name, expires_at, .. }) =
        found.filter(|proof| proof.purpose == purpose && !proof.used && proof.expires_at > db.now())
    else {
        return Ok(Vec::new());
    };
    let (to, token) = (email.to_string(), accounts::proof_token(&state.keys, purpose, id));
    Ok(vec![match purpose {
        Purpose::VerifyEmail => Owed::new(to, user, VerifyEmailLetter { name, token }),
        Purpose::ResetPassword => Owed::new(to, user, ResetPasswordLetter { name, token }),
        Purpose::ClaimPurchases => Owed::new(to, user, ClaimPurchasesLetter { token, expires_at }),
        Purpose::GuestSupport => Owed::new(to, user, GuestSupportLetter { token, expires_at }),
    }])
}

async fn gather_already_registered(db: &Db, user: UserId) -> Letters {
    let Some(Account { email, name, .. }) = accounts::find_any_account(db, user).await? else { return Ok(Vec::new()) };
    Ok(vec![Owed::new(email.to_string(), Some(user), AlreadyRegisteredLetter { name: Some(name) })])
}

async fn gather_password_changed(db: &Db, user: UserId) -> Letters {
    let Some(Account { email, name, .. }) = accounts::find_any_account(db, user).await? else { return Ok(Vec::new()) };
    Ok(vec![Owed::new(email.to_string(), Some(user), PasswordChangedLetter { name: Some(name) })])
}

/// What the clock sets going.
pub fn schedules() -> Result<Vec<Schedule>, CronError> {
    Ok(vec![
        Schedule::new("notifications.tell_of_payments", "*/5 * * * *", TellOfPayments {})?,
        Schedule::new("notifications.forget_mails", "41 3 * * *", ForgetMails {})?,
    ])
}

/// The capability and the kinds of jobs that it does.
#[must_use]
pub fn capability(app: &App) -> Capability<Notifications> {
    let head = Letterhead { shop: app.shop.name.clone(), url: app.shop.public_url.clone() };
    let state = Notifications {
        post: Post::new(app.mailer.clone(), &app.keys, head),
        keys: app.keys.clone(),
        license_keys: app.license_keys.clone(),
        shop: Arc::clone(&app.shop),
        support: Arc::clone(&app.support),
    };
    let handlers = Handlers::new(app.db.clone())
        .external::<Notice>()
        .external::<OneMail>()
        .transactional::<AnnounceFile>()
        .external::<TellOfPayments>()
        .external::<ForgetMails>();
    Capability::new("notifications", move || state.clone(), Arc::new(handlers))
}
