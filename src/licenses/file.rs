//! Licence files: a licence that is checked without a connection.
//!
//! A file is
//!
//! ```text
//! -----BEGIN LICENSE FILE-----
//! base64 of {"enc":"…","sig":"…","alg":"base64+ed25519"}, in lines of 64 characters
//! -----END LICENSE FILE-----
//! ```
//!
//! with a newline at its end. `enc` is the base64 of a JSON document, `sig` the base64 of the Ed25519 signature (RFC
//! 8032) over the bytes of `license/` followed by the text of `enc`. The document is
//! `{"license": {…}, "meta": {"key_id", "issued", "expiry", "ttl"}}`: after `expiry` the file is worth nothing. Base64
//! is that of RFC 4648, section 4, with padding. The keys that verify, the current and older ones, are at
//! `GET /api/license/public-key`.

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{LicenseStatus, view::LicenseView};
use crate::{
    catalog::LicenseType,
    kernel::{
        LicenseId, PlanId, ProductId, Time,
        seal::{self, PurposeKeys, SubKey},
    },
};

const BEGIN: &str = "-----BEGIN LICENSE FILE-----\n";
const END: &str = "-----END LICENSE FILE-----\n";
const ALGORITHM: &str = "base64+ed25519";
const LINE: usize = 64;

/// How long a file is good unless somebody asks for less or more, in seconds: 30 days.
pub const DEFAULT_TTL: i64 = 30 * 86_400;
/// The shortest, an hour, and the longest, a leap year.
pub const TTL_RANGE: std::ops::RangeInclusive<i64> = 3_600..=366 * 86_400;

/// What a file says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LicenseFile {
    /// The licence.
    pub license: FiledLicense,
    /// The file.
    pub meta: FileMeta,
}

/// The licence in a file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FiledLicense {
    /// Which one.
    pub id: LicenseId,
    /// Its key.
    pub license_key: String,
    /// Where it stood when the file was made.
    pub status: LicenseStatus,
    /// What it allows.
    #[serde(rename = "type")]
    pub license_type: LicenseType,
    /// Of what.
    pub product: ProductId,
    /// The product's name in addresses.
    pub product_slug: String,
    /// In which plan.
    pub plan: PlanId,
    /// Where it may be used; empty for anywhere.
    pub domains: Vec<String>,
    /// From which addresses it may be used; empty for any.
    pub ips: Vec<String>,
    /// On how many machines at most.
    pub max_activations: Option<i64>,
    /// When it ends; never if null.
    pub expires_at: Option<Time>,
}

/// What a file says about itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FileMeta {
    /// Names the key that signed it.
    pub key_id: String,
    /// When it was made.
    pub issued: Time,
    /// When it is not good any more.
    pub expiry: Time,
    /// The seconds in between.
    pub ttl: i64,
}

/// The JSON between the lines; the order of its fields is part of the format.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope {
    enc: String,
    sig: String,
    alg: String,
}

/// Why a file is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FileError {
    /// It is not as the format says, to the byte.
    #[error("this is no licence file")]
    Format,
    /// None of the keys has signed it.
    #[error("the licence file was altered, or signed by somebody else")]
    Signature,
    /// Its time is over.
    #[error("the licence file is out of date: get a new one")]
    Expired,
}

/// A key that verifies files.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename = "LicensePublicKey")]
pub struct PublicKey {
    /// Its name in files.
    pub key_id: String,
    /// `ed25519`.
    pub algorithm: &'static str,
    /// 32 bytes in base64.
    pub public_key: String,
    /// The same in hexadecimal.
    pub public_key_hex: String,
    /// Whether new files are signed with it.
    pub current: bool,
}

/// Signs licence files, and verifies them.
#[derive(Clone)]
pub struct Signer {
    current: SigningKey,
    verifying: Vec<(String, VerifyingKey)>,
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.verifying.iter().map(|(id, _)| id)).finish()
    }
}

impl Signer {
    pub(super) fn new(keys: &PurposeKeys) -> Self {
        let signing = |key: &SubKey| SigningKey::from_bytes(key.expose());
        let verifying = keys.all().map(|(_, key)| signing(key).verifying_key()).map(|key| (name(&key), key)).collect();
        Self { current: signing(keys.current().1), verifying }
    }

