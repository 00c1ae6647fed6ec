//! How calls of hooks are signed: [Standard Webhooks](https://www.standardwebhooks.com) 1.0.0.

use std::{fmt, str::FromStr};

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};

use crate::kernel::seal::{self, Random};

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

#[cfg(test)]
mod tests {
    use super::*;

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
