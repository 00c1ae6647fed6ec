//! Transactions that only add rows travel together.
//!
//! Such a transaction is one statement, and starting a statement costs the server more than a row does. So whoever commits
//! while others are being written waits for the next statement, with all who came meanwhile. If the server refuses it,
//! nothing of it was kept, and each goes again alone, so that nobody fails for another one's row.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use super::writers::Shared;
use crate::db::{
    DbError,
    append::Appends,
    tx::{AfterCommit, run_hook},
};

/// How many statements are on their way at a time. More would each carry less.
const LANES: usize = 2;
/// How many transactions share a statement at most.
const MOST: usize = 128;

/// Those who wait.
#[derive(Debug, Default)]
pub(super) struct Waiting(Mutex<Queue>);

#[derive(Debug, Default)]
struct Queue {
    members: Vec<Member>,
    lanes: usize,
}

/// A transaction that waits.
struct Member {
    rows: Appends,
    after_commit: Vec<AfterCommit>,
    written: oneshot::Sender<Result<(), DbError>>,
}

impl std::fmt::Debug for Member {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Member").field("rows", &self.rows).finish_non_exhaustive()
    }
}

impl Member {
    fn answer(self, result: Result<(), DbError>) {
        if result.is_ok() {
            self.after_commit.into_iter().for_each(run_hook);
        }
        // Who is gone need not be told.
        let _ = self.written.send(result);
    }
}

impl Waiting {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes rows that are a transaction by themselves. Whoever goes away before the answer does not undo it.
pub(super) async fn write(shared: Arc<Shared>, rows: Appends, after_commit: Vec<AfterCommit>) -> Result<(), DbError> {
    let (written, answer) = oneshot::channel();
    if let Some(lane) = enter(shared, Member { rows, after_commit, written }) {
        // In a task of its own: whoever came first may go away, and the others must not wait for ever.
        tokio::spawn(lane.run());
    }
    answer.await.unwrap_or_else(|_| Err(DbError::Unavailable("the process is stopping".to_owned())))
}

/// Waits with the others; gives a lane if one is free.
fn enter(shared: Arc<Shared>, member: Member) -> Option<Lane> {
    let mut queue = shared.waiting.queue();
    queue.members.push(member);
    let free = queue.lanes < LANES;
    if free {
        queue.lanes += 1;
    }
    drop(queue);
    // Not `then_some`: a lane that is made is in use until it is dropped.
    free.then(|| Lane { shared, left: false })
}

/// A lane in use.
struct Lane {
    shared: Arc<Shared>,
    left: bool,
}

impl Drop for Lane {
    fn drop(&mut self) {
        if !self.left {
            self.shared.waiting.queue().lanes -= 1;
        }
    }
}

impl Lane {
    async fn run(mut self) {
        while let Some(members) = self.next() {
            carry(&self.shared, members).await;
        }
    }

    /// Those who go next. When nobody waits the lane is left in the same moment, so that whoever comes then takes it.
    fn next(&mut self) -> Option<Vec<Member>> {
        let mut queue = self.shared.waiting.queue();
        if queue.members.is_empty() {
            queue.lanes -= 1;
            self.left = true;
            return None;
        }
        let some = queue.members.len().min(MOST);
        Some(queue.members.drain(..some).collect())
    }
}

async fn carry(shared: &Arc<Shared>, members: Vec<Member>) {
    #[expect(clippy::cast_precision_loss, reason = "at most MOST members")]
    metrics::histogram!("mintreu_db_commit_group_size").record(members.len() as f64);
    let mut all = Appends::default();
    for member in &members {
        all.merge(member.rows.clone());
    }
    match shared.write(all).await {
        Err(error) if members.len() > 1 && is_refusal(&error) => {
            for mut member in members {
                let rows = std::mem::take(&mut member.rows);
                member.answer(shared.write(rows).await);
            }
        }
        done => members.into_iter().for_each(|member| member.answer(done.clone())),
    }
}

/// Whether the server said no to the rows, and so kept none of them. Of a connection that broke nobody knows.
fn is_refusal(error: &DbError) -> bool {
    match error {
        DbError::Unavailable(_) => false,
        DbError::Other(error) => matches!(**error, sqlx::Error::Database(_)),
        DbError::Unique(_)
        | DbError::ForeignKey(_)
        | DbError::Check(_)
        | DbError::Busy(_)
        | DbError::Full(_)
        | DbError::Aborted(_) => true,
    }
}
