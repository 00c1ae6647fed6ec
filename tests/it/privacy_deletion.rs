//! Who is erased can be named by nothing that is left but the invoices; in steps that can be repeated, and cancelled before
//! they begin.

use std::{collections::BTreeSet, time::Duration};

use mintreu::{
    accounts::Role,
    audit::{self, Actor, Disclosure, Filter, PageRequest, PersonalView},
    execute, fetch_one,
    jobs::Failure,
    kernel::Time,
    privacy::{
        self, AccountDeletionId, Blocker, DeletionError, DeletionState, Eraser, RequestedBy, Scheduling,
        SchedulingError, Step, Wait, cancel_deletion, catalogue, housekeeping, schedule_deletion, sweep_deleted,
    },
};

use crate::{
    privacy_scene::{ADDRESS, EMAIL, NAME, Scene, keys},
    support::TestDb,
};

/// Where she is still found: the papers, which the law wants kept as they were issued.
async fn assert_forgotten(scene: &Scene) {
    let papers: BTreeSet<String> = ["invoices.document", "invoices.email"].map(str::to_owned).into();
    assert_eq!(scene.found_in(EMAIL).await, papers);
    assert_eq!(scene.found_in(NAME).await, BTreeSet::from(["invoices.document".to_owned()]));
    for gone in [ADDRESS, "ada-lovelace-byron", "sealed-totp"] {
        assert_eq!(scene.found_in(gone).await, BTreeSet::new(), "{gone}");
    }
    // By it the key is known as one that was revoked.
    assert_eq!(scene.found_in("hash-of-a").await, BTreeSet::from(["api_keys.secret_hash".to_owned()]));
    for (directory, needle) in
        [(&scene.files, "what she wrote"), (&scene.files, "what waits"), (&scene.files, NAME), (&scene.files, EMAIL)]
    {
        assert_eq!(Scene::files_with(directory, needle), 0, "{needle}");
    }
    assert_eq!(Scene::files_with(&scene.mails, EMAIL), 0);
    // One to somebody else, whose name in it was written by this test.
    assert_eq!(Scene::files_with(&scene.mails, NAME), 1);
    assert_eq!(Scene::files_with(&scene.files, "what eve wrote"), 1);
}

/// What is nobody's business here stays as it was.
async fn assert_others_are_untouched(scene: &Scene) {
    for (count, text) in [
        (1, "SELECT COUNT(*) FROM users WHERE email = 'eve@example.com' AND disabled_at IS NULL"),
        (1, "SELECT COUNT(*) FROM sessions"),
        (1, "SELECT COUNT(*) FROM licenses WHERE status = 'active'"),
        (1, "SELECT COUNT(*) FROM orders WHERE email = 'eve@example.com'"),
        (1, "SELECT COUNT(*) FROM download_logs WHERE ip_address = '198.51.100.9'"),
        (1, "SELECT COUNT(*) FROM mails WHERE last_error LIKE '%eve@example.com%'"),
        (1, "SELECT COUNT(*) FROM webhook_inbox WHERE payload LIKE '%eve@example.com%'"),
        (1, "SELECT COUNT(*) FROM ticket_attachments"),
    ] {
        assert_eq!(scene.number(text).await, count, "{text}");
    }
}

