//! What is taxed, by whom, and how much.

use std::sync::Arc;

use mintreu::{
    audit::Actor,
    catalog::{
        By, Format, ImportError, ImportMode, QuoteRequest, Wanted,
        tax::{TaxRules, TaxTreatment, Taxation, import_tax_rates},
    },
    db::Db,
    execute,
    kernel::{Currency, ManualClock, Time},
    orders::{Billed, Billing, Handled, OpenError, Order},
};
use serde_json::{Value, json};

use crate::{
    invoices_numbers::{desk, findings},
    invoices_papers::papers,
    support::{Sells, TestDb, Till},
};

/// Brings rates in.
pub(crate) async fn import(db: &Db, rates: &Value) {
    let by = By::actor(Actor::system("tests"));
    import_tax_rates(db, Format::Json, rates.to_string().as_bytes(), ImportMode::Keep, &by).await.expect("imported");
}

/// Puts a product in a tax category.
pub(crate) async fn categorise(db: &Db, slug: &str, category: &str) {
    let text = "UPDATE products SET tax_category = $2 WHERE slug = $1";
    db.write(async |tx| execute!(tx, sqlx::query(text).bind(slug).bind(category))).await.expect("changed");
}

fn rates() -> Value {
    json!([
        { "country": "DE", "name": "VAT", "percent": "19", "valid_from": "2020-01-01" },
        { "country": "AT", "name": "VAT", "percent": "20", "valid_from": "2020-01-01" },
        { "country": "CA", "name": "GST", "percent": "5", "valid_from": "2020-01-01" },
        { "country": "CA", "region": "qc", "name": "GST/QST", "percent": "14.975", "valid_from": "2020-01-01" },
    ])
}

fn billed(said: Value) -> Billed {
    let billing: Billing = serde_json::from_value(said).expect("one");
    billing.check(None).expect("right")
}

async fn till(test: &TestDb, rules: Value) -> Till {
    let mut till = Till::open(test).await;
    till.policy.tax = TaxRules {
        prices_include_tax: rules["inclusive"] == true,
        seller: Some("DE".parse().expect("a country")),
        country_required: rules["required"] == true,
    };
    import(&till.db, &rates()).await;
    till
}

async fn buy(till: &Till, item: &Wanted, said: Option<Value>, coupon: Option<&str>, currency: Currency) -> Order {
    let buyer = Till::guest("guest@example.com");
    let billed = said.map(billed);
    till.order_billed(&buyer, std::slice::from_ref(item), (currency, coupon), billed.as_ref()).await.expect("opened")
}

on_both!(the_buyers_place_decides, |test: TestDb| async move {
    let till = till(&test, json!({})).await;
    let lamp = till.sell("lamp", Sells { price: 10_000, ..Sells::default() }).await;
    for (said, tax, treatment) in [
        (None, 1_900, TaxTreatment::Taxed),
        (Some(json!({ "country": "DE" })), 1_900, TaxTreatment::Taxed),
        (Some(json!({ "country": "DE", "vat_id": "DE123456789" })), 1_900, TaxTreatment::Taxed),
        (Some(json!({ "country": "AT" })), 2_000, TaxTreatment::Taxed),
        (Some(json!({ "country": "AT", "vat_id": "ATU12345678" })), 0, TaxTreatment::ReverseCharge),
        // Greece writes itself in two ways.
        (Some(json!({ "country": "GR", "vat_id": "EL123456789" })), 0, TaxTreatment::ReverseCharge),
        (Some(json!({ "country": "CH", "vat_id": "CHE-123.456.789" })), 0, TaxTreatment::None),
        (Some(json!({ "country": "CA" })), 500, TaxTreatment::Taxed),
        (Some(json!({ "country": "CA", "address": { "region": "QC" } })), 1_498, TaxTreatment::Taxed),
        (Some(json!({ "country": "US" })), 0, TaxTreatment::None),
    ] {
        let told = format!("{said:?}");
        let order = buy(&till, &lamp, said, None, Currency::USD).await;
        assert_eq!((order.tax, order.tax_included, order.tax_treatment), (tax, 0, treatment), "{told}");
        assert_eq!(order.total, 10_000 + tax, "{told}");
        assert_eq!(till.pay(&order).await, Handled::Settled);
    }
    assert_eq!(till.balance("tax").await, -(1_900 * 3 + 2_000 + 500 + 1_498));
    till.assert_sound().await;
    desk(&till.db).issue().await.expect("issues");
    assert_eq!(findings(&till.db).await, vec![]);
});

