//! Files in a directory of this machine.

use std::{
    hash::{BuildHasher, Hasher, RandomState},
    io::{self, SeekFrom},
    ops::Range,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, UNIX_EPOCH},
};

use bytes::BytesMut;
use futures::{StreamExt, stream};
use tokio::{
    fs::{self, File},
    io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt},
};

use super::{ByteStream, ObjectKey, Presented, Reply, Stat, Storage, StorageError};

/// How much is read at a time.
const PIECE: usize = 256 << 10;

/// A directory; it is made when the first file is put into it.
#[derive(Debug)]
pub struct LocalStorage {
    root: PathBuf,
    /// Tells this process apart from others that write here, or did and were killed.
    mark: u64,
    /// Tells files apart that are being written.
    writing: AtomicU64,
}

impl LocalStorage {
    /// The directory at `root`.
    #[must_use]
    pub fn new(root: impl Into<PathBuf>) -> Self {
        let mark = RandomState::new().build_hasher().finish();
        Self { root: root.into(), mark, writing: AtomicU64::new(0) }
    }

    fn path(&self, key: &ObjectKey) -> PathBuf {
        // A key's parts are names without anything that a file system gives a meaning.
        self.root.join(key.as_str())
    }

    /// Opens the file itself: what a link in its place leads to is none of ours.
    async fn open(&self, key: &ObjectKey) -> Result<(File, u64), StorageError> {
        let file = File::open(self.path(key)).await.map_err(|error| unavailable(&error))?;
        let meta = file.metadata().await.map_err(|error| unavailable(&error))?;
        if meta.is_file() { Ok((file, meta.len())) } else { Err(StorageError::NotFound) }
    }

    /// A file to be written beside where it belongs.
    async fn begin(&self, key: &ObjectKey, parent: &Path) -> io::Result<(File, Part)> {
        // A proxy in front may send products' files; what is nobody else's is read by this program alone.
        let (for_directories, for_files) = if key.is_private() { (0o700, 0o600) } else { (0o777, 0o666) };
        let mut tries = 0;
        loop {
            fs::create_dir_all(&self.root).await?;
            fs::DirBuilder::new().recursive(true).mode(for_directories).create(parent).await?;
            // No key begins with a dot, so nobody can ask for what is half written.
            let number = self.writing.fetch_add(1, Ordering::Relaxed);
            let part = parent.join(format!(".part-{:016x}-{number}", self.mark));
            let opened = fs::OpenOptions::new().write(true).create_new(true).mode(for_files).open(&part).await;
            match opened {
                // Whoever removed the last file in the directory removed that too.
                Err(error) if error.kind() == io::ErrorKind::NotFound && tries < 5 => tries += 1,
                opened => return Ok((opened?, Part(part))),
            }
        }
    }

    async fn write(&self, key: &ObjectKey, mut content: ByteStream) -> Result<u64, StorageError> {
        let path = self.path(key);
        let parent = path.parent().unwrap_or(&self.root);
        let (mut file, part) = self.begin(key, parent).await.map_err(|error| unavailable(&error))?;
        let mut size = 0;
        while let Some(piece) = content.next().await {
            let piece = piece?;
            size += piece.len() as u64;
            file.write_all(&piece).await.map_err(|error| unavailable(&error))?;
        }
        file.sync_all().await.map_err(|error| unavailable(&error))?;
        fs::rename(&part.0, &path).await.map_err(|error| unavailable(&error))?;
        // The name too is to survive a power cut.
        let directory = File::open(parent).await.map_err(|error| unavailable(&error))?;
        directory.sync_all().await.map_err(|error| unavailable(&error))?;
        Ok(size)
    }
}

/// A file that is being written: removed unless it was renamed.
struct Part(PathBuf);

impl Drop for Part {
    fn drop(&mut self) {
        // Gone already when all went well. Removing a name is quick enough to be done here.
        let _ = std::fs::remove_file(&self.0);
    }
}

