//! Many callers, one transaction: what arrives while one batch is written goes into the next.

use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures::future::BoxFuture;
use tokio::sync::Notify;

/// How many items go into a batch at most.
const MOST: usize = 256;

/// Hands what callers submit to `work`, a batch after the other. Clones share it.
pub(super) struct Batcher<T>(Arc<Inner<T>>);

struct Inner<T> {
    queue: Mutex<Queue<T>>,
    work: Box<dyn Fn(Vec<T>) -> BoxFuture<'static, ()> + Send + Sync>,
    idle: Notify,
}

struct Queue<T> {
    items: VecDeque<T>,
    running: bool,
}

impl<T> Clone for Batcher<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> fmt::Debug for Batcher<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batcher").finish_non_exhaustive()
    }
}

impl<T> Inner<T> {
    fn lock(&self) -> MutexGuard<'_, Queue<T>> {
        // Nothing inside can panic half-way.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Send + 'static> Batcher<T> {
    pub(super) fn new(work: impl Fn(Vec<T>) -> BoxFuture<'static, ()> + Send + Sync + 'static) -> Self {
        let queue = Mutex::new(Queue { items: VecDeque::new(), running: false });
        Self(Arc::new(Inner { queue, work: Box::new(work), idle: Notify::new() }))
    }

    /// Takes an item. Whoever finds nobody at work sets somebody to work, and nobody waits for anybody.
    pub(super) fn submit(&self, item: T) {
        let mut queue = self.0.lock();
        queue.items.push_back(item);
        if queue.running {
            return;
        }
        // At the end of the process answers are dropped when nothing runs any more.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        queue.running = true;
        drop(queue);
        let running = Running(Arc::clone(&self.0));
        runtime.spawn(async move { running.work().await });
    }

    /// Waits until everything that was submitted is done.
    pub(super) async fn settled(&self) {
        loop {
            let idle = self.0.idle.notified();
            if !self.0.lock().running {
                return;
            }
            idle.await;
        }
    }
}

/// Somebody at work; when it falls, the next who submits sets another to work.
struct Running<T>(Arc<Inner<T>>);

impl<T> Running<T> {
    async fn work(self) {
        loop {
            let batch: Vec<T> = {
                let mut queue = self.0.lock();
                let count = queue.items.len().min(MOST);
                if count == 0 {
                    // Under the same lock as the look, or an item could come between.
                    queue.running = false;
                    break;
                }
                queue.items.drain(..count).collect()
            };
            (self.0.work)(batch).await;
        }
        self.0.idle.notify_waiters();
    }
}

impl<T> Drop for Running<T> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.lock().running = false;
            self.0.idle.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures::FutureExt;

    use super::*;

    #[tokio::test]
    async fn everything_is_done_once_in_order_and_in_batches() {
        let done = Arc::new(Mutex::new(Vec::new()));
        let rounds = Arc::new(AtomicUsize::new(0));
        let (seen, counted) = (done.clone(), rounds.clone());
        let batcher = Batcher::new(move |batch: Vec<usize>| {
            let (seen, counted) = (seen.clone(), counted.clone());
            async move {
                tokio::task::yield_now().await;
                assert!(batch.len() <= MOST);
                counted.fetch_add(1, Ordering::Relaxed);
                seen.lock().expect("a lock").extend(batch);
            }
            .boxed()
        });
        (0..1000).for_each(|number| batcher.submit(number));
        batcher.settled().await;
        assert_eq!(*done.lock().expect("a lock"), (0..1000).collect::<Vec<_>>());
        assert!(rounds.load(Ordering::Relaxed) < 10);
    }

    #[tokio::test]
    async fn after_a_panic_the_next_item_is_done() {
        let done = Arc::new(AtomicUsize::new(0));
        let seen = done.clone();
        let batcher = Batcher::new(move |batch: Vec<usize>| {
            let seen = seen.clone();
            async move {
                assert!(!batch.contains(&0), "as intended");
                seen.fetch_add(batch.len(), Ordering::Relaxed);
            }
            .boxed()
        });
        batcher.submit(0);
        batcher.settled().await;
        batcher.submit(1);
        batcher.settled().await;
        assert_eq!(done.load(Ordering::Relaxed), 1);
    }
}