on_both!(who_is_erased_is_found_nowhere_but_on_invoices, |test: TestDb| async move {
    let scene = Scene::full(&test).await;
    // The search finds her where she is: every column that is to be overwritten holds something of her before.
    let before = [EMAIL, NAME, ADDRESS, "ada-lovelace-byron", "hash-of-a", "sealed-totp"];
    let mut found = BTreeSet::new();
    for needle in before {
        found.extend(scene.found_in(needle).await);
    }
    let quiet: BTreeSet<&str> = BTreeSet::from([
        // Neither a text nor hers.
        "users.totp_last_step",
        "product_sources.encrypted_token",
        "credential_hooks.active",
    ]);
    for table in catalogue::tables() {
        for (column, _) in table.overwritten() {
            let name = format!("{}.{column}", table.name);
            let is_text = table
                .columns
                .iter()
                .any(|it| it.name == column && matches!(it.kind, catalogue::Kind::Text | catalogue::Kind::Json));
            let plain = ["line2", "city", "region", "postcode", "vat_id", "revoked_reason", "rate_limits"];
            let expected = is_text && !quiet.contains(name.as_str()) && !plain.contains(&column);
            let hint = column == "recipient_hint";
            assert!(!expected || hint || found.contains(&name), "the scene has nothing of her in {name}: {found:#?}");
        }
    }
    assert!(found.len() > 40, "{found:#?}");

    let deletion = scene.schedule().await;
    scene.erase(deletion.id).await;
    assert!(scene.found_in(EMAIL).await.len() > 10, "nothing happens before its time");
    scene.grace_is_over();
    scene.erase(deletion.id).await;
    assert_forgotten(&scene).await;
    assert_others_are_untouched(&scene).await;

    let done = privacy::deletion(&scene.db, deletion.id).await.expect("answers").expect("there");
    assert_eq!((done.state, done.done_at.is_some()), (DeletionState::Done, true));
    for (count, text) in [
        (0, "SELECT COUNT(*) FROM subscriptions WHERE status = 'active'"),
        (1, "SELECT COUNT(*) FROM jobs WHERE kind = 'payments.end_subscription'"),
        (1, "SELECT COUNT(*) FROM licenses WHERE status = 'cancelled'"),
        (0, "SELECT COUNT(*) FROM api_keys WHERE revoked_at IS NULL"),
        (1, "SELECT COUNT(*) FROM orders WHERE payment_state = 'cancelled'"),
        (1, "SELECT COUNT(*) FROM invoices"),
        (1, "SELECT COUNT(*) FROM mail_settings"),
        (1, "SELECT COUNT(*) FROM account_deletions WHERE farewell IS NOT NULL"),
        (1, "SELECT COUNT(*) FROM audit_entries WHERE action = 'account.deleted'"),
        (1, "SELECT COUNT(*) FROM audit_entries WHERE action = 'person.erased'"),
        (1, "SELECT COUNT(*) FROM domain_events WHERE name = 'account.deleted'"),
        (1, "SELECT COUNT(*) FROM users WHERE email LIKE 'deleted-usr-%@deleted.invalid' AND password_hash IS NULL"),
    ] {
        assert_eq!(scene.number(text).await, count, "{text}");
    }
    // Done again it does nothing.
    scene.erase(deletion.id).await;
    assert_eq!(scene.number("SELECT COUNT(*) FROM audit_entries WHERE action = 'account.deleted'").await, 1);
});

on_both!(the_trail_stays_whole_and_tells_nothing_of_who_is_erased, |test: TestDb| async move {
    let scene = Scene::full(&test).await;
    let filter = Filter {
        actor: Some(Actor::user(scene.ada.user.to_string())),
        action: Some("user.did".into()),
        ..Filter::default()
    };
    let personal = async || {
        let page = PageRequest::default();
        let found = audit::list(&scene.db, &keys(), Disclosure::Opened, &filter, page).await.expect("listed");
        found.data[0].personal.clone()
    };
    assert!(matches!(personal().await, Some(PersonalView::Opened(value)) if value["email"] == EMAIL));
    let deletion = scene.schedule().await;
    scene.grace_is_over();
    scene.erase(deletion.id).await;
    assert_eq!(personal().await, Some(PersonalView::Erased));
    audit::seal(&scene.db, &keys()).await.expect("chained");
    let report = audit::verify(&scene.db, &keys(), None).await.expect("verified");
    assert_eq!((report.problem, report.erased, report.unsealed), (None, 1, 0));
    assert!(report.verified > 5, "{}", report.verified);
});

