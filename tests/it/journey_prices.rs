//! What an order costs: the quoted price, whatever changes meanwhile; coupons; nothing at all; other currencies.

use futures::future::join_all;
use mintreu::{
    accounts::Role,
    db::DbError,
    execute,
    kernel::{Currency, OrderId},
    orders,
};
use reqwest::Response;
use serde_json::{Value, json};

use crate::{
    catalog_shop::{import, patch_plan_price, shelf},
    journey_shop::{Shop, problem},
    support::{Person, Running, Sells, TestDb, put_on_sale, sign_in},
};

async fn shelved(db: &TestDb) -> (Shop, Running) {
    let store = db.open().await;
    import(&store, &shelf()).await;
    put_on_sale(&store, "gift", Sells { price: 0, ..Sells::default() }).await;
    store.close().await;
    let shop = Shop::on(db);
    let server = shop.serve().await;
    (shop, server)
}

fn cart(product: &str) -> Value {
    json!({ "items": [{ "product": product }] })
}

async fn opened(answer: Response) -> Value {
    let (status, text) = (answer.status(), answer.text().await.expect("text"));
    assert_eq!(status, 201, "{text}");
    let order: Value = serde_json::from_str(&text).expect("JSON");
    sums_up(&order);
    order
}

fn id(order: &Value) -> &str {
    order["id"].as_str().expect("an id")
}

fn amount(value: &Value) -> i64 {
    value["amount"].as_i64().unwrap_or_else(|| panic!("no amount in {value}"))
}

/// `total = subtotal − discount + tax`, in each line and in all; everything in one currency.
fn sums_up(order: &Value) {
    let (mut subtotal, mut discount, mut tax, mut total) = (0, 0, 0, 0);
    for item in order["items"].as_array().expect("items") {
        let gross = amount(&item["unit_price"]) * item["quantity"].as_i64().expect("a number");
        assert_eq!(amount(&item["total"]), gross - amount(&item["discount"]) + amount(&item["tax"]), "{item}");
        subtotal += gross;
        discount += amount(&item["discount"]);
        tax += amount(&item["tax"]);
        total += amount(&item["total"]);
    }
    let all = ["subtotal", "discount", "tax", "total"].map(|name| amount(&order[name]));
    assert_eq!(all, [subtotal, discount, tax, total], "{order}");
    assert_eq!(total, subtotal - discount + tax);
    let currencies = ["subtotal", "discount", "tax"].map(|name| &order[name]["currency"]);
    assert_eq!(currencies, [&order["total"]["currency"]; 3], "{order}");
}

on_both!(an_order_keeps_the_price_that_it_was_quoted, |db| async move {
    let (shop, _server) = shelved(&db).await;
    let store = shop.db().await;
    let body = json!({ "items": [{ "product": "lamp", "plan": "regular", "quantity": 2 }], "coupon": "ALL15" });
    let quote: Value = shop.post("/api/quotes", &body).await.json().await.expect("JSON");
    sums_up(&quote);
    let order = opened(shop.post("/api/orders", &body).await).await;
    assert_eq!((&order["total"], amount(&order["total"])), (&quote["total"], 3398));
    let session = shop.session(id(&order)).await;

    patch_plan_price(&store, "lamp", "regular", 9_999).await;
    shop.run(&["flags", "list"]);
    let page: Value = shop.get(&format!("/sandbox/sessions/{session}")).await.json().await.expect("JSON");
    assert_eq!(page["amount"], 3398, "{page}");
    shop.pay(id(&order)).await;
    let view = shop.until_order_is(id(&order), "fulfilled").await;
    sums_up(&view);
    assert_eq!((amount(&view["total"]), amount(&view["payments"][0]["amount"])), (3398, 3398), "{view}");
    assert_eq!(view["licenses"].as_array().map(Vec::len), Some(2), "a licence for each");
    let later = opened(shop.post("/api/orders", &body).await).await;
    assert_eq!(amount(&later["subtotal"]), 19_998, "who orders now pays what is asked now");
    // What was taken for it is what the ledger has.
    assert_eq!(
        shop.number(
            "SELECT CAST(SUM(amount) AS BIGINT) FROM ledger_entries WHERE account = 'clearing:sandbox' AND amount > 0"
        )
        .await,
        3398
    );
    shop.is_sound();
});

async fn order_as(shop: &Shop, who: &Person, body: &Value) -> Response {
    let request = shop.client.post(shop.mintreu.url("/api/orders")).header("cookie", &who.cookie).json(body);
    request.send().await.expect("an answer")
}

