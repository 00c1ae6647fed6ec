//! A provider behind a circuit breaker, with its calls counted.

use std::{sync::Arc, time::Instant};

use super::{
    Checkout, Event, Provider, ProviderError, ProviderName, RefundAccepted, RefundRequest, Reply, Session,
    SessionState, SubscriptionEnd, UnreadableEvent,
    breaker::{Breaker, BreakerOptions, BreakerState},
};
use crate::kernel::{Clock, Currency, Money};

/// Asks `P` only while it answers; else says at once that it cannot be reached.
#[derive(Debug)]
pub struct Guarded<P> {
    inner: P,
    breaker: Breaker,
}

impl<P: Provider> Guarded<P> {
    /// Guards `inner`.
    #[must_use]
    pub fn new(inner: P, clock: Arc<dyn Clock>) -> Self {
        Self::with(inner, BreakerOptions::default(), clock)
    }

    /// The same with other limits.
    #[must_use]
    pub fn with(inner: P, options: BreakerOptions, clock: Arc<dyn Clock>) -> Self {
        let guarded = Self { inner, breaker: Breaker::new(options, clock) };
        guarded.show(BreakerState::Closed);
        guarded
    }

    /// What is let through now.
    #[must_use]
    pub fn state(&self) -> BreakerState {
        self.breaker.state()
    }

    async fn guard<T>(
        &self,
        operation: &'static str,
        call: impl Future<Output = Result<T, ProviderError>> + Send,
    ) -> Result<T, ProviderError> {
        let provider = self.inner.name().as_str();
        let Some(permit) = self.breaker.admit() else {
            count(provider, operation, "held_back");
            return Err(ProviderError::Unavailable("it failed several times in a row and is left alone".to_owned()));
        };
        let began = Instant::now();
        let answer = call.await;
        metrics::histogram!("mintreu_provider_duration_seconds", "provider" => provider, "operation" => operation)
            .record(began.elapsed());
        let (outcome, worked) = match &answer {
            Ok(_) => ("done", true),
            // An answer that we do not like is an answer.
            Err(ProviderError::Refused(_)) => ("refused", true),
            Err(ProviderError::NotFound) => ("not_found", true),
            Err(ProviderError::Unsupported) => ("unsupported", true),
            Err(ProviderError::Unavailable(_)) => ("unavailable", false),
        };
        count(provider, operation, outcome);
        match &answer {
            Err(ProviderError::Unavailable(why)) => {
                tracing::warn!(provider, operation, %why, "a provider does not answer");
            }
            // The provider's words may repeat what the buyer entered: they are told to the caller, not to the log.
            Err(ProviderError::Refused(_)) => tracing::warn!(provider, operation, "a provider refuses"),
            Err(ProviderError::NotFound | ProviderError::Unsupported) | Ok(_) => {}
        }
        if let Some(state) = permit.settle(worked) {
            self.show(state);
            match state {
                BreakerState::Closed => tracing::info!(provider, "the provider answers again"),
                BreakerState::Open | BreakerState::HalfOpen => {
                    tracing::error!(provider, "the provider fails again and again and is left alone for a while");
                }
            }
        }
        answer
    }

    fn show(&self, state: BreakerState) {
        let open = match state {
            BreakerState::Closed => 0.0,
            BreakerState::HalfOpen | BreakerState::Open => 1.0,
        };
        metrics::gauge!("mintreu_provider_breaker_open", "provider" => self.inner.name().as_str()).set(open);
    }
}

fn count(provider: &'static str, operation: &'static str, outcome: &'static str) {
    metrics::counter!(
        "mintreu_provider_calls_total", "provider" => provider, "operation" => operation, "outcome" => outcome
    )
    .increment(1);
}

impl<P: Provider> Provider for Guarded<P> {
    fn name(&self) -> ProviderName {
        self.inner.name()
    }

    fn open<'a>(&'a self, checkout: &'a Checkout) -> Reply<'a, Session> {
        Box::pin(self.guard("open", self.inner.open(checkout)))
    }

    fn capture<'a>(&'a self, session: &'a str) -> Reply<'a, SessionState> {
        Box::pin(self.guard("capture", self.inner.capture(session)))
    }

    fn look_up<'a>(&'a self, session: &'a str) -> Reply<'a, SessionState> {
        Box::pin(self.guard("look_up", self.inner.look_up(session)))
    }

    fn refund<'a>(&'a self, request: &'a RefundRequest) -> Reply<'a, RefundAccepted> {
        Box::pin(self.guard("refund", self.inner.refund(request)))
    }

    fn charge<'a>(&'a self, payment: &'a str) -> Reply<'a, Option<String>> {
        Box::pin(self.guard("charge", self.inner.charge(payment)))
    }

    fn fee<'a>(&'a self, charge: &'a str) -> Reply<'a, Option<Money>> {
        Box::pin(self.guard("fee", self.inner.fee(charge)))
    }

    fn cancel_subscription<'a>(&'a self, subscription: &'a str, end: SubscriptionEnd) -> Reply<'a, ()> {
        Box::pin(self.guard("cancel_subscription", self.inner.cancel_subscription(subscription, end)))
    }

    fn retry_invoice<'a>(&'a self, invoice: &'a str) -> Reply<'a, ()> {
        Box::pin(self.guard("retry_invoice", self.inner.retry_invoice(invoice)))
    }

    fn read(&self, event_type: &str, payload: &str) -> Result<Event, UnreadableEvent> {
        self.inner.read(event_type, payload)
    }

    fn subscribes(&self) -> bool {
        self.inner.subscribes()
    }

    fn accepts(&self, currency: Currency) -> bool {
        self.inner.accepts(currency)
    }

    fn charges(&self, total: Money) -> bool {
        self.inner.charges(total)
    }
}
