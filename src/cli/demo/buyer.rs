//! The demonstration's buyer: a client of the server's own API, like any other.

use reqwest::{
    Client, Method, RequestBuilder,
    header::{ACCEPT, COOKIE, SET_COOKIE},
};
use serde_json::Value;

use super::Failure;

/// Somebody with a browser.
pub(super) struct Buyer {
    client: Client,
    url: String,
    cookie: Option<String>,
}

impl Buyer {
    pub(super) fn new(url: &str) -> Self {
        Self { client: Client::new(), url: url.to_owned(), cookie: None }
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.client.request(method, format!("{}{path}", self.url)).header(ACCEPT, "application/json");
        match &self.cookie {
            Some(cookie) => request.header(COOKIE, cookie),
            None => request,
        }
    }

    pub(super) async fn get(&mut self, path: &str) -> Result<Value, Failure> {
        let request = self.request(Method::GET, path);
        self.answer(request, path).await
    }

    pub(super) async fn post(&mut self, path: &str, body: &Value) -> Result<Value, Failure> {
        let request = self.request(Method::POST, path).json(body);
        self.answer(request, path).await
    }

    /// The same with a key that makes a repetition harmless.
    pub(super) async fn post_once(&mut self, path: &str, key: &str, body: &Value) -> Result<Value, Failure> {
        let request = self.request(Method::POST, path).header("idempotency-key", key).json(body);
        self.answer(request, path).await
    }

    async fn answer(&mut self, request: RequestBuilder, path: &str) -> Result<Value, Failure> {
        let failed = |error: reqwest::Error| Failure::failed(format!("{path}: {error}"));
        let answer = request.send().await.map_err(failed)?;
        let cookie = answer.headers().get(SET_COOKIE).and_then(|value| value.to_str().ok());
        if let Some(pair) = cookie.and_then(|value| value.split(';').next()) {
            self.cookie = Some(pair.to_owned());
        }
        let status = answer.status();
        let text = answer.text().await.map_err(failed)?;
        if !status.is_success() {
            return Err(Failure::failed(format!("{path} answered {status}: {text}")));
        }
        if text.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_str(&text).map_err(|error| Failure::failed(format!("{path}: {error}: {text}")))
    }
}
