//! Tasks of apalis, enqueued through a sink.

use futures::SinkExt;
use mintreu::jobs::JobSink;

use crate::support::{Effect, count, create_effects};

on_both!(what_is_sent_into_the_sink_waits_once_it_is_flushed, |test| async move {
    let db = test.open().await;
    create_effects(&db).await;
    let mut sink = JobSink::new(db.clone());
    for n in 0..20 {
        let group = (n % 2 == 0).then(|| "even".to_owned());
        let task = JobSink::task(&Effect { group, ..Effect::new(format!("{n}")) }).expect("serialises");
        sink.feed(task.build()).await.expect("takes it");
    }
    assert_eq!(count(&db, "SELECT COUNT(*) FROM jobs").await, 0, "nothing is written before the flush");
    sink.flush().await.expect("writes");
    assert_eq!(count(&db, "SELECT COUNT(*) FROM jobs WHERE state = 'available'").await, 20);
    assert_eq!(count(&db, "SELECT COUNT(*) FROM jobs WHERE group_key = 'even'").await, 10);
});

on_both!(a_task_keeps_its_time_and_its_unique_key, |test| async move {
    let db = test.open().await;
    let mut sink = JobSink::new(db.clone());
    for _ in 0..3 {
        let work = Effect { unique: Some("once".into()), ..Effect::new("work") };
        let later = u64::try_from(db.now().as_secs()).expect("after 1970") + 3_600;
        let task = JobSink::task(&work).expect("serialises").run_at_timestamp(later).build();
        sink.send(task).await.expect("takes it");
    }
    assert_eq!(count(&db, "SELECT COUNT(*) FROM jobs WHERE state = 'scheduled'").await, 1);
    assert_eq!(count(&db, "SELECT COUNT(*) FROM job_keys").await, 1);
});
