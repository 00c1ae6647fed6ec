use std::sync::Arc;

use sqlx::{AssertSqlSafe, query};

use super::{
    scratch::{keyring, on_both},
    *,
};
use crate::{
    execute, fetch_one,
    kernel::{IdSource, ManualClock},
};

on_both!(
    every_edited_column_is_found,
    a_damaged_seal_is_found,
    a_deleted_entry_is_found,
    a_deleted_seal_is_found,
    an_entry_that_was_put_in_is_found,
    an_entry_that_vanished_before_it_was_sealed_is_found,
    marks_that_vanish_while_it_is_sealed_are_told_and_nothing_is_kept,
    a_swapped_pair_is_found,
    an_entry_put_in_the_place_of_another_is_found,
    a_truncated_tail_is_found,
    a_tail_cut_together_with_the_head_is_found_by_the_published_head,
    a_forged_head_is_found,
    a_head_set_back_is_found,
    a_deleted_head_is_found,
    another_key_is_named,
    an_erased_person_leaves_the_chain_whole,
    a_lost_or_foreign_person_key_is_no_erasure,
    a_person_key_is_sealed_anew_after_a_rotation,
);

async fn tamper(db: &Db, sql: &str) {
    let changed = db.write(async |tx| execute!(tx, query(AssertSqlSafe(sql)))).await.expect("tampered");
    assert!(changed > 0, "{sql}");
}

async fn every_edited_column_is_found(db: Db, clock: Arc<ManualClock>) {
    let keys = keyring(&[1]);
    let person = Person::known(IdSource::seeded(clock, 1).next::<AuditEntryMark>());
    let personal = People::new(db.clone(), keys.clone()).seal(person, &json!({"address": "192.0.2.1"})).await;
    let personal = personal.expect("sealed").expect("not erased");
    append(&db, 1).await;
    db.write(async |tx| {
        let entry = Entry::new(Actor::user("usr_a"), "thing.made", "thing", "t").personal(personal);
        tx.audit(entry.change(json!(1), json!(2)).reason("r").request("q".to_owned()));
        Ok::<_, DbError>(())
    })
    .await
    .expect("appended");
    seal(&db, &keys).await.expect("sealed");
    let columns = [
        ("actor_kind", "'system'"),
        ("actor_id", "'mallory'"),
        ("action", "'thing.sold'"),
        ("object_type", "'flag'"),
        ("object_id", "'u'"),
        ("before_json", "NULL"),
        ("after_json", "'3'"),
        ("reason", "''"),
        ("request_id", "NULL"),
        ("personal", "'00'"),
        ("occurred_at", db.dialect().pick("occurred_at + 1", "occurred_at + INTERVAL '1 microsecond'")),
    ];
    for (column, value) in columns {
        tamper(&db, "CREATE TABLE kept AS SELECT * FROM audit_entries").await;
        tamper(&db, &format!("UPDATE audit_entries SET {column} = {value} WHERE object_id = 't'")).await;
        let found = problem(&db, &keys).await;
        assert!(matches!(found, Some(Problem::Altered { sequence: 2, .. })), "{column}: {found:?}");
        tamper(&db, "DELETE FROM audit_entries").await;
        tamper(&db, "INSERT INTO audit_entries SELECT * FROM kept").await;
        db.write(async |tx| execute!(tx, query("DROP TABLE kept"))).await.expect("dropped");
        assert_eq!(problem(&db, &keys).await, None);
    }
}

enum AuditEntryMark {}
impl crate::kernel::Prefix for AuditEntryMark {
    const PREFIX: &'static str = "mark";
    const NAME: &'static str = "AuditEntryId";
    const MEANING: &'static str = "An entry.";
}

/// The identifier of the entry that was written as number `number`.
fn nth(number: u32) -> String {
    format!("(SELECT id FROM audit_entries ORDER BY id LIMIT 1 OFFSET {})", number - 1)
}

