//! Checkout Sessions: <https://docs.stripe.com/api/checkout/sessions>.

use std::time::Duration;

use super::{
    Stripe,
    api::{Form, field},
    currency::{is_offered, to_stripe},
    events,
    objects::{self, seconds},
    segment,
};
use crate::{
    kernel::Time,
    payments::{Checkout, Period, ProviderError, Session, SessionState},
};

/// Sessions live from half an hour to a day.
const SHORTEST: Duration = Duration::from_mins(30);
const LONGEST: Duration = Duration::from_hours(24);
/// For the clocks and for the way.
const MARGIN: Duration = Duration::from_mins(1);

impl Stripe {
    pub(super) async fn open_session(&self, checkout: &Checkout) -> Result<Session, ProviderError> {
        let (ends, key) = lifetime(checkout, self.clock.now());
        let session: objects::Session = self.post("checkout/sessions", &key, form(checkout, ends)?).await?;
        let Some(url) = session.url else {
            return Err(ProviderError::Refused("the session has no page to pay on any more".to_owned()));
        };
        Ok(Session { reference: session.id, url, expires_at: session.expires_at.map(seconds) })
    }

    pub(super) async fn session_state(&self, session: &str) -> Result<SessionState, ProviderError> {
        let path = format!(
            "checkout/sessions/{}?expand[]=payment_intent.latest_charge.balance_transaction\
             &expand[]=invoice.payment_intent.latest_charge.balance_transaction",
            segment(session)?
        );
        let session: objects::Session = match self.get(&path).await {
            Err(ProviderError::NotFound) => return Ok(SessionState::Ended),
            answer => answer?,
        };
        match (session.status.as_deref(), session.payment_status.as_deref()) {
            (Some("expired"), _) => Ok(SessionState::Ended),
            (Some("complete"), Some("paid" | "no_payment_required")) => events::paid(&session)
                .map(SessionState::Paid)
                .map_err(|error| ProviderError::Unavailable(error.to_string())),
            // A bank transfer on its way is not paid yet.
            _ => Ok(SessionState::Open),
        }
    }
}

/// When the session shall end, in Unix seconds, and the key to open it with. The same key must come with the same form,
/// whenever it is sent: a time that Stripe does not take is replaced by one that stays the same for half an hour, under a
/// key that says so.
fn lifetime(checkout: &Checkout, now: Time) -> (Option<i64>, String) {
    let key = &checkout.idempotency_key;
    let wanted = checkout.expires_at;
    if wanted > now + LONGEST.saturating_sub(MARGIN) {
        return (None, format!("{key}:day"));
    }
    if wanted >= now + SHORTEST + MARGIN {
        return (Some(wanted.as_secs()), key.clone());
    }
    let half_hour = 1_800;
    let slot = (now + MARGIN).as_secs().div_euclid(half_hour) + 2;
    (Some(slot * half_hour), format!("{key}:{slot}"))
}

fn form(checkout: &Checkout, ends: Option<i64>) -> Result<Form, ProviderError> {
    let Checkout { order, total, .. } = checkout;
    if !is_offered(total.currency) {
        return Err(ProviderError::Refused(format!("it does not charge in {}", total.currency)));
    }
    let (mode, copied_to) = match checkout.recurring {
        None => ("payment", "payment_intent_data"),
        Some(_) => ("subscription", "subscription_data"),
    };
    let mut form = vec![
        field("mode", mode),
        field("client_reference_id", order),
        field("metadata[order_id]", order),
        field(&format!("{copied_to}[metadata][order_id]"), order),
        field("customer_email", &checkout.email),
        field("success_url", &checkout.success_url),
        field("cancel_url", &checkout.cancel_url),
        field("line_items[0][quantity]", &1),
        field("line_items[0][price_data][currency]", &total.currency.code().to_ascii_lowercase()),
        field("line_items[0][price_data][unit_amount]", &to_stripe(*total)?),
        field("line_items[0][price_data][product_data][name]", &checkout.description),
    ];
    if let Some(period) = checkout.recurring {
        let interval = match period {
            Period::Month => "month",
            Period::Year => "year",
        };
        form.push(field("line_items[0][price_data][recurring][interval]", interval));
    }
    form.extend(ends.map(|ends| field("expires_at", &ends)));
    Ok(form)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::{Currency, Money, OrderId};
    use uuid::Uuid;

    fn checkout(expires_at: Time) -> Checkout {
        Checkout {
            order: OrderId::from_uuid(Uuid::from_u128(7)),
            description: "Pro plan of Ink × 2".to_owned(),
            total: Money::new(1999, Currency::USD),
            recurring: None,
            email: "ada@example.com".to_owned(),
            success_url: "https://shop.example.com/done".to_owned(),
            cancel_url: "https://shop.example.com/back".to_owned(),
            expires_at,
            idempotency_key: "k".to_owned(),
        }
    }

    #[test]
    fn a_session_ends_when_it_is_asked_to_or_when_stripe_lets_it() {
        let now = Time::from_micros(1_800_000_123_000_000);
        let hours = |hours| now + Duration::from_hours(hours);
        assert_eq!(lifetime(&checkout(hours(2)), now), (Some(hours(2).as_secs()), "k".to_owned()));
        assert_eq!(lifetime(&checkout(hours(40)), now), (None, "k:day".to_owned()));
        for minutes in 0..90 {
            let now = now + Duration::from_mins(minutes);
            let (ends, _) = lifetime(&checkout(Time::from_micros(0)), now);
            let left = ends.expect("a time") - now.as_secs();
            assert!((1_800..=86_400).contains(&left), "{left}");
        }
    }

    #[test]
    fn the_same_key_comes_with_the_same_form() {
        let now = Time::from_micros(1_800_000_123_000_000);
        for expires in [now + Duration::from_mins(20), now + Duration::from_mins(31), now + Duration::from_mins(1_441)]
        {
            let mut forms = std::collections::HashMap::new();
            for second in 0..4_000 {
                let (ends, key) = lifetime(&checkout(expires), now + Duration::from_secs(second));
                assert_eq!(*forms.entry(key).or_insert(ends), ends);
            }
        }
    }

    #[test]
    fn a_subscription_says_how_often_and_what_stripe_does_not_charge_in_is_refused() {
        let mut checkout = checkout(Time::from_micros(0));
        checkout.recurring = Some(Period::Year);
        let made = form(&checkout, None).expect("a form");
        for pair in [
            ("mode", "subscription"),
            ("line_items[0][price_data][recurring][interval]", "year"),
            ("subscription_data[metadata][order_id]", &checkout.order.to_string()),
        ] {
            assert!(made.iter().any(|(name, value)| (name.as_str(), value.as_str()) == pair), "{pair:?}");
        }
        checkout.total = Money::new(100, "SYP".parse().expect("a currency"));
        assert!(matches!(form(&checkout, None), Err(ProviderError::Refused(_))));
    }
}
