use std::sync::Arc;

use sqlx::query;

use super::*;
use crate::{
    audit::{Disclosure, Filter, PageRequest, Record, list, tests::scratch},
    db::DbError,
    execute,
    kernel::ManualClock,
};

scratch::on_both!(
    a_kill_takes_effect_at_once_and_is_in_the_audit_trail,
    killing_twice_is_one_change,
    a_flag_is_set_read_and_removed,
    one_of_many_concurrent_changes_wins,
    a_flawed_change_leaves_nothing_behind,
    a_stored_flag_that_cannot_be_read_is_not_served,
    a_declared_flag_keeps_its_type,
);

async fn trail(db: &Db) -> Vec<Record> {
    let page = list(db, &scratch::keyring(&[1]), Disclosure::Sealed, &Filter::default(), PageRequest::default()).await;
    page.expect("lists").data
}

#[test]
fn nothing_is_changed_without_a_reason() {
    for reason in ["", "  ", "\n\t"] {
        assert_eq!(ChangedBy::new(Actor::operator("usr_op"), reason).map(|_| ()), Err(ReasonMissing), "{reason:?}");
    }
}

async fn a_kill_takes_effect_at_once_and_is_in_the_audit_trail(db: Db, _: Arc<ManualClock>) {
    let registry = registry(&db).await;
    assert!(Switch::ALL.into_iter().all(|switch| registry.is_on(switch)));
    let killed = registry.kill(Switch::Payments, &by(" fraud wave ").request("req_1".to_owned())).await.expect("kills");
    assert!(matches!(killed, Applied::Changed { .. }));
    assert!(!registry.is_on(Switch::Payments));
    assert!(registry.is_on(Switch::Support), "the others go on");
    let state = registry.snapshot().switch(Switch::Payments).clone();
    assert_eq!(state.reason.as_deref(), Some("fraud wave"));
    assert_eq!(state.changed_by.as_deref(), Some("operator:usr_op"));
    assert_eq!(state.changed_at, Some(db.now()));

    registry.restore(Switch::Payments, &by("over")).await.expect("restores");
    assert!(registry.is_on(Switch::Payments));
    let trail = trail(&db).await;
    let told: Vec<_> = trail.iter().map(|entry| (entry.action.as_str(), entry.reason.as_deref())).collect();
    assert_eq!(told, [("switch.restored", Some("over")), ("switch.killed", Some("fraud wave"))]);
    assert_eq!((trail[1].object_type.as_str(), trail[1].object_id.as_str()), ("switch", "payments"));
    assert_eq!((&trail[1].before, &trail[1].after), (&Some(json!({"killed": false})), &Some(json!({"killed": true}))));
    assert_eq!(trail[1].request_id.as_deref(), Some("req_1"));
}

async fn killing_twice_is_one_change(db: Db, _: Arc<ManualClock>) {
    let registry = registry(&db).await;
    let kills = (0..8).map(|n| {
        let registry = registry.clone();
        tokio::spawn(async move { registry.kill(Switch::Ai, &by(&format!("reason {n}"))).await.expect("kills") })
    });
    let applied = futures::future::join_all(kills).await;
    let changed = applied.into_iter().filter(|applied| matches!(applied, Ok(Applied::Changed { .. }))).count();
    assert_eq!(changed, 1);
    assert_eq!(trail(&db).await.len(), 1);
    assert!(!registry.is_on(Switch::Ai));
}

async fn a_flag_is_set_read_and_removed(db: Db, _: Arc<ManualClock>) {
    let registry = registry(&db).await;
    assert!(registry.bool(&CHECKOUT_GUEST, &Context::anonymous()), "worth its default while nobody has set it");
    assert_eq!(registry.get("checkout.guest").and_then(|flag| flag.version), None);

    let off = define(&json!({"type": "boolean", "default": "off"}));
    registry.set("checkout.guest", &off, Expected::Absent, &by("abuse")).await.expect("sets");
    assert!(!registry.bool(&CHECKOUT_GUEST, &Context::anonymous()));
    let again = registry.set("checkout.guest", &off, Expected::Any, &by("abuse")).await.expect("sets");
    assert_eq!(again, Applied::Already);

    let own = define(&json!({"type": "object", "default": "v", "variants": {"v": {"a": [1]}}}));
    registry.set("shop.theme", &own, Expected::Any, &by("new")).await.expect("operators make their own");
    let theme = registry.snapshot().evaluate("shop.theme", &Context::anonymous()).map(|flag| flag.value.to_json());
    assert_eq!(theme, Some(json!({"a": [1]})));
    let keys: Vec<_> =
        registry.list().into_iter().map(|flag| (flag.key, flag.declared, flag.version.is_some())).collect();
    assert_eq!(keys.len(), DECLARED.len() + 1);
    assert!(
        keys.contains(&("shop.theme".into(), false, true)) && keys.contains(&("checkout.guest".into(), true, true))
    );

    let version = registry.get("checkout.guest").and_then(|flag| flag.version).expect("set");
    let stale = registry.remove("checkout.guest", Expected::Version(version - 1), &by("over")).await;
    assert!(matches!(stale, Err(ChangeError::Conflict { version: Some(found), .. }) if found == version));
    registry.remove("checkout.guest", Expected::Version(version), &by("over")).await.expect("removes");
    assert!(registry.bool(&CHECKOUT_GUEST, &Context::anonymous()), "worth its default again");
    let gone = registry.remove("checkout.guest", Expected::Any, &by("over")).await;
    assert!(matches!(gone, Err(ChangeError::NotSet(key)) if key == "checkout.guest"));

    let trail = trail(&db).await;
    let actions: Vec<_> = trail.iter().map(|entry| entry.action.as_str()).collect();
    assert_eq!(actions, ["flag.removed", "flag.changed", "flag.changed"]);
    assert_eq!((&trail[2].before, &trail[2].after), (&None, &Some(off.complete().to_json())));
    assert!(trail[0].before.is_some() && trail[0].after.is_none());
}

