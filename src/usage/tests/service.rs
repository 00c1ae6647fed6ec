use tokio_util::sync::CancellationToken;

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn while_the_disk_is_full_counts_are_kept_in_memory_and_flushed_from_there() {
    for world in worlds().await {
        let (usage, aggregator) = world.open();
        record(&usage, "a", 1);
        usage.shared.lock().journal.fill_disk();
        record(&usage, "a", 2);
        record(&usage, "b", 4);
        assert!(!usage.status().writable);
        aggregator.flush().await.expect("flushes");
        assert_eq!(world.total().await, 7);
        record(&usage, "b", 8);
        // The next sync finds room and begins a segment; from here on a crash loses nothing again.
        aggregator.sync().await;
        assert!(usage.status().writable);
        record(&usage, "b", 16);
        aggregator.flush().await.expect("flushes");
        record(&usage, "b", 32);
        drop((usage, aggregator));
        let (usage, aggregator) = world.open();
        assert_eq!(usage.status().retired, 1);
        aggregator.flush().await.expect("flushes");
        assert_eq!((world.total().await, world.logged().await), (63, 6));
        let Status { pending_rows, unsynced_bytes, retired, .. } = usage.status();
        assert_eq!((pending_rows, unsynced_bytes, retired), (0, 0, 0));
        world.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_outage_of_the_database_bounds_memory_and_loses_nothing() {
    for world in worlds().await {
        let config = Config { batch_rows: 4, pending_rows: 10, segment_bytes: 1_000, ..world.config() };
        let (usage, aggregator) = world.open_with(config);
        world.break_summaries().await;
        for n in 0..100 {
            record(&usage, &format!("{}", n % 9), 1);
            if n % 10 == 0 {
                aggregator.flush().await.expect_err("the table is gone");
                aggregator.sync().await;
            }
        }
        assert!(usage.shared.lock().pending.rows() <= 14);
        world.mend_summaries().await;
        aggregator.flush().await.expect("flushes");
        assert_eq!((world.total().await, world.logged().await), (100, 100));
        aggregator.sync().await;
        record(&usage, "a", 1);
        aggregator.flush().await.expect("flushes");
        assert_eq!(world.total().await, 101);
        let bytes: u64 = inspect(&world.config().dir).expect("readable").iter().map(|left| left.to - left.from).sum();
        assert!(bytes < 2_000, "files that are done are deleted: {bytes}");
        world.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn current_counts_are_what_the_database_has_and_what_is_on_its_way() {
    for world in worlds().await {
        let (usage, aggregator) = world.open_with(Config { batch_rows: 2, pending_rows: 6, ..world.config() });
        let at = time(NOON);
        let ask = async |endpoint, period| {
            let question = Question { subject: "ten_1", metric: "requests", endpoint, period, at };
            let current = usage.current(&world.db, &question).await.expect("an answer");
            (current.count, current.complete)
        };
        assert_eq!(ask(None, Period::Day).await, (0, true));
        record(&usage, "a", 1);
        record_at(&usage, "2026-03-02T00:00:00Z", "a", 2);
        record(&usage, "b", 4);
        assert_eq!(ask(None, Period::Day).await, (5, true));
        aggregator.flush().await.expect("flushes");
        record(&usage, "a", 8);
        assert_eq!(ask(None, Period::Day).await, (13, true));
        assert_eq!(ask(None, Period::Month).await, (15, true));
        assert_eq!(ask(Some("a"), Period::Hour).await, (9, true));
        world.break_summaries().await;
        (0..20).for_each(|_| record(&usage, "c", 1));
        aggregator.flush().await.expect_err("the table is gone");
        world.mend_summaries().await;
        let (count, complete) = ask(None, Period::Day).await;
        assert!(!complete && count < 33, "{count}");
        aggregator.flush().await.expect("flushes");
        assert_eq!(ask(None, Period::Day).await, (33, true));
        world.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_are_logged_as_the_policy_says_and_always_counted() {
    for world in worlds().await {
        let quarter = LogPolicy::Sample(0.25);
        let kept = (0..100).filter(|n| quarter.keeps(&format!("req_{n}"))).count();
        let mut logged = 0;
        for (log, more) in [(LogPolicy::Off, 0), (quarter, kept), (LogPolicy::All, 100)] {
            let (usage, aggregator) = world.open_with(Config { log, ..world.config() });
            for n in 0..100 {
                let request_id = format!("req_{n}");
                let meta = Some("{\"ip\":\"192.0.2.1\"}");
                let call = Call { request_id: &request_id, status: 404, duration: Duration::from_micros(9), meta };
                let (subject, metric, endpoint) = ("key_1", "requests", "GET /v1/posts");
                usage.record(&Count { subject, metric, endpoint, amount: 1, at: time(NOON), call: Some(call) });
            }
            aggregator.flush().await.expect("flushes");
            logged += i64::try_from(more).expect("small");
            assert_eq!(world.logged().await, logged, "{log:?}");
        }
        assert_eq!(world.total().await, 300);
        let sql = "SELECT at, subject, status, duration_micros, meta FROM api_usage_logs LIMIT 1";
        let row: (Time, String, i32, i64, String) = fetch_one!(world.db, sqlx::query_as(sql)).expect("a row");
        assert_eq!(row, (time(NOON), "key_1".to_owned(), 404, 9, "{\"ip\":\"192.0.2.1\"}".to_owned()));
        world.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn several_counts_of_one_request_are_recorded_together() {
    for world in worlds().await {
        let (usage, aggregator) = world.open();
        let count = |metric, amount| Count { subject: "s", metric, endpoint: "e", amount, at: time(NOON), call: None };
        usage.record_all(&[count("requests", 1), count("bytes_out", 1_000), count("requests", 1)]);
        usage.record_all(&[]);
        drop((usage, aggregator));
        let (_usage, aggregator) = world.open();
        aggregator.flush().await.expect("flushes");
        let sql = "SELECT metric, count FROM usage_summaries WHERE period = 'hour' ORDER BY metric";
        let rows: Vec<(String, i64)> = fetch_all!(world.db, sqlx::query_as(sql)).expect("rows");
        assert_eq!(rows, [("bytes_out".to_owned(), 1_000), ("requests".to_owned(), 2)]);
        world.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_many_record_together_is_on_disk_before_any_of_them_goes_on() {
    for world in worlds().await {
        let (usage, aggregator) = world.open();
        let done = std::sync::Arc::new(std::sync::atomic::AtomicI64::new(0));
        let tasks = (0..8).map(|task| {
            let (usage, done) = (usage.clone(), done.clone());
            tokio::spawn(async move {
                for n in 0..50 {
                    let endpoint = format!("{task}/{}", n % 3);
                    let count = |metric| Count {
                        subject: "s",
                        metric,
                        endpoint: &endpoint,
                        amount: 1,
                        at: time(NOON),
                        call: None,
                    };
                    usage.record_together(&[count("requests"), count("bytes_out")]).await;
                    done.fetch_add(2, std::sync::atomic::Ordering::SeqCst);
                }
            })
        });
        let tasks: Vec<_> = tasks.collect();
        loop {
            // Taken before the look, so that it may only be less.
            let acknowledged = done.load(std::sync::atomic::Ordering::SeqCst);
            let found = world.on_disk();
            assert!(found >= acknowledged, "{found} of {acknowledged}");
            if acknowledged == 800 {
                break;
            }
            tokio::task::yield_now().await;
        }
        for task in tasks {
            task.await.expect("no panic");
        }
        assert_eq!(world.on_disk(), 800, "none is there twice");
        aggregator.flush().await.expect("flushes");
        assert_eq!(world.total().await, 800);
        world.close().await;
    }
}

#[tokio::test]
async fn tasks_that_are_ready_at_once_share_a_write() {
    for world in worlds().await {
        let (usage, _aggregator) = world.open();
        let count = Count { subject: "s", metric: "m", endpoint: "e", amount: 1, at: time(NOON), call: None };
        let mut waiting: Vec<_> = (0..5).map(|_| Box::pin(usage.record_together(&[count]))).collect();
        for future in &mut waiting {
            assert!(futures::poll!(future.as_mut()).is_pending(), "it lets others record first");
        }
        assert_eq!(world.on_disk(), 0, "nobody has written yet");
        let mut waiting = waiting.into_iter();
        waiting.next().expect("the first").await;
        assert_eq!(world.on_disk(), 5, "the first wrote for all");
        let bytes = usage.status().journal_bytes;
        futures::future::join_all(waiting).await;
        assert_eq!(usage.status().journal_bytes, bytes, "nobody wrote again");
        world.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_wait_to_the_end_is_counted_all_the_same() {
    for world in worlds().await {
        let (usage, aggregator) = world.open();
        let count = Count { subject: "s", metric: "m", endpoint: "e", amount: 1, at: time(NOON), call: None };
        drop(usage.record_together(&[count]));
        let question = Question { subject: "s", metric: "m", endpoint: None, period: Period::Month, at: time(NOON) };
        assert_eq!(usage.current(&world.db, &question).await.expect("answers").count, 1, "it is seen at once");
        drop(usage.record_together(&[count]));
        aggregator.sync().await;
        assert_eq!((world.on_disk(), usage.status().unsynced_bytes), (2, 0), "a sync writes what is left");
        drop(usage.record_together(&[count]));
        aggregator.flush().await.expect("flushes");
        assert_eq!(world.total().await, 3, "and so does a flush");
        world.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_batch_is_flushed_before_its_time_and_the_rest_at_shutdown() {
    for world in worlds().await {
        let long = Duration::from_hours(1);
        let config = Config { batch_rows: 5, flush_interval: long, fsync_interval: long, ..world.config() };
        let (usage, aggregator) = world.open_with(config);
        let cancel = CancellationToken::new();
        let running = tokio::spawn({
            let (aggregator, cancel) = (aggregator.clone(), cancel.clone());
            async move { aggregator.run(cancel).await }
        });
        for n in 0..5 {
            record(&usage, &n.to_string(), 1);
        }
        let flushed = async {
            while world.sum(Period::Month).await == 0 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), flushed).await.expect("a full batch rings");
        record(&usage, "a", 10);
        cancel.cancel();
        running.await.expect("no panic");
        assert_eq!(world.total().await, 15);
        world.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_aggregator_goes_on_where_an_aborted_one_was() {
    for world in worlds().await {
        let config = Config { batch_rows: 2, flush_interval: Duration::from_millis(1), ..world.config() };
        let (usage, _) = world.open_with(config);
        for round in 0..20 {
            let aggregator = Aggregator::new(usage.clone(), world.db.clone());
            let running = tokio::spawn(async move { aggregator.run(CancellationToken::new()).await });
            for n in 0..20 {
                record(&usage, &n.to_string(), 1);
                if n % 5 == round % 5 {
                    tokio::task::yield_now().await;
                }
            }
            running.abort();
            let _ = running.await;
        }
        Aggregator::new(usage, world.db.clone()).flush().await.expect("flushes");
        assert_eq!((world.total().await, world.logged().await), (400, 400));
        world.close().await;
    }
}

#[test]
fn the_time_of_a_count_comes_from_the_injected_clock() {
    let dir = tempfile::tempdir().expect("a directory");
    let clock = Arc::new(ManualClock::new(time(NOON)));
    let usage = Usage::open(Config::in_dir(dir.path()), IdSource::seeded(clock, 1)).expect("opens");
    assert_eq!(usage.now(), time(NOON));
}
