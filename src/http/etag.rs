//! `ETag`, `If-Match` and `If-None-Match` (RFC 9110, 8.8.3 and 13.1).
//!
//! A thing's tag begins with its revision. Counters that grow by themselves, such as sales, follow behind a hyphen: they
//! make another representation, but no edit is refused because of them.

use std::convert::Infallible;

use axum::{
    extract::FromRequestParts,
    http::{StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use serde::Serialize;

use super::{
    extract::Json,
    problem::{Kind, Problem},
};
use crate::kernel::seal;

/// The revision that `If-Match` names.
#[derive(Debug, Clone, Copy)]
pub struct IfMatch(pub i64);

impl<S: Send + Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let required =
            || Problem::new(Kind::PreconditionRequired).detail("read the thing, and send its `ETag` as `If-Match`");
        let value = parts.headers.get(header::IF_MATCH).ok_or_else(required)?;
        // One strong tag of ours: another cannot be the thing's.
        let revision = value
            .to_str()
            .ok()
            .and_then(|value| value.trim().strip_prefix('"')?.strip_suffix('"'))
            .and_then(|tag| tag.split('-').next()?.parse().ok())
            .ok_or_else(|| Problem::new(Kind::PreconditionFailed).detail("`If-Match` takes the `ETag` of an answer"))?;
        Ok(Self(revision))
    }
}

/// The tags that `If-None-Match` names: what the client has already.
#[derive(Debug, Clone, Default)]
pub struct IfNoneMatch(Vec<String>);

impl<S: Send + Sync> FromRequestParts<S> for IfNoneMatch {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let values = parts.headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
        let tags = values.flat_map(|value| value.split(',')).map(str::trim);
        Ok(Self(tags.map(|tag| tag.strip_prefix("W/").unwrap_or(tag).to_owned()).collect()))
    }
}

impl IfNoneMatch {
    /// The thing with its tag, or 304 where the client has it.
    pub fn answer<T>(&self, tag: String, value: T) -> Conditional<T> {
        if self.0.iter().any(|known| *known == "*" || *known == tag) {
            Conditional::Unchanged(tag)
        } else {
            Conditional::Whole(Tagged(tag, value))
        }
    }
}

/// The tag of a revision and of what changes without one.
#[must_use]
pub fn tag(revision: i64, counters: &[i64]) -> String {
    let parts: Vec<String> = std::iter::once(&revision).chain(counters).map(i64::to_string).collect();
    format!("\"{}\"", parts.join("-"))
}

/// The tag of an answer that has no revision: a hash of it.
pub fn tag_of<T: Serialize>(value: &T) -> String {
    tag_of_bytes(&serde_json::to_vec(value).unwrap_or_default())
}

/// The tag of bytes: a hash of them.
#[must_use]
pub(super) fn tag_of_bytes(bytes: &[u8]) -> String {
    let hash = seal::to_hex(&seal::hmac_sha256(b"mintreu etag", bytes));
    format!("\"{}\"", &hash[..32])
}

/// A thing with its tag.
#[derive(Debug, Clone)]
pub struct Tagged<T>(pub String, pub T);

impl<T: Serialize> IntoResponse for Tagged<T> {
    fn into_response(self) -> Response {
        ([(header::ETAG, self.0)], Json(self.1)).into_response()
    }
}

/// A thing with its tag, or nothing but the tag for a client that has it.
#[derive(Debug, Clone)]
pub enum Conditional<T> {
    /// The client has it: 304.
    Unchanged(String),
    /// All of it.
    Whole(Tagged<T>),
}

impl<T: Serialize> IntoResponse for Conditional<T> {
    fn into_response(self) -> Response {
        match self {
            Self::Unchanged(tag) => (StatusCode::NOT_MODIFIED, [(header::ETAG, tag)]).into_response(),
            Self::Whole(whole) => whole.into_response(),
        }
    }
}
