//! What was committed is made durable by a thread of its own, while the writer goes on.
//!
//! The writer's COMMIT puts pages into the write-ahead log and does not wait for the disk. Whoever committed waits here: a
//! thread flushes the log, as often as somebody waits, and answers all whose commit came before the flush began. So the disk
//! and the writer work at the same time, and nobody is told that something is done which a power cut could take back. It is no
//! thread of the runtime's: a directory of files that hangs must not keep the database waiting.

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use tokio::{runtime::Handle, sync::oneshot};

use crate::db::{
    error::DbError,
    tx::{AfterCommit, run_hook},
};

/// A transaction that ended and waits to be durable.
pub(super) struct Member {
    durable: oneshot::Sender<Result<(), DbError>>,
    after_commit: Vec<AfterCommit>,
}

/// Its answer.
pub(super) struct Durable(oneshot::Receiver<Result<(), DbError>>);

impl std::fmt::Debug for Member {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Member").finish_non_exhaustive()
    }
}

impl Member {
    pub(super) fn new(after_commit: Vec<AfterCommit>) -> (Self, Durable) {
        let (durable, answer) = oneshot::channel();
        (Self { durable, after_commit }, Durable(answer))
    }

    pub(super) fn answer(self, result: Result<(), DbError>) {
        if result.is_ok() {
            self.after_commit.into_iter().for_each(run_hook);
        }
        // A caller that went away needs no answer.
        let _ = self.durable.send(result);
    }
}

impl Durable {
    pub(super) async fn wait(self) -> Result<(), DbError> {
        self.0.await.unwrap_or_else(|_| Err(DbError::Aborted("the process is stopping".into())))
    }
}

/// Flushes the log for those who wait. Its thread ends with it, after those who wait then.
#[derive(Debug)]
pub(super) struct Flusher(Arc<State>);

#[derive(Debug, Default)]
struct State {
    queue: Mutex<Queue>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Queue {
    members: Vec<Member>,
    /// The thread flushes for some who are not among them any more.
    flushing: bool,
    /// A flush failed: what the disk holds is not known any more.
    failed: Option<String>,
    ended: bool,
}

impl Flusher {
    /// Starts a thread that calls `flush`, which makes durable what was written to the log before.
    pub(super) fn start(flush: impl FnMut() -> io::Result<()> + Send + 'static, runtime: Handle) -> io::Result<Self> {
        let state = Arc::new(State::default());
        let own = Arc::clone(&state);
        let thread = std::thread::Builder::new().name("sqlite-flush".to_owned());
        thread.spawn(move || {
            // What follows a commit may start tasks.
            let _runtime = runtime.enter();
            own.run(flush);
        })?;
        Ok(Self(state))
    }

    /// Answers `members`, whose commit has returned, when it is durable.
    pub(super) fn push(&self, members: impl IntoIterator<Item = Member>) {
        self.0.queue().members.extend(members);
        self.0.changed.notify_one();
    }

    /// Answers when all that was read so far is durable: after a flush that begins now. A reader sees a commit before the one
    /// who committed waits here.
    pub(super) async fn flushed(&self) -> Result<(), DbError> {
        let (member, durable) = Member::new(Vec::new());
        self.push([member]);
        durable.wait().await
    }

    /// Answers when all those are durable who ever waited here.
    pub(super) async fn settled(&self) -> Result<(), DbError> {
        match self.join() {
            Ok(durable) => durable.wait().await,
            Err(settled) => settled,
        }
    }

    /// Waits with the others, if there are any.
    fn join(&self) -> Result<Durable, Result<(), DbError>> {
        let queue = self.0.queue();
        if queue.members.is_empty() && !queue.flushing {
            return Err(queue.sound());
        }
        drop(queue);
        let (member, durable) = Member::new(Vec::new());
        self.push([member]);
        Ok(durable)
    }

