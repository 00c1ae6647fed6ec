//! What was committed is made durable by a thread of its own, while the writer goes on.
//!
//! The writer's COMMIT puts pages into the write-ahead log and does not wait for the disk. Whoever committed waits here: a
//! thread flushes the log, as often as somebody waits, and answers all whose commit came before the flush began. So the disk
//! and the writer work at the same time, and nobody is told of anything that a power cut could take back.

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use tokio::{runtime::Handle, sync::oneshot};

use crate::db::{
    error::DbError,
    tx::{AfterCommit, run_hook},
};

/// Makes durable what was written to the log before.
type Flush = Box<dyn FnMut() -> io::Result<()> + Send>;

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

/// Flushes the log for those who wait; clones share it.
#[derive(Debug, Clone)]
pub(super) struct Flusher {
    state: Arc<State>,
    runtime: Handle,
}

#[derive(Debug, Default)]
struct State(Mutex<Queue>);

#[derive(Default)]
struct Queue {
    members: Vec<Member>,
    /// None while the thread has it.
    flush: Option<Flush>,
    /// A flush failed: what the disk holds is not known any more.
    failed: Option<String>,
}

impl std::fmt::Debug for Queue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Queue").field("members", &self.members).field("failed", &self.failed).finish_non_exhaustive()
    }
}

impl Flusher {
    /// Flushes with `flush`, which is called by one thread at a time.
    pub(super) fn new(flush: impl FnMut() -> io::Result<()> + Send + 'static, runtime: Handle) -> Self {
        let queue = Queue { flush: Some(Box::new(flush)), ..Queue::default() };
        Self { state: Arc::new(State(Mutex::new(queue))), runtime }
    }

    /// Answers `members`, whose commit has returned, when it is durable.
    pub(super) fn push(&self, members: impl IntoIterator<Item = Member>) {
        let mut queue = self.state.queue();
        queue.members.extend(members);
        if !queue.members.is_empty()
            && let Some(flush) = queue.flush.take()
        {
            let state = Arc::clone(&self.state);
            self.runtime.spawn_blocking(move || state.run(flush));
        }
    }

    /// Answers when all that was committed so far is durable.
    pub(super) async fn settled(&self) -> Result<(), DbError> {
        match self.state.join() {
            Ok(durable) => durable.wait().await,
            Err(settled) => settled,
        }
    }

    /// Refuses what would be written after a flush that failed.
    pub(super) fn sound(&self) -> Result<(), DbError> {
        self.state.queue().sound()
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
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits with the others. When nobody flushes there is nothing to wait for: all that was committed is durable, or lost.
    fn join(&self) -> Result<Durable, Result<(), DbError>> {
        let mut queue = self.queue();
        if queue.flush.is_some() {
            return Err(queue.sound());
        }
        let (member, durable) = Member::new(Vec::new());
        queue.members.push(member);
        Ok(durable)
    }

    /// Flushes until nobody waits.
    fn run(&self, mut flush: Flush) {
        loop {
            let mut queue = self.queue();
            if queue.members.is_empty() {
                queue.flush = Some(flush);
                return;
            }
            let members = std::mem::take(&mut queue.members);
            drop(queue);
            let began = Instant::now();
            let flushed = flush();
            metrics::histogram!("mintreu_db_flush_seconds").record(began.elapsed());
            let mut queue = self.queue();
            if let Err(error) = flushed {
                tracing::error!(%error, "the disk did not take what was written: nothing more is written");
                queue.failed.get_or_insert_with(|| error.to_string());
            }
            // A later flush that succeeds proves nothing about what an earlier one lost.
            let sound = queue.sound();
            drop(queue);
            for member in members {
                member.answer(sound.clone());
            }
        }
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

    /// A flusher whose disk takes its time: every flush waits to be told how it ends.
    fn flusher() -> (Flusher, mpsc::Sender<io::Result<()>>) {
        let (disk, told) = mpsc::channel();
        let flush = move || told.recv().unwrap_or_else(|_| Err(io::Error::other("the disk is gone")));
        (Flusher::new(flush, Handle::current()), disk)
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
        let settled = tokio::spawn({
            let flusher = flusher.clone();
            async move { flusher.settled().await.is_ok() }
        });
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert!(!settled.is_finished(), "something is not durable yet");
        disk.send(Ok(())).expect("a flush under way");
        assert!(two.wait().await.is_ok());
        // Whoever asked while that flush was under way has one more.
        disk.send(Ok(())).expect("a flush under way");
        assert!(settled.await.expect("no panic"));
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
        // The system forgets what it could not write: that later flushes succeed says nothing.
        for _ in 0..2 {
            disk.send(Ok(())).expect("the disk is there");
        }
        assert!(flusher.settled().await.is_err());
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
        drop(disk);
        assert!(durable.wait().await.is_err(), "a disk that is gone keeps nothing");
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
}
