//! Payments: handles what providers told us, and does with them what takes time.

use std::sync::Arc;

use super::{Capability, inbox};
use crate::{
    app::App,
    db::{Db, Tx},
    flags::{Registry, Switch},
    jobs::{Attempt, External, Failure, Handlers, Together, Transactional},
    kernel::{OrderId, PaymentId},
    licenses::KeyMaker,
    orders::{
        self, CapturePayment, FetchFees, LearnCharge, MakeRefund, Planned, Policy, Reconcile, ReconcileOrder,
        subscriptions::{self, EndSubscription, RetryRenewal},
    },
    payments::{
        self, HandleEvent, Provider, ProviderError, ProviderName, Providers, SessionState, WebhookId, sandbox::Sandbox,
    },
};

/// What a payments shard owns: the providers, behind their circuit breakers, the shop's rules, and what makes licences.
#[derive(Debug, Clone)]
pub struct Payments {
    providers: Providers,
    policy: Policy,
    flags: Registry,
    keys: KeyMaker,
    /// The provider that only pretends delivers its own events.
    pub(super) sandbox: Option<Sandbox>,
}

impl Payments {
    fn provider(&self, name: ProviderName) -> Result<&dyn Provider, Failure> {
        let off = || Failure::retry(format!("the provider {name} is switched off in the configuration"));
        self.providers.get(name).map(AsRef::as_ref).ok_or_else(off)
    }

    /// What makes licences, for orders that are paid: not while licensing is switched off, when they wait as jobs.
    fn keys_to_give(&self) -> Option<&KeyMaker> {
        self.flags.is_on(Switch::Licensing).then_some(&self.keys)
    }
}

/// A call that failed is made again when another could go better.
impl From<ProviderError> for Failure {
    fn from(error: ProviderError) -> Self {
        match error {
            ProviderError::Unavailable(_) => Self::retry(error),
            ProviderError::Refused(_) | ProviderError::NotFound | ProviderError::Unsupported => Self::dead(error),
        }
    }
}

impl Together<Payments> for HandleEvent {
    async fn run(works: Vec<Self>, actor: &mut Payments, tx: &mut Tx) -> Result<(), Failure> {
        let ids: Vec<_> = works.iter().map(|work| work.event).collect();
        let (mut taken, mut events) = (Vec::new(), Vec::new());
        for event in payments::take(tx, &ids).await? {
            let provider: ProviderName = event.provider.parse().map_err(Failure::dead)?;
            match actor.provider(provider)?.read(&event.event_type, &event.payload) {
                Ok(read) => {
                    taken.push((event.id, provider));
                    events.push((provider, read));
                }
                Err(unreadable) => note_event(tx, event.id, provider, "unreadable", Some(&unreadable.0)),
            }
        }
        let handled = orders::handle_all(tx, events, &actor.policy, actor.keys_to_give()).await?;
        for ((event, provider), handled) in taken.into_iter().zip(handled) {
            note_event(tx, event, provider, handled.as_str(), None);
        }
        Ok(())
    }
}

/// Writes down what became of an event.
fn note_event(tx: &mut Tx, event: WebhookId, provider: ProviderName, outcome: &'static str, detail: Option<&str>) {
    tracing::debug!(%event, outcome, "event handled");
    metrics::counter!("mintreu_webhooks_handled_total", "provider" => provider.as_str(), "outcome" => outcome)
        .increment(1);
    payments::record(tx, event, outcome, detail);
}

impl External<Payments> for CapturePayment {
    async fn run(self, actor: &mut Payments, db: &Db, _: Attempt) -> Result<(), Failure> {
        let answer = match actor.provider(self.provider)?.capture(&self.session).await {
            // A declined card is nothing for an operator: the buyer is still there, and may pay another way.
            Err(ProviderError::Refused(_) | ProviderError::NotFound) => {
                return Ok(db.write(async |tx| orders::capture_refused(tx, &self).await).await?);
            }
            answer => answer?,
        };
        if answer == SessionState::Approved {
            return Err(Failure::retry("the provider has not captured the payment yet"));
        }
        let session = orders::OpenSession { provider: self.provider, provider_ref: self.session };
        note(db, self.order, &session, &answer, &actor.policy).await
    }
}

impl Transactional<Payments> for Reconcile {
    async fn run(self, actor: &mut Payments, tx: &mut Tx, _: Attempt) -> Result<(), Failure> {
        orders::sweep(tx, &actor.policy).await
    }
}

impl External<Payments> for ReconcileOrder {
    async fn run(self, actor: &mut Payments, db: &Db, _: Attempt) -> Result<(), Failure> {
        let sessions = orders::sessions_of(db, self.order).await?;
        for session in &sessions {
            let answer = match actor.provider(session.provider)?.look_up(&session.provider_ref).await {
                Err(ProviderError::NotFound) => SessionState::Ended,
                answer => answer?,
            };
            note(db, self.order, session, &answer, &actor.policy).await?;
        }
        if sessions.is_empty() {
            db.write(async |tx| orders::expire_unpaid(tx, self.order).await).await?;
        }
        Ok(())
    }
}

