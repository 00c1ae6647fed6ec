//! The certificates that PayPal signs its webhooks with: fetched from PayPal's hosts alone, checked up to a root, kept.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use rustls_pki_types::{CertificateDer, ServerName, TrustAnchor, UnixTime, pem::PemObject};
use tokio::sync::Semaphore;
use webpki::{ALL_VERIFICATION_ALGS, EndEntityCert, KeyUsage, anchor_from_trusted_cert, ring};

use crate::{
    kernel::Time,
    payments::{Body, Call, Client, Method, ProviderError},
};

/// How certificates are found and trusted.
#[derive(Debug, Clone)]
pub struct CertificateOptions {
    /// Where PayPal's API is: its test environment has hosts and names of its own, which no real payment may come from.
    pub api_base: String,
    /// For tests: certificates (PEM) that are trusted instead of the public authorities, and then taken from
    /// `api_base` too.
    pub roots: Option<String>,
}

/// Why a certificate is not taken.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
pub enum CertificateError {
    /// The URL is none of PayPal's.
    #[error("PAYPAL-CERT-URL is no address of a PayPal certificate")]
    Url,
    /// There is none, or it cannot be read.
    #[error("the certificate cannot be read")]
    Format,
    /// No root vouches for it at this time.
    #[error("the certificate is not to be trusted: {0}")]
    Untrusted(String),
    /// It is for another name.
    #[error("the certificate is not PayPal's")]
    Name,
    /// It cannot be fetched at the moment.
    #[error("the certificate cannot be fetched: {0}")]
    Unavailable(String),
    /// The roots that were given are none.
    #[error("payments.paypal.certificate_roots holds no certificate")]
    Roots,
}

const LIVE_HOSTS: &[&str] = &["api.paypal.com", "api-m.paypal.com"];
const TEST_HOSTS: &[&str] = &["api.sandbox.paypal.com", "api-m.sandbox.paypal.com"];
const LIVE_NAMES: &[&str] = &["messageverificationcerts.paypal.com"];
const TEST_NAMES: &[&str] = &["messageverificationcerts.sandbox.paypal.com", "messageverificationcerts.paypal.com"];

/// How many certificates are kept; PayPal uses a few.
const KEPT: usize = 16;
/// How many are fetched at a time: forged deliveries name as many as they like.
const FETCHED: usize = 4;
/// The longest URL that is looked at.
const LONGEST_URL: usize = 300;

/// A certificate and those that lead to its root, as fetched.
type Chain = Arc<[CertificateDer<'static>]>;

/// Finds, checks and keeps certificates.
pub(super) struct Certificates {
    client: Client,
    hosts: &'static [&'static str],
    names: &'static [&'static str],
    anchors: Vec<TrustAnchor<'static>>,
    /// Only with roots of its own.
    test_base: Option<String>,
    kept: Mutex<HashMap<String, Chain>>,
    places: Semaphore,
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificates").field("hosts", &self.hosts).finish_non_exhaustive()
    }
}

impl Certificates {
    pub(super) fn new(client: Client, options: &CertificateOptions) -> Result<Self, CertificateError> {
        let test = options.api_base.contains(".sandbox.paypal.com");
        let anchors = match &options.roots {
            None => webpki_roots::TLS_SERVER_ROOTS.to_vec(),
            Some(pem) => parse(pem.as_bytes())?
                .iter()
                .map(|root| anchor_from_trusted_cert(root).map(|anchor| anchor.to_owned()))
                .collect::<Result<_, _>>()
                .map_err(|_| CertificateError::Roots)?,
        };
        Ok(Self {
            client,
            hosts: if test { TEST_HOSTS } else { LIVE_HOSTS },
            names: if test { TEST_NAMES } else { LIVE_NAMES },
            anchors,
            test_base: options.roots.is_some().then(|| format!("{}/", options.api_base)),
            kept: Mutex::default(),
            places: Semaphore::new(FETCHED),
        })
    }

