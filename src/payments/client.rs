//! Calls to payment providers over HTTP: bounded in time and size, over TLS with roots that are built in.
//!
//! Every request here is safe to repeat: it reads, or carries an idempotency key. So one that found no connection, or was
//! answered with 5xx, 429 (too many at once) or 409 (another one with its key is being answered), is quickly sent again;
//! whether one that timed out was done is not known, and its caller asks again.

use std::{fmt, sync::Arc, time::Duration};

use reqwest::{
    Client as Http, Method as HttpMethod,
    header::{HeaderMap, HeaderValue, RETRY_AFTER},
    redirect::Policy,
};
use rustls::{ClientConfig, RootCertStore, crypto::ring};
use serde::de::DeserializeOwned;

use super::ProviderError;
use crate::kernel::{IdSource, Secret};

/// How calls are made.
#[derive(Debug, Clone, Copy)]
pub struct ClientOptions {
    /// How long a call may take in all.
    pub timeout: Duration,
    /// How often a call is quickly repeated.
    pub retries: u32,
    /// How long to wait before the first repetition, about; the second waits twice as long. After a 409, where the other
    /// request needs its time, each waits four times as long.
    pub pause: Duration,
    /// How long to wait at most where the answer says how long (`Retry-After`). One that says more is not repeated here.
    pub longest_wait: Duration,
    /// The largest answer that is read, in bytes.
    pub max_answer: usize,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(10),
            retries: 2,
            pause: Duration::from_millis(150),
            longest_wait: Duration::from_secs(2),
            max_answer: 1 << 20,
        }
    }
}

/// A client of providers; clones share its connections.
#[derive(Clone)]
pub struct Client {
    http: Http,
    ids: IdSource,
    options: ClientOptions,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("options", &self.options).finish_non_exhaustive()
    }
}

/// Why no client could be made.
#[derive(Debug, thiserror::Error)]
#[error("the client of payment providers cannot be made: {0}")]
pub struct ClientError(String);

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Read.
    Get,
    /// Do.
    Post,
    /// End.
    Delete,
}

/// What a request carries.
#[derive(Debug, Clone)]
pub enum Body {
    /// Nothing.
    Empty,
    /// `application/x-www-form-urlencoded`
    Form(Vec<(String, String)>),
    /// `application/json`
    Json(serde_json::Value),
}

/// A request that may be sent more than once.
#[derive(Debug, Clone)]
pub struct Call {
    /// What is asked for.
    pub method: Method,
    /// Where; holds no secret.
    pub url: String,
    /// Headers, of which some are secret.
    pub headers: Vec<(&'static str, Secret<String>)>,
    /// What it carries.
    pub body: Body,
}

/// An answer, whatever its status.
#[derive(Debug, Clone)]
pub struct Answer {
    /// E.g. 200.
    pub status: u16,
    /// How long to wait before the request is sent again, where the answer says so in seconds.
    pub retry_after: Option<Duration>,
    /// At most [`ClientOptions::max_answer`] bytes.
    pub body: Vec<u8>,
}

impl Answer {
    /// Whether it is 2xx.
    #[must_use]
    pub const fn is_success(&self) -> bool {
        self.status >= 200 && self.status < 300
    }

    /// The body of a success. One that cannot be read tells nothing of what was done.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, ProviderError> {
        serde_json::from_slice(&self.body)
            .map_err(|error| ProviderError::Unavailable(format!("its answer cannot be read: {error}")))
    }
}

/// Why an attempt gave no answer.
enum Broken {
    /// Nothing was done: send it again.
    NotConnected(String),
    /// Nobody knows.
    Unknown(String),
}

