//! PayPal's signatures: RSA-SHA256 over `{transmission id}|{time}|{webhook id}|{CRC-32 of the body}`
//! (<https://developer.paypal.com/api/rest/webhooks/rest/#link-selfverificationmethod>).

use std::time::Duration;

use base64::{Engine, engine::general_purpose::STANDARD};

use super::certificates::{CertificateError, CertificateOptions, Certificates};
use crate::{kernel::Time, payments::Client};

/// How far ahead of ours PayPal's clock may be.
const AHEAD: Duration = Duration::from_mins(5);
/// How old a transmission may be. PayPal sends again for three days, and does not say whether under the old time; a copy
/// that somebody else sends again meets the inbox, which has the event already.
const OLDEST: Duration = Duration::from_hours(4 * 24);
/// The longest header that is looked at; a signature has 344 characters.
const LONGEST_HEADER: usize = 1_024;

/// The headers of a delivery.
#[derive(Debug, Clone, Copy, Default)]
pub struct Transmission<'a> {
    /// `PAYPAL-TRANSMISSION-ID`
    pub id: Option<&'a str>,
    /// `PAYPAL-TRANSMISSION-TIME`
    pub time: Option<&'a str>,
    /// `PAYPAL-TRANSMISSION-SIG`
    pub signature: Option<&'a str>,
    /// `PAYPAL-CERT-URL`
    pub certificate: Option<&'a str>,
    /// `PAYPAL-AUTH-ALGO`
    pub algorithm: Option<&'a str>,
}

/// Why a delivery is refused.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
pub enum VerifyError {
    /// A header is missing or cannot be read.
    #[error("the header {0} is missing or malformed")]
    Header(&'static str),
    /// Too old, or from the future.
    #[error("PAYPAL-TRANSMISSION-TIME is too far away")]
    Stale,
    /// The certificate will not do.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// It is not PayPal's signature of this body for this webhook.
    #[error("the signature does not match the body")]
    Signature,
}

/// Checks deliveries of one webhook.
#[derive(Debug)]
pub struct Verifier {
    webhook_id: String,
    certificates: Certificates,
}

impl Verifier {
    /// For the webhook that PayPal calls `webhook_id`.
    pub fn new(client: Client, webhook_id: String, options: &CertificateOptions) -> Result<Self, CertificateError> {
        Ok(Self { webhook_id, certificates: Certificates::new(client, options)? })
    }

    /// Checks a delivery's signature against the raw body. What costs nothing is looked at first.
    pub async fn verify(&self, headers: &Transmission<'_>, body: &[u8], now: Time) -> Result<(), VerifyError> {
        let algorithm = header(headers.algorithm, "PAYPAL-AUTH-ALGO")?;
        if algorithm != "SHA256withRSA" {
            return Err(VerifyError::Header("PAYPAL-AUTH-ALGO"));
        }
        let id = header(headers.id, "PAYPAL-TRANSMISSION-ID")?;
        let time = header(headers.time, "PAYPAL-TRANSMISSION-TIME")?;
        let sent: Time = time.parse().map_err(|_| VerifyError::Header("PAYPAL-TRANSMISSION-TIME"))?;
        if sent > now + AHEAD || sent < now - OLDEST {
            return Err(VerifyError::Stale);
        }
        let signature = header(headers.signature, "PAYPAL-TRANSMISSION-SIG")?;
        let signature = STANDARD.decode(signature).map_err(|_| VerifyError::Header("PAYPAL-TRANSMISSION-SIG"))?;
        let certificate = header(headers.certificate, "PAYPAL-CERT-URL")?;
        let message = message(id, time, &self.webhook_id, body);
        if self.certificates.check(certificate, message.as_bytes(), &signature, now).await? {
            Ok(())
        } else {
            Err(VerifyError::Signature)
        }
    }
}

fn header<'a>(value: Option<&'a str>, name: &'static str) -> Result<&'a str, VerifyError> {
    value.filter(|value| !value.is_empty() && value.len() <= LONGEST_HEADER).ok_or(VerifyError::Header(name))
}

fn message(id: &str, time: &str, webhook_id: &str, body: &[u8]) -> String {
    signed_text(id, time, webhook_id, crc32fast::hash(body))
}

fn signed_text(id: &str, time: &str, webhook_id: &str, checksum: u32) -> String {
    format!("{id}|{time}|{webhook_id}|{checksum}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signed_text_is_as_paypal_shows_it() {
        let text = signed_text(
            "464163d0-e0ae-11e5-af72-51ae350aaff1",
            "2016-03-02T19:38:01Z",
            "3W2725225F637605K",
            3_555_709_430,
        );
        assert_eq!(text, "464163d0-e0ae-11e5-af72-51ae350aaff1|2016-03-02T19:38:01Z|3W2725225F637605K|3555709430");
    }

    /// The check value of CRC-32 as in ISO 3309: `123456789` gives cbf43926.
    #[test]
    fn the_checksum_is_the_usual_crc_32_in_decimal() {
        assert_eq!(message("i", "t", "w", b"123456789"), "i|t|w|3421780262");
    }
}
