//! Numbers of invoices: one for each payment, none left out, none given twice, none changed.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures::future::join_all;
use mintreu::{
    db::{Db, DbError},
    execute, fetch_all,
    invoices::{self, Desk, DeskOptions, Finding, Issued, Seller},
    kernel::{ManualClock, Time},
    orders::Handled,
};

use crate::support::{Sells, TestDb, Till, count, refunded};

/// A desk over a database, as the configuration would make it.
pub(crate) fn desk(db: &Db) -> Desk {
    let seller = Seller { name: "Lamps & Co".to_owned(), country: Some("DE".to_owned()), ..Seller::default() };
    Desk::new(
        db.clone(),
        DeskOptions {
            prefix: "INV".to_owned(),
            credit_note_prefix: "CN".to_owned(),
            seller,
            notes: vec!["IBAN DE00".to_owned()],
            interval: Duration::from_millis(5),
        },
    )
}

/// What is wrong with the papers.
pub(crate) async fn findings(db: &Db) -> Vec<Finding> {
    invoices::prove(db).await.expect("answers").1
}

async fn codes(db: &Db) -> Vec<String> {
    fetch_all!(db, sqlx::query_scalar("SELECT code FROM invoices ORDER BY series, number")).expect("answers")
}

on_both!(fifty_payments_at_once_get_fifty_numbers_without_gaps, |test: TestDb| async move {
    let till = Till::open(&test).await;
    let lamp = till.sell("lamp", Sells::default()).await;
    let mut orders = Vec::new();
    for n in 0..50 {
        let buyer = Till::guest(&format!("guest{n}@example.com"));
        orders.push(till.order(&buyer, std::slice::from_ref(&lamp)).await);
    }
    // Three replicas issue while the money comes in.
    let (all_paid, desk) = (AtomicBool::new(false), desk(&till.db));
    let issue = async || {
        loop {
            let last = all_paid.load(Ordering::SeqCst);
            desk.issue().await.expect("issues");
            if last {
                return;
            }
        }
    };
    let pay = async {
        let paid = join_all(orders.iter().map(|order| till.pay(order))).await;
        assert!(paid.iter().all(|handled| *handled == Handled::Settled));
        all_paid.store(true, Ordering::SeqCst);
    };
    tokio::join!(pay, issue(), issue(), issue());
    let year = &till.db.now().to_string()[..4];
    let expected: Vec<String> = (1..=50).map(|n| format!("INV-{year}-{n:06}")).collect();
    assert_eq!(codes(&till.db).await, expected);
    assert_eq!(count(&till.db, "SELECT COUNT(DISTINCT payment_id) FROM invoices").await, 50);
    assert_eq!(count(&till.db, "SELECT COUNT(*) FROM audit_entries WHERE action = 'invoice.issued'").await, 50);
    assert_eq!(count(&till.db, "SELECT COUNT(*) FROM domain_events WHERE name = 'invoice.issued'").await, 50);
    assert_eq!(invoices::waiting(&till.db).await.expect("issues"), 0);
    assert_eq!(findings(&till.db).await, vec![]);
    // Told again, it is invoiced no more.
    assert_eq!(till.pay(&orders[0]).await, Handled::AlreadyPaid);
    assert_eq!(desk.issue().await.expect("issues"), Issued::default());
});

on_both!(more_than_a_batch_is_issued_at_once, |test: TestDb| async move {
    let till = Till::open(&test).await;
    let lamp = till.sell("lamp", Sells::default()).await;
    let buyer = till.buyer("a@example.com").await;
    let mut orders = Vec::new();
    for _ in 0..260 {
        orders.push(till.order(&buyer, std::slice::from_ref(&lamp)).await);
    }
    for order in &orders {
        till.pay(order).await;
    }
    assert_eq!(desk(&till.db).issue().await.expect("issues"), Issued { invoices: 260, credit_notes: 0 });
    assert_eq!(findings(&till.db).await, vec![]);
});

