//! A process that is killed with SIGKILL: this test's own binary, started again in another role.

use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
};

use super::*;

const DIR: &str = "MINTREU_TEST_JOURNAL_DIR";

/// How many tasks of the victim record at once.
const TASKS: i64 = 8;

/// The victim: acknowledges each count on standard output once it was recorded, until it is killed. Some are recorded
/// alone, some together.
#[tokio::test(flavor = "multi_thread")]
async fn victim() {
    let Ok(dir) = std::env::var(DIR) else { return };
    let config = Config { segment_bytes: 20_000, ..Config::in_dir(dir) };
    let usage = Usage::open(config, ids()).expect("the journal opens");
    let syncing = usage.clone();
    std::thread::spawn(move || {
        loop {
            syncing.shared.sync();
        }
    });
    let tasks = (0..TASKS).map(|task| {
        let usage = usage.clone();
        tokio::spawn(async move {
            for n in 1_u64.. {
                let count = Count { subject: "s", metric: "m", endpoint: "a", amount: 1, at: usage.now(), call: None };
                if task == 0 {
                    usage.record(&count);
                } else {
                    usage.record_together(&[count]).await;
                }
                println!("recorded {task} {n}");
                tokio::task::yield_now().await;
            }
        })
    });
    futures::future::join_all(tasks).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_process_loses_no_count_that_it_acknowledged() {
    for world in worlds().await {
        let mut acknowledged = 0_i64;
        for more in [1, 500, 3_000] {
            let test = concat!(module_path!(), "::victim");
            let test = test.split_once("::").expect("the crate's name comes first").1;
            let mut victim = Command::new(std::env::current_exe().expect("this binary"))
                .args(["--exact", test, "--nocapture"])
                .env(DIR, world.config().dir)
                .stdout(Stdio::piped())
                .stderr(Stdio::null())
                .spawn()
                .expect("starts");
            let mut lines = BufReader::new(victim.stdout.take().expect("piped")).lines();
            let told = |line: &String| line.contains("recorded ");
            let mut seen = 0;
            while seen < more {
                seen += usize::from(told(&lines.next().expect("the victim goes on").expect("a line")));
            }
            victim.kill().expect("killed");
            seen += lines.map_while(Result::ok).filter(told).count();
            victim.wait().expect("dead");
            acknowledged += i64::try_from(seen).expect("so many");
        }
        let (_usage, aggregator) = world.open();
        let recorded = world.on_disk();
        assert!(recorded >= acknowledged, "{recorded} of {acknowledged}");
        // One count of each task and life may have been recorded and not yet acknowledged.
        assert!(recorded <= acknowledged + 3 * TASKS, "{recorded} of {acknowledged}");
        aggregator.flush().await.expect("flushes");
        assert_eq!(world.total().await, recorded);
        world.close().await;
    }
}
