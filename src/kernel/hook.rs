//! How calls of hooks, out and in, are signed: [Standard Webhooks](https://www.standardwebhooks.com) 1.0.0.

use std::{fmt, str::FromStr};

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};

use super::{
    Time,
    seal::{self, Random},
};

const PREFIX: &str = "whsec_";

/// What a hook's calls are signed with: `whsec_` and 24 to 64 bytes in base64.
#[derive(Clone, PartialEq, Eq)]
pub struct HookSecret(Vec<u8>);

impl fmt::Debug for HookSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HookSecret(…)")
    }
}

/// Why a text is no secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("`whsec_` and 24 to 64 bytes in base64")]
pub struct HookSecretError;

impl FromStr for HookSecret {
    type Err = HookSecretError;

    fn from_str(text: &str) -> Result<Self, HookSecretError> {
        let encoded = text.strip_prefix(PREFIX).ok_or(HookSecretError)?;
        let bytes = BASE64.decode(encoded).map_err(|_| HookSecretError)?;
        if (24..=64).contains(&bytes.len()) { Ok(Self(bytes)) } else { Err(HookSecretError) }
    }
}

impl HookSecret {
    /// A new one.
    #[must_use]
    pub fn random(random: &Random) -> Self {
        Self(random.bytes::<32>().to_vec())
    }

    /// As its vendor is told it.
    #[must_use]
    pub fn expose(&self) -> String {
        format!("{PREFIX}{}", BASE64.encode(&self.0))
    }
}

/// The value of `webhook-signature`: one signature for each secret, separated by blanks.
#[must_use]
pub fn signature(secrets: &[HookSecret], id: &str, timestamp: i64, body: &[u8]) -> String {
    let signed = [id.as_bytes(), b".", timestamp.to_string().as_bytes(), b".", body].concat();
    let sign = |secret: &HookSecret| format!("v1,{}", BASE64.encode(seal::hmac_sha256(&secret.0, &signed)));
    secrets.iter().map(sign).collect::<Vec<_>>().join(" ")
}

/// How far the time of a call may be from ours, in seconds, either way.
const TOLERANCE: i64 = 300;

/// Why a call is refused. Nothing of it is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HookRefused {
    /// A header is missing, or cannot be read.
    #[error("webhook-id, webhook-timestamp or webhook-signature is missing or malformed")]
    Header,
    /// Too old, or from the future.
    #[error("the time in webhook-timestamp is more than {TOLERANCE} s away")]
    Stale,
    /// None of the signatures is ours.
    #[error("the signature does not match the body")]
    Signature,
}

/// The headers of a call that is signed.
#[derive(Debug, Clone, Copy)]
pub struct Signed<'a> {
    /// `webhook-id`: stays when the call is made again.
    pub id: &'a str,
    /// `webhook-timestamp`, in Unix seconds.
    pub timestamp: &'a str,
    /// `webhook-signature`: some, separated by blanks.
    pub signature: &'a str,
}

/// Checks a call against its raw body, under any of the secrets: several while one replaces another. Without a secret
/// everything is refused.
pub fn verify(secrets: &[HookSecret], signed: Signed<'_>, body: &[u8], now: Time) -> Result<(), HookRefused> {
    let id = signed.id;
    let plain = (1..=255).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic());
    let time = signed.timestamp.parse::<i64>().ok().filter(|_| plain).ok_or(HookRefused::Header)?;
    // Its own digits, and no others that come to the same number, are what was signed.
    if time.to_string() != signed.timestamp || signed.signature.is_empty() {
        return Err(HookRefused::Header);
    }
    let expected = signature(secrets, id, time, body);
    let mut known = expected.split(' ').filter(|it| !it.is_empty());
    // Other versions are none of ours.
    let given: Vec<&str> = signed.signature.split(' ').filter(|it| it.starts_with("v1,")).take(20).collect();
    if !known.any(|known| given.iter().any(|given| seal::same(given.as_bytes(), known.as_bytes()))) {
        return Err(HookRefused::Signature);
    }
    if now.as_secs().abs_diff(time) > TOLERANCE.unsigned_abs() { Err(HookRefused::Stale) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_heard_if_it_is_signed_and_of_now() {
        let [old, new] = [7, 8].map(|seed| HookSecret::random(&Random::seeded(seed)));
        let now = Time::from_micros(1_800_000_000_000_000);
        let signature = format!("v1a,xx {}", signature(std::slice::from_ref(&old), "msg_1", now.as_secs(), b"{}"));
        let signed = Signed { id: "msg_1", timestamp: "1800000000", signature: &signature };
        let both = [new.clone(), old.clone()];
        assert_eq!(verify(&both, signed, b"{}", now), Ok(()));
        let later = |seconds: i64| Time::from_micros((1_800_000_000 + seconds) * 1_000_000);
        assert_eq!(verify(&both, signed, b"{}", later(300)), Ok(()));
        assert_eq!(verify(&both, signed, b"{}", later(301)), Err(HookRefused::Stale));
        assert_eq!(verify(&both, signed, b"{}", later(-301)), Err(HookRefused::Stale));
        for (secrets, signed, body) in [
            (&both[..1], signed, &b"{}"[..]),
            (&[][..], signed, b"{}"),
            (&both, signed, b"{ }"),
            (&both, Signed { id: "msg_2", ..signed }, b"{}"),
            (&both, Signed { timestamp: "1800000001", ..signed }, b"{}"),
            (&both, Signed { signature: "v1,", ..signed }, b"{}"),
        ] {
            assert_eq!(verify(secrets, signed, body, now), Err(HookRefused::Signature), "{signed:?}");
        }
        let long = "x".repeat(256);
        for signed in [
            Signed { id: "", ..signed },
            Signed { id: "a b", ..signed },
            Signed { id: &long, ..signed },
            Signed { timestamp: "", ..signed },
            Signed { timestamp: "+1800000000", ..signed },
            Signed { signature: "", ..signed },
        ] {
            assert_eq!(verify(&both, signed, b"{}", now), Err(HookRefused::Header), "{signed:?}");
        }
    }

    #[test]
    fn a_signature_is_that_of_the_standard() {
        // The worked example of the standard's libraries.
        let secret: HookSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".parse().expect("a secret");
        let (id, body) = ("msg_p5jXN8AQM9LWM0D4loKWxJek", br#"{"test": 2432232314}"#);
        let signed = signature(std::slice::from_ref(&secret), id, 1_614_265_330, body);
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        assert_eq!(signature(&[secret.clone(), secret], id, 1_614_265_330, body), format!("{signed} {signed}"));
    }

    #[test]
    fn a_secret_survives_its_text_and_others_are_none() {
        let secret = HookSecret::random(&Random::seeded(7));
        assert_eq!(secret.expose().parse(), Ok(secret));
        for text in ["", "whsec_", "whsec_AAAA", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_!!!"] {
            assert_eq!(text.parse::<HookSecret>(), Err(HookSecretError), "{text}");
        }
    }
}