async fn one_of_many_concurrent_changes_wins(db: Db, _: Arc<ManualClock>) {
    let registry = registry(&db).await;
    for expected in [Expected::Absent, Expected::Any] {
        let expected = match expected {
            Expected::Any => Expected::Version(registry.get("a.b").and_then(|flag| flag.version).expect("set")),
            other => other,
        };
        let changes = (0..10).map(|n: i32| {
            let registry = registry.clone();
            tokio::spawn(async move {
                let definition = define(&json!({"type": "number", "default": "v", "variants": {"v": n + 100}}));
                let definition = match expected {
                    Expected::Absent => define(&json!({"type": "number", "default": "v", "variants": {"v": n}})),
                    _ => definition,
                };
                registry.set("a.b", &definition, expected, &by("race")).await
            })
        });
        let results = futures::future::join_all(changes).await;
        let won = results.iter().filter(|result| matches!(result, Ok(Ok(_)))).count();
        let lost = results.iter().filter(|r| matches!(r, Ok(Err(ChangeError::Conflict { .. })))).count();
        assert_eq!((won, lost), (1, 9));
    }
    assert_eq!(trail(&db).await.len(), 2);
}

async fn a_flawed_change_leaves_nothing_behind(db: Db, _: Arc<ManualClock>) {
    let registry = registry(&db).await;
    let mut flawed = define(&json!({"type": "boolean", "default": "off"}));
    let sound = flawed.clone();
    flawed.default = "none".into();
    let refused = registry.set("a.b", &flawed, Expected::Any, &by("x")).await.expect_err("flawed");
    assert!(refused.to_string().contains("/default: `none` is no variant"), "{refused}");
    for key in ["", "A", ".a", "a b", "é", &"a".repeat(101)] {
        let refused = registry.set(key, &sound, Expected::Any, &by("x")).await.expect_err(key);
        assert!(matches!(refused, ChangeError::Invalid { .. }), "{refused}");
    }
    assert!(trail(&db).await.is_empty());
    assert_eq!(registry.list().len(), DECLARED.len());
    assert_eq!(registry.snapshot().revision(), 0);
}

async fn a_stored_flag_that_cannot_be_read_is_not_served(db: Db, _: Arc<ManualClock>) {
    let registry = registry(&db).await;
    let off = define(&json!({"type": "boolean", "default": "off"}));
    registry.set("checkout.guest", &off, Expected::Any, &by("x")).await.expect("sets");
    let damage = "UPDATE flags SET definition = '{\"type\":\"boolean\",\"default\":\"gone\"}', version = version + 1";
    db.write(async |tx| execute!(tx, query(damage))).await.expect("damaged");
    registry.refresh().await.expect("reads the rest");
    assert!(!registry.bool(&CHECKOUT_GUEST, &Context::anonymous()), "what held before holds on");
    let fresh = self::registry(&db).await;
    assert!(fresh.bool(&CHECKOUT_GUEST, &Context::anonymous()), "who never knew it serves the default");
    registry.set("checkout.guest", &off, Expected::Any, &by("mend")).await.expect("mended");
    fresh.refresh().await.expect("reads");
    assert!(!fresh.bool(&CHECKOUT_GUEST, &Context::anonymous()));
}

async fn a_declared_flag_keeps_its_type(db: Db, _: Arc<ManualClock>) {
    let registry = registry(&db).await;
    let text = define(&json!({"type": "string", "default": "a", "variants": {"a": "A"}}));
    let refused = registry.set("checkout.guest", &text, Expected::Any, &by("x")).await;
    assert!(matches!(refused, Err(ChangeError::Invalid { .. })), "{refused:?}");
    registry.set("own.flag", &text, Expected::Any, &by("x")).await.expect("sets");
    let number = define(&json!({"type": "number", "default": "a", "variants": {"a": 1}}));
    let refused = registry.set("own.flag", &number, Expected::Any, &by("x")).await;
    assert!(matches!(refused, Err(ChangeError::Invalid { .. })), "{refused:?}");
    let result: Result<(), DbError> = registry.refresh().await;
    result.expect("reads");
}