on_both!(a_reverse_charge_is_written_on_the_invoice, |test: TestDb| async move {
    let till = till(&test, json!({})).await;
    let lamp = till.sell("lamp", Sells::default()).await;
    let order =
        buy(&till, &lamp, Some(json!({ "country": "AT", "vat_id": "atu 12345678" })), None, Currency::USD).await;
    till.pay(&order).await;
    desk(&till.db).issue().await.expect("issues");
    let paper = papers(&till.db, order.id).await.remove(0);
    assert!(paper.reverse_charge && paper.taxes.is_empty());
    let page = mintreu::invoices::html(&paper).expect("a page");
    assert!(page.contains("Reverse charge") && page.contains("ATU12345678"), "{page}");
    let evidence: String =
        mintreu::fetch_one!(till.db, sqlx::query_scalar("SELECT evidence FROM order_billing")).expect("kept");
    let evidence: Value = serde_json::from_str(&evidence).expect("JSON");
    assert_eq!((&evidence["vat_id"], &evidence["vat_id_checked"]), (&json!("ATU12345678"), &json!("format")));
});

on_both!(prices_may_contain_their_tax, |test: TestDb| async move {
    let till = till(&test, json!({ "inclusive": true })).await;
    let lamp = till.sell("lamp", Sells { price: 11_900, commission_bps: 1_000, ..Sells::default() }).await;
    till.coupon("HALF", 5_000, None).await;
    let full = buy(&till, &lamp, None, None, Currency::USD).await;
    assert_eq!((full.total, full.tax, full.tax_included), (11_900, 0, 1_900));
    let half = buy(&till, &lamp, None, Some("HALF"), Currency::USD).await;
    assert_eq!((half.total, half.tax_included), (5_950, 950));
    // The price is the price: a business elsewhere pays it too, without tax in it.
    let reversed =
        buy(&till, &lamp, Some(json!({ "country": "AT", "vat_id": "ATU12345678" })), None, Currency::USD).await;
    assert_eq!((reversed.total, reversed.tax_included), (11_900, 0));
    for (order, tax, vendor, coupons) in
        [(&full, 1_900, 9_000, 0), (&half, 950, 9_000, 5_000), (&reversed, 0, 10_710, 0)]
    {
        let before = (till.balance("tax").await, till.balance("vendor_payable").await, till.balance("coupons").await);
        till.pay(order).await;
        let after = (till.balance("tax").await, till.balance("vendor_payable").await, till.balance("coupons").await);
        assert_eq!((before.0 - after.0, before.1 - after.1, after.2 - before.2), (tax, vendor, coupons));
    }
    till.assert_sound().await;
    desk(&till.db).issue().await.expect("issues");
    let paper = papers(&till.db, half.id).await.remove(0);
    assert_eq!((paper.net, paper.tax, paper.total, paper.prices_include_tax), (5_000, 950, 5_950, true));
    assert_eq!(findings(&till.db).await, vec![]);
});

on_both!(every_currency_is_rounded_in_its_own_units, |test: TestDb| async move {
    let till = till(&test, json!({})).await;
    till.coupon("TENTH", 1_000, None).await;
    // The tax of 19 % on what a tenth was taken off.
    for (slug, currency, price, discount, tax) in [
        ("yen", Currency::JPY, 1_005, 101, 172),
        ("dollar", Currency::USD, 1_005, 101, 172),
        ("dinar", Currency::KWD, 12_345, 1_235, 2_111),
    ] {
        let item = till.sell(slug, Sells { price, currency, ..Sells::default() }).await;
        let order = buy(&till, &item, None, Some("TENTH"), currency).await;
        assert_eq!((order.discount, order.tax, order.total), (discount, tax, price - discount + tax), "{currency}");
        till.pay(&order).await;
        assert_eq!(till.balance_in("tax", currency).await, -tax);
    }
    till.assert_sound().await;
    desk(&till.db).issue().await.expect("issues");
    assert_eq!(findings(&till.db).await, vec![]);
});