on_both!(whichever_step_it_is_killed_after_it_ends_the_same, |test: TestDb| async move {
    // One by one the steps are done, and after each the program is killed: the job begins from the start.
    let scene = Scene::full(&test).await;
    let deletion = scene.schedule().await;
    scene.grace_is_over();
    let eraser = Eraser(&scene.privacy);
    for steps in 1..Step::ALL.len() {
        for step in &Step::ALL[..steps] {
            assert!(eraser.take(deletion.id, *step).await.expect("taken"), "{step}");
        }
        let found = scene.found_in(EMAIL).await;
        assert!(found.contains("users.email"), "by it everything else is found until the end: {found:?}");
    }
    scene.erase(deletion.id).await;
    assert_forgotten(&scene).await;
    assert_others_are_untouched(&scene).await;
    assert_eq!(scene.number("SELECT COUNT(*) FROM audit_entries WHERE action = 'account.deletion_started'").await, 1);
    assert_eq!(scene.number("SELECT COUNT(*) FROM jobs WHERE kind = 'payments.end_subscription'").await, 1);
});

on_both!(the_account_is_locked_first, |test: TestDb| async move {
    let scene = Scene::full(&test).await;
    let deletion = scene.schedule().await;
    scene.grace_is_over();
    assert!(Eraser(&scene.privacy).take(deletion.id, Step::LockOut).await.expect("taken"));
    assert_eq!(scene.number("SELECT COUNT(*) FROM sessions").await, 1, "somebody else's");
    assert_eq!(scene.number("SELECT COUNT(*) FROM access_tokens").await, 0);
    assert_eq!(
        scene.number("SELECT COUNT(*) FROM users WHERE disabled_at IS NOT NULL AND password_hash IS NULL").await,
        1
    );
    let by = scene.by();
    let cancelled = scene.db.write(async |tx| cancel_deletion(tx, scene.ada.user, &by).await).await;
    assert!(matches!(cancelled, Err(SchedulingError::Begun)), "{cancelled:?}");
});

on_both!(a_storage_that_is_away_is_waited_for, |test: TestDb| async move {
    let scene = Scene::full(&test).await;
    let deletion = scene.schedule().await;
    scene.grace_is_over();
    scene.storage.set_away(true);
    let failed = Eraser(&scene.privacy).run(deletion.id).await;
    assert!(matches!(failed, Err(DeletionError::Storage(_))), "{failed:?}");
    assert!(matches!(Failure::from(failed.expect_err("it failed")), Failure::Retry { .. }));
    assert!(scene.found_in(EMAIL).await.contains("users.email"));
    scene.storage.set_away(false);
    scene.erase(deletion.id).await;
    assert_forgotten(&scene).await;
});

on_both!(it_waits_until_what_was_paid_is_billed, |test: TestDb| async move {
    let scene = Scene::full(&test).await;
    let ids = [("user", scene.ada.user.uuid())];
    scene.run("UPDATE orders SET fulfilment_state = 'unfulfilled' WHERE user_id = {user}", &ids).await;
    let deletion = scene.schedule().await;
    scene.grace_is_over();
    let eraser = Eraser(&scene.privacy);
    let waits = eraser.run(deletion.id).await;
    assert!(matches!(waits, Err(DeletionError::Waits(Wait::Papers))), "{waits:?}");
    assert_eq!(eraser.wait(deletion.id, &Wait::Papers).await.expect("noted"), scene.now() + Duration::from_mins(1));
    scene.run("UPDATE orders SET fulfilment_state = 'fulfilled' WHERE user_id = {user}", &ids).await;
    scene.erase(deletion.id).await;
    assert_forgotten(&scene).await;
});

