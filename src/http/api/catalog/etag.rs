//! `ETag`, `If-Match` and `If-None-Match` (RFC 9110, 8.8.3 and 13.1).
//!
//! A thing's tag begins with its revision. Counters that grow by themselves, such as sales, follow behind a hyphen: they
//! make another representation, but no edit is refused because of them.

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use serde::Serialize;

use crate::{
    http::{Json, Kind, Problem},
    kernel::seal,
};

/// The revision that `If-Match` names.
#[derive(Debug, Clone, Copy)]
pub(in crate::http::api) struct IfMatch(pub(in crate::http::api) i64);

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

/// The tag of a revision and of what changes without one.
pub(in crate::http::api) fn tag(revision: i64, counters: &[i64]) -> String {
    let parts: Vec<String> = std::iter::once(&revision).chain(counters).map(i64::to_string).collect();
    format!("\"{}\"", parts.join("-"))
}

/// The tag of an answer that has no revision: a hash of it.
pub(in crate::http::api) fn tag_of<T: Serialize>(value: &T) -> String {
    let body = serde_json::to_vec(value).unwrap_or_default();
    let hash = seal::to_hex(&seal::hmac_sha256(b"mintreu etag", &body));
    format!("\"{}\"", &hash[..32])
}

/// The thing with its tag, or 304 where the client has it.
pub(in crate::http::api) fn answer<T: Serialize>(headers: &HeaderMap, tag: String, value: T) -> Response {
    let known = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let mut known = known.flat_map(|value| value.split(',')).map(str::trim);
    if known.any(|one| one == "*" || one.strip_prefix("W/").unwrap_or(one) == tag) {
        return (StatusCode::NOT_MODIFIED, [(header::ETAG, tag)]).into_response();
    }
    ([(header::ETAG, tag)], Json(value)).into_response()
}