async fn a_damaged_seal_is_found(db: Db, _: Arc<ManualClock>) {
    let keys = keyring(&[1]);
    sealed(&db, &keys, 3).await;
    let zeros = "0".repeat(64);
    for (damage, found) in [
        (format!("mac = '{zeros}'"), Problem::SealDamaged { sequence: 3 }),
        ("mac = ''".to_owned(), Problem::SealDamaged { sequence: 3 }),
        ("entries = replace(entries, substr(entries, 1, 3), 'xyz')".to_owned(), Problem::SealDamaged { sequence: 3 }),
        (
            format!("entries = substr(entries, 1, 48) || substr('{zeros}', 1, 48) || substr(entries, 97)"),
            Problem::Missing { sequence: 2 },
        ),
        ("first_seq = 2, entries = substr(entries, 49)".to_owned(), Problem::Missing { sequence: 1 }),
    ] {
        tamper(&db, "CREATE TABLE kept AS SELECT * FROM audit_seals").await;
        tamper(&db, &format!("UPDATE audit_seals SET {damage}")).await;
        assert_eq!(problem(&db, &keys).await, Some(found), "{damage}");
        tamper(&db, "DELETE FROM audit_seals").await;
        tamper(&db, "INSERT INTO audit_seals SELECT * FROM kept").await;
        db.write(async |tx| execute!(tx, query("DROP TABLE kept"))).await.expect("dropped");
        assert_eq!(problem(&db, &keys).await, None);
    }
    let shorter = "UPDATE audit_seals SET entries = substr(entries, 1, 96)";
    let refused = db.write(async |tx| execute!(tx, query(shorter))).await;
    assert!(matches!(refused, Err(DbError::Check(_))), "{refused:?}");
}

async fn a_deleted_entry_is_found(db: Db, _: Arc<ManualClock>) {
    let keys = keyring(&[1]);
    sealed(&db, &keys, 5).await;
    tamper(&db, &format!("DELETE FROM audit_entries WHERE id = {}", nth(3))).await;
    assert_eq!(problem(&db, &keys).await, Some(Problem::Missing { sequence: 3 }));
}

async fn a_deleted_seal_is_found(db: Db, _: Arc<ManualClock>) {
    let keys = keyring(&[1]);
    for count in [2, 3, 2] {
        sealed(&db, &keys, count).await;
    }
    tamper(&db, "DELETE FROM audit_seals WHERE last_seq = 5").await;
    assert_eq!(problem(&db, &keys).await, Some(Problem::Missing { sequence: 3 }));
}

async fn an_entry_that_was_put_in_is_found(db: Db, _: Arc<ManualClock>) {
    let keys = keyring(&[1]);
    sealed(&db, &keys, 3).await;
    append(&db, 1).await;
    assert_eq!(problem(&db, &keys).await, None);
    tamper(&db, "DELETE FROM audit_unsealed").await;
    assert_eq!(seal(&db, &keys).await.expect("seals"), 0);
    let found = problem(&db, &keys).await;
    assert_eq!(found, Some(Problem::Uncounted { entries: 4, sealed: 3, waiting: 0 }));
}

async fn an_entry_that_vanished_before_it_was_sealed_is_found(db: Db, _: Arc<ManualClock>) {
    let keys = keyring(&[1]);
    sealed(&db, &keys, 3).await;
    append(&db, 1).await;
    tamper(&db, &format!("DELETE FROM audit_entries WHERE id = {}", nth(4))).await;
    assert_eq!(seal(&db, &keys).await.expect("seals"), 0);
    let found = problem(&db, &keys).await;
    assert_eq!(found, Some(Problem::Uncounted { entries: 3, sealed: 3, waiting: 1 }));
}

async fn marks_that_vanish_while_it_is_sealed_are_told_and_nothing_is_kept(db: Db, _: Arc<ManualClock>) {
    let keys = keyring(&[1]);
    append(&db, 3).await;
    // Between the head's move and the marks'.
    let intruder = db.dialect().pick(
        "CREATE TRIGGER intruder AFTER UPDATE ON audit_head BEGIN DELETE FROM audit_unsealed; END",
        "CREATE RULE intruder AS ON UPDATE TO audit_head DO ALSO DELETE FROM audit_unsealed",
    );
    db.write(async |tx| execute!(tx, query(intruder))).await.expect("made");
    let refused = seal(&db, &keys).await;
    assert!(matches!(refused, Err(AuditError::Vanished { missing: 3 })), "{refused:?}");
    let report = verify(&db, &keys, None).await.expect("verifies");
    assert_eq!((report.verified, report.unsealed, report.problem), (0, 3, None));
}