on_both!(a_year_begins_at_midnight_utc, |test: TestDb| async move {
    let midnight: Time = "2027-01-01T00:00:00Z".parse().expect("a time");
    let clock = Arc::new(ManualClock::new(Time::from_micros(midnight.as_micros() - 1)));
    let till = Till::open_at(&test, clock.clone()).await;
    let lamp = till.sell("lamp", Sells::default()).await;
    let buyer = till.buyer("a@example.com").await;
    let order = async || till.order(&buyer, std::slice::from_ref(&lamp)).await;
    let (one, two, three) = (order().await, order().await, order().await);
    let desk = desk(&till.db);
    till.pay(&one).await;
    desk.issue().await.expect("issues");
    // Paid in the old year and issued in the new one: the number is of the day of issue, the day of payment stays.
    till.pay(&two).await;
    clock.set(midnight);
    desk.issue().await.expect("issues");
    till.pay(&three).await;
    till.tell(refunded(&one, "re_1", 100)).await.expect("handled");
    desk.issue().await.expect("issues");
    assert_eq!(codes(&till.db).await, ["CN-2027-000001", "INV-2026-000001", "INV-2027-000001", "INV-2027-000002"]);
    let late = invoices::of_order(&till.db, two.id).await.expect("answers").remove(0);
    let late = invoices::find(&till.db, late.id).await.expect("answers").expect("there");
    let said: invoices::Document = serde_json::from_str(&late.document).expect("a document");
    assert_eq!((said.issued_on.as_str(), said.supplied_on.as_str()), ("2027-01-01", "2026-12-31"));
    assert_eq!(findings(&till.db).await, vec![]);
});

async fn tried(db: &Db, text: &'static str) -> Result<u64, DbError> {
    db.write(async |tx| execute!(tx, sqlx::query(text))).await
}

/// The database itself refuses it, and says what to do instead.
async fn refused(db: &Db, text: &'static str) {
    let error = tried(db, text).await.expect_err(text);
    assert!(error.to_string().contains("corrected by credit notes"), "{text}: {error}");
}

on_both!(nobody_changes_or_deletes_a_paper, |test: TestDb| async move {
    let till = Till::open(&test).await;
    let lamp = till.sell("lamp", Sells::default()).await;
    let order = till.sold(&till.buyer("a@example.com").await, &[lamp]).await;
    desk(&till.db).issue().await.expect("issues");
    for text in [
        "UPDATE invoices SET total = total - 1, net = net - 1",
        "UPDATE invoices SET document = '{}'",
        "UPDATE invoices SET number = 7",
        "UPDATE invoices SET email = 'b@example.com'",
        "DELETE FROM invoices",
    ] {
        refused(&till.db, text).await;
    }
    if let TestDb::Postgres(_) = test {
        refused(&till.db, "TRUNCATE invoices").await;
    }
    let kept = invoices::of_order(&till.db, order.id).await.expect("answers").remove(0);
    assert_eq!((kept.total, kept.email.as_str()), (1_999, "a@example.com"));
    assert_eq!(findings(&till.db).await, vec![]);
});

on_both!(what_was_tampered_with_is_found, |test: TestDb| async move {
    let till = Till::open(&test).await;
    let lamp = till.sell("lamp", Sells::default()).await;
    let buyer = till.buyer("a@example.com").await;
    let mut orders = Vec::new();
    for _ in 0..3 {
        orders.push(till.order(&buyer, std::slice::from_ref(&lamp)).await);
        till.pay(&orders[orders.len() - 1]).await;
    }
    desk(&till.db).issue().await.expect("issues");
    assert_eq!(findings(&till.db).await, vec![]);
    // Somebody with the database's own password takes the locks off.
    let locks = till.db.dialect().pick(
        "DROP TRIGGER invoices_are_never_changed; DROP TRIGGER invoices_are_never_deleted",
        "DROP TRIGGER invoices_are_never_changed ON invoices",
    );
    for text in locks.split(';') {
        tried(&till.db, text).await.expect("the lock is off");
    }
    let codes = codes(&till.db).await;
    tried(&till.db, "UPDATE invoices SET document = document || ' ' WHERE number = 1").await.expect("done");
    assert_eq!(findings(&till.db).await, vec![Finding::Changed(codes[0].clone())]);
    tried(&till.db, "UPDATE invoices SET document = trim(document) WHERE number = 1").await.expect("done");
    tried(&till.db, "UPDATE invoices SET total = total - 5, net = net - 5 WHERE number = 2").await.expect("done");
    assert_eq!(findings(&till.db).await, vec![Finding::Ledger(codes[1].clone())]);
    tried(&till.db, "UPDATE invoices SET total = total + 5, net = net + 5 WHERE number = 2").await.expect("done");
    tried(&till.db, "DELETE FROM invoices WHERE number = 2").await.expect("done");
    let found = findings(&till.db).await;
    let series = codes[0][..8].to_owned();
    assert!(found.contains(&Finding::Gap { series, given: 3, there: 2 }), "{found:?}");
    assert!(found.iter().any(|finding| matches!(finding, Finding::Forgotten(_))), "{found:?}");
    assert_eq!(found.len(), 2, "{found:?}");
});
