//! What papers say: of payments, renewals, refunds and disputes.

use mintreu::{
    catalog::BillingCycle,
    db::Db,
    invoices::{self, Document, Issued, Kind},
    kernel::{Currency, OrderId, Time},
    orders::{Billing, Buyer, Handled, Order},
    payments::{DisputeNews, Event, Paid, Renewed, ledger},
};
use serde_json::json;

use crate::{
    invoices_numbers::{desk, findings},
    support::{Sells, TestDb, Till, charge, paid, refunded},
};

/// All papers of an order, the oldest first.
pub(crate) async fn papers(db: &Db, order: OrderId) -> Vec<Document> {
    let mut papers = Vec::new();
    for row in invoices::of_order(db, order).await.expect("answers") {
        let paper = invoices::find(db, row.id).await.expect("answers").expect("there");
        papers.push(serde_json::from_str(&paper.document).expect("a document"));
    }
    papers
}

on_both!(each_period_of_a_subscription_has_its_own_invoice, |test: TestDb| async move {
    let till = Till::open(&test).await;
    let club = till.sell("club", Sells { billing: BillingCycle::Monthly, ..Sells::default() }).await;
    let order = till.order(&till.buyer("a@example.com").await, &[club]).await;
    let event = Event::Paid(Paid { subscription: Some("sub_1".into()), ..paid(&order) });
    assert_eq!(till.tell(event).await, Ok(Handled::Settled));
    let renewal = |invoice: &str, amount| {
        Event::Renewed(Renewed {
            subscription: "sub_1".into(),
            invoice: invoice.into(),
            charge: Some(format!("pi_{invoice}")),
            amount,
            currency: Currency::USD,
            period_end: till.db.now().plus_months(2),
        })
    };
    for (invoice, amount, handled) in [
        ("in_1", 1_999, Handled::Renewed),
        ("in_1", 1_999, Handled::AlreadyPaid),
        ("in_2", 1_999, Handled::Renewed),
        // It settles nothing, so nothing is invoiced.
        ("in_3", 5, Handled::WrongAmount),
    ] {
        assert_eq!(till.tell(renewal(invoice, amount)).await, Ok(handled));
    }
    assert_eq!(desk(&till.db).issue().await.expect("issues"), Issued { invoices: 3, credit_notes: 0 });
    let papers = papers(&till.db, order.id).await;
    assert_eq!(papers.iter().map(|paper| paper.renewal_of.is_some()).collect::<Vec<_>>(), [false, true, true]);
    assert!(papers.iter().all(|paper| paper.total == 1_999 && paper.lines.len() == 1));
    assert_eq!(findings(&till.db).await, vec![]);
});

on_both!(what_settles_nothing_has_no_invoice, |test: TestDb| async move {
    let till = Till::open(&test).await;
    let lamp = till.sell("lamp", Sells::default()).await;
    let buyer = till.buyer("a@example.com").await;
    let order = till.order(&buyer, std::slice::from_ref(&lamp)).await;
    let wrong = Paid { amount: 5, session: "cs_wrong".into(), charge: Some("pi_wrong".into()), ..paid(&order) };
    assert_eq!(till.tell(Event::Paid(wrong)).await, Ok(Handled::WrongAmount));
    till.pay(&order).await;
    let twice = Paid { session: "cs_twice".into(), charge: Some("pi_twice".into()), ..paid(&order) };
    assert_eq!(till.tell(Event::Paid(twice)).await, Ok(Handled::GivenBack));
    // Free of charge: nothing was paid.
    till.coupon("FREE", 10_000, None).await;
    till.try_order(&buyer, &[lamp], Currency::USD, Some("FREE")).await.expect("opened");
    assert_eq!(desk(&till.db).issue().await.expect("issues"), Issued { invoices: 1, credit_notes: 0 });
    assert_eq!(findings(&till.db).await, vec![]);
});

async fn tax_balance(db: &Db) -> i64 {
    ledger::balances(db).await.expect("answers").iter().filter(|one| one.account == "tax").map(|one| one.amount).sum()
}

/// An order of two things of different rates, paid.
async fn taxed(till: &Till, buyer: &Buyer) -> Order {
    let rates = json!([
        { "country": "DE", "name": "VAT", "percent": "19", "valid_from": "2020-01-01" },
        { "country": "DE", "category": "books", "name": "VAT", "percent": "7", "valid_from": "2020-01-01" },
    ]);
    crate::invoices_taxes::import(&till.db, &rates).await;
    let items = [
        till.sell("lamp", Sells { price: 3_333, ..Sells::default() }).await,
        till.sell("book", Sells::default()).await,
    ];
    crate::invoices_taxes::categorise(&till.db, "book", "books").await;
    let billing: Billing = serde_json::from_value(json!({ "country": "DE", "name": "Ada" })).expect("one");
    let billed = billing.check(None).expect("right");
    let order = till.order_billed(buyer, &items, (Currency::USD, None), Some(&billed)).await.expect("opened");
    assert_eq!(order.tax, 633 + 140);
    assert_eq!(till.pay(&order).await, Handled::Settled);
    order
}

