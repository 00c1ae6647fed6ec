//! Calls to Stripe's API, and what its refusals mean.

use serde::{Deserialize, de::DeserializeOwned};

use super::{
    Stripe, VERSION,
    currency::to_stripe,
    objects::{Charge, Intent, Invoice, Named, Ref, Refund},
    segment,
};
use crate::{
    kernel::{Money, Secret},
    payments::{
        Answer, Body, Call, Method, ProviderError, RefundAccepted, RefundRequest, SessionState, SubscriptionEnd,
    },
};

/// Fields of a form, in Stripe's notation of nested ones: `metadata[order_id]`.
pub(super) type Form = Vec<(String, String)>;

/// One field of a form.
pub(super) fn field(name: &str, value: &(impl ToString + ?Sized)) -> (String, String) {
    (name.to_owned(), value.to_string())
}

#[derive(Deserialize)]
struct Refusal {
    error: RefusalBody,
}

#[derive(Deserialize)]
struct RefusalBody {
    code: Option<String>,
    message: Option<String>,
}

impl Stripe {
    pub(super) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ProviderError> {
        self.call(Method::Get, path, None, Body::Empty).await
    }

    pub(super) async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        key: &str,
        form: Form,
    ) -> Result<T, ProviderError> {
        self.call(Method::Post, path, Some(key), Body::Form(form)).await
    }

    async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        key: Option<&str>,
        body: Body,
    ) -> Result<T, ProviderError> {
        let mut headers = vec![
            ("authorization", Secret::new(format!("Bearer {}", self.options.secret_key.expose()))),
            ("stripe-version", Secret::new(VERSION.to_owned())),
        ];
        if let Some(key) = key {
            headers.push(("idempotency-key", Secret::new(key.to_owned())));
        }
        let url = format!("{}/v1/{path}", self.options.api_base);
        let answer = self.client.send(&Call { method, url, headers, body }).await?;
        if answer.is_success() { answer.json() } else { Err(refusal(&answer)) }
    }

    /// <https://docs.stripe.com/api/refunds/create>
    pub(super) async fn make_refund(&self, request: &RefundRequest) -> Result<RefundAccepted, ProviderError> {
        let charge = segment(&request.charge)?;
        let of = if charge.starts_with("ch_") || charge.starts_with("py_") { "charge" } else { "payment_intent" };
        let form = vec![
            field(of, charge),
            field("amount", &to_stripe(request.amount)?),
            field("metadata[order_id]", &request.order),
        ];
        let refund: Refund = self.post("refunds", &request.idempotency_key, form).await?;
        match refund.status.as_deref() {
            Some("failed" | "canceled") => Err(ProviderError::Refused("the refund failed".to_owned())),
            status => {
                Ok(RefundAccepted { succeeded: matches!(status, Some("succeeded") | None), reference: refund.id })
            }
        }
    }

    /// The payment intent of a session, of a subscription's first invoice, or of a renewal's.
    pub(super) async fn charge_of(&self, payment: &str) -> Result<Option<String>, ProviderError> {
        if payment.starts_with("in_") {
            let invoice: Invoice = self.get(&format!("invoices/{}", segment(payment)?)).await?;
            return Ok(invoice.charge());
        }
        Ok(match self.session_state(payment).await? {
            SessionState::Paid(paid) => paid.charge,
            SessionState::Open | SessionState::Approved | SessionState::Ended => None,
        })
    }

    /// What Stripe kept, from the charge's entry in the account's balance.
    pub(super) async fn fee_of(&self, charge: &str) -> Result<Option<Money>, ProviderError> {
        let charge = segment(charge)?;
        if charge.starts_with("ch_") || charge.starts_with("py_") {
            let found: Charge = self.get(&format!("charges/{charge}?expand[]=balance_transaction")).await?;
            return Ok(found.fee());
        }
        let path = format!("payment_intents/{charge}?expand[]=latest_charge.balance_transaction");
        let intent: Intent = self.get(&path).await?;
        Ok(intent.latest_charge.as_ref().and_then(Ref::object).and_then(Charge::fee))
    }

    /// <https://docs.stripe.com/api/subscriptions/cancel>
    pub(super) async fn end_subscription(&self, id: &str, end: SubscriptionEnd) -> Result<(), ProviderError> {
        let path = format!("subscriptions/{}", segment(id)?);
        let _: Named = match end {
            SubscriptionEnd::PeriodEnd => {
                let form = vec![field("cancel_at_period_end", &true)];
                self.call(Method::Post, &path, None, Body::Form(form)).await?
            }
            SubscriptionEnd::Now => self.call(Method::Delete, &path, None, Body::Empty).await?,
        };
        Ok(())
    }

    /// <https://docs.stripe.com/api/invoices/pay>. An invoice that is paid is refused, so none is paid twice.
    pub(super) async fn pay_invoice(&self, invoice: &str) -> Result<(), ProviderError> {
        let path = format!("invoices/{}/pay", segment(invoice)?);
        let _: Named = self.call(Method::Post, &path, None, Body::Form(Vec::new())).await?;
        Ok(())
    }
}

/// <https://docs.stripe.com/api/errors>
fn refusal(answer: &Answer) -> ProviderError {
    let told = serde_json::from_slice::<Refusal>(&answer.body).ok().map(|refusal| refusal.error);
    let words = told.and_then(|error| error.message.or(error.code)).unwrap_or_default();
    let words: String = words.chars().take(300).collect();
    match answer.status {
        404 => ProviderError::NotFound,
        // A wrong key is mended by an operator, and then the same request is done.
        401 | 403 => ProviderError::Unavailable("it does not take payments.stripe.secret_key".to_owned()),
        // Another request with the same key is being answered; too many requests; a failure of theirs.
        409 | 429 | 500.. => ProviderError::Unavailable(format!("it answers {}: {words}", answer.status)),
        status => ProviderError::Refused(format!("{status}: {words}")),
    }
}