async fn a_swapped_pair_is_found(db: Db, _: Arc<ManualClock>) {
    let keys = keyring(&[1]);
    sealed(&db, &keys, 5).await;
    // The second and the third, with their hashes.
    let swap = "entries = substr(entries, 1, 48) || substr(entries, 97, 48) || substr(entries, 49, 48)
                || substr(entries, 145)";
    tamper(&db, &format!("UPDATE audit_seals SET {swap}")).await;
    let found = problem(&db, &keys).await;
    assert!(matches!(found, Some(Problem::Altered { sequence: 2, .. })), "{found:?}");
}

async fn an_entry_put_in_the_place_of_another_is_found(db: Db, _: Arc<ManualClock>) {
    let keys = keyring(&[1]);
    sealed(&db, &keys, 3).await;
    append(&db, 1).await;
    let (old, new) = (nth(2), nth(4));
    let hex = |id: &str| {
        format!("{}{id}{}", db.dialect().pick("lower(hex(", "replace(("), db.dialect().pick("))", ")::text, '-', '')"))
    };
    tamper(&db, &format!("UPDATE audit_seals SET entries = replace(entries, {}, {})", hex(&old), hex(&new))).await;
    tamper(&db, &format!("DELETE FROM audit_entries WHERE id = {old}")).await;
    tamper(&db, "DELETE FROM audit_unsealed").await;
    let found = problem(&db, &keys).await;
    assert!(matches!(found, Some(Problem::Altered { sequence: 2, .. })), "{found:?}");
}

/// Two seals: of three entries, and of two.
async fn two_seals(db: &Db, keys: &Keyring) {
    sealed(db, keys, 3).await;
    sealed(db, keys, 2).await;
}

async fn a_truncated_tail_is_found(db: Db, _: Arc<ManualClock>) {
    let keys = keyring(&[1]);
    two_seals(&db, &keys).await;
    tamper(&db, "DELETE FROM audit_seals WHERE last_seq > 3").await;
    assert_eq!(problem(&db, &keys).await, Some(Problem::Truncated { last: 3, head: 5 }));
}

async fn a_tail_cut_together_with_the_head_is_found_by_the_published_head(db: Db, _: Arc<ManualClock>) {
    let keys = keyring(&[1]);
    two_seals(&db, &keys).await;
    let published = Head::read(&db).await.expect("reads").expect("a head");
    let set_back = "UPDATE audit_head SET seq = 3, mac = (SELECT mac FROM audit_seals WHERE last_seq = 3)";
    tamper(&db, "DELETE FROM audit_seals WHERE last_seq > 3").await;
    for _ in 0..2 {
        tamper(&db, &format!("DELETE FROM audit_entries WHERE id = {}", nth(4))).await;
    }
    tamper(&db, set_back).await;
    let with = async |head| verify(&db, &keys, Some(head)).await.expect("verifies").problem;
    // By itself the shorter chain is a whole one.
    assert_eq!(problem(&db, &keys).await, None);
    assert_eq!(with(&published).await, Some(Problem::NotPublished { sequence: 5 }));
    // Nor does growing again hide it.
    sealed(&db, &keys, 4).await;
    assert_eq!(with(&published).await, Some(Problem::NotPublished { sequence: 5 }));
    let text = published.to_string();
    assert_eq!(text.parse(), Ok(published));
}

async fn a_forged_head_is_found(db: Db, _: Arc<ManualClock>) {
    let keys = keyring(&[1]);
    two_seals(&db, &keys).await;
    tamper(&db, "UPDATE audit_head SET mac = (SELECT mac FROM audit_seals WHERE last_seq = 3)").await;
    assert_eq!(problem(&db, &keys).await, Some(Problem::HeadForged { last: 5, head: 5 }));
}

async fn a_head_set_back_is_found(db: Db, _: Arc<ManualClock>) {
    let keys = keyring(&[1]);
    two_seals(&db, &keys).await;
    tamper(&db, "UPDATE audit_head SET seq = 3, mac = (SELECT mac FROM audit_seals WHERE last_seq = 3)").await;
    assert_eq!(problem(&db, &keys).await, Some(Problem::HeadForged { last: 5, head: 3 }));
}

async fn a_deleted_head_is_found(db: Db, _: Arc<ManualClock>) {
    let keys = keyring(&[1]);
    sealed(&db, &keys, 1).await;
    tamper(&db, "DELETE FROM audit_head").await;
    assert_eq!(problem(&db, &keys).await, Some(Problem::HeadMissing));
    assert!(matches!(seal(&db, &keys).await, Err(AuditError::NoHead)));
}

