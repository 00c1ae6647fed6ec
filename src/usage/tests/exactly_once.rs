use super::*;
use crate::usage::{
    store::{self, ApplyError, Step},
    tally::Tally,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_count_is_in_the_hour_the_day_and_the_month_once_however_often_it_is_flushed() {
    for world in worlds().await {
        let (usage, aggregator) = world.open();
        record(&usage, "a", 2);
        record(&usage, "a", 3);
        record(&usage, "b", 5);
        for _ in 0..3 {
            aggregator.flush().await.expect("flushes");
        }
        record(&usage, "a", 7);
        aggregator.flush().await.expect("flushes");
        let sql = "SELECT period, period_start, endpoint, count FROM usage_summaries ORDER BY period, endpoint";
        let rows: Vec<(String, Time, String, i64)> = fetch_all!(world.db, sqlx::query_as(sql)).expect("rows");
        let row = |period: &str, start: &str, endpoint: &str, count| {
            (period.to_owned(), time(start), endpoint.to_owned(), count)
        };
        assert_eq!(
            rows,
            [
                row("day", "2026-03-01T00:00:00Z", "a", 12),
                row("day", "2026-03-01T00:00:00Z", "b", 5),
                row("hour", "2026-03-01T12:00:00Z", "a", 12),
                row("hour", "2026-03-01T12:00:00Z", "b", 5),
                row("month", "2026-03-01T00:00:00Z", "a", 12),
                row("month", "2026-03-01T00:00:00Z", "b", 5),
            ]
        );
        assert_eq!(world.logged().await, 4);
        world.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn late_records_go_to_the_period_they_happened_in() {
    for world in worlds().await {
        let (usage, aggregator) = world.open();
        for (at, amount) in [
            ("2024-02-29T23:59:59.999999Z", 1),
            ("2024-03-01T00:00:00Z", 2),
            ("2024-02-29T23:30:00-01:00", 4),
            ("2023-12-31T23:59:59Z", 8),
            ("2024-02-29T00:00:00Z", 16),
        ] {
            record_at(&usage, at, "a", amount);
            aggregator.flush().await.expect("flushes");
        }
        let sql = "SELECT period_start, count FROM usage_summaries WHERE period = $1 ORDER BY period_start";
        let mut rows = Vec::new();
        for period in ["hour", "day", "month"] {
            let found: Vec<(Time, i64)> = fetch_all!(world.db, sqlx::query_as(sql).bind(period)).expect("rows");
            rows.push(found);
        }
        let expected = [
            vec![
                ("2023-12-31T23:00:00Z", 8),
                ("2024-02-29T00:00:00Z", 16),
                ("2024-02-29T23:00:00Z", 1),
                ("2024-03-01T00:00:00Z", 6),
            ],
            vec![("2023-12-31T00:00:00Z", 8), ("2024-02-29T00:00:00Z", 17), ("2024-03-01T00:00:00Z", 6)],
            vec![("2023-12-01T00:00:00Z", 8), ("2024-02-01T00:00:00Z", 17), ("2024-03-01T00:00:00Z", 6)],
        ];
        let expected = expected.map(|rows| rows.into_iter().map(|(at, count)| (time(at), count)).collect::<Vec<_>>());
        assert_eq!(rows, expected);
        world.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_flushed_is_flushed_by_the_next_process() {
    for world in worlds().await {
        let (usage, aggregator) = world.open();
        record(&usage, "a", 1);
        aggregator.flush().await.expect("flushes");
        record(&usage, "a", 2);
        drop((usage, aggregator));
        let (usage, aggregator) = world.open();
        record(&usage, "a", 4);
        aggregator.flush().await.expect("flushes");
        assert_eq!((world.total().await, world.logged().await), (7, 3));
        let left = inspect(&world.config().dir).expect("readable");
        assert_eq!(left.iter().map(|journal| journal.journal).collect::<Vec<_>>(), [usage.journal()]);
        world.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_between_the_commit_and_the_deletion_of_files_counts_nothing_twice() {
    for world in worlds().await {
        let (dir, backup) = (world.config().dir, world.dir.path().join("backup"));
        let (usage, aggregator) = world.open();
        record(&usage, "a", 1);
        record(&usage, "a", 2);
        copy_dir(&dir, &backup);
        drop((usage, aggregator));
        let (usage, aggregator) = world.open();
        aggregator.flush().await.expect("flushes");
        drop((usage, aggregator));
        // The files are there again, as if the process had died before it deleted them, or as a backup brings them back.
        copy_dir(&backup, &dir);
        let (_usage, aggregator) = world.open();
        aggregator.flush().await.expect("flushes");
        assert_eq!(world.total().await, 3);
        world.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_directory_restored_in_place_of_a_newer_one_neither_adds_nor_loses() {
    for world in worlds().await {
        let (dir, backup) = (world.config().dir, world.dir.path().join("backup"));
        let (usage, aggregator) = world.open();
        record(&usage, "a", 1);
        copy_dir(&dir, &backup);
        record(&usage, "a", 2);
        aggregator.flush().await.expect("flushes");
        drop((usage, aggregator));
        std::fs::remove_dir_all(&dir).expect("removed");
        copy_dir(&backup, &dir);
        // The database is ahead of the restored journal. What is recorded now must not be taken for what it had.
        let (usage, aggregator) = world.open();
        record(&usage, "a", 4);
        aggregator.flush().await.expect("flushes");
        assert_eq!(world.total().await, 7);
        world.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flush_that_fails_before_its_commit_leaves_nothing_and_is_repeated() {
    for world in worlds().await {
        let (usage, aggregator) = world.open();
        record(&usage, "a", 1);
        world.break_summaries().await;
        for _ in 0..2 {
            record(&usage, "a", 2);
            aggregator.flush().await.expect_err("the table is gone");
        }
        assert_eq!(store::position(&world.db, usage.journal()).await.expect("readable"), None);
        assert_eq!(world.logged().await, 0);
        world.mend_summaries().await;
        aggregator.flush().await.expect("flushes");
        assert_eq!((world.total().await, world.logged().await), (5, 3));
        world.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flush_from_a_stale_position_changes_nothing() {
    for world in worlds().await {
        let (usage, aggregator) = world.open();
        record(&usage, "a", 1);
        aggregator.flush().await.expect("flushes");
        let journal = usage.journal();
        let position = store::position(&world.db, journal).await.expect("readable").expect("flushed");
        for expected in [None, Some(0), Some(position - 1), Some(position + 1)] {
            let refused =
                store::apply(&world.db, Step { journal, expected, to: position + 10 }, &Tally::default()).await;
            assert!(matches!(refused, Err(ApplyError::Stale)), "{expected:?}");
        }
        assert_eq!(store::position(&world.db, journal).await.expect("readable"), Some(position));
        world.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_whose_answer_was_lost_is_recognised() {
    for world in worlds().await {
        let (usage, aggregator) = world.open();
        record(&usage, "a", 1);
        let to = usage.shared.seal().expect("something to flush");
        let batch = usage.shared.oldest().expect("a batch");
        let crate::usage::pending::Content::Memory(tally) = &batch.content else { panic!("in memory") };
        // The commit happens, its caller never learns.
        store::apply(&world.db, Step { journal: usage.journal(), expected: None, to }, tally).await.expect("applies");
        record(&usage, "a", 2);
        aggregator.flush().await.expect("flushes");
        assert_eq!(world.total().await, 3);
        world.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_that_flush_copies_of_one_journal_count_each_record_once() {
    for world in worlds().await {
        let copy = world.dir.path().join("copy");
        let (usage, aggregator) = world.open();
        record(&usage, "a", 1);
        aggregator.flush().await.expect("flushes");
        record(&usage, "a", 2);
        copy_dir(&world.config().dir, &copy);
        record(&usage, "a", 4);
        let (other_usage, other) = world.open_with(Config { dir: copy, ..world.config() });
        record(&other_usage, "b", 8);
        // The copy flushes the 2 first; the batch in the original's memory holds 2 and 4.
        other.flush().await.expect("flushes");
        aggregator.flush().await.expect("flushes");
        assert_eq!((world.total().await, world.logged().await), (15, 4));
        world.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_flushes_of_one_journal_count_each_record_once() {
    for world in worlds().await {
        let (usage, aggregator) = world.open_with(Config { batch_rows: 3, ..world.config() });
        let recorders: Vec<_> = (0..4)
            .map(|thread| {
                let usage = usage.clone();
                std::thread::spawn(move || (0..100).for_each(|n| record(&usage, &format!("{thread}/{}", n % 7), 1)))
            })
            .collect();
        let flushers: Vec<_> = (0..4)
            .map(|_| {
                let aggregator = aggregator.clone();
                tokio::spawn(async move {
                    for _ in 0..5 {
                        aggregator.flush().await.expect("flushes");
                    }
                })
            })
            .collect();
        for flusher in flushers {
            flusher.await.expect("no panic");
        }
        for recorder in recorders {
            recorder.join().expect("no panic");
        }
        aggregator.flush().await.expect("flushes");
        assert_eq!((world.total().await, world.logged().await), (400, 400));
        world.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_count_stops_at_the_largest_number_and_holds_up_nothing() {
    for world in worlds().await {
        let (usage, aggregator) = world.open();
        for _ in 0..2 {
            record(&usage, "a", u64::MAX);
            aggregator.flush().await.expect("flushes");
        }
        let counts: Vec<i64> =
            fetch_all!(world.db, sqlx::query_scalar("SELECT count FROM usage_summaries")).expect("rows");
        assert_eq!(counts, [i64::MAX; 3]);
        world.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn texts_that_a_database_might_refuse_are_counted() {
    for world in worlds().await {
        let (usage, aggregator) = world.open();
        for endpoint in ["\0", "\"'\\\u{1f}\u{7f}", "€\u{10ffff}", &"x".repeat(5_000)] {
            let call = Call { request_id: endpoint, status: u16::MAX, duration: Duration::MAX, meta: Some(endpoint) };
            for at in [Time::from_micros(i64::MIN), Time::from_micros(i64::MAX)] {
                usage.record(&Count { subject: endpoint, metric: endpoint, endpoint, amount: 1, at, call: Some(call) });
            }
        }
        aggregator.flush().await.expect("flushes");
        assert_eq!((world.total().await, world.logged().await), (8, 8));
        world.close().await;
    }
}
