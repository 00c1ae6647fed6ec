//! Files in a directory of this machine.

use std::{
    hash::{BuildHasher, Hasher, RandomState},
    io::{self, Read as _, Seek as _, SeekFrom},
    ops::Range,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, UNIX_EPOCH},
};

use bytes::Bytes;
use futures::{StreamExt, stream};
use tokio::{
    fs::{self, File},
    io::AsyncWriteExt,
    task::{JoinHandle, spawn_blocking},
};

use super::{ByteStream, ObjectKey, Opened, Presented, Reply, Stat, Storage, StorageError};

/// How much is read at a time: as much as is sent at once, so that a file costs few hops to the threads that read.
const PIECE: u64 = 256 << 10;

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
    Ok(open(path.to_owned(), None).await?.body)
}

/// Opens a file and reads its first piece, in one hop: most files that are asked for are small.
async fn open(path: PathBuf, range: Option<Range<u64>>) -> Result<Opened, StorageError> {
    let opening = spawn_blocking(move || {
        // The file itself: what a directory in its place holds is none of ours.
        let mut file = std::fs::File::open(path).map_err(|error| unavailable(&error))?;
        let meta = file.metadata().map_err(|error| unavailable(&error))?;
        if !meta.is_file() {
            return Err(StorageError::NotFound);
        }
        let size = meta.len();
        let range = range.unwrap_or(0..size);
        if range.start > range.end || range.end > size {
            return Err(shorter());
        }
        if range.start > 0 {
            file.seek(SeekFrom::Start(range.start)).map_err(|error| unavailable(&error))?;
        }
        let left = range.end - range.start;
        let piece = if left == 0 { None } else { Some(read_piece(file, left)) };
        Ok((size, left, piece))
    });
    let (size, left, piece) = opening.await.map_err(|error| StorageError::Unavailable(error.to_string()))??;
    let next = piece.map_or(Next::End, Next::Read);
    Ok(Opened { size: Some(size), body: stream::unfold((next, left), piece_after).boxed() })
}

type Piece = io::Result<(std::fs::File, Vec<u8>)>;

/// The next piece of a file.
enum Next {
    Read(Piece),
    /// On its way from the disk, while the one before it is on its way to the client.
    Reading(JoinHandle<Piece>),
    End,
}

async fn piece_after((next, left): (Next, u64)) -> Option<(Result<Bytes, StorageError>, (Next, u64))> {
    let piece = match next {
        Next::Read(piece) => piece,
        Next::Reading(piece) => piece.await.unwrap_or_else(|error| Err(io::Error::other(error))),
        Next::End => return None,
    };
    match piece {
        Ok((_, piece)) if piece.is_empty() => Some((Err(shorter()), (Next::End, 0))),
        Ok((file, piece)) => {
            let left = left.saturating_sub(piece.len() as u64);
            let next =
                if left == 0 { Next::End } else { Next::Reading(spawn_blocking(move || read_piece(file, left))) };
            Some((Ok(Bytes::from(piece)), (next, left)))
        }
        Err(error) => Some((Err(unavailable(&error)), (Next::End, 0))),
    }
}

/// Reads the next piece into memory that nobody has to clear first.
fn read_piece(mut file: std::fs::File, left: u64) -> Piece {
    let wanted = left.min(PIECE);
    let mut piece = Vec::with_capacity(usize::try_from(wanted).unwrap_or_default());
    (&mut file).take(wanted).read_to_end(&mut piece)?;
    Ok((file, piece))
}

fn shorter() -> StorageError {
    StorageError::Unavailable("the file is shorter than it was".to_owned())
}

impl Storage for LocalStorage {
    fn put<'a>(&'a self, key: &'a ObjectKey, content: ByteStream) -> Reply<'a, u64> {
        Box::pin(self.write(key, content))
    }

    fn get<'a>(&'a self, key: &'a ObjectKey, range: Option<Range<u64>>) -> Reply<'a, Opened> {
        Box::pin(open(self.path(key), range))
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
    use futures::TryStreamExt;

    use super::*;

    fn content(parts: Vec<Result<&'static str, StorageError>>) -> ByteStream {
        stream::iter(parts.into_iter().map(|part| part.map(|text| Bytes::from_static(text.as_bytes())))).boxed()
    }

    async fn read(storage: &LocalStorage, key: &ObjectKey, range: Option<Range<u64>>) -> Result<String, StorageError> {
        let pieces: Vec<Bytes> = storage.get(key, range).await?.body.try_collect().await?;
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
    async fn a_long_file_comes_in_pieces_that_make_it_whole_again() {
        let directory = tempfile::tempdir().expect("a directory");
        let (storage, key) = (LocalStorage::new(directory.path()), "a/b".parse().expect("a key"));
        let size = usize::try_from(3 * PIECE).expect("a size") + 7;
        let whole: Vec<u8> = (0..size).map(|at| u8::try_from((at / 251 + at) % 256).expect("a byte")).collect();
        let sent = Bytes::from(whole.clone());
        storage.put(&key, stream::once(async { Ok(sent) }).boxed()).await.expect("stored");
        for range in [0..size, 1..size, size - 9..size, 5..size - 5] {
            let part = Some(range.start as u64..range.end as u64);
            let opened = storage.get(&key, part).await.expect("opened");
            assert_eq!(opened.size, Some(size as u64));
            let pieces: Vec<Bytes> = opened.body.try_collect().await.expect("read");
            assert!(pieces.iter().all(|piece| piece.len() as u64 <= PIECE));
            assert!(pieces.concat() == whole[range.clone()], "{range:?}");
        }
        // Cut while it is read: what is missing is told.
        let opened = storage.get(&key, None).await.expect("opened");
        let file = std::fs::OpenOptions::new().write(true).open(directory.path().join("a/b")).expect("the file");
        file.set_len(PIECE + 1).expect("cut");
        let read: Result<Vec<Bytes>, _> = opened.body.try_collect().await;
        assert!(matches!(read, Err(StorageError::Unavailable(_))), "{read:?}");
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