    /// Whether `message` was signed with the certificate at `url`, and that certificate is PayPal's now.
    pub(super) async fn check(
        &self,
        url: &str,
        message: &[u8],
        signature: &[u8],
        now: Time,
    ) -> Result<bool, CertificateError> {
        if !self.may_fetch(url) {
            return Err(CertificateError::Url);
        }
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner).get(url).cloned();
        let chain = match kept {
            Some(chain) => chain,
            None => self.fetch(url, now).await?,
        };
        let leaf = self.trusted(&chain, now)?;
        Ok(leaf.verify_signature(ring::RSA_PKCS1_2048_8192_SHA256, message, signature).is_ok())
    }

    /// <https://developer.paypal.com/api/rest/webhooks/rest/#link-selfverificationmethod> says to take certificates from
    /// the URL of the header; nobody may make us call another host with it.
    fn may_fetch(&self, url: &str) -> bool {
        // Nothing that one parser of URLs might take for another host, a port or a user.
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./".contains(&byte);
        if url.len() > LONGEST_URL || url.contains("..") {
            return false;
        }
        if let Some(path) = self.test_base.as_deref().and_then(|base| url.strip_prefix(base)) {
            return path.bytes().all(plain);
        }
        let Some((host, path)) = url.strip_prefix("https://").and_then(|rest| rest.split_once('/')) else {
            return false;
        };
        self.hosts.contains(&host) && path.starts_with("v1/notifications/certs/") && path.bytes().all(plain)
    }

    async fn fetch(&self, url: &str, now: Time) -> Result<Chain, CertificateError> {
        let _place = self.places.acquire().await.map_err(|error| CertificateError::Unavailable(error.to_string()))?;
        let call = Call { method: Method::Get, url: url.to_owned(), headers: Vec::new(), body: Body::Empty };
        let answer = self.client.send(&call).await.map_err(|error| match error {
            ProviderError::Unavailable(why) | ProviderError::Refused(why) => CertificateError::Unavailable(why),
            ProviderError::NotFound | ProviderError::Unsupported => CertificateError::Format,
        })?;
        match answer.status {
            200 => {}
            429 | 500.. => return Err(CertificateError::Unavailable(format!("its host answers {}", answer.status))),
            _ => return Err(CertificateError::Format),
        }
        let chain: Chain = parse(&answer.body)?.into();
        // Only what is trusted is kept: others could fill the place with theirs.
        self.trusted(&chain, now)?;
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= KEPT {
            kept.clear();
        }
        kept.insert(url.to_owned(), Arc::clone(&chain));
        Ok(chain)
    }

    fn trusted<'a>(&self, chain: &'a Chain, now: Time) -> Result<EndEntityCert<'a>, CertificateError> {
        let (leaf, others) = chain.split_first().ok_or(CertificateError::Format)?;
        let leaf = EndEntityCert::try_from(leaf).map_err(|_| CertificateError::Format)?;
        let time = UnixTime::since_unix_epoch(Duration::from_secs(u64::try_from(now.as_secs()).unwrap_or(0)));
        leaf.verify_for_usage(ALL_VERIFICATION_ALGS, &self.anchors, others, time, KeyUsage::server_auth(), None, None)
            .map_err(|error| CertificateError::Untrusted(error.to_string()))?;
        let is_named = self.names.iter().any(|name| {
            ServerName::try_from(*name).is_ok_and(|name| leaf.verify_is_valid_for_subject_name(&name).is_ok())
        });
        if is_named { Ok(leaf) } else { Err(CertificateError::Name) }
    }
}

fn parse(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
    let chain: Vec<_> =
        CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().map_err(|_| CertificateError::Format)?;
    // A chain is as long as a hand has fingers; each certificate costs a signature to check.
    if chain.is_empty() || chain.len() > 8 { Err(CertificateError::Format) } else { Ok(chain) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        kernel::{IdSource, SystemClock},
        payments::ClientOptions,
    };

    fn certificates(api_base: &str) -> Certificates {
        let client = Client::new(ClientOptions::default(), IdSource::new(Arc::new(SystemClock))).expect("a client");
        let options = CertificateOptions { api_base: api_base.to_owned(), roots: None };
        Certificates::new(client, &options).expect("the public roots")
    }

    #[test]
    fn only_paypals_own_hosts_are_asked() {
        let live = certificates("https://api-m.paypal.com");
        for url in [
            "https://api.paypal.com/v1/notifications/certs/CERT-360caa42-fca2a594-1d93a270",
            "https://api-m.paypal.com/v1/notifications/certs/CERT-1",
        ] {
            assert!(live.may_fetch(url), "{url}");
        }
        for url in [
            "",
            "http://api.paypal.com/v1/notifications/certs/CERT-1",
            "https://api.sandbox.paypal.com/v1/notifications/certs/CERT-1",
            "https://api.paypal.com.evil.example/v1/notifications/certs/CERT-1",
            "https://evil.example/v1/notifications/certs/CERT-1",
            "https://api.paypal.com@evil.example/v1/notifications/certs/CERT-1",
            "https://user@api.paypal.com/v1/notifications/certs/CERT-1",
            "https://api.paypal.com:8443/v1/notifications/certs/CERT-1",
            "https://api.paypal.com/v1/notifications/certs/../../evil",
            "https://api.paypal.com/v1/notifications/certs/CERT-1?x=y",
            "https://api.paypal.com/v1/notifications/certs/CERT-1#x",
            "https://api.paypal.com/v1/other/CERT-1",
            "https://api.paypal.com\\.evil.example/v1/notifications/certs/CERT-1",
            "https://API.PAYPAL.COM/v1/notifications/certs/CERT-1",
            "https://127.0.0.1/v1/notifications/certs/CERT-1",
            "https://[::1]/v1/notifications/certs/CERT-1",
            "https://169.254.169.254/v1/notifications/certs/CERT-1",
            "https://localhost/v1/notifications/certs/CERT-1",
            "file:///etc/passwd",
        ] {
            assert!(!live.may_fetch(url), "{url}");
        }
        let test = certificates("https://api-m.sandbox.paypal.com");
        assert!(test.may_fetch("https://api.sandbox.paypal.com/v1/notifications/certs/CERT-1"));
        assert!(!test.may_fetch("https://api.paypal.com/v1/notifications/certs/CERT-1"));
    }
}
