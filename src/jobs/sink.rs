//! Enqueueing as apalis sees it: a sink of tasks.
//!
//! For what produces apalis tasks. Everything else enqueues in its own transaction, which a sink cannot.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use apalis_core::task::{Task, builder::TaskBuilder};
use futures::{Sink, future::BoxFuture};
use tokio_util::sync::CancellationToken;

use super::{Claimed, Gate, Job, JobId, enqueue::Waiting};
use crate::{
    db::{Db, DbError},
    kernel::Time,
};

/// Enqueues apalis tasks: what was sent is durable, all of it or nothing, once the sink is flushed.
///
/// The task's run time, priority and idempotency key (a unique key) count; the rest is in its arguments.
pub struct JobSink {
    db: Db,
    state: State,
}

enum State {
    Idle,
    Buffered(Vec<Task<Claimed>>),
    Writing(BoxFuture<'static, Result<(), DbError>>),
}

impl std::fmt::Debug for JobSink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("JobSink").finish_non_exhaustive()
    }
}

impl JobSink {
    /// A sink into a database's queue.
    #[must_use]
    pub const fn new(db: Db) -> Self {
        Self { db, state: State::Idle }
    }

    /// A job as the task that a sink takes.
    pub fn task<J: Job>(job: &J) -> Result<TaskBuilder<Claimed>, serde_json::Error> {
        let args = Claimed {
            // Given when it is enqueued.
            id: JobId::from_uuid(uuid::Uuid::nil()),
            kind: J::KIND.to_owned(),
            queue: J::QUEUE.to_owned(),
            payload: serde_json::to_string(job)?,
            attempt: 0,
            max_attempts: J::RETRY.max_attempts,
            token: 0,
            group_key: job.group_key().map(std::borrow::Cow::into_owned),
            unique: false,
            traceparent: None,
            cancel: CancellationToken::new(),
            gate: Gate::default(),
        };
        let task = TaskBuilder::new(args).priority(usize::try_from(J::PRIORITY).unwrap_or(2));
        Ok(match job.unique_key() {
            Some(key) => task.idempotency_key(key),
            None => task,
        })
    }
}

impl Sink<Task<Claimed>> for JobSink {
    type Error = DbError;

    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), DbError>> {
        let this = self.get_mut();
        match &mut this.state {
            State::Writing(write) => {
                let result = ready!(write.as_mut().poll(cx));
                this.state = State::Idle;
                Poll::Ready(result)
            }
            State::Idle | State::Buffered(_) => Poll::Ready(Ok(())),
        }
    }

    fn start_send(self: Pin<&mut Self>, task: Task<Claimed>) -> Result<(), DbError> {
        match &mut self.get_mut().state {
            State::Buffered(tasks) => tasks.push(task),
            state => *state = State::Buffered(vec![task]),
        }
        Ok(())
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), DbError>> {
        let this = self.get_mut();
        loop {
            match std::mem::replace(&mut this.state, State::Idle) {
                State::Idle => return Poll::Ready(Ok(())),
                State::Buffered(tasks) => {
                    this.state = State::Writing(Box::pin(enqueue_all(this.db.clone(), tasks)));
                }
                State::Writing(mut write) => match write.as_mut().poll(cx) {
                    Poll::Ready(result) => return Poll::Ready(result),
                    Poll::Pending => {
                        this.state = State::Writing(write);
                        return Poll::Pending;
                    }
                },
            }
        }
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), DbError>> {
        self.poll_flush(cx)
    }
}

async fn enqueue_all(db: Db, tasks: Vec<Task<Claimed>>) -> Result<(), DbError> {
    db.write(async |tx| {
        for task in &tasks {
            let job = &task.args;
            let run_at = task.run_at().map_or(tx.now(), |secs| {
                Time::from_micros(i64::try_from(secs).unwrap_or(i64::MAX).saturating_mul(1_000_000))
            });
            tx.enqueue_waiting(&Waiting {
                queue: &job.queue,
                kind: &job.kind,
                payload: &job.payload,
                priority: task.priority().and_then(|priority| i32::try_from(priority).ok()).unwrap_or(2),
                max_attempts: job.max_attempts,
                run_at,
                group_key: job.group_key.as_deref(),
                unique_key: task.idempotency_key(),
            })
            .await?;
        }
        Ok(())
    })
    .await
}