    /// Refuses what would be written after a flush that failed.
    pub(super) fn sound(&self) -> Result<(), DbError> {
        self.0.queue().sound()
    }
}

impl Drop for Flusher {
    fn drop(&mut self) {
        self.0.queue().ended = true;
        self.0.changed.notify_one();
    }
}

impl Queue {
    fn sound(&self) -> Result<(), DbError> {
        match &self.failed {
            None => Ok(()),
            Some(error) => Err(DbError::Unavailable(format!(
                "the disk did not take what was written ({error}); nothing more is written until the program is started anew"
            ))),
        }
    }
}

impl State {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self, mut flush: impl FnMut() -> io::Result<()>) {
        while let Some(members) = self.next() {
            let began = Instant::now();
            let flushed = flush();
            metrics::histogram!("mintreu_db_flush_seconds").record(began.elapsed());
            // A later flush that succeeds proves nothing about what an earlier one lost.
            let sound = self.flushed(flushed);
            for member in members {
                member.answer(sound.clone());
            }
        }
    }

    /// Those who wait, as soon as there is somebody; none when nobody will come any more.
    fn next(&self) -> Option<Vec<Member>> {
        let idle = |queue: &mut Queue| queue.members.is_empty() && !queue.ended;
        let mut queue = self.changed.wait_while(self.queue(), idle).unwrap_or_else(PoisonError::into_inner);
        if queue.members.is_empty() {
            return None;
        }
        queue.flushing = true;
        Some(std::mem::take(&mut queue.members))
    }

    fn flushed(&self, result: io::Result<()>) -> Result<(), DbError> {
        let mut queue = self.queue();
        queue.flushing = false;
        if let Err(error) = result {
            tracing::error!(%error, "the disk did not take what was written: nothing more is written");
            queue.failed.get_or_insert_with(|| error.to_string());
        }
        queue.sound()
    }
}

/// Flushes the write-ahead log of a database file. It is there once something was committed, and stays for as long as a
/// connection is open; it is opened every time, because the next connection may make another.
pub(super) fn of_log(database: &Path) -> impl FnMut() -> io::Result<()> + Send + 'static {
    let mut log = database.as_os_str().to_owned();
    log.push("-wal");
    let log = PathBuf::from(log);
    // For writing: not every system flushes what is open for reading.
    move || File::options().write(true).open(&log)?.sync_data()
}

#[cfg(test)]
mod tests {
    use std::{sync::mpsc, time::Duration};

    use super::*;
    use crate::{
        db::{Db, DbOptions, Tx},
        execute,
        kernel::{IdSource, SystemClock},
    };

    /// A flusher whose disk takes its time: every flush waits to be told how it ends.
    fn flusher() -> (Flusher, mpsc::Sender<io::Result<()>>) {
        let (disk, told) = mpsc::channel();
        let flush = move || told.recv().unwrap_or_else(|_| Err(io::Error::other("the disk is gone")));
        (Flusher::start(flush, Handle::current()).expect("a thread"), disk)
    }

    async fn is_answered(durable: &mut Durable) -> bool {
        tokio::time::timeout(Duration::from_millis(50), &mut durable.0).await.is_ok()
    }

    #[tokio::test]
    async fn nobody_is_answered_by_a_flush_that_began_before_the_commit() {
        let (flusher, disk) = flusher();
        let ((first, mut one), (second, mut two)) = (Member::new(Vec::new()), Member::new(Vec::new()));
        flusher.push([first]);
        assert!(!is_answered(&mut one).await, "the disk has not answered");
        // The thread has taken the first already: this one needs a flush of its own.
        flusher.push([second]);
        disk.send(Ok(())).expect("a flush under way");
        assert_eq!(one.wait().await.err().map(|error| error.to_string()), None);
        assert!(!is_answered(&mut two).await, "its flush has not ended");
        let mut settled = flusher.join().expect("something is not durable yet");
        disk.send(Ok(())).expect("a flush under way");
        assert!(two.wait().await.is_ok());
        assert!(!is_answered(&mut settled).await, "whoever asks while a flush is under way has one more");
        disk.send(Ok(())).expect("a flush under way");
        settled.wait().await.expect("durable");
        flusher.settled().await.expect("nobody waits");
    }

    #[tokio::test]
    async fn hooks_run_when_it_is_durable_and_only_then() {
        let (flusher, disk) = flusher();
        let (ran, seen) = mpsc::channel();
        let (member, durable) = Member::new(vec![Box::new(move || ran.send(()).expect("somebody looks"))]);
        flusher.push([member]);
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert_eq!(seen.try_recv(), Err(mpsc::TryRecvError::Empty));
        disk.send(Ok(())).expect("a flush under way");
        durable.wait().await.expect("durable");
        assert_eq!(seen.try_recv(), Ok(()));
    }

