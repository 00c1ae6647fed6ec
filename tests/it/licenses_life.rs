//! The life of a licence: issued once, changed by guarded steps, ended by the clock.

use std::{collections::HashSet, sync::Arc, time::Duration};

use mintreu::{
    accounts::Role,
    audit::Actor,
    catalog::Limits,
    db::{Db, DbError},
    fetch_all, fetch_one,
    kernel::{Clock, ManualClock, Time},
    licenses::{self, Change, LicenseStatus, LifecycleError, OwnError, Step},
};

use crate::support::{
    count, sign_in,
    sold::{Sold, key, key_maker},
};

const DAY: Duration = Duration::from_hours(24);

async fn step(db: &Db, id: licenses::LicenseId, step: Step) -> Result<(), LifecycleError> {
    let change = Change::by(Actor::operator("usr_test")).because("a test");
    db.write(async |tx| licenses::take_step(tx, id, step, &change).await.map(|_| ())).await
}

async fn status(sold: &Sold, db: &Db) -> LicenseStatus {
    sold.licenses(db).await[0].status
}

on_both!(a_quantity_of_three_is_three_keys_and_the_database_refuses_a_fourth, |db| async move {
    let db = db.open().await;
    let buyer = sign_in(&db, "buyer@example.com", Role::Customer).await;
    let sold = Sold::with(&db, &buyer, Limits { activations: Some(2), ..Limits::default() }, 3).await;
    assert_eq!(sold.try_issue(&db).await.expect("issued"), 3);
    sold.try_issue(&db).await.expect_err("every seat has its licence");
    let all = sold.licenses(&db).await;
    assert_eq!(all.iter().map(|license| license.seat).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(all.iter().map(key).collect::<HashSet<_>>().len(), 3);
    for license in &all {
        assert_eq!((license.status, license.activations.limit), (LicenseStatus::Active, Some(2)));
        key_maker().recognise(key(license)).expect("ours");
    }
    assert_eq!(count(&db, "SELECT COUNT(*) FROM license_log WHERE action = 'created'").await, 3);
    assert_eq!(count(&db, "SELECT COUNT(*) FROM audit_entries WHERE action = 'license.created'").await, 3);
    assert_eq!(count(&db, "SELECT COUNT(*) FROM domain_events WHERE name = 'license.created'").await, 3);
    assert_eq!(count(&db, "SELECT COUNT(*) FROM license_changes").await, 3);
});

on_both!(a_refund_takes_back_what_its_order_gave_and_nothing_else, |db| async move {
    let db = db.open().await;
    let buyer = sign_in(&db, "buyer@example.com", Role::Customer).await;
    let (refunded, kept) = (Sold::with(&db, &buyer, Limits::default(), 2).await, Sold::to(&db, &buyer).await);
    refunded.issue(&db).await;
    kept.issue(&db).await;
    let revoke = || db.write(async |tx| licenses::revoke_order(tx, refunded.entitlement.order, "refunded").await);
    assert_eq!((revoke().await.expect("revoked"), revoke().await.expect("repeated")), (2, 0));
    for license in refunded.licenses(&db).await {
        assert_eq!((license.status, license.reason.as_deref()), (LicenseStatus::Revoked, Some("refunded")));
    }
    assert_eq!(status(&kept, &db).await, LicenseStatus::Active);
    let until = db.now() + DAY;
    let renewed = db.write(async |tx| licenses::renew_item(tx, refunded.entitlement.item, until).await).await;
    assert_eq!(renewed.expect("answered"), 0, "what was revoked stays so");
    assert_eq!(count(&db, "SELECT COUNT(*) FROM license_log WHERE action = 'revoked'").await, 2);
    assert_eq!(count(&db, "SELECT COUNT(*) FROM domain_events WHERE name = 'license.revoked'").await, 2);
});

on_both!(a_renewal_extends_and_brings_back_once, |db| async move {
    let clock = Arc::new(ManualClock::new(Time::from_micros(1_800_000_000_000_000)));
    let db = db.open_at(clock.clone()).await;
    let buyer = sign_in(&db, "buyer@example.com", Role::Customer).await;
    let sold = Sold::to(&db, &buyer).await.until(clock.now() + DAY * 30);
    sold.issue(&db).await;
    let item = sold.entitlement.item;
    let renew = async |until| db.write(async |tx| licenses::renew_item(tx, item, until).await).await.expect("answered");
    let until = clock.now() + DAY * 60;
    assert_eq!((renew(until).await, renew(until).await), (1, 0));
    assert_eq!(sold.licenses(&db).await[0].expires_at, Some(until));
    clock.advance(DAY * 61);
    assert_eq!(status(&sold, &db).await, LicenseStatus::Expired, "the clock ends it before anybody writes it down");
    assert_eq!(db.write(async |tx| licenses::expire(tx).await).await.expect("swept"), 1);
    assert_eq!(db.write(async |tx| licenses::expire(tx).await).await.expect("swept"), 0);
    assert_eq!(renew(clock.now() + DAY * 30).await, 1);
    assert_eq!(status(&sold, &db).await, LicenseStatus::Active);
    let end = async || db.write(async |tx| licenses::end_item(tx, item, "cancelled").await).await.expect("answered");
    assert_eq!((end().await, end().await), (1, 0));
    assert_eq!(status(&sold, &db).await, LicenseStatus::Cancelled);
    assert_eq!(renew(clock.now() + DAY * 90).await, 1);
    let license = sold.licenses(&db).await.remove(0);
    assert_eq!((license.status, license.expires_at), (LicenseStatus::Active, Some(clock.now() + DAY * 90)));
});

on_both!(steps_are_taken_only_from_where_they_lead, |db| async move {
    let db = db.open().await;
    let buyer = sign_in(&db, "buyer@example.com", Role::Customer).await;
    let sold = Sold::to(&db, &buyer).await;
    let id = sold.license(&db).await.id;
    let refused = |result: Result<(), LifecycleError>, wanted| match result {
        Err(LifecycleError::Status(status)) => assert_eq!(status, wanted),
        other => panic!("{other:?}"),
    };
    refused(step(&db, id, Step::Resume).await, LicenseStatus::Active);
    step(&db, id, Step::Suspend).await.expect("suspended");
    refused(step(&db, id, Step::Suspend).await, LicenseStatus::Suspended);
    step(&db, id, Step::Resume).await.expect("resumed");
    step(&db, id, Step::Revoke).await.expect("revoked");
    for later in [Step::Suspend, Step::Resume, Step::Revoke, Step::Renew(db.now() + DAY)] {
        refused(step(&db, id, later).await, LicenseStatus::Revoked);
    }
    let unknown = step(&db, db.ids().next(), Step::Suspend).await;
    assert!(matches!(unknown, Err(LifecycleError::NotFound)), "{unknown:?}");
    let log: Vec<String> =
        fetch_all!(&db, sqlx::query_scalar("SELECT action FROM license_log ORDER BY id")).expect("the log");
    assert_eq!(log, ["created", "suspended", "resumed", "revoked"]);
    let reasons = "SELECT COUNT(*) FROM audit_entries WHERE object_type = 'license' AND reason = 'a test'";
    assert_eq!(count(&db, reasons).await, 3);
});

on_both!(what_a_guest_bought_moves_to_the_account, |db| async move {
    let db = db.open().await;
    let guest = sign_in(&db, "guest@example.com", Role::Customer).await;
    let owner = sign_in(&db, "owner@example.com", Role::Customer).await;
    let sold = Sold::with(&db, &guest, Limits::default(), 2).await;
    sold.issue(&db).await;
    let moving = || db.write(async |tx| licenses::move_to_tenant(tx, guest.tenant, owner.tenant, owner.user).await);
    assert_eq!((moving().await.expect("moved"), moving().await.expect("repeated")), (2, 0));
    let id = sold.licenses(&db).await[0].id;
    let keys = key_maker();
    assert!(licenses::find(&db, &keys, owner.tenant, id).await.expect("read").is_some());
    assert!(licenses::find(&db, &keys, guest.tenant, id).await.expect("read").is_none());
});

on_both!(a_new_key_ends_the_old_one, |db| async move {
    let db = db.open().await;
    let owner = sign_in(&db, "owner@example.com", Role::Customer).await;
    let license = Sold::to(&db, &owner).await.license(&db).await;
    let (keys, change) = (key_maker(), Change::by(Actor::user("usr_test")));
    let rotate = |tenant| {
        db.write(async move |tx| {
            licenses::rotate_key(tx, &key_maker(), (tenant, license.id), &Change::by(Actor::user("usr_test"))).await
        })
    };
    let stranger = sign_in(&db, "stranger@example.com", Role::Customer).await;
    assert!(matches!(rotate(stranger.tenant).await, Err(OwnError::NotFound)));
    let rotated = rotate(owner.tenant).await.expect("rotated");
    let shown = licenses::find(&db, &keys, owner.tenant, license.id).await.expect("read").expect("there");
    assert_eq!(key(&shown), rotated.license_key);
    assert_ne!(key(&shown), key(&license));
    let (old, new) = (keys.recognise(key(&license)).expect("ours"), keys.recognise(key(&shown)).expect("ours"));
    assert!(licenses::find_sale(&db, old).await.expect("read").is_none());
    assert!(licenses::find_sale(&db, new).await.expect("read").is_some());
    let told: i64 = fetch_one!(
        &db,
        sqlx::query_scalar("SELECT COUNT(*) FROM license_changes WHERE key_hash = $1").bind(old.to_text())
    )
    .expect("a number");
    assert_eq!(told, 2, "once when it was issued, once when it ended");
    db.write(async |tx| licenses::take_step(tx, license.id, Step::Revoke, &change).await).await.expect("revoked");
    assert!(matches!(rotate(owner.tenant).await, Err(OwnError::Status(LicenseStatus::Revoked))));
});

on_both!(each_reminder_goes_out_once_at_its_time, |db| async move {
    let clock = Arc::new(ManualClock::new(Time::from_micros(1_800_000_000_000_000)));
    let db = db.open_at(clock.clone()).await;
    let buyer = sign_in(&db, "buyer@example.com", Role::Customer).await;
    let end = clock.now() + DAY * 40;
    let long = Sold::to(&db, &buyer).await.until(end);
    // Issued for ten days: nobody needs to be told on the first that it ends within thirty.
    let short = Sold::to(&db, &buyer).await.until(clock.now() + DAY * 10);
    let forever = Sold::to(&db, &buyer).await;
    for sold in [&long, &short, &forever] {
        sold.issue(&db).await;
    }
    let sweep = async || {
        // Two replicas at once.
        let one = async || {
            for days in licenses::REMINDERS {
                db.write(async |tx| licenses::remind(tx, days).await).await.expect("swept");
            }
        };
        futures::future::join(one(), one()).await;
    };
    let told = async || -> Vec<String> {
        let kind = "SELECT payload FROM jobs WHERE kind = 'notifications.send' ORDER BY id";
        fetch_all!(&db, sqlx::query_scalar(kind)).expect("the notices")
    };
    let (long_id, short_id) = (long.licenses(&db).await[0].id, short.licenses(&db).await[0].id);
    let notice = |id, days| format!(r#"{{"notice":"license_expiring","license":"{id}","days":{days}}}"#);
    sweep().await;
    assert_eq!(told().await, Vec::<String>::new());
    let mut wanted = Vec::new();
    for (left, reminders) in [
        (36, vec![notice(short_id, 7)]),
        (31, vec![notice(short_id, 1)]),
        (30, vec![notice(long_id, 30)]),
        (8, vec![]),
        (7, vec![notice(long_id, 7)]),
        (1, vec![notice(long_id, 1)]),
        (0, vec![]),
    ] {
        clock.set(end - DAY * left);
        sweep().await;
        sweep().await;
        wanted.extend(reminders);
        assert_eq!(told().await, wanted, "{left} days before");
    }
});

on_both!(old_changes_are_deleted, |db| async move {
    let clock = Arc::new(ManualClock::new(Time::from_micros(1_800_000_000_000_000)));
    let db = db.open_at(clock.clone()).await;
    let buyer = sign_in(&db, "buyer@example.com", Role::Customer).await;
    Sold::to(&db, &buyer).await.issue(&db).await;
    let purge = async || db.write(async |tx| licenses::purge_changes(tx).await).await;
    let purged: Result<u64, DbError> = purge().await;
    assert_eq!(purged.expect("answered"), 0);
    clock.advance(DAY * 2);
    assert_eq!(purge().await.expect("answered"), 1);
});