on_both!(a_deletion_can_be_cancelled_until_it_begins, |test: TestDb| async move {
    let scene = Scene::full(&test).await;
    let by = scene.by();
    let cancel = async || scene.db.write(async |tx| cancel_deletion(tx, scene.ada.user, &by).await).await;
    assert!(matches!(cancel().await, Err(SchedulingError::Absent)));
    let deletion = scene.schedule().await;
    let again = schedule(&scene, scene.now()).await;
    assert!(matches!(again, Err(SchedulingError::Already)), "{again:?}");
    cancel().await.expect("cancelled");
    scene.grace_is_over();
    scene.erase(deletion.id).await;
    assert!(scene.found_in(EMAIL).await.len() > 10);
    assert!(privacy::deletion_of(&scene.db, scene.ada.user).await.expect("answers").is_none());
    // It can be wanted again.
    let second = scene.schedule().await;
    assert_ne!(second.id, deletion.id);
});

async fn schedule(scene: &Scene, due_at: Time) -> Result<AccountDeletionId, SchedulingError> {
    let by = scene.by();
    let wanted =
        Scheduling { user: scene.ada.user, requested_by: RequestedBy::Operator, due_at, reason: Some("a letter") };
    scene.db.write(async |tx| schedule_deletion(tx, wanted, &by).await).await.map(|deletion| deletion.id)
}

on_both!(what_stands_in_the_way_is_told_and_looked_at_again, |test: TestDb| async move {
    let scene = Scene::full(&test).await;
    let ids = [("user", scene.ada.user.uuid())];
    let vendor = "(SELECT id FROM developers WHERE user_id = {user})";
    scene.run("UPDATE users SET role = 'admin' WHERE id = {user}", &ids).await;
    scene.run(&format!("UPDATE products SET status = 'published' WHERE developer_id = {vendor}"), &ids).await;
    let transaction = [("user", scene.ada.user.uuid()), ("ltx", scene.db.ids().next_uuid())];
    scene
        .run(
            "INSERT INTO ledger_transactions (id, kind, cause, created_at) VALUES ({ltx}, 'sale', 'x', {now})",
            &transaction,
        )
        .await;
    let entry = format!(
        "INSERT INTO ledger_entries (id, transaction_id, account, developer_id, amount, currency, created_at)
         SELECT {{new}}, {{ltx}}, 'vendor_payable', d.id, -5, 'USD', {{now}} FROM developers d WHERE d.id = {vendor}"
    );
    scene.run(&entry, &transaction).await;
    let refused = schedule(&scene, scene.now()).await;
    let all = vec![Blocker::LastOperator, Blocker::ProductsOnSale, Blocker::UnpaidBalance];
    assert!(matches!(&refused, Err(SchedulingError::Blocked(found)) if *found == all), "{refused:?}");

    // What comes up while it waits stops it too, before anything is done.
    scene.run("UPDATE users SET role = 'customer' WHERE id = {user}", &ids).await;
    scene.run(&format!("UPDATE products SET status = 'archived' WHERE developer_id = {vendor}"), &ids).await;
    scene.run(&entry.replace("-5", "5"), &transaction).await;
    let deletion = schedule(&scene, scene.now()).await.expect("scheduled");
    scene.run(&format!("UPDATE products SET status = 'published' WHERE developer_id = {vendor}"), &ids).await;
    let eraser = Eraser(&scene.privacy);
    let waits = eraser.run(deletion).await;
    let wait = Wait::Blocked(vec![Blocker::ProductsOnSale]);
    assert!(matches!(&waits, Err(DeletionError::Waits(found)) if *found == wait), "{waits:?}");
    assert_eq!(eraser.wait(deletion, &wait).await.expect("noted"), scene.now() + Duration::from_hours(24));
    let noted = privacy::deletion(&scene.db, deletion).await.expect("answers").expect("there");
    assert_eq!((noted.state, noted.waits_for.as_deref()), (DeletionState::Scheduled, Some("products_on_sale")));
    assert_eq!(scene.number("SELECT COUNT(*) FROM sessions").await, 2, "nothing is done yet");
    scene.run(&format!("UPDATE products SET status = 'archived' WHERE developer_id = {vendor}"), &ids).await;
    scene.erase(deletion).await;
    assert_eq!(scene.number("SELECT COUNT(*) FROM account_deletions WHERE state = 'done'").await, 1);
});

