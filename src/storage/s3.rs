//! Files in a bucket of an S3 store: Amazon's, or another that speaks its protocol.

use std::{fmt, ops::Range, time::Duration};

use aws_sdk_s3::{
    Client,
    config::{
        BehaviorVersion, Credentials, Region, RequestChecksumCalculation, ResponseChecksumValidation,
        retry::RetryConfig, timeout::TimeoutConfig,
    },
    error::{DisplayErrorContext, SdkError},
    operation::get_object::builders::GetObjectFluentBuilder,
    presigning::PresigningConfig,
    primitives::ByteStream as Body,
    types::{CompletedMultipartUpload, CompletedPart},
};
use aws_smithy_http_client::{
    Builder as HttpClient,
    tls::{Provider, rustls_provider::CryptoMode},
};
use bytes::{Bytes, BytesMut};
use futures::{StreamExt, stream};

use super::{ByteStream, ObjectKey, Opened, Presented, Reply, Stat, Storage, StorageError};
use crate::kernel::Secret;

/// How a bucket is reached.
#[derive(Debug, Clone)]
pub struct S3Options {
    /// The bucket.
    pub bucket: String,
    /// Its region; what another store expects there, where there are none.
    pub region: String,
    /// Where the store is; none for Amazon's.
    pub endpoint: Option<String>,
    /// Who asks.
    pub access_key: String,
    /// What proves it.
    pub secret_key: Secret<String>,
    /// Whether the bucket is the first part of the path instead of the host's name.
    pub path_style: bool,
    /// How long an answer may take to begin, and a piece to follow the one before.
    pub patience: Duration,
}

/// The least that a part of an upload but the last may be is 5 MiB; there may be 10,000.
const FIRST_PART: usize = 8 << 20;
const MOST_PARTS: i32 = 10_000;
/// So parts grow: a file of 1 TiB fits.
const GROW_EVERY: i32 = 1_000;

/// A bucket.
pub struct S3Storage {
    client: Client,
    bucket: String,
    patience: Duration,
}

impl fmt::Debug for S3Storage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("S3Storage").field("bucket", &self.bucket).finish_non_exhaustive()
    }
}

impl S3Storage {
    /// The bucket that `options` say. Nothing is sent yet.
    #[must_use]
    pub fn new(options: S3Options) -> Self {
        let credentials =
            Credentials::new(options.access_key, options.secret_key.expose().as_str(), None, None, "configuration");
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(options.patience.min(Duration::from_secs(5)))
            .read_timeout(options.patience)
            .build();
        let config = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(options.region))
            .credentials_provider(credentials)
            .force_path_style(options.path_style)
            // Others' stores do not all know the newer checksums; TLS and the signature protect what is sent.
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
            .timeout_config(timeouts)
            .retry_config(RetryConfig::standard().with_max_attempts(2))
            .http_client(HttpClient::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https());
        let config = match options.endpoint {
            Some(endpoint) => config.endpoint_url(endpoint),
            None => config,
        };
        Self { client: Client::from_conf(config.build()), bucket: options.bucket, patience: options.patience }
    }

    fn object(&self, key: &ObjectKey) -> GetObjectFluentBuilder {
        self.client.get_object().bucket(&self.bucket).key(key.as_str())
    }

    async fn write(&self, key: &ObjectKey, mut content: ByteStream) -> Result<u64, StorageError> {
        let first = part(&mut content, FIRST_PART).await?;
        if first.len() < FIRST_PART {
            let size = first.len() as u64;
            let put = self.client.put_object().bucket(&self.bucket).key(key.as_str()).body(Body::from(first));
            put.send().await.map_err(|error| told(&error))?;
            return Ok(size);
        }
        let begun = self.client.create_multipart_upload().bucket(&self.bucket).key(key.as_str());
        let begun = begun.send().await.map_err(|error| told(&error))?;
        let upload = begun.upload_id.ok_or_else(|| StorageError::Refused("it names no upload".to_owned()))?;
        let written = self.write_parts(key, &upload, first, content).await;
        if written.is_err() {
            // Parts that belong to nothing cost storage.
            let abort = self.client.abort_multipart_upload().bucket(&self.bucket).key(key.as_str()).upload_id(&upload);
            if let Err(error) = abort.send().await {
                tracing::warn!(error = %told(&error), "an upload that broke off could not be removed from the bucket");
            }
        }
        written
    }

    async fn write_parts(
        &self,
        key: &ObjectKey,
        upload: &str,
        first: Bytes,
        mut content: ByteStream,
    ) -> Result<u64, StorageError> {
        let (mut size, mut number, mut piece, mut parts) = (0, 1, first, Vec::new());
        while !piece.is_empty() {
            if number > MOST_PARTS {
                return Err(StorageError::Refused("the file has too many parts".to_owned()));
            }
            size += piece.len() as u64;
            let put = self.client.upload_part().bucket(&self.bucket).key(key.as_str()).upload_id(upload);
            let put = put.part_number(number).body(Body::from(piece)).send().await.map_err(|error| told(&error))?;
            parts.push(CompletedPart::builder().part_number(number).set_e_tag(put.e_tag).build());
            let doublings = u32::try_from(number / GROW_EVERY).unwrap_or(0);
            piece = part(&mut content, FIRST_PART << doublings.min(4)).await?;
            number += 1;
        }
        let parts = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
        let complete = self.client.complete_multipart_upload().bucket(&self.bucket).key(key.as_str());
        complete.upload_id(upload).multipart_upload(parts).send().await.map_err(|error| told(&error))?;
        Ok(size)
    }
}

