//! Calls to PayPal's API: the access token, and what refusals mean.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

use super::Paypal;
use crate::{
    kernel::{Secret, Time},
    payments::{Answer, Body, Call, Method, ProviderError},
};

/// An access token: <https://developer.paypal.com/api/rest/authentication/>
#[derive(Debug, Clone)]
pub(super) struct Token {
    value: Secret<String>,
    until: Time,
}

/// A token is not used in its last minute: the call takes time, and clocks differ.
const MARGIN: Duration = Duration::from_mins(1);

#[derive(Deserialize)]
struct Granted {
    access_token: String,
    expires_in: u64,
}

/// Why PayPal did not do what it was asked.
#[derive(Debug)]
pub(super) enum Refusal {
    /// With a 422 and this issue, e.g. `ORDER_ALREADY_CAPTURED`.
    Issue(String),
    /// In another way.
    Error(ProviderError),
}

impl From<ProviderError> for Refusal {
    fn from(error: ProviderError) -> Self {
        Self::Error(error)
    }
}

impl From<Refusal> for ProviderError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Issue(issue) => Self::Refused(issue),
            Refusal::Error(error) => error,
        }
    }
}

#[derive(Deserialize)]
struct ErrorBody {
    name: Option<String>,
    message: Option<String>,
    #[serde(default)]
    details: Vec<ErrorDetail>,
}

#[derive(Deserialize)]
struct ErrorDetail {
    issue: Option<String>,
}

impl Paypal {
    pub(super) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Refusal> {
        self.call(Method::Get, path, None, Body::Empty).await
    }

    /// Does something once for each key, however often it is sent.
    pub(super) async fn post<T: DeserializeOwned>(&self, path: &str, key: &str, body: Value) -> Result<T, Refusal> {
        self.call(Method::Post, path, Some(key), Body::Json(body)).await
    }

    async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        key: Option<&str>,
        body: Body,
    ) -> Result<T, Refusal> {
        let mut renewed = false;
        loop {
            let token = self.token(renewed).await?;
            let mut headers = vec![
                ("authorization", Secret::new(format!("Bearer {}", token.expose()))),
                ("prefer", Secret::new("return=representation".to_owned())),
            ];
            if let Some(key) = key {
                headers.push(("paypal-request-id", Secret::new(key.to_owned())));
            }
            let url = format!("{}/{path}", self.options.api_base);
            let answer = self.client.send(&Call { method, url, headers, body: body.clone() }).await?;
            // The token was withdrawn before its time: a new one, once.
            if answer.status == 401 && !renewed {
                renewed = true;
                continue;
            }
            return if answer.is_success() { Ok(answer.json()?) } else { Err(refusal(&answer)) };
        }
    }

    /// The token that is good now. Those who need a new one at the same time wait for one request.
    async fn token(&self, renew: bool) -> Result<Secret<String>, ProviderError> {
        let mut kept = self.token.lock().await;
        let now = self.clock.now();
        if let Some(token) = kept.as_ref().filter(|token| !renew && now < token.until) {
            return Ok(token.value.clone());
        }
        *kept = None;
        let pair = format!("{}:{}", self.options.client_id, self.options.client_secret.expose());
        let call = Call {
            method: Method::Post,
            url: format!("{}/v1/oauth2/token", self.options.api_base),
            headers: vec![("authorization", Secret::new(format!("Basic {}", STANDARD.encode(pair))))],
            body: Body::Form(vec![("grant_type".to_owned(), "client_credentials".to_owned())]),
        };
        let answer = self.client.send(&call).await?;
        if !answer.is_success() {
            // A wrong secret is mended by an operator, and then the same request is done.
            let why = format!("it grants no token for payments.paypal.client_id: {}", answer.status);
            return Err(ProviderError::Unavailable(why));
        }
        let granted: Granted = answer.json()?;
        let life = Duration::from_secs(granted.expires_in).min(Duration::from_hours(24));
        let value = Secret::new(granted.access_token);
        *kept = Some(Token { value: value.clone(), until: now + life.saturating_sub(MARGIN) });
        Ok(value)
    }
}

/// <https://developer.paypal.com/api/rest/responses/>
fn refusal(answer: &Answer) -> Refusal {
    let told: Option<ErrorBody> = serde_json::from_slice(&answer.body).ok();
    let issue = told.as_ref().and_then(|body| body.details.iter().find_map(|detail| detail.issue.clone()));
    let words = told.and_then(|body| issue.clone().or(body.message).or(body.name)).unwrap_or_default();
    let words: String = words.chars().take(300).collect();
    match (answer.status, issue) {
        (404, _) => ProviderError::NotFound.into(),
        (422, Some(issue)) => Refusal::Issue(issue.chars().take(100).collect()),
        (401 | 403, _) => ProviderError::Unavailable(format!("it does not let us do this: {words}")).into(),
        (409 | 429 | 500.., _) => ProviderError::Unavailable(format!("it answers {}: {words}", answer.status)).into(),
        (status, _) => ProviderError::Refused(format!("{status}: {words}")).into(),
    }
}