fn unavailable(error: &io::Error) -> StorageError {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::IsADirectory => StorageError::NotFound,
        _ => StorageError::Unavailable(error.to_string()),
    }
}

/// A file of this machine, wherever it is.
pub async fn read_file(path: &Path) -> Result<ByteStream, StorageError> {
    let file = File::open(path).await.map_err(|error| unavailable(&error))?;
    let meta = file.metadata().await.map_err(|error| unavailable(&error))?;
    if meta.is_file() { Ok(pieces(file, meta.len())) } else { Err(StorageError::NotFound) }
}

fn pieces(file: File, length: u64) -> ByteStream {
    stream::unfold((file, length), |(mut file, left)| async move {
        if left == 0 {
            return None;
        }
        let wanted = usize::try_from(left).unwrap_or(PIECE).min(PIECE);
        let mut piece = BytesMut::with_capacity(wanted);
        let read = (&mut file).take(wanted as u64).read_buf(&mut piece).await;
        match read {
            Ok(0) => Some((Err(StorageError::Unavailable("the file is shorter than it was".to_owned())), (file, 0))),
            Ok(read) => Some((Ok(piece.freeze()), (file, left - read as u64))),
            Err(error) => Some((Err(unavailable(&error)), (file, 0))),
        }
    })
    .boxed()
}

impl Storage for LocalStorage {
    fn put<'a>(&'a self, key: &'a ObjectKey, content: ByteStream) -> Reply<'a, u64> {
        Box::pin(self.write(key, content))
    }

    fn get<'a>(&'a self, key: &'a ObjectKey, range: Option<Range<u64>>) -> Reply<'a, ByteStream> {
        Box::pin(async move {
            let (mut file, size) = self.open(key).await?;
            let range = range.unwrap_or(0..size);
            if range.start > range.end || range.end > size {
                return Err(StorageError::Unavailable("the file is shorter than it was".to_owned()));
            }
            if range.start > 0 {
                file.seek(SeekFrom::Start(range.start)).await.map_err(|error| unavailable(&error))?;
            }
            Ok(pieces(file, range.end - range.start))
        })
    }

    fn head<'a>(&'a self, key: &'a ObjectKey) -> Reply<'a, Stat> {
        Box::pin(async move {
            let meta = fs::metadata(self.path(key)).await.map_err(|error| unavailable(&error))?;
            if !meta.is_file() {
                return Err(StorageError::NotFound);
            }
            let changed = meta.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
            Ok(Stat { size: meta.len(), tag: changed.map(|at| at.as_micros().to_string()) })
        })
    }

    fn delete<'a>(&'a self, key: &'a ObjectKey) -> Reply<'a, ()> {
        Box::pin(async move {
            let path = self.path(key);
            match fs::remove_file(&path).await {
                Err(error) if unavailable(&error) != StorageError::NotFound => Err(unavailable(&error)),
                _ => {
                    tidy(&self.root, &path).await;
                    Ok(())
                }
            }
        })
    }

    fn presign<'a>(&'a self, _: &'a ObjectKey, _: &'a Presented, _: Duration) -> Reply<'a, Option<String>> {
        Box::pin(std::future::ready(Ok(None)))
    }
}