    /// The keys that verify, the current one first.
    #[must_use]
    pub fn public_keys(&self) -> Vec<PublicKey> {
        let shown = self.verifying.iter().enumerate().map(|(place, (id, key))| PublicKey {
            key_id: id.clone(),
            algorithm: "ed25519",
            public_key: BASE64.encode(key.as_bytes()),
            public_key_hex: seal::to_hex(key.as_bytes()),
            current: place == 0,
        });
        shown.collect()
    }

    /// A file for a licence shown with its key, good for `ttl` seconds but not longer than the licence.
    #[must_use]
    pub fn file(&self, license: &LicenseView, now: Time, ttl: i64) -> String {
        let seconds = std::time::Duration::from_secs(ttl.unsigned_abs());
        let expiry = license.expires_at.map_or(now + seconds, |end| end.min(now + seconds));
        let ttl = expiry.as_secs().saturating_sub(now.as_secs());
        let license = FiledLicense {
            id: license.id,
            license_key: license.license_key.clone().unwrap_or_default(),
            status: license.status,
            license_type: license.license_type,
            product: license.product.id,
            product_slug: license.product.slug.clone(),
            plan: license.plan.id,
            domains: license.domains.clone(),
            ips: license.ips.clone(),
            max_activations: license.activations.limit,
            expires_at: license.expires_at,
        };
        let key_id = name(&self.current.verifying_key());
        self.sign(&LicenseFile { license, meta: FileMeta { key_id, issued: now, expiry, ttl } })
    }

    fn sign(&self, file: &LicenseFile) -> String {
        // Texts, numbers and lists always serialise.
        let enc = BASE64.encode(serde_json::to_vec(file).unwrap_or_default());
        let sig = BASE64.encode(self.current.sign(signed(&enc).as_bytes()).to_bytes());
        render(&Envelope { enc, sig, alg: ALGORITHM.to_owned() })
    }

    /// What a file says, if one of the keys has signed it and its time is not over.
    pub fn verify(&self, text: &str, now: Time) -> Result<LicenseFile, FileError> {
        let envelope = envelope(text).ok_or(FileError::Format)?;
        // One file has one text: what differs in any byte is another.
        if envelope.alg != ALGORITHM || render(&envelope) != text {
            return Err(FileError::Format);
        }
        let sig = BASE64.decode(&envelope.sig).map_err(|_| FileError::Format)?;
        let sig = Signature::from_slice(&sig).map_err(|_| FileError::Format)?;
        let message = signed(&envelope.enc);
        if !self.verifying.iter().any(|(_, key)| key.verify_strict(message.as_bytes(), &sig).is_ok()) {
            return Err(FileError::Signature);
        }
        let document = BASE64.decode(&envelope.enc).map_err(|_| FileError::Format)?;
        let file: LicenseFile = serde_json::from_slice(&document).map_err(|_| FileError::Format)?;
        if file.meta.expiry <= now { Err(FileError::Expired) } else { Ok(file) }
    }
}

/// Names a key by its own bytes, so that nothing of the root key shows.
fn name(key: &VerifyingKey) -> String {
    seal::to_hex(&seal::hmac_sha256(b"mintreu license file key", key.as_bytes())[..8])
}

fn signed(enc: &str) -> String {
    format!("license/{enc}")
}

fn render(envelope: &Envelope) -> String {
    let body = BASE64.encode(serde_json::to_vec(envelope).unwrap_or_default());
    let mut text = BEGIN.to_owned();
    for line in body.as_bytes().chunks(LINE) {
        // Base64 is ASCII.
        text.push_str(std::str::from_utf8(line).unwrap_or_default());
        text.push('\n');
    }
    text + END
}

fn envelope(text: &str) -> Option<Envelope> {
    let body: String = text.strip_prefix(BEGIN)?.strip_suffix(END)?.split('\n').collect();
    serde_json::from_slice(&BASE64.decode(body).ok()?).ok()
}
