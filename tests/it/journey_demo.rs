//! `mintreu demo --exit`: a shop out of nothing, a purchase in it, and books that can be checked.

use mintreu::{db::DbError, execute};
use serde_json::Value;

use crate::{
    journey_shop::Shop,
    support::{Mintreu, TestDb},
};

/// What the walk passes, in its order.
const STEPS: [&str; 14] = [
    "Open the shop",
    "Sign up",
    "Browse",
    "Check out",
    "Pay",
    "Receive",
    "Use it",
    "Download",
    "Subscribe",
    "Call an API",
    "Ask for help",
    "Invoices",
    "Mails to her",
    "Account for it",
];
/// How many orders a walk makes, and how many licences they give.
const ORDERS: i64 = 3;
const LICENSES: i64 = 5;

on_both!(the_demonstration_sells_a_licence_each_time_and_leaves_a_sound_shop, |db| async move {
    let shop = Shop::of(Mintreu::new(), &db.url());
    for run in 1..=2 {
        let told = shop.run(&["demo", "--exit"]);
        let mut from = 0;
        for (number, step) in STEPS.iter().enumerate() {
            let heading = format!("\n{}. {step}\n", number + 1);
            from += told[from..].find(&heading).unwrap_or_else(|| panic!("no {heading:?} in its place in {told}"));
        }
        for words in
            ["valid: true, VALID", "the same order: its Idempotency-Key was known", "every one balances", "whole: "]
        {
            assert!(told.contains(words), "{words:?} in {told}");
        }
        assert_eq!(told.matches("SHA-256 as uploaded").count(), 3, "{told}");
        assert_eq!(told.matches("PUT …/products/{id}/files").count(), if run == 1 { 3 } else { 0 }, "{told}");
        let mails: Vec<_> = told.lines().filter_map(|line| line.trim_start().strip_prefix("var/mail/")).collect();
        assert!(mails.len() >= 5, "{told}");
        for mail in mails {
            let name = mail.split_whitespace().next().expect("a name");
            assert!(shop.mintreu.directory().join("var/mail").join(name).is_file(), "{mail}");
        }
        let order = told.split("POST /api/orders").nth(1).and_then(|rest| rest.split_whitespace().next());
        let order = order.expect("an order");
        let key = told.split_whitespace().find(|word| word.starts_with("MINTREU-")).expect("a key");
        let shown = shop.json(&["licenses", "show", key]);
        let shown = shown.get("license").unwrap_or(&shown);
        assert_eq!(shown["order"], order, "{shown}");
        for (query, each) in [
            ("SELECT COUNT(*) FROM orders WHERE payment_state = 'paid' AND fulfilment_state = 'fulfilled'", ORDERS),
            ("SELECT COUNT(*) FROM licenses WHERE status = 'active'", LICENSES),
            ("SELECT COUNT(*) FROM ledger_transactions WHERE kind = 'sale'", ORDERS),
            ("SELECT COUNT(*) FROM invoices", ORDERS),
            ("SELECT COUNT(*) FROM subscriptions WHERE status = 'active'", 2),
            ("SELECT COUNT(*) FROM api_keys", 1),
            ("SELECT COUNT(*) FROM tickets WHERE status = 'solved'", 1),
            ("SELECT COUNT(*) FROM download_logs WHERE status = 'delivered'", 3),
            ("SELECT COUNT(*) FROM users WHERE role = 'customer' AND email_verified_at IS NOT NULL", 1),
        ] {
            assert_eq!(shop.number(query).await, each * run, "{query}");
        }
        for (query, once) in [
            ("SELECT COUNT(*) FROM users WHERE role = 'admin'", 1),
            ("SELECT COUNT(*) FROM product_sources WHERE state = 'ok'", 3),
            ("SELECT COUNT(*) FROM articles", 3),
            ("SELECT COUNT(*) FROM canned_answers", 1),
            ("SELECT COUNT(*) FROM tax_rates", 6),
            ("SELECT COUNT(*) FROM access_tokens WHERE revoked_at IS NULL", 0),
        ] {
            assert_eq!(shop.number(query).await, once, "{query}");
        }
        let findings = shop.json(&["doctor"]);
        let wrong: Vec<_> = list(&findings).iter().filter(|finding| finding["weight"] == "wrong").collect();
        assert!(wrong.is_empty(), "{findings}");
    }
    shop.is_sound();
});

fn list(value: &Value) -> &Vec<Value> {
    value.as_array().expect("a list")
}

on_both!(the_doctor_finds_books_that_were_changed_by_hand, |db| async move {
    let shop = Shop::of(Mintreu::new(), &db.url());
    shop.run(&["demo", "--exit"]);
    let store = shop.db().await;
    let delete =
        "DELETE FROM ledger_entries WHERE id = (SELECT id FROM ledger_entries WHERE amount > 0 ORDER BY id LIMIT 1)";
    let refused = store.write(async |tx| execute!(tx, sqlx::query(delete))).await;
    let refused: DbError = refused.expect_err("the database itself refuses");
    assert!(refused.to_string().contains("reversed"), "{refused}");
    shop.run(&["doctor"]);

    // Somebody who owns the database takes its guard away first.
    let unguard = match db {
        TestDb::Sqlite(_) => "DROP TRIGGER ledger_entries_are_never_deleted",
        TestDb::Postgres(_) => "DROP TRIGGER ledger_entries_are_never_changed ON ledger_entries",
    };
    store
        .write(async |tx| {
            execute!(tx, sqlx::query(unguard))?;
            execute!(tx, sqlx::query(delete))
        })
        .await
        .map_err(|error: DbError| error)
        .expect("it is changed");
    store.close().await;
    let told = shop.refused(&["doctor"], 3).stdout;
    let line = told.lines().find(|line| line.starts_with("WRONG") && line.contains("ledger"));
    assert!(line.is_some_and(|line| line.contains("is off by")), "{told}");
    let findings: Value = serde_json::from_str(&shop.refused(&["doctor", "--json"], 3).stdout).expect("JSON");
    assert!(list(&findings).iter().any(|it| it["about"] == "ledger" && it["weight"] == "wrong"), "{findings}");
});

#[test]
fn the_demonstration_is_not_for_shops_that_take_real_money() {
    for (name, value, told) in [
        ("MINTREU__PAYMENTS__SANDBOX__ENABLED", "false", "payments.sandbox.enabled"),
        ("MINTREU__MAIL__KIND", "smtp", "mail."),
    ] {
        let finished = Mintreu::new().env(name, value).run(&["demo", "--exit"]);
        assert_eq!(finished.status.code(), Some(2), "{finished:?}");
        assert!(finished.stderr.contains(told), "{finished:?}");
    }
}