/// Removes the directory that a removed file was the last in.
async fn tidy(root: &Path, path: &Path) {
    if let Some(parent) = path.parent().filter(|parent| *parent != root) {
        // Refused while there is anything in it, which is what is wanted.
        let _ = fs::remove_dir(parent).await;
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use futures::TryStreamExt;

    use super::*;

    fn content(parts: Vec<Result<&'static str, StorageError>>) -> ByteStream {
        stream::iter(parts.into_iter().map(|part| part.map(|text| Bytes::from_static(text.as_bytes())))).boxed()
    }

    async fn read(storage: &LocalStorage, key: &ObjectKey, range: Option<Range<u64>>) -> Result<String, StorageError> {
        let pieces: Vec<Bytes> = storage.get(key, range).await?.try_collect().await?;
        Ok(String::from_utf8(pieces.concat()).expect("text"))
    }

    fn files(root: &Path) -> usize {
        std::fs::read_dir(root.join("a")).map_or(0, Iterator::count)
    }

    #[tokio::test]
    async fn what_is_put_is_there_and_can_be_read_in_parts() {
        let directory = tempfile::tempdir().expect("a directory");
        let (storage, key) = (LocalStorage::new(directory.path()), "a/b.txt".parse().expect("a key"));
        assert_eq!(storage.put(&key, content(vec![Ok("hello, "), Ok("world")])).await, Ok(12));
        assert_eq!(read(&storage, &key, None).await.as_deref(), Ok("hello, world"));
        assert_eq!(read(&storage, &key, Some(7..12)).await.as_deref(), Ok("world"));
        assert_eq!(read(&storage, &key, Some(12..12)).await.as_deref(), Ok(""));
        assert!(matches!(read(&storage, &key, Some(7..13)).await, Err(StorageError::Unavailable(_))));
        assert_eq!(storage.head(&key).await.expect("it is there").size, 12);
        storage.delete(&key).await.expect("removed");
        storage.delete(&key).await.expect("removed already");
        assert_eq!(read(&storage, &key, None).await, Err(StorageError::NotFound));
        assert!(!directory.path().join("a").exists(), "its directory is gone too");
    }

    #[tokio::test]
    async fn what_breaks_off_leaves_what_was_there_before() {
        let directory = tempfile::tempdir().expect("a directory");
        let (storage, key) = (LocalStorage::new(directory.path()), "a/b.txt".parse().expect("a key"));
        storage.put(&key, content(vec![Ok("first")])).await.expect("stored");
        let broken = StorageError::Source("gone".to_owned());
        let put = storage.put(&key, content(vec![Ok("second"), Err(broken.clone())])).await;
        assert_eq!(put, Err(broken));
        assert_eq!(read(&storage, &key, None).await.as_deref(), Ok("first"));
        assert_eq!(files(directory.path()), 1, "nothing half written is left");
    }

    #[tokio::test]
    async fn what_is_private_is_read_by_nobody_else() {
        use std::os::unix::fs::PermissionsExt as _;
        let directory = tempfile::tempdir().expect("a directory");
        let (storage, key) = (LocalStorage::new(directory.path()), ObjectKey::private("mails", uuid::Uuid::nil()));
        storage.put(&key, content(vec![Ok("x")])).await.expect("stored");
        let mode = |path: &Path| std::fs::metadata(path).expect("there").permissions().mode() & 0o777;
        let path = storage.path(&key);
        assert_eq!((mode(&path), mode(path.parent().expect("one"))), (0o600, 0o700));
        assert_eq!(mode(&directory.path().join("private")), 0o700);
    }

    #[tokio::test]
    async fn files_come_and_go_in_one_directory_at_once() {
        let directory = tempfile::tempdir().expect("a directory");
        let storage = LocalStorage::new(directory.path());
        let each = (0..64).map(async |number| {
            let key: ObjectKey = format!("a/{number}").parse().expect("a key");
            storage.put(&key, content(vec![Ok("x")])).await?;
            storage.delete(&key).await
        });
        assert!(futures::future::join_all(each).await.iter().all(Result::is_ok));
    }

    #[tokio::test]
    async fn a_directory_is_no_file() {
        let directory = tempfile::tempdir().expect("a directory");
        let storage = LocalStorage::new(directory.path());
        storage.put(&"a/b".parse().expect("a key"), content(vec![Ok("x")])).await.expect("stored");
        let key = "a".parse().expect("a key");
        assert_eq!(read(&storage, &key, None).await, Err(StorageError::NotFound));
        assert_eq!(storage.head(&key).await, Err(StorageError::NotFound));
        assert_eq!(storage.head(&"a/b/c".parse().expect("a key")).await, Err(StorageError::NotFound));
    }
}