on_both!(the_last_use_of_a_coupon_goes_to_one_and_comes_back_when_unpaid, |db| async move {
    let (shop, _server) = shelved(&db).await;
    let store = shop.db().await;
    let mut people = Vec::new();
    for number in 0..8 {
        people.push(sign_in(&store, &format!("p{number}@example.com"), Role::Customer).await);
    }
    let body = json!({ "items": [{ "product": "candle" }], "coupon": "last1" });
    let answers = join_all(people.iter().map(|who| order_as(&shop, who, &body))).await;
    let mut winners = Vec::new();
    for (who, answer) in people.iter().zip(answers) {
        if answer.status() == 201 {
            winners.push((who, opened(answer).await));
        } else {
            let told = problem(answer, 422, "invalid-input").await;
            assert_eq!(told["errors"][0]["pointer"], "#/coupon", "{told}");
        }
    }
    assert_eq!(winners.len(), 1, "one use, one order");
    let used = "SELECT used FROM coupons WHERE code = 'LAST1'";
    assert_eq!((shop.number(used).await, shop.number("SELECT COUNT(*) FROM orders").await), (1, 1));

    // The winner turns away: the use is there again, once.
    let (winner, order) = &winners[0];
    for status in [204, 409] {
        let path = shop.mintreu.url(&format!("/api/orders/{}/cancel", id(order)));
        let request = shop.client.post(path).header("cookie", &winner.cookie);
        assert_eq!(request.send().await.expect("an answer").status(), status);
    }
    assert_eq!(shop.number(used).await, 0);
    let second = opened(order_as(&shop, &people[3], &body).await).await;
    assert_eq!(amount(&second["discount"]), 50);

    // The next lets the time pass.
    let order: OrderId = id(&second).parse().expect("an id");
    let ended = store
        .write(async |tx| {
            let past = tx.now();
            execute!(tx, sqlx::query("UPDATE orders SET expires_at = $2 WHERE id = $1").bind(order).bind(past))?;
            let first = orders::expire_unpaid(tx, order).await?;
            Ok::<_, DbError>((first, orders::expire_unpaid(tx, order).await?))
        })
        .await
        .expect("it ends");
    assert_eq!(ended, (true, false));
    assert_eq!(shop.number(used).await, 0);
    let pay = shop.client.get(shop.mintreu.url(&format!("/pay/{order}"))).send().await.expect("an answer");
    let told = problem(pay, 409, "conflict").await;
    assert!(told["detail"].as_str().is_some_and(|detail| detail.contains("expired")), "{told}");
    opened(order_as(&shop, &people[5], &body).await).await;
    problem(order_as(&shop, &people[6], &body).await, 422, "invalid-input").await;
    shop.is_sound();
});

on_both!(each_customer_has_the_uses_that_are_theirs, |db| async move {
    let (shop, _server) = shelved(&db).await;
    let store = shop.db().await;
    let (ada, eve) = (
        sign_in(&store, "ada@example.com", Role::Customer).await,
        sign_in(&store, "eve@example.com", Role::Customer).await,
    );
    let body = json!({ "items": [{ "product": "candle" }], "coupon": "TWOEACH" });
    let mut taken = 0;
    for answer in join_all((0..6).map(|_| order_as(&shop, &ada, &body))).await {
        match answer.status().as_u16() {
            201 => taken += 1,
            _ => drop(problem(answer, 422, "invalid-input").await),
        }
    }
    assert_eq!(taken, 2);
    opened(order_as(&shop, &eve, &body).await).await;
    assert_eq!(shop.number("SELECT used FROM coupons WHERE code = 'TWOEACH'").await, 3);
});

on_both!(what_costs_nothing_is_given_without_a_payment, |db| async move {
    let (shop, _server) = shelved(&db).await;
    let order = opened(shop.post("/api/orders", &cart("gift")).await).await;
    assert_eq!((amount(&order["total"]), &order["payment_state"]), (0, &json!("paid")), "{order}");
    let view = shop.until_order_is(id(&order), "fulfilled").await;
    assert_eq!((view["licenses"].as_array().map(Vec::len), &view["payments"]), (Some(1), &json!([])), "{view}");
    problem(shop.get(&format!("/pay/{}", id(&order))).await, 409, "conflict").await;
    assert_eq!(shop.number("SELECT COUNT(*) FROM ledger_entries").await, 0, "nothing to book");
    assert_eq!(shop.number("SELECT COUNT(*) FROM payments").await, 0);
    shop.is_sound();
});

on_both!(currencies_are_counted_in_their_own_units, |db| async move {
    let (shop, _server) = shelved(&db).await;
    put_on_sale(&shop.db().await, "dinar", Sells { price: 6_120, currency: Currency::KWD, ..Sells::default() }).await;
    let lamp = json!([{ "product": "lamp", "plan": "regular" }]);
    for (items, code, total, coupon) in [
        (lamp.clone(), "JPY", 3_000, None),
        // 15 % of 3000 yen, without a fraction.
        (lamp.clone(), "JPY", 2_550, Some("ALL15")),
        (json!([{ "product": "dinar" }]), "KWD", 6_120, None),
    ] {
        let order = json!({ "items": items, "currency": code, "coupon": coupon });
        let order = opened(shop.post("/api/orders", &order).await).await;
        assert_eq!(order["total"], json!({ "amount": total, "currency": code }));
        shop.pay(id(&order)).await;
        let view = shop.until_order_is(id(&order), "fulfilled").await;
        assert_eq!(view["payments"][0]["amount"], json!({ "amount": total, "currency": code }), "{view}");
    }
    // Three decimals of which providers charge two: told when ordering, not when it comes to paying.
    let order = json!({ "items": lamp, "currency": "KWD" });
    let told = problem(shop.post("/api/orders", &order).await, 422, "invalid-input").await;
    assert!(told["errors"][0]["detail"].as_str().is_some_and(|detail| detail.contains("6.125 KWD")), "{told}");
    // A price in one currency is none in another.
    let order = json!({ "items": [{ "product": "candle" }], "currency": "JPY" });
    let told = problem(shop.post("/api/orders", &order).await, 422, "invalid-input").await;
    assert_eq!(told["errors"][0]["pointer"], "#/items/0", "{told}");
    shop.is_sound();
});
