//! Verifying: somebody looks whether a source's file is there and is what it was.

use std::{borrow::Cow, time::Duration};

use futures::StreamExt;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    Downloads, SourceId, SourceProvider, SourceState,
    file::{TELLING, content_type},
    origin::OriginError,
    source::{SourceRow, source_row},
};
use crate::{
    audit::{Actor, Entry},
    db::{DbError, Tx},
    execute, fetch_all, fetch_one,
    jobs::{DomainEvent, Failure, Job, RetryPolicy},
    kernel::{Checksum, ProductId, Time},
    notifications::{AnnounceFile, Notice},
    storage::{ByteStream, ObjectKey, Storage, StorageError},
};

/// Looks at a source.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct VerifySource {
    /// Which one.
    pub source: SourceId,
}

impl Job for VerifySource {
    const KIND: &'static str = "downloads.verify";
    const QUEUE: &'static str = "downloads";
    // An outage of some minutes is not worth a letter.
    const RETRY: RetryPolicy =
        RetryPolicy { max_attempts: 5, base: Duration::from_secs(30), cap: Duration::from_mins(10) };
    const PRIORITY: i32 = 3;
    // The whole file is read.
    const TIMEOUT: Duration = Duration::from_hours(1);

    fn unique_key(&self) -> Option<Cow<'_, str>> {
        Some(format!("downloads.verify:{}", self.source).into())
    }
}

/// Has sources looked at again that nobody has looked at for long.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct VerifyDue {}

impl Job for VerifyDue {
    const KIND: &'static str = "downloads.verify_due";
    const QUEUE: &'static str = "downloads";
}

/// Removes an uploaded file that no source refers to any more.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RemoveFile {
    /// In which store.
    pub provider: SourceProvider,
    /// Its name there.
    pub key: String,
}

impl Job for RemoveFile {
    const KIND: &'static str = "downloads.remove_file";
    const QUEUE: &'static str = "downloads";
    const PRIORITY: i32 = 4;
}

/// A source that buyers were offered cannot be fetched.
#[derive(Debug, Serialize)]
pub struct SourceBroken {
    /// Which one.
    pub source: SourceId,
    /// Of which product.
    pub product: ProductId,
    /// Why.
    pub problem: String,
}

impl DomainEvent for SourceBroken {
    const NAME: &'static str = "source.broken";
}

/// A source was looked at and is as it should be, for the first time or again.
#[derive(Debug, Serialize)]
pub struct SourceVerified {
    /// Which one.
    pub source: SourceId,
    /// Of which product.
    pub product: ProductId,
}

impl DomainEvent for SourceVerified {
    const NAME: &'static str = "source.verified";
}

const ACTOR: Actor = Actor::system("downloads.verify");

/// What a file was found to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) size: u64,
    pub(super) checksum: String,
    pub(super) content_type: &'static str,
    pub(super) tag: Option<String>,
}

/// What somebody saw who looked.
enum Seen {
    /// What was seen before.
    Same,
    /// This.
    Found(Facts),
    /// Nothing; another look may see more.
    NotNow(String),
    /// Nothing, and nothing will be seen later.
    Never(String),
}

impl From<StorageError> for Seen {
    fn from(error: StorageError) -> Self {
        match error {
            StorageError::NotFound => Self::Never("the file is not there".to_owned()),
            StorageError::Refused(_) => Self::Never(error.to_string()),
            StorageError::Unavailable(_) | StorageError::Source(_) => Self::NotNow(error.to_string()),
        }
    }
}

impl From<OriginError> for Seen {
    fn from(error: OriginError) -> Self {
        match error {
            OriginError::Forbidden(_) | OriginError::NotFound | OriginError::Refused(_) => {
                Self::Never(error.to_string())
            }
            OriginError::Unavailable(_) => Self::NotNow(error.to_string()),
        }
    }
}

/// Reads a file to its end.
pub(super) async fn read(mut body: ByteStream, tag: Option<String>, most: u64) -> Result<Facts, StorageError> {
    let (mut size, mut checksum, mut beginning) = (0_u64, Checksum::new(), Vec::new());
    while let Some(piece) = body.next().await {
        let piece = piece?;
        size += piece.len() as u64;
        if size > most {
            return Err(StorageError::Refused(format!("the file is larger than {most} bytes")));
        }
        checksum.update(&piece);
        let wanted = TELLING.saturating_sub(beginning.len()).min(piece.len());
        beginning.extend_from_slice(&piece[..wanted]);
    }
    Ok(Facts { size, checksum: checksum.finish(), content_type: content_type(&beginning), tag })
}

