//! Who may download what, how often and how long, on both databases.

use std::{sync::Arc, time::Duration};

use futures::StreamExt;
use mintreu::{
    accounts::Role,
    db::DbError,
    downloads::{
        self, Answer, Body, Conditions, FetchError, LinkRefused, NewFile, SourceProvider, SourceState, StartError,
        UploadError, delete_source, patch_source,
    },
    execute, fetch_one,
    kernel::{ManualClock, Time},
    licenses,
    storage::StorageError,
};
use serde_json::json;

use crate::{
    downloads_scene::{Different, Scene, by, content, file, read, sent, who},
    support::sign_in,
};

fn refused(answer: Result<Answer, FetchError>) -> LinkRefused {
    match answer {
        Err(FetchError::Refused(refused)) => refused,
        other => panic!("not refused: {other:?}"),
    }
}

on_both!(a_buyer_gets_the_file, |db| async move {
    let scene = Scene::open(&db).await;
    let bytes = file(300_000);
    let source = scene.attach(&bytes).await;
    assert_eq!(source.state, SourceState::Ok);
    assert_eq!(source.file_size, Some(300_000));
    let link = scene.bought().await;
    assert!(link.url.starts_with("https://shop.example/api/download/"), "{}", link.url);
    assert_eq!(link.source.id, source.id);
    let answer = sent(scene.fetch(&link, who(&scene.buyer), None).await.expect("served"));
    assert_eq!((answer.size, answer.counts), (300_000, true));
    assert_eq!(answer.tag, format!("\"{}\"", source.fields.checksum.expect("a checksum")));
    assert_eq!(read(answer).await.expect("it arrives"), bytes);
    assert_eq!(scene.log().await, [("delivered".to_owned(), None, 300_000)]);
    assert_eq!(scene.counted().await, 1);
});

on_both!(only_who_bought_gets_a_link, |db| async move {
    let scene = Scene::open(&db).await;
    scene.attach(b"x").await;
    assert!(matches!(scene.link(None).await, Err(StartError::SignIn)));
    assert!(matches!(scene.link(who(&scene.stranger)).await, Err(StartError::NotEntitled)));
    assert!(scene.downloads.offered(&scene.sold.slug, who(&scene.stranger)).await.is_err());
    assert!(matches!(scene.downloads.offered("nothing", None).await, Err(StartError::NotFound)));
    let offered = scene.downloads.offered(&scene.sold.slug, who(&scene.buyer)).await.expect("offered");
    let told = serde_json::to_string(&offered).expect("JSON");
    assert!(!told.contains("sources/") && !told.contains("local"), "the origin stays hidden: {told}");
    assert_eq!(scene.statuses().await, ["refused", "refused"]);
});

on_both!(a_link_is_good_for_its_buyer_alone, |db| async move {
    let scene = Scene::open(&db).await;
    scene.attach(b"x").await;
    let link = scene.bought().await;
    assert_eq!(refused(scene.fetch(&link, who(&scene.stranger), None).await), LinkRefused::OtherAccount);
    scene.get(&link, None).await.expect("the buyer");
    // The product says whether the link alone does.
    assert!(scene.fetch(&link, None, None).await.is_ok());
    let yes = true;
    let statement = "UPDATE products SET requires_auth = $2 WHERE id = $1";
    let done: Result<u64, DbError> =
        scene.db.write(async |tx| execute!(tx, sqlx::query(statement).bind(scene.product()).bind(yes))).await;
    assert_eq!(done.expect("changed"), 1);
    assert_eq!(refused(scene.fetch(&link, None, None).await), LinkRefused::SignIn);
    scene.get(&link, None).await.expect("the buyer");
});

on_both!(a_link_is_good_for_so_many_downloads_however_many_come_at_once, |db| async move {
    let scene = Scene::open(&db).await;
    scene.attach(b"hello").await;
    let link = scene.bought().await;
    let answers = futures::future::join_all((0..20).map(|_| scene.fetch(&link, who(&scene.buyer), None))).await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 3);
    drop(answers);
    assert_eq!(refused(scene.fetch(&link, who(&scene.buyer), None).await), LinkRefused::Spent);
    assert_eq!(refused(scene.fetch(&link, who(&scene.buyer), Some("bytes=0-1")).await), LinkRefused::Spent);
    assert_eq!(scene.counted().await, 3);
    let statuses = scene.statuses().await;
    assert_eq!(statuses.iter().filter(|status| *status == "refused").count(), 19, "{statuses:?}");
    let used: i64 = fetch_one!(scene.db, sqlx::query_scalar("SELECT uses FROM download_grants")).expect("a grant");
    assert_eq!(used, 3);
});

