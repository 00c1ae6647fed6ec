//! Fetching files from elsewhere, for those who must not know from where.
//!
//! Promise: nothing is asked that is not of the public Internet, wherever an address, a name or a redirect leads; what
//! opens a private address is told to its own host alone; and an origin that stalls, lies or breaks off costs a bounded
//! time and no memory.
//!
//! Names are resolved by [`Guarded`], whose answer is what the connection is made to: a name that resolves to another
//! address a moment later gains nothing.

use std::{fmt, net::SocketAddr, ops::Range, sync::Arc, time::Duration};

use bytes::Bytes;
use futures::{StreamExt, stream};
use reqwest::{
    Client, Response, StatusCode, Url,
    dns::{Addrs, Name, Resolve, Resolving},
    header::{
        ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_ENCODING, CONTENT_RANGE, ETAG, HeaderMap, HeaderName,
        HeaderValue, LAST_MODIFIED, LOCATION, RANGE,
    },
    redirect::Policy,
};
use rustls::{ClientConfig, RootCertStore, crypto::ring};
use serde::Deserialize;

use super::{
    SourceProvider,
    address::{self, Address},
};
use crate::{
    kernel::{Network, is_public},
    storage::{ByteStream, StorageError},
};

/// How other hosts are asked.
#[derive(Debug, Clone)]
pub struct OriginOptions {
    /// How long a connection, an answer's head, and each piece after it may take.
    pub patience: Duration,
    /// Networks that are not public and may be asked all the same.
    pub allow: Vec<Network>,
}

/// Why a file cannot be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OriginError {
    /// It is not of the public Internet, or not of the web.
    #[error("its address leads to where nothing may be fetched: {0}")]
    Forbidden(String),
    /// It is not there.
    #[error("there is no file at its address")]
    NotFound,
    /// The host says no.
    #[error("its host refuses: {0}")]
    Refused(String),
    /// The host does not answer as it should; another try may go better.
    #[error("its host does not answer: {0}")]
    Unavailable(String),
}

/// A file that has begun to come.
pub struct Opened {
    /// How many bytes come.
    pub length: Option<u64>,
    /// Whether they are the part that was asked for, and not the whole file.
    pub is_part: bool,
    /// What the host tells versions of the file apart by.
    pub tag: Option<String>,
    /// The bytes.
    pub body: ByteStream,
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opened").field("length", &self.length).field("is_part", &self.is_part).finish_non_exhaustive()
    }
}

/// What fetches from other hosts. Clones share its connections.
#[derive(Clone)]
pub struct Origin {
    pub(super) http: Client,
    pub(super) patience: Duration,
    allow: Arc<[Network]>,
    /// What asks nobody but the public Internet, if this one asks others too.
    public: Option<Arc<Self>>,
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Origin").field("allow", &self.allow).finish_non_exhaustive()
    }
}

/// Why nothing can be fetched at all.
#[derive(Debug, thiserror::Error)]
#[error("the client of other hosts cannot be made: {0}")]
pub struct OriginUnusable(String);

/// A name stands for no address that may be asked.
#[derive(Debug, thiserror::Error)]
#[error("its name stands for an address that is not public")]
struct NotPublic;

fn may_ask(allow: &[Network], address: std::net::IpAddr) -> bool {
    is_public(address) || allow.iter().any(|network| network.contains(address))
}

/// Resolves names to addresses that may be asked, and to no others.
struct Guarded(Arc<[Network]>);