impl Client {
    /// A client that trusts the certificate authorities that browsers trust.
    pub fn new(options: ClientOptions, ids: IdSource) -> Result<Self, ClientError> {
        let refused = |error: &dyn fmt::Display| ClientError(error.to_string());
        let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        let tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| refused(&error))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let http = Http::builder()
            .tls_backend_preconfigured(tls)
            .timeout(options.timeout)
            .connect_timeout(options.timeout.min(Duration::from_secs(5)))
            // A redirect would carry credentials to where nobody sent them.
            .redirect(Policy::none())
            .no_proxy()
            .user_agent(concat!("mintreu/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| refused(&error))?;
        Ok(Self { http, ids, options })
    }

    /// Sends a request until it is answered, a few times at most.
    pub async fn send(&self, call: &Call) -> Result<Answer, ProviderError> {
        let mut repeated = 0;
        loop {
            let answer = self.attempt(call).await;
            let wait = match &answer {
                _ if repeated == self.options.retries => None,
                Ok(answer) => self.wait(answer, repeated + 1),
                Err(Broken::NotConnected(_)) => Some(self.pause(repeated + 1)),
                Err(Broken::Unknown(_)) => None,
            };
            let Some(wait) = wait else {
                return answer
                    .map_err(|(Broken::NotConnected(why) | Broken::Unknown(why))| ProviderError::Unavailable(why));
            };
            repeated += 1;
            tokio::time::sleep(wait).await;
        }
    }

    /// How long to wait before what was answered like this is sent for the `repeated`th time again; none if it is not.
    fn wait(&self, answer: &Answer, repeated: u32) -> Option<Duration> {
        let pause = match answer.status {
            409 => self.pause(repeated.saturating_mul(4)),
            429 | 500.. => self.pause(repeated),
            _ => return None,
        };
        match answer.retry_after {
            Some(told) => (told <= self.options.longest_wait).then_some(told),
            None => Some(pause),
        }
    }

    /// Between half of so many pauses and the whole, so that those who failed together do not come again together.
    fn pause(&self, times: u32) -> Duration {
        let whole = u64::try_from(self.options.pause.as_micros()).unwrap_or(u64::MAX).saturating_mul(times.into());
        Duration::from_micros(whole / 2 + self.ids.random() % (whole / 2 + 1))
    }

    async fn attempt(&self, call: &Call) -> Result<Answer, Broken> {
        let method = match call.method {
            Method::Get => HttpMethod::GET,
            Method::Post => HttpMethod::POST,
            Method::Delete => HttpMethod::DELETE,
        };
        let mut request = self.http.request(method, &call.url);
        for (name, value) in &call.headers {
            let mut value = HeaderValue::from_str(value.expose())
                .map_err(|_| Broken::Unknown(format!("the header `{name}` cannot be sent")))?;
            value.set_sensitive(true);
            request = request.header(*name, value);
        }
        request = match &call.body {
            Body::Empty => request,
            Body::Form(fields) => request.form(fields),
            Body::Json(value) => request.json(value),
        };
        let mut response = request.send().await.map_err(broken)?;
        let (status, retry_after) = (response.status().as_u16(), retry_after(response.headers()));
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(broken)? {
            if body.len() + chunk.len() > self.options.max_answer {
                return Err(Broken::Unknown(format!("its answer is longer than {} bytes", self.options.max_answer)));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answer { status, retry_after, body })
    }
}

/// Seconds only: providers send no dates (RFC 9110, 10.2.3).
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}

fn broken(error: reqwest::Error) -> Broken {
    let (connecting, late) = (error.is_connect(), error.is_timeout());
    // The URL may name a customer's session.
    let error = error.without_url();
    match (connecting, late) {
        (true, true) => Broken::Unknown("it does not take the connection in time".to_owned()),
        (true, false) => Broken::NotConnected(format!("no connection: {}", cause(&error))),
        (false, true) => Broken::Unknown("it does not answer in time".to_owned()),
        (false, false) => Broken::Unknown(format!("the connection broke: {}", cause(&error))),
    }
}

/// The innermost reason, which says most.
fn cause(error: &reqwest::Error) -> String {
    let mut reason: &dyn std::error::Error = error;
    while let Some(source) = reason.source() {
        reason = source;
    }
    reason.to_string()
}