on_both!(ranges_and_resumed_downloads_count_once, |db| async move {
    let scene = Scene::open(&db).await;
    let bytes = file(1_000);
    scene.attach(&bytes).await;
    let link = scene.bought().await;
    // Interrupted after the first piece, and continued twice.
    let Body::Stream(mut body) = sent(scene.fetch(&link, who(&scene.buyer), None).await.expect("served")).body else {
        panic!("no stream");
    };
    let first = body.next().await.expect("a piece").expect("read");
    drop(body);
    assert_eq!(scene.get(&link, Some("bytes=600-799")).await.expect("served"), bytes[600..800]);
    assert_eq!(scene.get(&link, Some("bytes=800-")).await.expect("served"), bytes[800..]);
    assert_eq!(scene.get(&link, Some("bytes=-10")).await.expect("served"), bytes[990..]);
    assert_eq!(scene.counted().await, 1);
    // From the beginning it is another.
    assert_eq!(scene.get(&link, Some("bytes=0-9")).await.expect("served"), bytes[..10]);
    assert_eq!(scene.counted().await, 2);
    let outside = scene.fetch(&link, who(&scene.buyer), Some("bytes=1000-")).await;
    assert!(matches!(outside, Ok(Answer::Unsatisfiable { size: 1_000 })), "{outside:?}");
    let log = scene.log().await;
    let sent: Vec<_> = log.iter().map(|(status, _, sent)| (status.as_str(), *sent)).collect();
    let first = i64::try_from(first.len()).expect("small");
    // A piece that holds everything is everything.
    let begun = if first == 1_000 { "delivered" } else { "aborted" };
    let rest = [("delivered", 200), ("delivered", 200), ("delivered", 10), ("delivered", 10)];
    assert_eq!(sent, [[(begun, first)].as_slice(), &rest].concat());
});

on_both!(what_was_aborted_is_in_the_log, |db| async move {
    let scene = Scene::open(&db).await;
    scene.attach(&file(900_000)).await;
    let link = scene.bought().await;
    let Body::Stream(mut body) = sent(scene.fetch(&link, who(&scene.buyer), None).await.expect("served")).body else {
        panic!("no stream");
    };
    let piece = body.next().await.expect("a piece").expect("read").len();
    drop(body);
    let piece = i64::try_from(piece).expect("small");
    assert!(piece < 900_000);
    assert_eq!(scene.log().await, [("aborted".to_owned(), None, piece)]);
});

on_both!(a_changed_file_is_not_continued, |db| async move {
    let scene = Scene::open(&db).await;
    scene.attach(b"hello, world").await;
    let link = scene.bought().await;
    let tag = sent(scene.fetch(&link, who(&scene.buyer), None).await.expect("served")).tag;
    for (if_range, expected) in [(tag.as_str(), "world"), ("\"another\"", "hello, world")] {
        let conditions =
            Conditions { range: Some("bytes=7-".to_owned()), if_range: Some(if_range.to_owned()), if_none_match: None };
        let answer = scene.fetch_with(&link, who(&scene.buyer), conditions, false).await.expect("served");
        assert_eq!(read(sent(answer)).await.expect("it arrives"), expected.as_bytes());
    }
    let conditions = Conditions { if_none_match: Some(tag), ..Conditions::default() };
    let known = scene.fetch_with(&link, who(&scene.buyer), conditions, false).await;
    assert!(matches!(known, Ok(Answer::NotModified { .. })), "{known:?}");
});

on_both!(a_link_expires, |db| async move {
    let clock = Arc::new(ManualClock::new("2026-03-01T12:00:00Z".parse::<Time>().expect("a time")));
    let scene = Scene::with(&db, Different { clock: clock.clone(), ..Different::default() }).await;
    scene.attach(b"x").await;
    let link = scene.bought().await;
    clock.advance(Duration::from_mins(14));
    scene.get(&link, None).await.expect("still good");
    clock.advance(Duration::from_mins(1));
    assert_eq!(refused(scene.fetch(&link, who(&scene.buyer), None).await), LinkRefused::Expired);
    // Somebody else learns nothing of it.
    assert_eq!(refused(scene.fetch(&link, who(&scene.stranger), None).await), LinkRefused::OtherAccount);
    clock.advance(Duration::from_hours(24 * 8));
    scene.downloads.tidy().await.expect("tidied");
    assert_eq!(refused(scene.fetch(&link, who(&scene.buyer), None).await), LinkRefused::Unknown);
});

