//! Signatures of deliveries, as Stripe makes them; the sandbox signs alike, so that one path serves both.
//!
//! Header `Stripe-Signature: t=<unix>,v1=<hex>[,v1=…]`, HMAC-SHA256 over `{t}.{raw body}` under the whole secret
//! (<https://docs.stripe.com/webhooks#verify-manually>).

use crate::kernel::{Secret, Time, seal};

/// How far the time in a signature may be from ours, in seconds, either way.
const TOLERANCE: i64 = 300;

/// Why a delivery is refused. Nothing of it is kept.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Refused {
    /// No header, or one that cannot be read.
    #[error("the Stripe-Signature header is missing or malformed")]
    Header,
    /// Too old, or from the future.
    #[error("the signature's time is more than {TOLERANCE} s away")]
    Stale,
    /// None of the signatures is ours.
    #[error("the signature does not match the body")]
    Signature,
}

/// Checks a delivery's signature against the raw body, under any of the secrets: several while one replaces another.
/// Without a secret nothing can be verified, so everything is refused.
pub fn verify_any(secrets: &[Secret<String>], header: &str, body: &[u8], now: Time) -> Result<(), Refused> {
    let mut result = Err(Refused::Signature);
    for secret in secrets {
        result = verify(secret.expose(), header, body, now);
        if result.is_ok() {
            break;
        }
    }
    result
}

/// Checks a delivery's signature against the raw body.
pub fn verify(secret: &str, header: &str, body: &[u8], now: Time) -> Result<(), Refused> {
    let mut time = None;
    let mut signatures = Vec::new();
    for part in header.split(',') {
        match part.trim().split_once('=') {
            Some(("t", value)) => time = value.parse::<i64>().ok(),
            Some(("v1", value)) => signatures.push(value),
            // Other schemes are none of ours.
            _ => {}
        }
    }
    let time = time.ok_or(Refused::Header)?;
    if signatures.is_empty() {
        return Err(Refused::Header);
    }
    let expected = signature(secret, time, body);
    if !signatures.iter().any(|candidate| seal::same(candidate.as_bytes(), expected.as_bytes())) {
        return Err(Refused::Signature);
    }
    if now.as_secs().abs_diff(time) > TOLERANCE.unsigned_abs() {
        return Err(Refused::Stale);
    }
    Ok(())
}

/// The header that signs `body` at `now`.
#[must_use]
pub fn sign(secret: &str, body: &[u8], now: Time) -> String {
    format!("t={},v1={}", now.as_secs(), signature(secret, now.as_secs(), body))
}

fn signature(secret: &str, time: i64, body: &[u8]) -> String {
    let mut message = format!("{time}.").into_bytes();
    message.extend_from_slice(body);
    seal::to_hex(&seal::hmac_sha256(secret.as_bytes(), &message))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &[u8] = br#"{"id":"evt_1","type":"checkout.session.completed"}"#;

    #[test]
    fn a_signed_body_passes_and_nothing_else() {
        let now = Time::from_micros(1_800_000_000_000_000);
        let header = sign("whsec_x", BODY, now);
        assert_eq!(verify("whsec_x", &header, BODY, now), Ok(()));
        assert_eq!(verify("whsec_y", &header, BODY, now), Err(Refused::Signature));
        assert_eq!(verify("whsec_x", &header, b"{}", now), Err(Refused::Signature));
        let rolled = format!("{header},v1=00,v0=zz");
        assert_eq!(verify("whsec_x", &rolled, BODY, now), Ok(()));
        for minutes in [-6, 6] {
            let then = Time::from_micros(now.as_micros() + minutes * 60_000_000);
            assert_eq!(verify("whsec_x", &header, BODY, then), Err(Refused::Stale));
        }
        for header in ["", "t=1", "v1=00", "t=x,v1=00", "nonsense"] {
            assert_eq!(verify("whsec_x", header, BODY, now), Err(Refused::Header), "{header}");
        }
    }

    #[test]
    fn any_of_several_secrets_verifies_and_none_refuses() {
        let now = Time::from_micros(1_800_000_000_000_000);
        let header = sign("whsec_new", BODY, now);
        let secrets = ["whsec_old", "whsec_new"].map(|secret| Secret::new(secret.to_owned()));
        assert_eq!(verify_any(&secrets, &header, BODY, now), Ok(()));
        assert_eq!(verify_any(&secrets[..1], &header, BODY, now), Err(Refused::Signature));
        assert_eq!(verify_any(&[], &header, BODY, now), Err(Refused::Signature));
    }

    /// From the provider's own description of the scheme, computed with another implementation.
    #[test]
    fn the_signature_is_hmac_sha256_of_time_and_body() {
        assert_eq!(
            signature("whsec_test", 1_614_265_330, b"{}"),
            "5790023bd77209313f2e32e36caf5921bdd2fac398095f83dc2d2ecd5f696f50"
        );
    }
}
