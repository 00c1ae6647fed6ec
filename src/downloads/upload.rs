//! Uploading: a file becomes a source.
//!
//! The source is there before its file, so that whatever is interrupted is known and cleaned up: no file is in the
//! storage that no row tells of.

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use futures::StreamExt;
use serde_json::Map;

use super::{
    Downloads, SourceId, SourceProvider, SourceState,
    edit::{Editor, NewRow, UPLOADS, hold_place, insert, unseat_primary},
    file::{TELLING, content_type, is_file_name},
    source::{Source, SourceFields, SourceRow, select_sources},
    verify::SourceVerified,
};
use crate::{
    catalog::{By, Checks, EditError},
    db::{DbError, Tx},
    execute, fetch_optional,
    kernel::{Checksum, ProductId},
    notifications::AnnounceFile,
    storage::{ByteStream, ObjectKey, StorageError, read_file},
};

/// What is said about a file that is uploaded.
#[derive(Debug, Clone, Default)]
pub struct NewFile {
    /// What buyers' files are called.
    pub file_name: String,
    /// As buyers read it; the file's name if nothing is said.
    pub name: String,
    /// The version of the product that it holds.
    pub version: String,
    /// Whether buyers get it who name none.
    pub is_primary: bool,
}

/// Why a file was not taken. Nothing of it is kept.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    /// The product does not take it, or what is said about it is wrong.
    #[error(transparent)]
    Edit(#[from] EditError),
    /// It is larger than `downloads.max_file`.
    #[error("a file has {0} bytes at most")]
    TooLarge(u64),
    /// It was not received to its end.
    #[error("the file was not received to its end")]
    Interrupted,
    /// The storage did not take it.
    #[error("the storage does not take the file: {0}")]
    Storage(StorageError),
}

impl From<DbError> for UploadError {
    fn from(error: DbError) -> Self {
        Self::Edit(EditError::Db(error))
    }
}

impl NewFile {
    /// The file's name and everything else as buyers will see it, or what is wrong with them.
    pub fn check(&self) -> Result<(), EditError> {
        let mut checks = Checks::default();
        checks.must(
            is_file_name(&self.file_name),
            "file_name",
            "a name of 200 bytes at most, without slashes, quotes, colons, wildcards and characters that cannot be seen",
        );
        checks.line("name", &self.name, 0..=100);
        checks.line("version", &self.version, 0..=50);
        checks.done()
    }

    fn fields(self, provider: SourceProvider, key: &str) -> SourceFields {
        SourceFields {
            provider,
            name: self.name,
            description: String::new(),
            source_url: key.to_owned(),
            token: None,
            version: self.version,
            file_name: self.file_name,
            checksum: None,
            metadata: Map::new(),
            // It takes its place once it is there.
            is_primary: false,
            is_active: true,
        }
    }
}

/// What passes by while a file is stored.
#[derive(Debug, Default)]
struct Watch {
    checksum: Checksum,
    beginning: Vec<u8>,
    size: u64,
    is_too_large: bool,
}

impl Watch {
    fn see(&mut self, piece: &Bytes, most: u64) -> Result<(), StorageError> {
        self.size += piece.len() as u64;
        if self.size > most {
            self.is_too_large = true;
            return Err(StorageError::Source("it is too large".to_owned()));
        }
        self.checksum.update(piece);
        let wanted = TELLING.saturating_sub(self.beginning.len()).min(piece.len());
        self.beginning.extend_from_slice(&piece[..wanted]);
        Ok(())
    }
}

impl Downloads {
    /// Stores a file of this machine as a source of a product: what `catalog` tools and demonstrations need.
    pub async fn attach_path(
        &self,
        product: ProductId,
        new: NewFile,
        path: &Path,
        editor: &Editor,
    ) -> Result<Source, UploadError> {
        let content = read_file(path).await.map_err(UploadError::Storage)?;
        self.attach(product, new, content, editor).await
    }

    /// Stores what arrives as a source of a product, without ever holding more than a piece of it. It is offered as soon
    /// as this has ended well. Goes on to its end, or cleans up, even if nobody waits for it any more.
    pub async fn attach(
        &self,
        product: ProductId,
        new: NewFile,
        content: ByteStream,
        editor: &Editor,
    ) -> Result<Source, UploadError> {
        new.check()?;
        let (this, editor) = (self.clone(), editor.clone());
        let work = tokio::spawn(async move { this.take(product, new, content, &editor).await });
        work.await.unwrap_or(Err(UploadError::Interrupted))
    }