on_both!(after_a_refund_neither_link_nor_product_gives_the_file, |db| async move {
    let scene = Scene::open(&db).await;
    scene.attach(b"x").await;
    let link = scene.bought().await;
    scene.get(&link, None).await.expect("before");
    let order = scene.sold.entitlement.order;
    let gone = scene.db.write(async |tx| licenses::revoke_order(tx, order, "refunded").await).await;
    assert_eq!(gone.expect("revoked"), 1);
    assert_eq!(refused(scene.fetch(&link, who(&scene.buyer), None).await), LinkRefused::NotEntitled);
    assert_eq!(refused(scene.fetch(&link, who(&scene.buyer), Some("bytes=0-0")).await), LinkRefused::NotEntitled);
    assert!(matches!(scene.link(who(&scene.buyer)).await, Err(StartError::NotEntitled)));
    let log = scene.log().await;
    assert_eq!(log.iter().filter(|(status, _, _)| status == "refused").count(), 3, "{log:?}");
});

on_both!(a_buyer_keeps_what_is_not_sold_any_more, |db| async move {
    let scene = Scene::open(&db).await;
    scene.attach(b"x").await;
    let link = scene.bought().await;
    let statement = "UPDATE products SET status = 'archived' WHERE id = $1";
    let done: Result<u64, DbError> =
        scene.db.write(async |tx| execute!(tx, sqlx::query(statement).bind(scene.product()))).await;
    assert_eq!(done.expect("archived"), 1);
    scene.get(&link, None).await.expect("the link goes on");
    scene.get(&scene.bought().await, None).await.expect("and others are given");
    assert!(matches!(scene.link(who(&scene.stranger)).await, Err(StartError::NotFound)));
    assert!(matches!(scene.link(None).await, Err(StartError::NotFound)));
});

on_both!(what_is_free_needs_no_order, |db| async move {
    let scene = Scene::open(&db).await;
    scene.attach(b"x").await;
    let (plan, price) =
        (scene.sold.entitlement.plan, "INSERT INTO plan_prices (plan_id, currency, amount) VALUES ($1, 'USD', 0)");
    let done: Result<u64, DbError> = scene.db.write(async |tx| execute!(tx, sqlx::query(price).bind(plan))).await;
    assert_eq!(done.expect("free"), 1);
    let link = scene.link(None).await.expect("a link for everybody");
    assert!(scene.fetch(&link, None, None).await.is_ok());
    assert!(scene.fetch(&link, who(&scene.stranger), None).await.is_ok());
    let yes = true;
    let statement = "UPDATE products SET requires_auth = $2 WHERE id = $1";
    let done: Result<u64, DbError> =
        scene.db.write(async |tx| execute!(tx, sqlx::query(statement).bind(scene.product()).bind(yes))).await;
    assert_eq!(done.expect("changed"), 1);
    assert!(matches!(scene.link(None).await, Err(StartError::SignIn)));
    assert_eq!(refused(scene.fetch(&link, None, None).await), LinkRefused::SignIn);
    scene.link(who(&scene.stranger)).await.expect("signed in is enough");
    // One plan that costs something, and it is not free.
    let price = "INSERT INTO plan_prices (plan_id, currency, amount) VALUES ($1, 'EUR', 1)";
    let done: Result<u64, DbError> = scene.db.write(async |tx| execute!(tx, sqlx::query(price).bind(plan))).await;
    assert_eq!(done.expect("dear"), 1);
    assert!(matches!(scene.link(who(&scene.stranger)).await, Err(StartError::NotEntitled)));
});

on_both!(what_an_operator_withdraws_is_not_sent, |db| async move {
    let scene = Scene::open(&db).await;
    let source = scene.attach(b"x").await;
    let link = scene.bought().await;
    let patch = json!({ "is_active": false });
    let (patch, rules, by) = (patch.as_object().expect("an object"), scene.downloads.rules(), by());
    let changed = scene.db.write(async |tx| patch_source(tx, source.id, 1, patch, (rules, &by)).await).await;
    let changed = changed.expect("changed");
    assert_eq!((changed.state, changed.revision), (SourceState::Ok, 2));
    assert_eq!(refused(scene.fetch(&link, who(&scene.buyer), None).await), LinkRefused::Withdrawn);
    assert!(matches!(scene.link(who(&scene.buyer)).await, Err(StartError::NoFiles)));
    let stale = scene.db.write(async |tx| delete_source(tx, source.id, 1, &by).await).await;
    assert!(matches!(stale, Err(mintreu::catalog::EditError::Stale)), "{stale:?}");
    scene.db.write(async |tx| delete_source(tx, source.id, 2, &by).await).await.expect("deleted");
    assert_eq!(refused(scene.fetch(&link, who(&scene.buyer), None).await), LinkRefused::Unknown);
});

