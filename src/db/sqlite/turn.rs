//! Possession of the writer: what a transaction does with it, and how the group goes on.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Instant,
};

use sqlx::{ConnectOptions, Connection};
use tokio::sync::OwnedMutexGuard;

use super::{
    conn::GroupConn,
    flush::Member,
    group::{Core, Shared, Waiter},
};
use crate::db::{append::Appends, error::DbError, tx::AfterCommit};

/// Possession of the writer.
#[derive(Debug)]
pub(super) struct Turn {
    pub(super) core: OwnedMutexGuard<Core>,
    shared: Arc<Shared>,
    since: Instant,
}

impl Turn {
    pub(super) fn new(core: OwnedMutexGuard<Core>, shared: &Arc<Shared>) -> Self {
        Self { core, shared: Arc::clone(shared), since: Instant::now() }
    }

    /// Waits for the writer.
    pub(super) async fn take(shared: &Arc<Shared>) -> Result<Self, sqlx::Error> {
        let began = Instant::now();
        let waiter = Waiter::new(shared);
        let core = Arc::clone(&shared.core).lock_owned().await;
        waiter.served();
        metrics::histogram!("mintreu_db_wait_seconds").record(began.elapsed());
        let mut turn = Self::new(core, shared);
        match turn.connect().await {
            Ok(()) => {
                turn.core.opened.get_or_insert_with(Instant::now);
                Ok(turn)
            }
            Err(error) => {
                turn.finish();
                Err(error)
            }
        }
    }

    /// Opens the connection anew if it was lost.
    async fn connect(&mut self) -> Result<(), sqlx::Error> {
        if self.core.closed {
            return Err(sqlx::Error::PoolClosed);
        }
        self.shared.flusher.sound().map_err(|error| sqlx::Error::Io(std::io::Error::other(error)))?;
        if self.core.conn.is_none() {
            self.core.conn = Some(GroupConn::new(self.shared.options.connect().await?));
        }
        Ok(())
    }

    /// Commits the group, or leaves it to the next in line.
    pub(super) fn finish(mut self) {
        let (broken, in_transaction) =
            self.core.conn.as_ref().map_or((false, false), |conn| (conn.broken().is_some(), conn.in_transaction()));
        let arrived = self.shared.arrivals().len();
        if self.core.members.is_empty() && arrived == 0 && !in_transaction && !broken {
            self.core.opened = None;
            self.give_up();
            return;
        }
        let full = self.core.members.len() + arrived >= self.shared.limits.members
            || self.core.opened.is_some_and(|opened| opened.elapsed() >= self.shared.limits.age);
        if broken || full || self.shared.waiting.load(Ordering::SeqCst) == 0 {
            let runtime = self.shared.runtime.clone();
            // In a task of its own: the commit goes on when the caller is cancelled.
            runtime.spawn(async move {
                self.commit().await;
                self.give_up();
            });
        }
    }

    /// Lets go of the writer. Who arrived meanwhile found it taken, and is attended to.
    pub(super) fn give_up(self) {
        let Self { core, shared, .. } = self;
        drop(core);
        shared.attend();
    }

    /// Commits what the group has gathered; its members are answered when it is durable.
    pub(super) async fn commit(&mut self) {
        let began = Instant::now();
        for arrival in std::mem::take(&mut *self.shared.arrivals()) {
            self.core.appends.merge(arrival.rows);
            self.core.members.push(arrival.member);
            self.core.kept += 1;
        }
        self.core.opened = None;
        let conn = self.core.conn.as_ref();
        if self.core.members.is_empty() && !conn.is_some_and(|conn| conn.in_transaction() || conn.broken().is_some()) {
            return;
        }
        let result = match self.connect().await {
            Ok(()) => self.core.write().await,
            Err(error) => Err(error.into()),
        };
        let (members, kept) = (std::mem::take(&mut self.core.members), std::mem::take(&mut self.core.kept));
        #[expect(clippy::cast_precision_loss, reason = "a group has at most some hundred members")]
        metrics::histogram!("mintreu_db_commit_group_size").record(kept as f64);
        metrics::histogram!("mintreu_db_commit_seconds").record(began.elapsed());
        match result {
            Ok(()) => {
                self.shared.flusher.push(members);
                self.shared.committed.add(kept);
            }
            Err(error) => self.fail(members, error).await,
        }
    }

    /// The group is rolled back, and the connection is opened anew for the next.
    async fn fail(&mut self, members: Vec<Member>, error: DbError) {
        let error = match error {
            error @ (DbError::Full(_) | DbError::Busy(_)) => error,
            other => DbError::Aborted(other.to_string()),
        };
        tracing::warn!(%error, members = members.len(), "a commit failed; its transactions are rolled back");
        self.core.appends = Appends::default();
        // The log may go with its last connection, and somebody may wait for it still.
        if let Err(error) = self.shared.flusher.settled().await {
            tracing::error!(%error, "before the writer is opened anew");
        }
        if let Some(conn) = self.core.conn.take()
            && let Err(error) = conn.into_inner().close().await
        {
            tracing::warn!(%error, "closing the database's writer after a failed commit");
        }
        for member in members {
            member.answer(Err(error.clone()));
        }
    }
}

impl Turn {
    /// The writer's connection.
    pub(super) fn conn(&mut self) -> Option<&mut GroupConn> {
        self.core.conn.as_mut()
    }

    /// Ends a transaction's part.
    pub(super) fn end(self) {
        metrics::histogram!("mintreu_db_hold_seconds").record(self.since.elapsed());
        self.finish();
    }

    /// Ends a transaction whose work is to be kept, and answers when it is durable.
    pub(super) async fn keep(mut self, rows: Appends, after_commit: Vec<AfterCommit>) -> Result<(), DbError> {
        let core = &mut *self.core;
        if let Some(conn) = core.conn.as_mut() {
            conn.keep_member();
        }
        core.appends.merge(rows);
        core.kept += 1;
        self.wait_durable(after_commit).await
    }

    /// Undoes this transaction, and answers when what it may have seen of its neighbours is durable.
    pub(super) async fn undo(self) -> Result<(), DbError> {
        let runtime = self.shared.runtime.clone();
        // In a task of its own, so that a caller that is cancelled cannot leave the statements half undone.
        let undone = runtime.spawn(async move {
            let mut turn = self;
            turn.undo_statements().await;
            turn
        });
        let turn = undone.await.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()));
        if turn.core.kept == 0 && turn.core.conn.as_ref().is_some_and(|conn| conn.broken().is_none()) {
            let shared = Arc::clone(&turn.shared);
            turn.end();
            return shared.flusher.settled().await;
        }
        turn.wait_durable(Vec::new()).await
    }

    /// Ends a transaction that nobody waits for any more: what it did is undone.
    pub(super) fn abandon(mut self) {
        if !self.conn().is_some_and(|conn| conn.member_began()) {
            self.end();
            return;
        }
        let runtime = self.shared.runtime.clone();
        runtime.spawn(async move {
            self.undo_statements().await;
            self.end();
        });
    }

    async fn undo_statements(&mut self) {
        if let Some(conn) = self.conn() {
            conn.undo_member().await;
        }
    }

    async fn wait_durable(mut self, after_commit: Vec<AfterCommit>) -> Result<(), DbError> {
        let (member, durable) = Member::new(after_commit);
        self.core.members.push(member);
        self.end();
        durable.wait().await
    }
}