impl Resolve for Guarded {
    fn resolve(&self, name: Name) -> Resolving {
        let allow = Arc::clone(&self.0);
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            // One that is not public among them is a trick, or a mistake: then none is asked.
            if found.iter().any(|address| !may_ask(&allow, address.ip())) {
                return Err(NotPublic.into());
            }
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

/// How far an answer may lead on.
const MOST_REDIRECTS: usize = 5;
/// The longest answer of an API that is read.
const LONGEST_ANSWER: usize = 4 << 20;

/// A release, as GitHub's API tells of it.
#[derive(Deserialize)]
struct Release {
    assets: Vec<Asset>,
}

#[derive(Deserialize)]
struct Asset {
    id: u64,
    name: String,
}

impl Origin {
    /// A client that trusts the certificate authorities that browsers trust.
    pub fn new(options: OriginOptions) -> Result<Self, OriginUnusable> {
        let unusable = |error: &dyn fmt::Display| OriginUnusable(error.to_string());
        let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        let tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| unusable(&error))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let public = OriginOptions { allow: Vec::new(), ..options };
        let public = if options.allow.is_empty() { None } else { Some(Arc::new(Self::new(public)?)) };
        let allow: Arc<[Network]> = options.allow.into();
        let http = Client::builder()
            .tls_backend_preconfigured(tls)
            .connect_timeout(options.patience.min(Duration::from_secs(10)))
            // Each redirect is looked at here.
            .redirect(Policy::none())
            // A proxy would resolve names itself.
            .no_proxy()
            .dns_resolver(Guarded(Arc::clone(&allow)))
            .user_agent(concat!("mintreu/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| unusable(&error))?;
        Ok(Self { http, patience: options.patience, allow, public })
    }

    /// What asks for an address that a vendor named, or that the operator did: the networks that were opened are the
    /// operator's.
    pub(super) fn reaching(&self, by_vendor: bool) -> &Self {
        self.public.as_deref().filter(|_| by_vendor).unwrap_or(self)
    }

    /// Whether addresses that are not public may be asked.
    #[must_use]
    pub fn allows_plain(&self) -> bool {
        !self.allow.is_empty()
    }

    /// Opens a file, or a part of it if its host sends parts; `Opened::is_part` tells.
    pub async fn open(
        &self,
        (provider, text): (SourceProvider, &str),
        token: Option<&str>,
        range: Option<Range<u64>>,
    ) -> Result<Opened, OriginError> {
        let address = Address::parse(provider, text, self.allows_plain())
            .map_err(|error| OriginError::Forbidden(error.to_string()))?;
        let mut headers = credentials(provider, token)?;
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        let (url, is_api) = match (address, token) {
            (Address::GithubAsset { release, file, .. }, Some(_)) => {
                (self.github_asset(release, &file, &headers).await?, true)
            }
            (Address::GithubArchive { archive, .. }, Some(_)) => (archive, false),
            (Address::GithubApi(url), _) => (url, true),
            (address, _) => (address.page().clone(), false),
        };
        if is_api {
            // GitHub tells of the file unless it is asked for the file.
            headers.insert(ACCEPT, HeaderValue::from_static("application/octet-stream"));
        }
        if let Some(range) = range.as_ref().filter(|range| !range.is_empty()) {
            let value = format!("bytes={}-{}", range.start, range.end - 1);
            headers.insert(RANGE, HeaderValue::from_str(&value).map_err(|_| OriginError::NotFound)?);
        }
        let answer = self.get(url, headers).await?;
        self.opened(answer, range)
    }

    /// Where GitHub's API has the file of that name.
    async fn github_asset(&self, release: Url, file: &str, headers: &HeaderMap) -> Result<Url, OriginError> {
        let mut assets = release.clone();
        let answer = self.get(release, headers.clone()).await?;
        let text = self.read(answer).await?;
        let found: Release =
            serde_json::from_slice(&text).map_err(|_| OriginError::Refused("it tells of no release".to_owned()))?;
        let asset = found.assets.into_iter().find(|asset| asset.name == file).ok_or(OriginError::NotFound)?;
        let path = assets.path().split("/releases/tags/").next().unwrap_or_default();
        let path = format!("{path}/releases/assets/{}", asset.id);
        assets.set_path(&path);
        Ok(assets)
    }

    /// Asks, and goes where it is sent, as long as that is public too.
    async fn get(&self, first: Url, headers: HeaderMap) -> Result<Response, OriginError> {
        let (mut url, mut headers) = (first, headers);
        for _ in 0..=MOST_REDIRECTS {
            self.check(&url)?;
            let sent = tokio::time::timeout(self.patience, self.http.get(url.clone()).headers(headers.clone()).send());
            let answer = sent.await.map_err(|_| late())?.map_err(broken)?;
            let status = answer.status();
            if !status.is_redirection() || status == StatusCode::NOT_MODIFIED {
                return accepted(answer);
            }
            let next = answer.headers().get(LOCATION).and_then(|location| location.to_str().ok());
            let next = next.and_then(|location| url.join(location).ok());
            let next = next.ok_or_else(|| OriginError::Refused("it leads nowhere".to_owned()))?;
            if next.origin() != url.origin() {
                // What opens this host is none of the next one's business.
                headers.remove(AUTHORIZATION);
                headers.remove(GITLAB_TOKEN);
            }
            url = next;
        }
        Err(OriginError::Refused("it leads on and on".to_owned()))
    }

    pub(super) fn check(&self, url: &Url) -> Result<(), OriginError> {
        address::check(url, self.allows_plain()).map_err(|error| OriginError::Forbidden(error.to_string()))?;
        // An address that is not a name is not resolved, so nobody else looks at it.
        match url.host_str().and_then(address::ip) {
            Some(ip) if !may_ask(&self.allow, ip) => {
                Err(OriginError::Forbidden("an address that is not public".to_owned()))
            }
            _ => Ok(()),
        }
    }

    async fn read(&self, answer: Response) -> Result<Bytes, OriginError> {
        let (mut text, mut pieces) = (Vec::new(), pieces(answer, self.patience));
        while let Some(piece) = pieces.next().await {
            text.extend_from_slice(&piece.map_err(|error| OriginError::Unavailable(error.to_string()))?);
            if text.len() > LONGEST_ANSWER {
                return Err(OriginError::Refused("its answer is too long".to_owned()));
            }
        }
        Ok(text.into())
    }

    fn opened(&self, answer: Response, range: Option<Range<u64>>) -> Result<Opened, OriginError> {
        let headers = answer.headers();
        let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
        if text(CONTENT_ENCODING).is_some_and(|coding| coding != "identity") {
            return Err(OriginError::Refused("it sends the file in another coding".to_owned()));
        }
        let strong = text(ETAG).filter(|tag| !tag.starts_with("W/"));
        let tag = strong.or_else(|| text(LAST_MODIFIED)).map(|tag| tag.chars().take(200).collect());
        let is_part = match (answer.status(), range) {
            (StatusCode::PARTIAL_CONTENT, Some(range)) => {
                let begins = format!("bytes {}-{}/", range.start, range.end.saturating_sub(1));
                if !text(CONTENT_RANGE).is_some_and(|value| value.starts_with(&begins)) {
                    return Err(OriginError::Unavailable("it sends another part than was asked for".to_owned()));
                }
                true
            }
            (StatusCode::OK, _) => false,
            (status, _) => return Err(OriginError::Refused(format!("it answers {status}"))),
        };
        Ok(Opened { length: answer.content_length(), is_part, tag, body: pieces(answer, self.patience) })
    }
}

const GITLAB_TOKEN: HeaderName = HeaderName::from_static("private-token");

fn credentials(provider: SourceProvider, token: Option<&str>) -> Result<HeaderMap, OriginError> {
    let mut headers = HeaderMap::new();
    let Some(token) = token else { return Ok(headers) };
    let (name, value) = match provider {
        SourceProvider::Gitlab => (GITLAB_TOKEN, token.to_owned()),
        SourceProvider::Gitea => (AUTHORIZATION, format!("token {token}")),
        SourceProvider::Url | SourceProvider::Github | SourceProvider::Local | SourceProvider::S3 => {
            (AUTHORIZATION, format!("Bearer {token}"))
        }
    };
    let mut value =
        HeaderValue::from_str(&value).map_err(|_| OriginError::Refused("the token cannot be sent".to_owned()))?;
    value.set_sensitive(true);
    headers.insert(name, value);
    Ok(headers)
}

pub(super) fn late() -> OriginError {
    OriginError::Unavailable("it does not answer in time".to_owned())
}

fn accepted(answer: Response) -> Result<Response, OriginError> {
    match answer.status() {
        StatusCode::OK | StatusCode::PARTIAL_CONTENT => Ok(answer),
        StatusCode::NOT_FOUND | StatusCode::GONE => Err(OriginError::NotFound),
        status if status.is_server_error() || matches!(status.as_u16(), 408 | 425 | 429) => {
            Err(OriginError::Unavailable(format!("it answers {status}")))
        }
        status => Err(OriginError::Refused(format!("it answers {status}"))),
    }
}

/// What went wrong, without the address: it may hold what opens it.
pub(super) fn broken(error: reqwest::Error) -> OriginError {
    let error = error.without_url();
    let mut reason: &(dyn std::error::Error + 'static) = &error;
    loop {
        if reason.is::<NotPublic>() {
            return OriginError::Forbidden(NotPublic.to_string());
        }
        match reason.source() {
            Some(source) => reason = source,
            None => return OriginError::Unavailable(reason.to_string()),
        }
    }
}

pub(super) fn pieces(answer: Response, patience: Duration) -> ByteStream {
    stream::unfold(Some(answer), move |answer| async move {
        let mut answer = answer?;
        let fails = |why: String| Some((Err(StorageError::Unavailable(why)), None));
        match tokio::time::timeout(patience, answer.chunk()).await {
            Ok(Ok(Some(piece))) => Some((Ok(piece), Some(answer))),
            Ok(Ok(None)) => None,
            Ok(Err(error)) => fails(broken(error).to_string()),
            Err(_) => fails("its host stopped sending".to_owned()),
        }
    })
    .boxed()
}