on_both!(a_file_that_is_gone_is_not_delivered_and_is_flagged, |db| async move {
    let scene = Scene::open(&db).await;
    let source = scene.attach(b"hello").await;
    let link = scene.bought().await;
    std::fs::remove_file(scene.directory.path().join(&source.fields.source_url)).expect("removed");
    let answer = scene.fetch(&link, who(&scene.buyer), None).await;
    assert!(matches!(answer, Err(FetchError::Unavailable)), "{answer:?}");
    assert_eq!(scene.statuses().await, ["failed"]);
    assert_eq!(scene.counted().await, 0);
    let used: i64 = fetch_one!(scene.db, sqlx::query_scalar("SELECT uses FROM download_grants")).expect("a grant");
    assert_eq!(used, 0, "the use is given back");
    let jobs = "SELECT COUNT(*) FROM jobs WHERE kind = 'downloads.verify'";
    let queued: i64 = fetch_one!(scene.db, sqlx::query_scalar(jobs)).expect("answers");
    assert_eq!(queued, 1, "somebody looks at it");
    scene.downloads.verify(source.id, false).await.expect("looked at");
    let source = downloads::source(&scene.db, source.id).await.expect("answers").expect("it is there");
    assert_eq!((source.state, source.problem.as_deref()), (SourceState::Broken, Some("the file is not there")));
    let told = "SELECT COUNT(*) FROM jobs WHERE kind = 'notifications.send'";
    assert_eq!(fetch_one!(scene.db, sqlx::query_scalar::<_, i64>(told)).expect("answers"), 1);
    let events = "SELECT COUNT(*) FROM domain_events WHERE name = 'source.broken'";
    assert_eq!(fetch_one!(scene.db, sqlx::query_scalar::<_, i64>(events)).expect("answers"), 1);
    assert!(matches!(scene.link(who(&scene.buyer)).await, Err(StartError::NothingNow)));
    // Looked at again it is no news, and once it is back it is offered.
    scene.downloads.verify(source.id, false).await.expect("looked at");
    assert_eq!(fetch_one!(scene.db, sqlx::query_scalar::<_, i64>(told)).expect("answers"), 1);
    std::fs::create_dir_all(scene.directory.path().join("sources")).expect("a directory");
    std::fs::write(scene.directory.path().join(&source.fields.source_url), b"hullo").expect("written");
    scene.downloads.verify(source.id, false).await.expect("looked at");
    let other = downloads::source(&scene.db, source.id).await.expect("answers").expect("it is there");
    assert!(other.problem.is_some_and(|problem| problem.contains("checksum")), "another file is not the file");
    std::fs::write(scene.directory.path().join(&source.fields.source_url), b"hello").expect("written");
    scene.downloads.verify(source.id, false).await.expect("looked at");
    assert_eq!(scene.get(&scene.bought().await, None).await.expect("served"), b"hello");
});

on_both!(an_upload_that_breaks_off_leaves_nothing, |db| async move {
    let scene = Scene::with(&db, Different { max_file: 10_000, ..Different::default() }).await;
    let new = || NewFile { file_name: "thing.bin".to_owned(), ..NewFile::default() };
    let broken = futures::stream::iter([Ok(vec![1; 100].into()), Err(StorageError::Source("gone".to_owned()))]);
    let taken = scene.downloads.attach(scene.product(), new(), broken.boxed(), &by()).await;
    assert!(matches!(taken, Err(UploadError::Interrupted)), "{taken:?}");
    let taken = scene.downloads.attach(scene.product(), new(), content(&file(10_001)), &by()).await;
    assert!(matches!(taken, Err(UploadError::TooLarge(10_000))), "{taken:?}");
    let taken = scene.downloads.attach(scene.db.ids().next(), new(), content(b"x"), &by()).await;
    assert!(matches!(taken, Err(UploadError::Edit(mintreu::catalog::EditError::NotFound))), "{taken:?}");
    assert!(downloads::sources(&scene.db, scene.product()).await.expect("answers").is_empty());
    let files = walk(scene.directory.path());
    assert!(files.is_empty(), "{files:?}");
    let largest = scene.downloads.attach(scene.product(), new(), content(&file(10_000)), &by()).await;
    assert_eq!(largest.expect("taken").file_size, Some(10_000));
});

fn walk(directory: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(directory).expect("a directory").map(|entry| entry.expect("an entry").path());
    entries.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect()
}