fn signed(size: u64) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}

impl Downloads {
    /// Looks at a source and writes down what was seen. `is_last` tells that nobody will look again soon.
    pub async fn verify(&self, id: SourceId, is_last: bool) -> Result<(), Failure> {
        let row = source_row(&self.0.db, id).await?;
        let Some(row) = row.filter(|row| row.state != SourceState::Uploading) else { return Ok(()) };
        let seen = self.look(&row).await;
        let outcome = match &seen {
            Seen::Same | Seen::Found(_) => "ok",
            Seen::NotNow(_) => "not_now",
            Seen::Never(_) => "broken",
        };
        metrics::counter!("mintreu_download_verifications_total", "outcome" => outcome).increment(1);
        let written = match seen {
            Seen::NotNow(why) if !is_last => return Err(Failure::retry(why)),
            Seen::NotNow(why) | Seen::Never(why) => {
                self.0.db.write(async |tx| mark_broken(tx, &row, &why).await).await?
            }
            Seen::Same => self.0.db.write(async |tx| mark_same(tx, &row).await).await?,
            Seen::Found(facts) if row.checksum.as_ref().is_some_and(|expected| *expected != facts.checksum) => {
                let why = "the file is not the one that was expected: its checksum is another";
                self.0.db.write(async |tx| mark_broken(tx, &row, why).await).await?
            }
            Seen::Found(facts) => self.0.db.write(async |tx| mark_ok(tx, &row, &facts).await).await?,
        };
        if written {
            return Ok(());
        }
        // Edited while it was looked at: what was seen may be another file.
        Err(Failure::Snooze { until: self.0.db.now() })
    }

    async fn look(&self, row: &SourceRow) -> Seen {
        if row.provider.is_stored() { self.look_into_storage(row).await } else { self.look_elsewhere(row).await }
    }

    async fn look_into_storage(&self, row: &SourceRow) -> Seen {
        let Some(storage) = self.storage(row.provider) else {
            return Seen::NotNow("no bucket is configured any more".to_owned());
        };
        let Ok(key) = row.source_url.parse::<ObjectKey>() else {
            return Seen::Never("the name is none of the storage".to_owned());
        };
        match look_at(storage.as_ref(), &key, row).await {
            Ok(seen) => seen,
            Err(error) => error.into(),
        }
    }

    async fn look_elsewhere(&self, row: &SourceRow) -> Seen {
        let token = match self.token_of(row.id, row.encrypted_token.as_deref()) {
            Ok(token) => token,
            Err(error) => return Seen::NotNow(error.to_string()),
        };
        let origin = self.0.origin.reaching(row.by_vendor);
        let opened = origin.open((row.provider, &row.source_url), token.as_deref(), None).await;
        let opened = match opened {
            Ok(opened) => opened,
            Err(error) => return error.into(),
        };
        let most = self.0.options.max_file;
        if opened.length.is_some_and(|length| length > most) {
            return Seen::Never(format!("the file is larger than {most} bytes"));
        }
        if is_same(row, opened.tag.as_ref(), opened.length) {
            return Seen::Same;
        }
        let length = opened.length;
        match read(opened.body, opened.tag, most).await {
            Ok(facts) if length.is_some_and(|length| length != facts.size) => {
                Seen::NotNow("its host says another length than it sends".to_owned())
            }
            Ok(facts) => Seen::Found(facts),
            Err(error) => error.into(),
        }
    }
}

async fn look_at(storage: &dyn Storage, key: &ObjectKey, row: &SourceRow) -> Result<Seen, StorageError> {
    let stat = storage.head(key).await?;
    if is_same(row, stat.tag.as_ref(), Some(stat.size)) {
        return Ok(Seen::Same);
    }
    read(storage.get(key, None).await?.body, stat.tag, u64::MAX).await.map(Seen::Found)
}

/// Whether what was verified before need not be read again.
fn is_same(row: &SourceRow, tag: Option<&String>, size: Option<u64>) -> bool {
    row.state == SourceState::Ok && tag.is_some() && row.origin_tag.as_ref() == tag && size.map(signed) == row.file_size
}

