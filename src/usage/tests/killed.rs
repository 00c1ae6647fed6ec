//! A process that is killed with SIGKILL: this test's own binary, started again in another role.

use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
};

use super::*;

const DIR: &str = "MINTREU_TEST_JOURNAL_DIR";

/// The victim: acknowledges each count on standard output once it was recorded, until it is killed.
#[test]
fn victim() {
    let Ok(dir) = std::env::var(DIR) else { return };
    let config = Config { segment_bytes: 20_000, ..Config::in_dir(dir) };
    let usage = Usage::open(config, ids()).expect("the journal opens");
    let syncing = usage.clone();
    std::thread::spawn(move || {
        loop {
            syncing.shared.sync();
        }
    });
    for n in 1_u64.. {
        record(&usage, "a", 1);
        println!("recorded {n}");
    }
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
            let recorded = |line: String| line.rsplit_once("recorded ")?.1.parse::<i64>().ok();
            let mut last = 0;
            while last < more {
                last = lines.next().expect("the victim goes on").ok().and_then(recorded).unwrap_or(last);
            }
            victim.kill().expect("killed");
            last = lines.map_while(Result::ok).filter_map(recorded).last().unwrap_or(last);
            victim.wait().expect("dead");
            acknowledged += last;
        }
        let (_usage, aggregator) = world.open();
        let recorded: i64 = inspect(&world.config().dir).expect("readable").iter().map(|journal| journal.amount).sum();
        assert!(recorded >= acknowledged, "{recorded} of {acknowledged}");
        // One count per life may have been recorded and not yet acknowledged.
        assert!(recorded <= acknowledged + 3, "{recorded} of {acknowledged}");
        aggregator.flush().await.expect("flushes");
        assert_eq!(world.total().await, recorded);
        world.close().await;
    }
}