on_both!(hostile_names_are_refused, |db| async move {
    let scene = Scene::open(&db).await;
    for name in ["../../etc/passwd", "a/b", "a\\b", "a\r\nSet-Cookie: x", "a\"b", ".bashrc", "", "a\u{202e}b", "a\0b"] {
        let new = NewFile { file_name: name.to_owned(), ..NewFile::default() };
        let taken = scene.downloads.attach(scene.product(), new, content(b"x"), &by()).await;
        assert!(matches!(taken, Err(UploadError::Edit(mintreu::catalog::EditError::Invalid(_)))), "{name:?}");
    }
    for key in ["../secret.key", "/etc/passwd", "a/../../b", "sources/../../x", "a\0b"] {
        let fields = json!({ "provider": "local", "source_url": key });
        let fields = serde_json::from_value(fields).expect("fields");
        let (rules, by) = (scene.downloads.rules(), by());
        let made =
            scene.db.write(async |tx| downloads::create_source(tx, scene.product(), fields, rules, &by).await).await;
        assert!(matches!(made, Err(mintreu::catalog::EditError::Invalid(_))), "{key:?}");
    }
});

on_both!(one_source_is_the_first_choice, |db| async move {
    let scene = Scene::open(&db).await;
    let first = scene.attach(b"first").await;
    let second = scene.attach(b"second").await;
    let sources = downloads::sources(&scene.db, scene.product()).await.expect("answers");
    let places: Vec<_> = sources.iter().map(|source| (source.id, source.fields.is_primary)).collect();
    assert_eq!(places, [(second.id, true), (first.id, false)]);
    let patch = json!({ "is_primary": true });
    let (patch, rules, by) = (patch.as_object().expect("an object"), scene.downloads.rules(), by());
    // Its revision grew when it lost its place.
    scene.db.write(async |tx| patch_source(tx, first.id, 2, patch, (rules, &by)).await).await.expect("changed");
    assert_eq!(scene.get(&scene.bought().await, None).await.expect("served"), b"first");
});

on_both!(abandoned_uploads_and_downloads_are_closed, |db| async move {
    let clock = Arc::new(ManualClock::new("2026-03-01T12:00:00Z".parse::<Time>().expect("a time")));
    let scene = Scene::with(&db, Different { clock: clock.clone(), ..Different::default() }).await;
    let source = scene.attach(&file(900_000)).await;
    let link = scene.bought().await;
    // The process dies in the middle of both.
    let body = sent(scene.fetch(&link, who(&scene.buyer), None).await.expect("served"));
    std::mem::forget(body);
    let statement = "UPDATE product_sources SET state = 'uploading' WHERE id = $1";
    let done: Result<u64, DbError> =
        scene.db.write(async |tx| execute!(tx, sqlx::query(statement).bind(source.id))).await;
    assert_eq!(done.expect("changed"), 1);
    scene.downloads.tidy().await.expect("tidied");
    assert_eq!(scene.statuses().await, ["started"]);
    clock.advance(Duration::from_hours(25));
    scene.downloads.tidy().await.expect("tidied");
    assert_eq!(scene.statuses().await, ["aborted"]);
    assert!(downloads::source(&scene.db, source.id).await.expect("answers").is_none());
    let job = downloads::RemoveFile { provider: SourceProvider::Local, key: source.fields.source_url };
    scene.downloads.remove_file(&job).await.expect("removed");
    assert!(walk(scene.directory.path()).is_empty());
});

on_both!(a_proxy_in_front_sends_the_file_itself, |db| async move {
    let scene = Scene::with(&db, Different { accel: Some("/internal/"), ..Different::default() }).await;
    let source = scene.attach(b"x").await;
    let answer = sent(scene.fetch(&scene.bought().await, who(&scene.buyer), None).await.expect("served"));
    let Body::Internal(place) = answer.body else { panic!("{:?}", answer.body) };
    assert_eq!(place, format!("/internal/{}", source.fields.source_url));
    assert_eq!(scene.statuses().await, ["redirected"]);
});

on_both!(another_buyers_license_does_not_help, |db| async move {
    let scene = Scene::open(&db).await;
    scene.attach(b"x").await;
    let expired = sign_in(&scene.db, "expired@example.com", Role::Customer).await;
    assert!(matches!(scene.link(who(&expired)).await, Err(StartError::NotEntitled)));
    let ended: Result<u64, DbError> = scene
        .db
        .write(async |tx| {
            let statement = "UPDATE licenses SET expires_at = $2 WHERE id = $1";
            let now = tx.now();
            execute!(tx, sqlx::query(statement).bind(scene.license.id).bind(now))
        })
        .await;
    assert_eq!(ended.expect("ended"), 1);
    assert!(matches!(scene.link(who(&scene.buyer)).await, Err(StartError::NotEntitled)), "the clock ends a licence");
});