async fn mark_ok(tx: &mut Tx, row: &SourceRow, facts: &Facts) -> Result<bool, DbError> {
    let now = tx.now();
    let changed = execute!(
        tx,
        sqlx::query(
            "UPDATE product_sources SET state = 'ok', problem = NULL, file_size = $3, checksum = $4, content_type = $5,
                 origin_tag = $6, last_verified_at = $7
             WHERE id = $1 AND revision = $2"
        )
        .bind(row.id)
        .bind(row.revision)
        .bind(signed(facts.size))
        .bind(&facts.checksum)
        .bind(facts.content_type)
        .bind(&facts.tag)
        .bind(now)
    )?;
    if changed == 1 && row.state != SourceState::Ok {
        tx.emit(&SourceVerified { source: row.id, product: row.product_id })?;
        let told = json!({ "state": "ok", "file_size": facts.size, "checksum": facts.checksum });
        tx.audit(Entry::new(ACTOR, "source.verified", "source", row.id.to_string()).change(None, told));
        if row.state == SourceState::Unverified {
            // One that was broken for a while is no news.
            tx.enqueue(&AnnounceFile { source: row.id.uuid(), after: None }).await?;
        }
    }
    Ok(changed == 1)
}

async fn mark_same(tx: &mut Tx, row: &SourceRow) -> Result<bool, DbError> {
    let now = tx.now();
    let changed = execute!(
        tx,
        sqlx::query("UPDATE product_sources SET last_verified_at = $3 WHERE id = $1 AND revision = $2")
            .bind(row.id)
            .bind(row.revision)
            .bind(now)
    )?;
    Ok(changed == 1)
}

/// Takes a source out of what is offered, and has the operators and the vendor told, once.
async fn mark_broken(tx: &mut Tx, row: &SourceRow, why: &str) -> Result<bool, DbError> {
    let now = tx.now();
    let why: String = why.chars().filter(|c| !c.is_control()).take(500).collect();
    let changed = execute!(
        tx,
        sqlx::query(
            "UPDATE product_sources SET state = 'broken', problem = $3, last_verified_at = $4
             WHERE id = $1 AND revision = $2"
        )
        .bind(row.id)
        .bind(row.revision)
        .bind(&why)
        .bind(now)
    )?;
    if changed == 1 && row.state != SourceState::Broken {
        tx.enqueue(&Notice::SourceBroken { source: row.id.uuid() }).await?;
        let told = json!({ "state": "broken", "problem": why });
        tx.audit(Entry::new(ACTOR, "source.broken", "source", row.id.to_string()).change(None, told));
        tx.emit(&SourceBroken { source: row.id, product: row.product_id, problem: why })?;
    }
    Ok(changed == 1)
}

/// How many sources one sweep has looked at.
const BATCH: i64 = 500;

/// Enqueues the verification of sources that were verified last before `before`, or never.
pub async fn verify_due(tx: &mut Tx, before: Time) -> Result<usize, DbError> {
    let due: Vec<SourceId> = fetch_all!(
        tx,
        sqlx::query_scalar(
            "SELECT id FROM product_sources
             WHERE is_active AND state <> 'uploading' AND (last_verified_at IS NULL OR last_verified_at < $1)
             ORDER BY last_verified_at LIMIT $2"
        )
        .bind(before)
        .bind(BATCH)
    )?;
    for source in &due {
        tx.enqueue(&VerifySource { source: *source }).await?;
    }
    Ok(due.len())
}

impl Downloads {
    /// Removes an uploaded file unless a source refers to it after all.
    pub async fn remove_file(&self, job: &RemoveFile) -> Result<(), Failure> {
        let uses: i64 = fetch_one!(
            self.0.db,
            sqlx::query_scalar("SELECT COUNT(*) FROM product_sources WHERE provider = $1 AND source_url = $2")
                .bind(job.provider)
                .bind(&job.key)
        )?;
        let (Some(storage), Ok(key)) = (self.storage(job.provider), job.key.parse::<ObjectKey>()) else {
            return Err(Failure::dead("there is no such storage any more"));
        };
        if uses == 0 { storage.delete(&key).await.map_err(Failure::retry) } else { Ok(()) }
    }
}