on_both!(an_order_keeps_the_rate_that_it_was_opened_with, |test: TestDb| async move {
    let start: Time = "2026-06-30T23:59:59.999999Z".parse().expect("a time");
    let clock = Arc::new(ManualClock::new(start));
    let mut till = Till::open_at(&test, clock.clone()).await;
    till.policy.tax.seller = Some("DE".parse().expect("a country"));
    let changing = json!([
        { "country": "DE", "name": "VAT", "percent": "19", "valid_from": "2020-01-01" },
        { "country": "DE", "name": "VAT", "percent": "16", "valid_from": "2026-07-01", "valid_until": "2027-01-01" },
    ]);
    import(&till.db, &changing).await;
    let lamp = till.sell("lamp", Sells { price: 10_000, ..Sells::default() }).await;
    let before = buy(&till, &lamp, None, None, Currency::USD).await;
    clock.set(Time::from_micros(start.as_micros() + 1));
    let after = buy(&till, &lamp, None, None, Currency::USD).await;
    clock.set("2027-01-01T00:00:00Z".parse().expect("a time"));
    let ended = buy(&till, &lamp, None, None, Currency::USD).await;
    assert_eq!((before.tax, after.tax, ended.tax), (1_900, 1_600, 1_900), "the one that ended gives way to the older");
    // The rates go altogether: what was ordered is paid as it was ordered.
    till.db.write(async |tx| execute!(tx, sqlx::query("DELETE FROM tax_rates"))).await.expect("gone");
    assert_eq!(till.pay(&before).await, Handled::Settled);
    desk(&till.db).issue().await.expect("issues");
    let paper = papers(&till.db, before.id).await.remove(0);
    assert_eq!((paper.tax, paper.taxes[0].percent.to_string().as_str()), (1_900, "19"));
    assert_eq!(findings(&till.db).await, vec![]);
});

on_both!(a_country_may_be_needed, |test: TestDb| async move {
    let till = till(&test, json!({ "required": true })).await;
    let lamp = till.sell("lamp", Sells::default()).await;
    let buyer = Till::guest("guest@example.com");
    let refused = till.order_billed(&buyer, std::slice::from_ref(&lamp), (Currency::USD, None), None).await;
    assert!(matches!(refused, Err(OpenError::CountryNeeded)), "{refused:?}");
    buy(&till, &lamp, Some(json!({ "country": "US" })), None, Currency::USD).await;
});

on_both!(without_rates_nothing_changes, |test: TestDb| async move {
    let mut till = Till::open(&test).await;
    let lamp = till.sell("lamp", Sells::default()).await;
    for seller in [None, Some("DE".parse().expect("a country"))] {
        till.policy.tax.seller = seller;
        let order = buy(&till, &lamp, Some(json!({ "country": "DE" })), None, Currency::USD).await;
        assert_eq!((order.total, order.tax, order.tax_treatment), (1_999, 0, TaxTreatment::None));
    }
    let rules = TaxRules::default();
    let request = QuoteRequest {
        items: std::slice::from_ref(&lamp),
        currency: Currency::USD,
        coupon: None,
        tenant: None,
        commission_bps: 0,
        tax: Some(Taxation { rules: &rules, place: None }),
    };
    assert_eq!(mintreu::catalog::quote(&till.db, request).await.expect("priced").total, 1_999);
});

on_both!(rates_are_imported_all_or_none, |test: TestDb| async move {
    let db = test.open().await;
    let by = By::actor(Actor::system("tests"));
    let put = async |format, text: &str, mode| import_tax_rates(&db, format, text.as_bytes(), mode, &by).await;
    let file = "country,region,category,name,percent,valid_from,valid_until\n\
                DE,,standard,VAT,19,2020-01-01,\nDE,,books,VAT,7,2020-01-01,2030-01-01\n";
    let dry = put(Format::Csv, file, ImportMode::DryRun).await.expect("right");
    assert_eq!((dry.dry_run, dry.rates.created), (true, 2));
    let kept = put(Format::Csv, file, ImportMode::Keep).await.expect("right");
    assert_eq!((kept.rates.created, kept.rates.changed, kept.rates.unchanged), (2, 0, 0));
    let again = put(Format::Csv, &file.replace(",7,", ",7.5,"), ImportMode::Keep).await.expect("right");
    assert_eq!((again.rates.created, again.rates.changed, again.rates.unchanged), (0, 1, 1));
    let wrong = rates().to_string().replace("\"5\"", "\"5\",\"valid_until\":\"2019-01-01\"");
    let refused = put(Format::Json, &wrong, ImportMode::Keep).await;
    assert!(
        matches!(&refused, Err(ImportError::Invalid(flaws)) if flaws.len() == 1 && flaws[0].pointer == "#/2/valid_until"),
        "{refused:?}"
    );
    assert_eq!(crate::support::count(&db, "SELECT COUNT(*) FROM tax_rates").await, 2);
    for text in ["", "{}", "[1]", "[{\"country\":\"XX\"}]", "\u{0}", "[{\"rate\":1}]"] {
        let refused = put(Format::Json, text, ImportMode::Keep).await;
        assert!(matches!(refused, Err(ImportError::Unreadable(_))), "{text:?}: {refused:?}");
    }
    for text in ["country\nDE\n", "country,rate\nDE,1\n", "a,b\n1\n"] {
        let refused = put(Format::Csv, text, ImportMode::Keep).await;
        assert!(matches!(refused, Err(ImportError::Unreadable(_))), "{text:?}: {refused:?}");
    }
});
