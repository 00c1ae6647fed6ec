//! How callers of an API show their key: `X-API-Key`, or HTTP Basic with the client id and the secret.

use axum::http::{HeaderMap, HeaderName, header};
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};

use crate::api_keys::{ApiKeys, Presented};

const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");
/// Longer values hold no key of ours.
const LONGEST: usize = 400;

/// The key that a request shows, if it shows one that this installation has made; whether it is good is another
/// question. Two that differ are none.
#[must_use]
pub fn presented(keys: &ApiKeys, headers: &HeaderMap) -> Option<Presented> {
    let all = headers.get_all(X_API_KEY).iter().chain(headers.get_all(header::AUTHORIZATION)).count();
    if all != 1 {
        return None;
    }
    if let Some(value) = headers.get(X_API_KEY) {
        return keys.recognise(None, value.to_str().ok()?.trim());
    }
    let (scheme, encoded) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") || encoded.len() > LONGEST {
        return None;
    }
    let decoded = String::from_utf8(BASE64.decode(encoded.trim()).ok()?).ok()?;
    let (client, secret) = decoded.split_once(':')?;
    keys.recognise(Some(client), secret)
}
