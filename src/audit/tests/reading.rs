use std::{sync::Arc, time::Duration};

use super::{
    scratch::{keyring, on_both},
    *,
};
use crate::kernel::{Clock, ManualClock};

on_both!(every_filter_narrows_the_list, pages_follow_each_other_without_gap, an_export_ends_with_the_head);

async fn every_filter_narrows_the_list(db: Db, clock: Arc<ManualClock>) {
    let start = clock.now();
    for (actor, action, object) in [
        (Actor::user("usr_a"), "order.opened", ("order", "ord_1")),
        (Actor::user("usr_b"), "order.opened", ("order", "ord_2")),
        (Actor::operator("usr_a"), "order.refunded", ("order", "ord_1")),
        (Actor::system("licenses"), "license.issued", ("license", "ord_1")),
    ] {
        db.write(async |tx| {
            tx.audit(Entry::new(actor, action, object.0, object.1));
            Ok::<_, DbError>(())
        })
        .await
        .expect("appended");
        clock.advance(Duration::from_mins(1));
    }
    let count = async |filter: Filter| {
        list(&db, &keyring(&[1]), Disclosure::Sealed, &filter, PageRequest::default()).await.expect("lists").data.len()
    };
    let none = Filter::default;
    assert_eq!(count(none()).await, 4);
    assert_eq!(count(Filter { actor: Some(Actor::user("usr_a")), ..none() }).await, 1);
    assert_eq!(count(Filter { action: Some("order.opened".into()), ..none() }).await, 2);
    assert_eq!(count(Filter { object_type: Some("order".into()), ..none() }).await, 3);
    assert_eq!(count(Filter { object_id: Some("ord_1".into()), ..none() }).await, 3);
    let both = Filter { object_type: Some("order".into()), object_id: Some("ord_1".into()), ..none() };
    assert_eq!(count(both).await, 2);
    let second = start + Duration::from_mins(1);
    assert_eq!(count(Filter { since: Some(second), ..none() }).await, 3);
    assert_eq!(count(Filter { until: Some(second), ..none() }).await, 1);
    assert_eq!(count(Filter { since: Some(second), until: Some(second), ..none() }).await, 0);
}

async fn pages_follow_each_other_without_gap(db: Db, _: Arc<ManualClock>) {
    append(&db, 7).await;
    let (keys, filter) = (keyring(&[1]), Filter { action: Some("flag.changed".into()), ..Filter::default() });
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = list(&db, &keys, Disclosure::Sealed, &filter, PageRequest { limit: 3, after }).await.expect("lists");
        assert_eq!(page.has_more, page.next_cursor.is_some());
        seen.extend(page.data.into_iter().map(|record| record.object_id));
        after = page.next_cursor;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(seen, (0..7).rev().map(|n| format!("flag-{n}")).collect::<Vec<_>>());
}

async fn an_export_ends_with_the_head(db: Db, _: Arc<ManualClock>) {
    let keys = keyring(&[1]);
    sealed(&db, &keys, 3).await;
    append(&db, 1).await;
    let mut out = Vec::new();
    assert_eq!(export(&db, &keys, Disclosure::Sealed, &Filter::default(), &mut out).await.expect("exports"), 3);
    let lines: Vec<serde_json::Value> = out
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).expect("JSON"))
        .collect();
    assert_eq!(
        lines.iter().map(|line| line["sequence"].as_i64()).collect::<Vec<_>>(),
        [Some(1), Some(2), Some(3), None]
    );
    assert_eq!(lines[0]["before"], json!({"enabled": false}));
    let (tag, mac) = (lines[2]["mac"].as_str().expect("a tag"), lines[3]["head"]["mac"].as_str().expect("a hash"));
    assert!(tag.len() == 16 && mac.starts_with(tag), "{tag} {mac}");
    assert_eq!(lines[3]["head"]["sequence"], 3);

    let nothing = Filter { action: Some("none".into()), ..Filter::default() };
    let mut out = Vec::new();
    assert_eq!(export(&db, &keys, Disclosure::Opened, &nothing, &mut out).await.expect("exports"), 0);
    assert!(out.starts_with(b"{\"head\""), "the head is there all the same");
}
