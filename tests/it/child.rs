//! A worker in a process of its own, so that it can be killed: this test binary started again for one "test".

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use mintreu::{
    db::{Db, DbOptions, Tx},
    jobs::{Attempt, External, Failure, Handlers, Job, RetryPolicy, Transactional},
    kernel::{IdSource, SystemClock},
};
use serde::{Deserialize, Serialize};

use crate::support::{Effect, QUEUE, Shop, ShopOptions, write_effect};

const URL: &str = "MINTREU_TEST_CHILD_URL";
const NAME: &str = "MINTREU_TEST_CHILD_NAME";
const LEASE: &str = "MINTREU_TEST_CHILD_LEASE_MS";
const SOLE: &str = "MINTREU_TEST_CHILD_SOLE";
const STOP: &str = "MINTREU_TEST_CHILD_STOP";

/// How long a child may take to end.
const PATIENCE: Duration = Duration::from_mins(1);

/// A worker process; killed when this is dropped.
pub(crate) struct Process {
    child: Child,
    stop: PathBuf,
}

/// How to start one.
pub(crate) struct ProcessOptions<'a> {
    pub(crate) name: &'a str,
    pub(crate) lease: Duration,
    /// Whether it knows that no other worker is alive.
    pub(crate) sole: bool,
}

impl Process {
    /// Starts a worker on the database at `url`; `directory` is for messages between the two.
    pub(crate) fn start(url: &str, directory: &Path, options: &ProcessOptions<'_>) -> Self {
        let stop = directory.join(format!("stop-{}", options.name));
        let child = Command::new(std::env::current_exe().expect("this binary"))
            .args(["--exact", "child::worker", "--ignored", "--nocapture"])
            .env(URL, url)
            .env(NAME, options.name)
            .env(LEASE, options.lease.as_millis().to_string())
            .env(SOLE, options.sole.to_string())
            .env(STOP, &stop)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::inherit())
            .spawn()
            .expect("the worker's process starts");
        Self { child, stop }
    }

    /// As the power goes.
    pub(crate) fn kill_9(&mut self) {
        let _ = self.child.kill();
        self.child.wait().expect("it ended");
    }

    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status();
        assert!(status.expect("kill runs").success(), "no process to send {name} to");
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has ended, and how.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("its state can be asked")
    }

    /// Lets it finish what it does and end.
    ///
    /// # Panics
    /// If it does not end well and in time.
    pub(crate) async fn stop(mut self) {
        fs::write(&self.stop, "").expect("the message is written");
        let began = Instant::now();
        let status = loop {
            if let Some(status) = self.ended() {
                break status;
            }
            assert!(began.elapsed() < PATIENCE, "the worker's process does not end");
            tokio::time::sleep(Duration::from_millis(10)).await;
        };
        assert!(status.success(), "the worker's process ended with {status}");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Writes its effect, tells by a file that it runs, and goes on when another file is there; tells that too.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Meeting {
    pub(crate) directory: PathBuf,
}

impl Job for Meeting {
    const KIND: &'static str = "test.meeting";
    const QUEUE: &'static str = QUEUE;
}

impl<S: Send> Transactional<S> for Meeting {
    async fn run(self, _: &mut S, tx: &mut Tx, attempt: Attempt) -> Result<(), Failure> {
        let file = |name: &str| self.directory.join(format!("{name}-{}", attempt.number));
        fs::write(file("began"), "").map_err(Failure::dead)?;
        // Before the first statement, because SQLite's one write lock would keep everybody else out.
        while !file("go").exists() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        write_effect(tx, "meeting", attempt).await?;
        fs::write(file("committing"), "").map_err(Failure::dead)
    }
}

/// Takes its process down with it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Poison;

impl Job for Poison {
    const KIND: &'static str = "test.poison";
    const QUEUE: &'static str = QUEUE;
    const RETRY: RetryPolicy =
        RetryPolicy { max_attempts: 3, base: Duration::from_millis(1), cap: Duration::from_millis(1) };
}

impl<S: Send> External<S> for Poison {
    async fn run(self, _: &mut S, _: &Db, _: Attempt) -> Result<(), Failure> {
        std::process::abort();
    }
}

/// The worker process itself: no test, and started by tests alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the process that other tests start"]
async fn worker() {
    let Ok(url) = std::env::var(URL) else { return };
    let env = |name| std::env::var(name).expect("whoever starts this sets it");
    let told_to_stop = PathBuf::from(env(STOP));
    let db = Db::open(&DbOptions::new(url), IdSource::new(Arc::new(SystemClock))).await.expect("the database opens");
    let mut options = ShopOptions::lease(Duration::from_millis(env(LEASE).parse().expect("a number")));
    options.worker.name = env(NAME);
    options.worker.sole = env(SOLE) == "true";
    let handlers =
        Handlers::<()>::new(db.clone()).transactional::<Effect>().transactional::<Meeting>().external::<Poison>();
    let shop = Shop::start(&db, handlers, || (), options).await;
    let began = Instant::now();
    while !told_to_stop.exists() && began.elapsed() < 4 * PATIENCE {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    shop.close(Duration::from_secs(20)).await;
    db.close().await;
}
