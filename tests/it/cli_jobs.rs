//! `mintreu jobs`, beside a running server and without one.

use mintreu::{db::DbError, jobs::Job};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::journey_shop::{Shop, until};

const NOBODY: &str = "job_01kae41rr5f71r9kjywk21ja4c";

/// A job of a kind that no server knows: it dies at its first attempt.
#[derive(Serialize, Deserialize)]
struct Unheard {
    word: String,
}

impl Job for Unheard {
    const KIND: &'static str = "test.unheard";
    const QUEUE: &'static str = "payments";
}

async fn enqueue_unheard(shop: &Shop) -> String {
    let db = shop.db().await;
    let job = Unheard { word: "hush".to_owned() };
    let enqueued = db.write(async |tx| tx.enqueue(&job).await).await;
    db.close().await;
    enqueued.map_err(|error: DbError| error).expect("it is enqueued").id().to_string()
}

async fn until_state(shop: &Shop, job: &str, state: &str) -> Value {
    until(&format!("{job} is {state}"), async || {
        let view = shop.json(&["jobs", "show", job]);
        if view["state"] == state { Ok(view) } else { Err(view) }
    })
    .await
}

/// Opens and pays an order while licences wait, and gives the order and the job of its licence.
async fn order_that_waits(shop: &Shop) -> (String, String) {
    shop.run(&["jobs", "pause", "licensing", "--reason", "a look at the queue"]);
    let order = shop.open().await;
    shop.pay(&order).await;
    shop.until_order_is(&order, "paid").await;
    let listed = shop.json(&["jobs", "list", "--queue", "licensing", "--state", "available"]);
    let [job] = listed.as_array().expect("a list").as_slice() else { panic!("{listed}") };
    (order, job["id"].as_str().expect("an identifier").to_owned())
}

on_both!(a_paused_queue_waits_and_its_job_can_be_cancelled_and_run_after_all, |db| async move {
    let shop = Shop::on(&db);
    let _server = shop.serve().await;
    let (order, job) = order_that_waits(&shop).await;
    let shown = shop.json(&["jobs", "show", &job]);
    assert_eq!((&shown["kind"], &shown["queue"]), (&json!("licenses.issue"), &json!("licensing")), "{shown}");
    assert_eq!(shown["payload"]["order"], json!(order), "the arguments are JSON, not a text that holds some");
    assert_eq!(shown["errors"], json!([]));
    let counts = shop.json(&["jobs", "list", "--count"]);
    let paused: Vec<_> =
        counts["queues"].as_array().expect("a list").iter().filter(|it| it["paused"] == true).collect();
    assert_eq!(paused.len(), 1, "{counts}");
    assert_eq!(paused[0]["reason"], "a look at the queue");
    assert!(shop.run(&["jobs", "list", "--count"]).contains("licensing is paused since"));

    assert_eq!(shop.json(&["jobs", "cancel", &job]), json!({ "cancellation": "cancelled" }));
    assert!(shop.refused(&["jobs", "cancel", &job], 1).stderr.contains("has ended already"));
    shop.run(&["jobs", "resume", "licensing"]);
    let other = shop.open().await;
    shop.pay(&other).await;
    shop.until_order_is(&other, "fulfilled").await;
    assert_eq!(shop.order(&order).await["status"], "paid", "its job was called off");

    assert_eq!(shop.json(&["jobs", "retry", &job]), json!({ "retried": 1 }));
    shop.until_order_is(&order, "fulfilled").await;
    let completed = until_state(&shop, &job, "completed").await;
    assert!(completed["finished_at"].is_string(), "{completed}");
    let refused = shop.refused(&["jobs", "retry", &job], 1);
    assert!(refused.stderr.contains("is completed") && refused.stdout.is_empty(), "{refused:?}");
    let trail = shop.json(&["audit", "list"]);
    let actions: Vec<_> =
        trail["data"].as_array().expect("a list").iter().filter_map(|it| it["action"].as_str()).collect();
    for action in ["queue.paused", "queue.resumed", "job.cancelled", "jobs.retried"] {
        assert!(actions.contains(&action), "{action} is audited: {actions:?}");
    }
    shop.is_sound();
});