on_both!(refunds_have_credit_notes_that_sum_to_the_invoice, |test: TestDb| async move {
    let till = Till::open(&test).await;
    let buyer = till.buyer("a@example.com").await;
    let order = taxed(&till, &buyer).await;
    let desk = desk(&till.db);
    desk.issue().await.expect("issues");
    assert_eq!(tax_balance(&till.db).await, -773);
    // A cent, a third, the rest; each before the one after it is issued, and two at once.
    let (mut left, mut issued) = (order.total, 0);
    for (reference, amount) in [("re_1", 1), ("re_2", 2_000), ("re_3", 7), ("re_4", i64::MAX)] {
        let amount = amount.min(left);
        left -= amount;
        till.tell(refunded(&order, reference, amount)).await.expect("handled");
        if reference != "re_2" {
            issued += desk.issue().await.expect("issues").credit_notes;
        }
    }
    assert_eq!((left, issued), (0, 4));
    let papers = papers(&till.db, order.id).await;
    let (invoice, notes) = papers.split_first().expect("papers");
    assert_eq!((invoice.kind, invoice.lines.len(), invoice.taxes.len()), (Kind::Invoice, 2, 2));
    let sum = |amount: fn(&Document) -> i64| notes.iter().map(amount).sum::<i64>();
    assert_eq!((sum(|n| n.net), sum(|n| n.tax), sum(|n| n.total)), (invoice.net, invoice.tax, invoice.total));
    for (place, whole) in invoice.taxes.iter().enumerate() {
        let of = |part: fn(&invoices::TaxSum) -> i64| notes.iter().map(|note| part(&note.taxes[place])).sum::<i64>();
        assert_eq!((of(|sum| sum.net), of(|sum| sum.tax)), (whole.net, whole.tax));
    }
    for note in notes {
        assert_eq!(note.corrects.as_ref().expect("an invoice").number, invoice.number);
        assert_eq!(note.lines.iter().map(|line| line.total).sum::<i64>(), note.total);
        assert!(note.tax >= 0 && note.net >= 0);
    }
    assert_eq!(tax_balance(&till.db).await, 0);
    assert_eq!(findings(&till.db).await, vec![]);
    till.assert_sound().await;
});

on_both!(a_lost_dispute_is_credited, |test: TestDb| async move {
    let till = Till::open(&test).await;
    let order = taxed(&till, &till.buyer("a@example.com").await).await;
    let news = DisputeNews {
        order: Some(order.id),
        charge: charge(&order),
        reference: "dp_1".into(),
        amount: order.total,
        currency: order.currency,
        reason: "fraud".into(),
    };
    till.tell(Event::DisputeOpened(news.clone())).await.expect("handled");
    assert_eq!(desk(&till.db).issue().await.expect("issues"), Issued { invoices: 1, credit_notes: 0 });
    till.tell(Event::DisputeClosed { won: false, dispute: news }).await.expect("handled");
    assert_eq!(desk(&till.db).issue().await.expect("issues"), Issued { invoices: 0, credit_notes: 1 });
    let papers = papers(&till.db, order.id).await;
    assert_eq!((papers[1].kind, papers[1].tax, papers[1].total), (Kind::CreditNote, 773, order.total));
    assert_eq!(tax_balance(&till.db).await, 0);
    assert_eq!(findings(&till.db).await, vec![]);
});

on_both!(a_paper_keeps_what_it_said, |test: TestDb| async move {
    let till = Till::open(&test).await;
    let buyer = till.buyer("a@example.com").await;
    let order = taxed(&till, &buyer).await;
    desk(&till.db).issue().await.expect("issues");
    let before = papers(&till.db, order.id).await;
    // Everything that it was made from changes.
    for text in [
        "UPDATE products SET title = 'Other'",
        "UPDATE orders SET email = 'other@example.com'",
        "UPDATE order_billing SET name = 'Other'",
        "UPDATE tax_rates SET rate = 500000",
    ] {
        till.db.write(async |tx| mintreu::execute!(tx, sqlx::query(text))).await.expect("changed");
    }
    let after = papers(&till.db, order.id).await;
    assert_eq!(before, after);
    assert_eq!(invoices::pdf(&before[0]).expect("a PDF"), invoices::pdf(&after[0]).expect("a PDF"));
    assert_eq!(before[0].seller.name, "Lamps & Co");
    assert_eq!(before[0].buyer.name.as_deref(), Some("Ada"));
    let now: Time = till.db.now();
    assert_eq!(before[0].issued_on, now.to_string()[..10]);
});

on_both!(hostile_names_are_only_names, |test: TestDb| async move {
    let till = Till::open(&test).await;
    let lamp = till.sell("lamp", Sells::default()).await;
    let hostile = "<script>alert(1)</script>\"'&{{7*7}}";
    till.db
        .write(async |tx| mintreu::execute!(tx, sqlx::query("UPDATE products SET title = $1").bind(hostile)))
        .await
        .expect("changed");
    let said = json!({
        "country": "FR", "name": hostile, "company": "\u{202e}evil) /JS (app.alert(1)) \u{1f680}東京",
        "address": { "line1": "</style><img src=x onerror=alert(1)>", "city": "(((\\", "region": "'; DROP TABLE invoices;--" },
    });
    let billing: Billing = serde_json::from_value(said).expect("one");
    let billed = billing.check(None).expect("lines of text");
    let buyer = till.buyer("a@example.com").await;
    let order = till.order_billed(&buyer, &[lamp], (Currency::USD, None), Some(&billed)).await.expect("opened");
    till.pay(&order).await;
    desk(&till.db).issue().await.expect("issues");
    let paper = papers(&till.db, order.id).await.remove(0);
    assert_eq!(paper.lines[0].description, hostile);
    let page = invoices::html(&paper).expect("a page");
    assert!(!page.contains("<script") && !page.contains("<img") && !page.contains("onerror=alert(1)>"), "{page}");
    assert_eq!(page.matches("</style>").count(), 1);
    assert!(page.contains("&#60;script&#62;") || page.contains("&lt;script&gt;"), "{page}");
    let pdf = invoices::pdf(&paper).expect("a PDF");
    let pdf = String::from_utf8_lossy(&pdf);
    assert!(!pdf.contains("/JS") && !pdf.contains("/JavaScript") && !pdf.contains("/OpenAction"));
});