async fn note(
    db: &Db,
    order: OrderId,
    session: &orders::OpenSession,
    answer: &SessionState,
    policy: &Policy,
) -> Result<(), Failure> {
    let handled = db.write(async |tx| orders::reconciled(tx, order, session, answer, policy).await).await?;
    tracing::debug!(%order, %handled, "the provider was asked");
    Ok(())
}

impl External<Payments> for MakeRefund {
    async fn run(self, actor: &mut Payments, db: &Db, _: Attempt) -> Result<(), Failure> {
        let mut planned = orders::planned(db, self.refund).await?;
        if let Some(Planned::ChargeUnknown(payment)) = planned {
            learn_charge(actor, db, payment).await?;
            planned = orders::planned(db, self.refund).await?;
        }
        let (provider, request) = match planned {
            Some(Planned::Ask(provider, request)) => (provider, request),
            Some(Planned::ChargeUnknown(_)) => return Err(Failure::retry(CHARGE_UNKNOWN)),
            None => return Ok(()),
        };
        match actor.provider(provider)?.refund(&request).await {
            Ok(accepted) => db.write(async |tx| orders::made(tx, self.refund, &accepted, &actor.policy).await).await,
            Err(error @ ProviderError::Unavailable(_)) => Err(error.into()),
            Err(error) => {
                let why = error.to_string();
                Ok(db.write(async |tx| orders::refused(tx, self.refund, &why).await).await?)
            }
        }
    }
}

/// Stripe names a subscription's charge only in the answer to a question.
async fn learn_charge(actor: &Payments, db: &Db, payment: PaymentId) -> Result<(), Failure> {
    let Some((provider, reference)) = orders::uncharged(db, payment).await? else { return Ok(()) };
    let charge = actor.provider(provider)?.charge(&reference).await?;
    let charge = charge.ok_or_else(|| Failure::retry(CHARGE_UNKNOWN))?;
    db.write(async |tx| orders::learned(tx, payment, &charge, &actor.policy).await).await
}

const CHARGE_UNKNOWN: &str = "the provider has not told what it calls the payment's money";

impl External<Payments> for LearnCharge {
    async fn run(self, actor: &mut Payments, db: &Db, _: Attempt) -> Result<(), Failure> {
        learn_charge(actor, db, self.payment).await
    }
}

impl External<Payments> for FetchFees {
    async fn run(self, actor: &mut Payments, db: &Db, _: Attempt) -> Result<(), Failure> {
        for (payment, provider, charge) in orders::fees_wanted(db).await? {
            match actor.provider(provider)?.fee(&charge).await {
                Ok(Some(fee)) => _ = db.write(async |tx| orders::record_fee(tx, payment, fee).await).await?,
                // Not told yet: the next run asks again.
                Ok(None) | Err(ProviderError::Unsupported) => {}
                Err(error @ ProviderError::Unavailable(_)) => return Err(error.into()),
                Err(error @ (ProviderError::Refused(_) | ProviderError::NotFound)) => {
                    tracing::warn!(%payment, %error, "a payment's fee cannot be had");
                }
            }
        }
        Ok(())
    }
}

impl External<Payments> for RetryRenewal {
    async fn run(self, actor: &mut Payments, db: &Db, _: Attempt) -> Result<(), Failure> {
        let Some((provider, invoice)) = subscriptions::unpaid(db, self.subscription).await? else { return Ok(()) };
        match actor.provider(provider)?.retry_invoice(&invoice).await {
            Err(error @ ProviderError::Unavailable(_)) => return Err(error.into()),
            // A charge that fails again is what the next step is for.
            Ok(()) | Err(ProviderError::Refused(_) | ProviderError::NotFound | ProviderError::Unsupported) => {}
        }
        Ok(db.write(async |tx| subscriptions::retried(tx, self.subscription).await).await?)
    }
}

impl External<Payments> for EndSubscription {
    async fn run(self, actor: &mut Payments, db: &Db, _: Attempt) -> Result<(), Failure> {
        let Some((provider, reference)) = subscriptions::ending(db, self.subscription).await? else { return Ok(()) };
        match actor.provider(provider)?.cancel_subscription(&reference, self.end.into()).await {
            // Ended there already.
            Ok(()) | Err(ProviderError::NotFound) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// The capability and the kinds of jobs that it does.
#[must_use]
pub fn capability(app: &App) -> Capability<Payments> {
    let handlers = inbox::handlers(Handlers::new(app.db.clone()))
        .together::<HandleEvent>()
        .transactional::<Reconcile>()
        .external::<CapturePayment>()
        .external::<ReconcileOrder>()
        .external::<MakeRefund>()
        .external::<LearnCharge>()
        .external::<FetchFees>()
        .external::<RetryRenewal>()
        .external::<EndSubscription>();
    let state = Payments {
        providers: app.providers.clone(),
        policy: app.shop.policy,
        flags: app.flags.clone(),
        keys: app.license_keys.clone(),
        sandbox: app.sandbox.clone(),
    };
    Capability::new("payments", move || state.clone(), Arc::new(handlers))
}