/// The next `size` bytes, or what is left.
async fn part(content: &mut ByteStream, size: usize) -> Result<Bytes, StorageError> {
    let mut part = BytesMut::new();
    while part.len() < size {
        let Some(piece) = content.next().await else { break };
        part.extend_from_slice(&piece?);
    }
    Ok(part.freeze())
}

/// What an error comes to.
fn told<E>(error: &SdkError<E>) -> StorageError
where
    E: std::error::Error + 'static,
{
    let status = error.raw_response().map(|response| response.status().as_u16());
    let text = DisplayErrorContext(error).to_string();
    match status {
        Some(404) => StorageError::NotFound,
        Some(status) if (400..500).contains(&status) && !matches!(status, 408 | 429) => StorageError::Refused(text),
        _ => StorageError::Unavailable(text),
    }
}

impl Storage for S3Storage {
    fn put<'a>(&'a self, key: &'a ObjectKey, content: ByteStream) -> Reply<'a, u64> {
        Box::pin(self.write(key, content))
    }

    fn get<'a>(&'a self, key: &'a ObjectKey, range: Option<Range<u64>>) -> Reply<'a, Opened> {
        Box::pin(async move {
            let wanted = range.as_ref().map(|range| range.end.saturating_sub(range.start));
            let get = match range {
                Some(range) if range.is_empty() => return Ok(Opened { size: None, body: stream::empty().boxed() }),
                Some(range) => self.object(key).range(format!("bytes={}-{}", range.start, range.end - 1)),
                None => self.object(key),
            };
            let answer = get.send().await.map_err(|error| told(&error))?;
            let length = answer.content_length.and_then(|length| u64::try_from(length).ok());
            if wanted.is_some() && length != wanted {
                return Err(StorageError::Unavailable("the file is shorter than it was".to_owned()));
            }
            // Of a part it says after the slash how long all of it is (RFC 9110, 14.4).
            let size = match wanted {
                None => length,
                Some(_) => answer.content_range.and_then(|told| told.rsplit_once('/')?.1.parse().ok()),
            };
            Ok(Opened { size, body: pieces(answer.body, self.patience) })
        })
    }

    fn head<'a>(&'a self, key: &'a ObjectKey) -> Reply<'a, Stat> {
        Box::pin(async move {
            let head = self.client.head_object().bucket(&self.bucket).key(key.as_str());
            let head = head.send().await.map_err(|error| told(&error))?;
            let size = head.content_length.and_then(|length| u64::try_from(length).ok()).unwrap_or(0);
            Ok(Stat { size, tag: head.e_tag })
        })
    }

    fn delete<'a>(&'a self, key: &'a ObjectKey) -> Reply<'a, ()> {
        Box::pin(async move {
            let delete = self.client.delete_object().bucket(&self.bucket).key(key.as_str()).send().await;
            match delete.map_err(|error| told(&error)) {
                Ok(_) | Err(StorageError::NotFound) => Ok(()),
                Err(error) => Err(error),
            }
        })
    }

    fn presign<'a>(
        &'a self,
        key: &'a ObjectKey,
        presented: &'a Presented,
        lasts: Duration,
    ) -> Reply<'a, Option<String>> {
        Box::pin(async move {
            let config =
                PresigningConfig::expires_in(lasts).map_err(|error| StorageError::Refused(error.to_string()))?;
            let signed = self
                .object(key)
                .response_content_disposition(&presented.disposition)
                .response_content_type(&presented.content_type)
                .presigned(config)
                .await
                .map_err(|error| told(&error))?;
            Ok(Some(signed.uri().to_owned()))
        })
    }
}

fn pieces(body: Body, patience: Duration) -> ByteStream {
    stream::unfold(Some(body), move |body| async move {
        let mut body = body?;
        let late = || StorageError::Unavailable("it stopped sending".to_owned());
        match tokio::time::timeout(patience, body.next()).await {
            Ok(None) => None,
            Ok(Some(Ok(piece))) => Some((Ok(piece), Some(body))),
            Ok(Some(Err(error))) => Some((Err(StorageError::Unavailable(error.to_string())), None)),
            Err(_) => Some((Err(late()), None)),
        }
    })
    .boxed()
}