on_both!(a_dead_job_is_kept_with_its_errors_until_it_is_retried_or_purged, |db| async move {
    let shop = Shop::on(&db);
    let _server = shop.serve().await;
    let job = enqueue_unheard(&shop).await;
    let dead = until_state(&shop, &job, "discarded").await;
    assert!(dead["errors"].to_string().contains("test.unheard"), "the error names what is unknown: {dead}");
    let listed = shop.json(&["jobs", "list", "--state", "dead"]);
    assert_eq!(listed.as_array().map(Vec::len), Some(1), "{listed}");
    let sick = shop.refused(&["doctor"], 3);
    assert!(sick.stdout.contains("1 is dead"), "{}", sick.stdout);

    assert_eq!(shop.json(&["jobs", "retry", "--state", "dead", "--kind", "test.unheard"]), json!({ "retried": 1 }));
    until("it is dead again, with both errors", async || {
        let view = shop.json(&["jobs", "show", &job]);
        let errors = view["errors"].as_array().map_or(0, Vec::len);
        if view["state"] == "discarded" && errors == 2 { Ok(()) } else { Err(view) }
    })
    .await;
    // Purging is by age in whole seconds, and the job has just ended. What the schedules fired in this minute goes with it.
    assert_eq!(shop.json(&["jobs", "purge"]), json!({ "purged": 0 }));
    until("it is purged", async || {
        let purged = shop.json(&["jobs", "purge", "--older-than", "0"]);
        let dead = shop.json(&["jobs", "list", "--state", "dead"]);
        if dead == json!([]) && purged["purged"].as_u64() >= Some(1) { Ok(()) } else { Err((purged, dead)) }
    })
    .await;
    assert!(shop.refused(&["jobs", "show", &job], 1).stderr.contains(&job));
    shop.run(&["doctor"]);
});

on_both!(without_a_server_jobs_wait_for_the_next_one, |db| async move {
    let shop = Shop::on(&db);
    shop.run(&["migrate"]);
    assert_eq!(shop.json(&["jobs", "list"]), json!([]));
    let job = enqueue_unheard(&shop).await;
    let listed = shop.json(&["jobs", "list"]);
    assert_eq!((&listed[0]["id"], &listed[0]["state"]), (&json!(job), &json!("available")));
    assert!(shop.run(&["jobs", "list"]).contains("test.unheard"));
    assert_eq!(
        shop.json(&["jobs", "pause", "payments", "--reason", "later"]),
        json!({ "queue": "payments", "paused": true })
    );
    assert_eq!(shop.json(&["jobs", "cancel", &job]), json!({ "cancellation": "cancelled" }));
    assert_eq!(shop.json(&["jobs", "retry", "--state", "cancelled"]), json!({ "retried": 1 }));

    let _server = shop.serve().await;
    let order = shop.open().await;
    shop.pay(&order).await;
    tokio::time::sleep(std::time::Duration::from_millis(1_500)).await;
    assert_eq!(shop.json(&["jobs", "show", &job])["state"], "available", "the queue was paused before it started");
    shop.run(&["jobs", "resume", "payments"]);
    until_state(&shop, &job, "discarded").await;
    shop.until_order_is(&order, "fulfilled").await;
});

on_both!(what_cannot_be_done_is_one_line_and_an_exit_code, |db| async move {
    let shop = Shop::on(&db);
    shop.run(&["migrate"]);
    for (code, arguments, told) in [
        (1, &["jobs", "show", NOBODY][..], NOBODY),
        (1, &["jobs", "cancel", NOBODY], NOBODY),
        (1, &["jobs", "retry", NOBODY], NOBODY),
        (1, &["jobs", "pause", "paymnets", "--reason", "x"], "payments and licensing"),
        (1, &["jobs", "resume", "paymnets"], "payments and licensing"),
        (2, &["jobs", "retry"], "--state"),
        (2, &["jobs", "pause", "payments", "--reason", " "], "--reason"),
        (2, &["jobs", "retry", "--state", "completed"], "only jobs that are"),
        (1, &["flags", "get", "no.such"], "flags list"),
        (2, &["flags", "set", "payments", "false", "--reason", "x"], "mintreu flags kill"),
    ] {
        let text = shop.refused(arguments, code);
        assert_eq!((text.stderr.lines().count(), text.stdout.as_str()), (1, ""), "{arguments:?}: {text:?}");
        assert!(text.stderr.starts_with("error: ") && text.stderr.contains(told), "{text:?}");
        let json = shop.refused(&[arguments, &["--json"]].concat(), code);
        let error: Value = serde_json::from_str(&json.stderr).unwrap_or_else(|error| panic!("{error}: {json:?}"));
        assert!(error["error"].as_str().is_some_and(|text| text.contains(told)), "{json:?}");
    }
    for arguments in [
        &["jobs", "pause", "payments"][..],
        &["jobs", "list", "--state", "asleep"],
        &["jobs", "list", "--limit", "0"],
        &["jobs", "list", "--count", "--state", "dead"],
        &["jobs", "show", "job_1"],
        &["jobs", "purge", "--older-than", "soon"],
        &["flags", "kill", "everything", "--reason", "x"],
        &["flags", "kill", "payments"],
        &["flags", "set", "a.b", "{", "--reason", "x"],
        &["audit", "verify", "--head", "x"],
        &["no-such-command"],
    ] {
        assert!(shop.refused(arguments, 2).stderr.starts_with("error: "), "{arguments:?}");
    }
});
