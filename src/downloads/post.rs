//! Telling other hosts something, and hearing a short answer: what files are fetched by, used the other way.

use std::time::Duration;

use futures::StreamExt;
use reqwest::{
    Url,
    header::{CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER},
};

use super::{
    address,
    origin::{Origin, OriginError, broken, late, pieces},
};

/// The longest wait that a host may ask for.
const LONGEST_WAIT: u64 = 86_400;

/// What a host answered.
#[derive(Debug)]
pub struct Posted {
    /// The status.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
    /// How long it asks to be left alone (`Retry-After` in seconds), a day at most.
    pub retry_after: Option<Duration>,
}

/// Whether an address may be asked as far as it can be told from its text; who its name stands for is told when it is.
/// `http:` is taken only where networks of one's own are allowed, and only to an address in numbers.
pub fn is_askable(text: &str, allows_plain: bool) -> Result<(), address::AddressError> {
    const LONGEST: usize = 2_000;
    if text.len() > LONGEST {
        return Err(address::AddressError::TooLong);
    }
    let url = Url::parse(text).map_err(|_| address::AddressError::Malformed)?;
    address::check(&url, allows_plain)?;
    let plain = text.trim() == text && !text.chars().any(char::is_control);
    if plain { Ok(()) } else { Err(address::AddressError::Malformed) }
}

impl Origin {
    /// Sends JSON and reads an answer of at most `longest` bytes. Redirects are answers like others. All of it takes no
    /// longer than `within`.
    pub async fn post(
        &self,
        url: &str,
        headers: Vec<(&'static str, String)>,
        body: Vec<u8>,
        (longest, within): (usize, Duration),
    ) -> Result<Posted, OriginError> {
        let url = Url::parse(url).map_err(|_| OriginError::Forbidden("it is no address".to_owned()))?;
        self.check(&url)?;
        let mut request = self.http.post(url).header(CONTENT_TYPE, "application/json").body(body);
        for (name, value) in headers {
            let value = HeaderValue::from_str(&value)
                .map_err(|_| OriginError::Refused("a header cannot be sent".to_owned()))?;
            request = request.header(HeaderName::from_static(name), value);
        }
        let exchange = async {
            let answer = request.send().await.map_err(broken)?;
            let status = answer.status().as_u16();
            let retry_after = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
            let retry_after = retry_after.map(|seconds: u64| Duration::from_secs(seconds.min(LONGEST_WAIT)));
            let (mut body, mut pieces) = (Vec::new(), pieces(answer, self.patience));
            while let Some(piece) = pieces.next().await {
                body.extend_from_slice(&piece.map_err(|error| OriginError::Unavailable(error.to_string()))?);
                if body.len() > longest {
                    return Err(OriginError::Refused("its answer is too long".to_owned()));
                }
            }
            Ok(Posted { status, body, retry_after })
        };
        tokio::time::timeout(within, exchange).await.map_err(|_| late())?
    }
}