async fn another_key_is_named(db: Db, _: Arc<ManualClock>) {
    sealed(&db, &keyring(&[1]), 2).await;
    let found = problem(&db, &keyring(&[9])).await;
    let Some(Problem::UnknownKey { sequence: 1, key_id }) = found else { panic!("{found:?}") };
    assert_eq!(key_id, keyring(&[1]).derive("audit-chain").current().0.to_string());
}

async fn personal_entry(db: &Db, people: &People, person: Person) {
    let personal = people.seal(person, &json!({"email": "ada@example.com"})).await.expect("sealed");
    db.write(async |tx| {
        tx.audit(Entry::new(Actor::user("usr_ada"), "user.signed_up", "user", "usr_ada").personal(personal));
        Ok::<_, DbError>(())
    })
    .await
    .expect("appended");
}

async fn an_erased_person_leaves_the_chain_whole(db: Db, clock: Arc<ManualClock>) {
    let keys = keyring(&[1]);
    let people = People::new(db.clone(), keys.clone());
    let person = Person::known(IdSource::seeded(clock.clone(), 1).next::<AuditEntryMark>());
    personal_entry(&db, &people, person).await;
    personal_entry(&db, &people, Person::stranger(db.now())).await;
    let shown = async || {
        let page = list(&db, &keys, Disclosure::Opened, &Filter::default(), PageRequest::default()).await;
        page.expect("lists").data.into_iter().rev().map(|record| record.personal).collect::<Vec<_>>()
    };
    let readable = Some(PersonalView::Opened(json!({"email": "ada@example.com"})));
    assert_eq!(shown().await, [readable.clone(), readable.clone()]);

    db.write(async |tx| erase(tx, person, Actor::operator("usr_op"), "asked by letter").await).await.expect("erased");
    assert_eq!(shown().await, [Some(PersonalView::Erased), readable, None]);
    seal(&db, &keys).await.expect("sealed");
    let report = verify(&db, &keys, None).await.expect("verifies");
    assert_eq!((report.verified, report.erased, report.problem), (3, 1, None));

    // Whoever was erased is not recorded again, once this process has forgotten the key.
    clock.set(db.now() + std::time::Duration::from_secs(61));
    assert!(people.seal(person, &json!({})).await.expect("answers").is_none());
}

async fn a_lost_or_foreign_person_key_is_no_erasure(db: Db, clock: Arc<ManualClock>) {
    let keys = keyring(&[1]);
    let people = People::new(db.clone(), keys.clone());
    let person = Person::known(IdSource::seeded(clock, 1).next::<AuditEntryMark>());
    personal_entry(&db, &people, person).await;
    personal_entry(&db, &people, Person::stranger(db.now())).await;
    seal(&db, &keys).await.expect("sealed");
    // The keys of two people are exchanged.
    tamper(&db, "UPDATE audit_person_keys SET sealed_key = (SELECT MAX(sealed_key) FROM audit_person_keys)").await;
    assert!(matches!(problem(&db, &keys).await, Some(Problem::PersonKey { .. })));
    tamper(&db, "DELETE FROM audit_person_keys").await;
    assert!(matches!(problem(&db, &keys).await, Some(Problem::PersonKey { sequence: 1, .. })));
}

async fn a_person_key_is_sealed_anew_after_a_rotation(db: Db, _: Arc<ManualClock>) {
    let old = keyring(&[1]);
    personal_entry(&db, &People::new(db.clone(), old.clone()), Person::stranger(db.now())).await;
    let people = People::new(db.clone(), keyring(&[2, 1]));
    assert_eq!(people.rotate().await.expect("rotates"), 1);
    assert_eq!(people.rotate().await.expect("rotates"), 0);
    let page = list(&db, &keyring(&[2]), Disclosure::Opened, &Filter::default(), PageRequest::default()).await;
    assert!(matches!(page.expect("lists").data[0].personal, Some(PersonalView::Opened(_))));
    let stored: String = fetch_one!(db, sqlx::query_scalar("SELECT personal FROM audit_entries")).expect("reads");
    assert!(!stored.contains("ada"), "{stored}");
}