on_both!(the_last_operator_stays, |test: TestDb| async move {
    let scene = Scene::bare(&test).await;
    for person in [&scene.ada, &scene.eve] {
        scene.run("UPDATE users SET role = 'admin' WHERE id = {user}", &[("user", person.user.uuid())]).await;
    }
    let by = scene.by();
    let mut ids = Vec::new();
    for person in [&scene.ada, &scene.eve] {
        let wanted =
            Scheduling { user: person.user, requested_by: RequestedBy::Person, due_at: scene.now(), reason: None };
        let made = scene.db.write(async |tx| schedule_deletion(tx, wanted, &by).await).await.expect("scheduled");
        ids.push(made.id);
    }
    let eraser = Eraser(&scene.privacy);
    let (first, second) = tokio::join!(eraser.run(ids[0]), eraser.run(ids[1]));
    let done = [&first, &second].iter().filter(|done| done.is_ok()).count();
    assert_eq!(done, 1, "{first:?} {second:?}");
    assert_eq!(scene.number("SELECT COUNT(*) FROM users WHERE role = 'admin' AND disabled_at IS NULL").await, 1);
});

on_both!(what_comes_in_afterwards_is_erased_too_and_the_last_address_forgotten, |test: TestDb| async move {
    let scene = Scene::full(&test).await;
    let deletion = scene.schedule().await;
    scene.grace_is_over();
    scene.erase(deletion.id).await;
    let farewell = privacy::farewell(&scene.db, &keys(), deletion.id).await.expect("answers");
    let (user, address) = farewell.expect("kept").expect("opened");
    assert_eq!((user, address.as_str()), (scene.ada.user, EMAIL));
    // Somebody of this address comes anew, and an event of the old order is late.
    let anew = crate::support::sign_in(&scene.db, EMAIL, Role::Customer).await;
    scene
        .run(
            "INSERT INTO webhook_inbox (id, provider, event_id, event_type, payload, received_at, handled_at)
             VALUES ({new}, 'stripe', 'evt_9', 'x', '{\"charge\":\"ch_of_ada_1\",\"name\":\"{name}\"}', {now}, {now})",
            &[],
        )
        .await;
    scene.clock.advance(Duration::from_hours(8 * 24));
    sweep_deleted(&scene.privacy, deletion.id).await.expect("swept");
    sweep_deleted(&scene.privacy, deletion.id).await.expect("swept again");
    assert_eq!(scene.found_in(NAME).await, BTreeSet::from(["invoices.document".to_owned()]));
    assert!(privacy::farewell(&scene.db, &keys(), deletion.id).await.expect("answers").is_none());
    assert_eq!(scene.number("SELECT COUNT(*) FROM mail_settings").await, 0);
    let kept: String =
        fetch_one!(&scene.db, sqlx::query_scalar("SELECT email FROM users WHERE id = $1").bind(anew.user))
            .expect("there");
    assert_eq!(kept, EMAIL, "the new account is nobody's old one");
    assert_eq!(scene.number("SELECT COUNT(*) FROM sessions").await, 2);
});

on_both!(a_deletion_whose_job_is_lost_is_done_all_the_same, |test: TestDb| async move {
    let scene = Scene::bare(&test).await;
    scene.schedule().await;
    scene.db.write(async |tx| execute!(tx, sqlx::query("DELETE FROM jobs"))).await.expect("lost");
    scene.db.write(async |tx| execute!(tx, sqlx::query("DELETE FROM job_keys"))).await.expect("lost");
    let jobs = "SELECT COUNT(*) FROM jobs WHERE kind = 'privacy.delete_account'";
    housekeeping(&scene.privacy).await.expect("done");
    assert_eq!(scene.number(jobs).await, 0, "not before its time");
    scene.grace_is_over();
    scene.clock.advance(Duration::from_hours(3));
    for _ in 0..2 {
        housekeeping(&scene.privacy).await.expect("done");
        assert_eq!(scene.number(jobs).await, 1);
    }
});