    async fn take(
        &self,
        product: ProductId,
        new: NewFile,
        content: ByteStream,
        editor: &Editor,
    ) -> Result<Source, UploadError> {
        let id: SourceId = self.0.db.ids().next();
        let provider = if self.0.stores.prefers_s3 { SourceProvider::S3 } else { SourceProvider::Local };
        let name = format!("{UPLOADS}{id}");
        let key: ObjectKey =
            name.parse().map_err(|_| UploadError::Storage(StorageError::Refused("the name".to_owned())))?;
        let is_primary = new.is_primary;
        let fields = new.fields(provider, &name);
        let row = NewRow { id, product, fields: &fields, token: None, by_vendor: false, state: SourceState::Uploading };
        self.0
            .db
            .write(async |tx| {
                hold_place(tx, product, editor).await?;
                insert(tx, &row).await
            })
            .await?;
        let stored = match self.store(provider, &key, content).await {
            Ok(watch) => {
                self.0.db.write(async |tx| finish(tx, (id, product), watch, is_primary, &editor.by).await).await
            }
            Err(error) => Err(error),
        };
        if stored.is_err() {
            self.clean_up(id, provider, &key).await;
        }
        stored.map(Source::from)
    }

    async fn store(
        &self,
        provider: SourceProvider,
        key: &ObjectKey,
        content: ByteStream,
    ) -> Result<Watch, UploadError> {
        let refused = || UploadError::Storage(StorageError::Refused("no bucket is configured".to_owned()));
        let storage = self.storage(provider).ok_or_else(refused)?;
        let (watch, most) = (Arc::new(Mutex::new(Watch::default())), self.0.options.max_file);
        let watching = Arc::clone(&watch);
        let content = content.map(move |piece| {
            let piece = piece?;
            watching.lock().unwrap_or_else(PoisonError::into_inner).see(&piece, most)?;
            Ok(piece)
        });
        let put = storage.put(key, content.boxed()).await;
        let watch = std::mem::take(&mut *watch.lock().unwrap_or_else(PoisonError::into_inner));
        match put {
            Ok(size) if size == watch.size => Ok(watch),
            Ok(_) => Err(UploadError::Storage(StorageError::Unavailable("it kept another length".to_owned()))),
            Err(_) if watch.is_too_large => Err(UploadError::TooLarge(most)),
            Err(StorageError::Source(_)) => Err(UploadError::Interrupted),
            Err(error) => Err(UploadError::Storage(error)),
        }
    }

    /// Leaves nothing of a file that was not taken. What cannot be removed now is removed by housekeeping.
    async fn clean_up(&self, id: SourceId, provider: SourceProvider, key: &ObjectKey) {
        if let Some(storage) = self.storage(provider)
            && let Err(error) = storage.delete(key).await
        {
            tracing::warn!(%error, %key, "what was stored of a file that was not taken is left for later");
            return;
        }
        let statement = "DELETE FROM product_sources WHERE id = $1 AND state = 'uploading'";
        let gone = self.0.db.write(async |tx| execute!(tx, sqlx::query(statement).bind(id))).await;
        if let Err(error) = gone {
            tracing::warn!(%error, source = %id, "the source of a file that was not taken is left for later");
        }
    }
}

async fn finish(
    tx: &mut Tx,
    (id, product): (SourceId, ProductId),
    watch: Watch,
    is_primary: bool,
    by: &By,
) -> Result<SourceRow, UploadError> {
    if is_primary {
        unseat_primary(tx, product).await?;
    }
    let now = tx.now();
    let statement = "UPDATE product_sources SET state = 'ok', file_size = $2, checksum = $3, content_type = $4,
             is_primary = $5, last_verified_at = $6, updated_at = $6 WHERE id = $1 AND state = 'uploading'";
    let changed = execute!(
        tx,
        sqlx::query(statement)
            .bind(id)
            .bind(i64::try_from(watch.size).unwrap_or(i64::MAX))
            .bind(watch.checksum.finish())
            .bind(content_type(&watch.beginning))
            .bind(is_primary)
            .bind(now)
    )
    .map_err(|error| EditError::of_write(error, "is_primary", "the product is gone"))?;
    let row: Option<SourceRow> = fetch_optional!(tx, sqlx::query_as(select_sources!("WHERE s.id = $1")).bind(id))?;
    // Housekeeping took it for abandoned, a day later.
    let row = row.filter(|_| changed == 1).ok_or(UploadError::Interrupted)?;
    let source = Source::from(row.clone());
    tx.audit(by.entry("source.uploaded", ("source", id.to_string()), None, Some(&source.fields)));
    tx.emit(&SourceVerified { source: id, product })?;
    tx.enqueue(&AnnounceFile { source: id.uuid(), after: None }).await?;
    Ok(row)
}