    #[tokio::test]
    async fn after_a_flush_that_failed_nothing_is_believed() {
        let (flusher, disk) = flusher();
        let (lost, durable) = Member::new(vec![Box::new(|| panic!("it is not durable"))]);
        flusher.push([lost]);
        disk.send(Err(io::Error::other("input/output error"))).expect("a flush under way");
        let told = durable.wait().await.expect_err("not durable").to_string();
        assert!(told.contains("input/output error") && told.contains("started anew"), "{told}");
        assert!(flusher.sound().is_err());
        assert!(flusher.settled().await.is_err());
        // The system forgets what it could not write: that a later flush succeeds says nothing.
        disk.send(Ok(())).expect("the disk is there");
        let (next, durable) = Member::new(Vec::new());
        flusher.push([next]);
        assert!(durable.wait().await.is_err());
    }

    #[tokio::test]
    async fn who_finds_everything_durable_waits_for_nothing() {
        let (flusher, disk) = flusher();
        flusher.settled().await.expect("nothing was committed");
        let (member, durable) = Member::new(Vec::new());
        flusher.push([member]);
        drop(flusher);
        disk.send(Ok(())).expect("those who wait are served to the end");
        durable.wait().await.expect("durable");
    }

    #[test]
    fn a_log_that_is_not_there_cannot_be_flushed() {
        let directory = tempfile::tempdir().expect("a directory");
        let database = directory.path().join("shop.db");
        let mut flush = of_log(&database);
        assert_eq!(flush().expect_err("no log").kind(), io::ErrorKind::NotFound);
        std::fs::write(directory.path().join("shop.db-wal"), b"frames").expect("written");
        flush().expect("flushed");
    }

    #[tokio::test]
    async fn what_was_read_is_durable_after_a_flush_that_begins_then() {
        let (flusher, disk) = flusher();
        let mut durable = Box::pin(flusher.flushed());
        let early = tokio::time::timeout(Duration::from_millis(50), &mut durable).await;
        assert!(early.is_err(), "nobody waited, and still a commit may have been seen before it was durable");
        disk.send(Ok(())).expect("a flush under way");
        durable.await.expect("durable");
    }

    #[tokio::test]
    async fn a_database_that_nobody_wrote_to_since_it_was_opened_is_settled() {
        let directory = tempfile::tempdir().expect("a directory");
        let options = DbOptions::new(format!("sqlite://{}", directory.path().join("shop.db").display()));
        let open = async || Db::open(&options, IdSource::new(Arc::new(SystemClock))).await.expect("opened");
        let db = open().await;
        let made = async |tx: &mut Tx| execute!(tx, sqlx::query("CREATE TABLE notes (note TEXT NOT NULL) STRICT"));
        db.write(made).await.expect("made");
        db.close().await;
        assert!(!directory.path().join("shop.db-wal").exists(), "the log goes with the last connection");
        let db = open().await;
        db.settled().await.expect("durable");
        db.ping().await.expect("ready");
        db.close().await;
    }

    #[tokio::test]
    async fn without_its_log_a_database_writes_nothing_more_and_is_not_ready() {
        let directory = tempfile::tempdir().expect("a directory");
        let options = DbOptions::new(format!("sqlite://{}", directory.path().join("shop.db").display()));
        let db = Db::open(&options, IdSource::new(Arc::new(SystemClock))).await.expect("opened");
        let write = async |text: &'static str| -> Result<(), DbError> {
            db.write(async |tx| execute!(tx, sqlx::query(text)).map(drop)).await
        };
        write("CREATE TABLE notes (note TEXT NOT NULL) STRICT").await.expect("made");
        db.settled().await.expect("durable");
        db.ping().await.expect("ready");

        std::fs::remove_file(directory.path().join("shop.db-wal")).expect("there was a log");
        for _ in 0..2 {
            let refused = write("INSERT INTO notes VALUES ('lost')").await.expect_err("not durable");
            assert!(matches!(&refused, DbError::Unavailable(text) if text.contains("started anew")), "{refused:?}");
        }
        for asked in [db.ping().await, db.settled().await] {
            assert!(matches!(asked, Err(DbError::Unavailable(_))), "{asked:?}");
        }
        tokio::time::timeout(Duration::from_secs(10), db.close()).await.expect("it closes all the same");
    }
}
