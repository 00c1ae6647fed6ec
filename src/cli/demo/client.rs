//! A client of the server's own API, like any other: what the demonstration does, anybody can do.

use reqwest::{
    Method, RequestBuilder, Response,
    header::{ACCEPT, AUTHORIZATION, COOKIE, SET_COOKIE},
};
use serde_json::Value;

use super::Failure;

/// How somebody shows who they are.
enum Shown {
    Nothing,
    Cookie(String),
    Token(String),
}

/// Somebody with a browser, or a program with a token.
pub(super) struct Client {
    http: reqwest::Client,
    url: String,
    shown: Shown,
}

impl Client {
    /// Somebody with a browser, who is not signed in yet.
    pub(super) fn new(url: &str) -> Self {
        Self { http: reqwest::Client::new(), url: url.to_owned(), shown: Shown::Nothing }
    }

    /// A program with an access token, on the same connections.
    pub(super) fn with_token(&self, token: &str) -> Self {
        Self { http: self.http.clone(), url: self.url.clone(), shown: Shown::Token(token.to_owned()) }
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.url)).header(ACCEPT, "application/json");
        match &self.shown {
            Shown::Nothing => request,
            Shown::Cookie(cookie) => request.header(COOKIE, cookie),
            Shown::Token(token) => request.header(AUTHORIZATION, format!("Bearer {token}")),
        }
    }

    pub(super) async fn get(&mut self, path: &str) -> Result<Value, Failure> {
        let request = self.request(Method::GET, path);
        self.json(request, path).await
    }

    pub(super) async fn post(&mut self, path: &str, body: &Value) -> Result<Value, Failure> {
        let request = self.request(Method::POST, path).json(body);
        self.json(request, path).await
    }

    /// The same with a key that makes a repetition harmless.
    pub(super) async fn post_once(&mut self, path: &str, key: &str, body: &Value) -> Result<Value, Failure> {
        let request = self.request(Method::POST, path).header("idempotency-key", key).json(body);
        self.json(request, path).await
    }

    /// Uploads a file.
    pub(super) async fn put(&mut self, path: &str, file: Vec<u8>) -> Result<Value, Failure> {
        let request = self.request(Method::PUT, path).body(file);
        self.json(request, path).await
    }

    pub(super) async fn delete(&mut self, path: &str) -> Result<Value, Failure> {
        let request = self.request(Method::DELETE, path);
        self.json(request, path).await
    }

    /// A file.
    pub(super) async fn bytes(&mut self, path: &str) -> Result<Vec<u8>, Failure> {
        let request = self.request(Method::GET, path);
        let answer = self.answer(request, path).await?;
        Ok(answer.bytes().await.map_err(|error| broken(path, &error))?.to_vec())
    }

    async fn json(&mut self, request: RequestBuilder, path: &str) -> Result<Value, Failure> {
        let text = self.answer(request, path).await?.text().await.map_err(|error| broken(path, &error))?;
        if text.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_str(&text).map_err(|error| Failure::failed(format!("{path}: {error}: {text}")))
    }

    /// An answer that says yes; a session that comes with it is kept.
    async fn answer(&mut self, request: RequestBuilder, path: &str) -> Result<Response, Failure> {
        let answer = request.send().await.map_err(|error| broken(path, &error))?;
        let cookie = answer.headers().get(SET_COOKIE).and_then(|value| value.to_str().ok());
        if let Some(pair) = cookie.and_then(|value| value.split(';').next()) {
            self.shown = Shown::Cookie(pair.to_owned());
        }
        let status = answer.status();
        if status.is_success() {
            return Ok(answer);
        }
        let text = answer.text().await.unwrap_or_default();
        Err(Failure::failed(format!("{path} answered {status}: {text}")))
    }
}

fn broken(path: &str, error: &reqwest::Error) -> Failure {
    Failure::failed(format!("{path}: {error}"))
}
