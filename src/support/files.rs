//! Where the bytes of attachments and of mails under way are kept: the one place that knows, so that another can take
//! its turn. Names are made here from identifiers; nothing that anybody sent becomes part of a path.

use std::{io, path::PathBuf, sync::Arc};

use tokio::io::AsyncWriteExt;
use uuid::Uuid;

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// Part of a message.
    Attachment,
    /// A mail that waits to be read.
    Mail,
}

/// Keeps files in a directory; clones share it.
#[derive(Debug, Clone)]
pub struct Files(Arc<PathBuf>);

impl Files {
    /// Files below this directory, which is made when the first is kept.
    #[must_use]
    pub fn in_dir(directory: impl Into<PathBuf>) -> Self {
        Self(Arc::new(directory.into()))
    }

    fn path(&self, kind: FileKind, id: Uuid) -> PathBuf {
        let folder = match kind {
            FileKind::Attachment => "attachments",
            FileKind::Mail => "mails",
        };
        let name = id.simple().to_string();
        // The end of the name is random: it spreads files over directories.
        self.0.join(folder).join(&name[30..]).join(&name)
    }

    /// Keeps a file, whole or not at all; once this returns it survives a power cut.
    pub async fn keep(&self, kind: FileKind, id: Uuid, bytes: &[u8]) -> io::Result<()> {
        let path = self.path(kind, id);
        let directory = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
        tokio::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory).await?;
        let beside = path.with_extension("new");
        let mut writing =
            tokio::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside).await?;
        writing.write_all(bytes).await?;
        writing.sync_all().await?;
        tokio::fs::rename(&beside, &path).await?;
        tokio::fs::File::open(directory).await?.sync_all().await
    }

    /// The bytes of a file; `None` if there is none.
    pub async fn load(&self, kind: FileKind, id: Uuid) -> io::Result<Option<Vec<u8>>> {
        match tokio::fs::read(self.path(kind, id)).await {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Removes a file, if there is one.
    pub async fn remove(&self, kind: FileKind, id: Uuid) -> io::Result<()> {
        match tokio::fs::remove_file(self.path(kind, id)).await {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => Ok(()),
        }
    }
}
