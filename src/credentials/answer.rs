//! What hooks answer: read with mistrust, and never repeated where it could be seen.

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::kernel::{
    Time,
    seal::{Keyring, SealError},
};

use super::CredentialId;

/// The longest answer that is read, in bytes.
pub(super) const LONGEST_ANSWER: usize = 64 << 10;
/// The longest key or secret, in bytes.
const LONGEST_SECRET: usize = 4_096;
/// The largest object that is kept, in bytes of text.
const LONGEST_OBJECT: usize = 8 << 10;
/// How many characters of a key are shown.
const HINT: usize = 4;

/// Why an answer is no use. It says where and never what: an answer holds secrets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Useless {
    #[error("its answer is no JSON object with what is expected")]
    Shape,
    #[error("its answer's `key` or `secret` is empty, has control characters, or is longer than 4096 bytes")]
    Secret,
    #[error("its answer's `rate_limits` or `usage` is larger than 8 KiB")]
    Object,
}

/// A credential as a hook gives it.
#[derive(Debug, Deserialize)]
struct Given {
    key: String,
    #[serde(default)]
    secret: Option<String>,
    #[serde(default)]
    expires_at: Option<Time>,
    #[serde(default)]
    rate_limits: Option<Map<String, Value>>,
}

/// A credential, ready to be kept.
pub(super) struct Grant {
    pub(super) sealed: Vec<u8>,
    pub(super) hint: String,
    pub(super) expires_at: Option<Time>,
    pub(super) rate_limits: String,
}

fn sane(text: &str) -> Result<(), Useless> {
    let sane = (1..=LONGEST_SECRET).contains(&text.len()) && !text.contains(char::is_control);
    if sane { Ok(()) } else { Err(Useless::Secret) }
}

fn object(object: Option<Map<String, Value>>) -> Result<String, Useless> {
    let text = Value::Object(object.unwrap_or_default()).to_string();
    if text.len() <= LONGEST_OBJECT { Ok(text) } else { Err(Useless::Object) }
}

/// What a credential's parts are sealed for.
fn context(id: CredentialId) -> String {
    format!("api_credentials.sealed:{id}")
}

/// What is opened for its owner.
#[derive(Debug, Deserialize)]
pub(super) struct Opened {
    pub(super) key: String,
    pub(super) secret: Option<String>,
}

/// Opens what [`Granted::read`] sealed.
pub(super) fn open(keys: &Keyring, id: CredentialId, sealed: &[u8]) -> Result<Opened, SealError> {
    let opened = keys.open(&context(id), sealed)?;
    serde_json::from_slice(&opened).map_err(|_| SealError::Format)
}

/// A credential that was read and not sealed yet.
pub(super) struct Granted(Given);

impl Granted {
    pub(super) fn read(body: &[u8]) -> Result<Self, Useless> {
        let given: Given = serde_json::from_slice(body).map_err(|_| Useless::Shape)?;
        sane(&given.key)?;
        given.secret.as_deref().map_or(Ok(()), sane)?;
        Ok(Self(given))
    }

    pub(super) fn seal(self, keys: &Keyring, id: CredentialId) -> Result<Result<Grant, Useless>, SealError> {
        let Given { key, secret, expires_at, rate_limits } = self.0;
        let plain = serde_json::json!({ "key": key, "secret": secret }).to_string();
        let sealed = keys.seal(&context(id), plain.as_bytes())?;
        let characters = key.chars().count();
        // Of a short key nothing is shown.
        let hint = key.chars().skip(if characters > 2 * HINT { characters - HINT } else { characters }).collect();
        Ok(object(rate_limits).map(|rate_limits| Grant { sealed, hint, expires_at, rate_limits }))
    }
}

/// What a hook tells of a credential's use.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) usage: String,
    /// None if it says nothing of them.
    pub(super) rate_limits: Option<String>,
    pub(super) expires_at: Option<Time>,
}

#[derive(Deserialize)]
struct Report {
    usage: Map<String, Value>,
    #[serde(default)]
    rate_limits: Option<Map<String, Value>>,
    #[serde(default)]
    expires_at: Option<Time>,
}

impl Told {
    pub(super) fn read(body: &[u8]) -> Result<Self, Useless> {
        let Report { usage, rate_limits, expires_at } = serde_json::from_slice(body).map_err(|_| Useless::Shape)?;
        let rate_limits = rate_limits.map(|limits| object(Some(limits))).transpose()?;
        Ok(Self { usage: object(Some(usage))?, rate_limits, expires_at })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::seal::Random;

    fn grant(body: &str) -> Result<Grant, Useless> {
        let keys = Keyring::new([[7; 32]], Random::seeded(7)).expect("a key");
        let id = CredentialId::from_uuid(uuid::Uuid::from_u128(5));
        let grant = Granted::read(body.as_bytes())?.seal(&keys, id).expect("sealed")?;
        let opened = open(&keys, id, &grant.sealed).expect("opened");
        assert!(body.contains(&opened.key));
        Ok(grant)
    }

    #[test]
    fn a_credential_is_read_and_its_key_hinted_at() {
        let body =
            r#"{"key":"ak_0123456789","secret":"s","expires_at":"2999-01-01T00:00:00Z","rate_limits":{"a":1},"b":2}"#;
        let read = grant(body).expect("a credential");
        assert_eq!((read.hint.as_str(), read.rate_limits.as_str()), ("6789", r#"{"a":1}"#));
        assert!(read.expires_at.is_some());
        assert_eq!(grant(r#"{"key":"short"}"#).expect("a credential").hint, "");
    }

    #[test]
    fn what_is_none_is_refused_without_being_repeated() {
        let large = format!(r#"{{"key":"k","rate_limits":{{"a":"{}"}}}}"#, "x".repeat(9_000));
        for (body, useless) in [
            ("", Useless::Shape),
            ("<html>", Useless::Shape),
            ("[]", Useless::Shape),
            (r#"{"secret":"s"}"#, Useless::Shape),
            (r#"{"key":7}"#, Useless::Shape),
            (r#"{"key":"k","expires_at":"tomorrow"}"#, Useless::Shape),
            (r#"{"key":"k","rate_limits":[]}"#, Useless::Shape),
            (r#"{"key":""}"#, Useless::Secret),
            (r#"{"key":"a\u0000"}"#, Useless::Secret),
            (r#"{"key":"k","secret":""}"#, Useless::Secret),
            (large.as_str(), Useless::Object),
        ] {
            assert_eq!(grant(body).map(|_| ()), Err(useless), "{body}");
        }
        assert_eq!(Told::read(b"{}").map(|_| ()), Err(Useless::Shape));
        assert!(Told::read(br#"{"usage":{"calls":7}}"#).is_ok());
    }

    proptest::proptest! {
        #[test]
        fn no_answer_makes_it_panic(body: Vec<u8>) {
            let _ = (Granted::read(&body).is_ok(), Told::read(&body).is_ok());
        }
    }
}
