//! Invoices and taxes over HTTP, by the real server; and killed amid it all.

use mintreu::accounts::Role;
use reqwest::{Method, Response};
use serde_json::{Value, json};
use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use crate::{
    journey_shop::{Shop, new_order, problem, session_in, until},
    support::{Mintreu, Person, TestDb, sign_in},
};

async fn ask(shop: &Shop, method: Method, path: &str, who: Option<&Person>, body: Option<&Value>) -> Response {
    let mut request = shop.client.request(method, shop.mintreu.url(path)).header("if-match", "\"1\"");
    if let Some(person) = who {
        request = request.header("cookie", &person.cookie);
    }
    if let Some(body) = body {
        request = request.json(body);
    }
    request.send().await.expect("an answer")
}

async fn json_of(answer: Response, status: u16) -> Value {
    let got = answer.status();
    let text = answer.text().await.expect("a text");
    assert_eq!(got, status, "{text}");
    serde_json::from_str(&text).expect("JSON")
}

async fn get(shop: &Shop, path: &str, who: &Person) -> Value {
    json_of(ask(shop, Method::GET, path, Some(who), None).await, 200).await
}

fn german(test: &TestDb) -> Shop {
    let mintreu = Mintreu::new()
        .env("MINTREU__SELLER__COUNTRY", "DE")
        .env("MINTREU__SELLER__NAME", "Lamps & Co")
        .env("MINTREU__INVOICES__INTERVAL", "20ms");
    Shop::of(mintreu, &test.url())
}

on_both!(a_buyer_sees_the_tax_and_gets_the_invoice, |test: TestDb| async move {
    let shop = german(&test);
    let _server = shop.serve().await;
    let db = test.open().await;
    let operator = sign_in(&db, "operator@example.com", Role::Admin).await;
    let stranger = sign_in(&db, "stranger@example.com", Role::Customer).await;
    let buyer = shop.buyer().await;
    let rate = json!({ "country": "DE", "name": "VAT", "percent": "19", "valid_from": "2020-01-01" });
    json_of(ask(&shop, Method::POST, "/api/admin/tax-rates", Some(&operator), Some(&rate)).await, 201).await;
    let mut cart = new_order();
    cart["billing"] = json!({
        "country": "DE", "name": "Ada <b>Lovelace</b>", "address": { "line1": "Straße 1", "city": "Köln", "postcode": "50667" },
    });
    let quote = json_of(ask(&shop, Method::POST, "/api/quotes", None, Some(&cart)).await, 200).await;
    assert_eq!((&quote["tax"]["amount"], &quote["total"]["amount"]), (&json!(380), &json!(2_379)));
    assert_eq!((&quote["tax_treatment"], &quote["items"][0]["tax_percent"]), (&json!("taxed"), &json!("19")));
    let order = json_of(shop.post("/api/orders", &cart).await, 201).await;
    let order = order["id"].as_str().expect("an identifier").to_owned();
    shop.pay(&order).await;
    let list = until("the invoice is there", async || {
        let list = get(&shop, "/api/invoices", buyer).await;
        if list["data"].as_array().is_some_and(|all| all.len() == 1) { Ok(list) } else { Err(list) }
    })
    .await;
    let id = list["data"][0]["id"].as_str().expect("an identifier").to_owned();
    assert_eq!(get(&shop, &format!("/api/invoices?order={order}"), buyer).await["data"], list["data"]);

    let paper = get(&shop, &format!("/api/invoices/{id}"), buyer).await;
    assert_eq!(paper["invoice"]["tax"], json!({ "amount": 380, "currency": "USD" }));
    assert_eq!(paper["document"]["seller"]["name"], "Lamps & Co");
    assert_eq!(paper["document"]["buyer"]["address"], json!(["Straße 1", "50667 Köln"]));
    let page = ask(&shop, Method::GET, &format!("/api/invoices/{id}.html"), Some(buyer), None).await;
    let policy = page.headers()["content-security-policy"].to_str().expect("text").to_owned();
    assert!(policy.starts_with("default-src 'none'; style-src 'sha256-") && !policy.contains("unsafe"), "{policy}");
    let page = page.text().await.expect("a text");
    assert!(page.contains("Lamps &#38; Co") && !page.contains("<b>") && !page.contains("<script"), "{page}");
    let pdf = async || ask(&shop, Method::GET, &format!("/api/invoices/{id}.pdf"), Some(buyer), None).await;
    let answer = pdf().await;
    assert_eq!(answer.headers()["content-type"], "application/pdf");
    let first = answer.bytes().await.expect("bytes");
    assert!(first.starts_with(b"%PDF-"));
    assert_eq!(first, pdf().await.bytes().await.expect("bytes"));

    for form in ["", ".html", ".pdf"] {
        let (own, any) = (format!("/api/invoices/{id}{form}"), format!("/api/admin/invoices/{id}{form}"));
        problem(ask(&shop, Method::GET, &own, None, None).await, 401, "unauthorized").await;
        problem(ask(&shop, Method::GET, &own, Some(&stranger), None).await, 404, "not-found").await;
        problem(ask(&shop, Method::GET, &own, Some(&operator), None).await, 404, "not-found").await;
        problem(ask(&shop, Method::GET, &any, None, None).await, 401, "unauthorized").await;
        problem(ask(&shop, Method::GET, &any, Some(buyer), None).await, 403, "forbidden").await;
        assert_eq!(ask(&shop, Method::GET, &any, Some(&operator), None).await.status(), 200);
    }
    for wrong in ["inv_x", "inv_x.pdf", ".pdf", "x.html.pdf"] {
        let answer = ask(&shop, Method::GET, &format!("/api/invoices/{wrong}"), Some(buyer), None).await;
        assert!(answer.status().is_client_error(), "{wrong}");
    }
    let table = ask(&shop, Method::GET, "/api/admin/invoices/export?country=DE", Some(&operator), None).await;
    let table = table.text().await.expect("a text");
    assert!(table.starts_with("number,kind,") && table.contains("19.99,3.80,23.79"), "{table}");
    let number = list["data"][0]["number"].as_str().expect("a number");
    for (query, found) in [
        (format!("number={number}"), 1),
        ("number=INV-1-000001".to_owned(), 0),
        ("kind=credit_note".to_owned(), 0),
        (format!("order={order}&currency=USD&sort=oldest"), 1),
        ("country=AT".to_owned(), 0),
        ("from=2999-01-01T00:00:00Z".to_owned(), 0),
        ("until=2999-01-01T00:00:00Z".to_owned(), 1),
    ] {
        let list = get(&shop, &format!("/api/admin/invoices?{query}"), &operator).await;
        assert_eq!(list["data"].as_array().map(Vec::len), Some(found), "{query}");
    }
    shop.run(&["doctor"]);
});

on_both!(a_guest_gets_the_invoice_with_the_orders_token, |test: TestDb| async move {
    let shop = german(&test);
    let _server = shop.serve().await;
    let mut cart = new_order();
    cart["email"] = json!("guest@example.com");
    let open = async || {
        let order = json_of(ask(&shop, Method::POST, "/api/orders", None, Some(&cart)).await, 201).await;
        let text = |name: &str| order[name].as_str().expect("a text").to_owned();
        (text("id"), text("guest_token"))
    };
    let ((order, token), (_, other)) = (open().await, open().await);
    shop.pay(&order).await;
    let path = format!("/api/invoices?order={order}&token={token}");
    let id = until("the invoice is there", async || {
        let list = json_of(ask(&shop, Method::GET, &path, None, None).await, 200).await;
        list["data"][0]["id"].as_str().map(str::to_owned).ok_or(list)
    })
    .await;
    for form in ["", ".html", ".pdf"] {
        let path = format!("/api/invoices/{id}{form}");
        assert_eq!(ask(&shop, Method::GET, &format!("{path}?token={token}"), None, None).await.status(), 200);
        for wrong in [other.as_str(), "", "x"] {
            let refused = ask(&shop, Method::GET, &format!("{path}?token={wrong}"), None, None).await;
            problem(refused, 404, "not-found").await;
        }
    }
    let refused = ask(&shop, Method::GET, &format!("/api/invoices?order={order}&token={other}"), None, None).await;
    problem(refused, 404, "not-found").await;
    let refused = ask(&shop, Method::GET, &format!("/api/invoices?token={token}"), None, None).await;
    problem(refused, 401, "unauthorized").await;
    let somebody = format!("/api/invoices?order={order}");
    assert_eq!(get(&shop, &somebody, shop.buyer().await).await["data"], json!([]), "it is not theirs");
});

on_both!(what_is_billed_is_looked_at, |test: TestDb| async move {
    let shop = german(&test);
    let _server = shop.serve().await;
    for (billing, pointer) in [
        (json!({ "country": "AT", "vat_id": "ATU1" }), "#/billing/vat_id"),
        (json!({ "country": "AT", "vat_id": "DE123456789" }), "#/billing/vat_id"),
        (json!({ "country": "DE", "name": "x".repeat(151) }), "#/billing/name"),
        (json!({ "country": "DE", "address": { "city": "a\u{0}b" } }), "#/billing/address/city"),
    ] {
        let mut cart = new_order();
        cart["billing"] = billing;
        for path in ["/api/quotes", "/api/orders"] {
            let refused = problem(shop.post(path, &cart).await, 422, "invalid-input").await;
            assert_eq!(refused["errors"][0]["pointer"], pointer, "{refused}");
        }
    }
    for billing in
        [json!({}), json!({ "country": "XX" }), json!({ "country": 7 }), json!([]), json!({ "country": "DE", "x": 1 })]
    {
        let mut cart = new_order();
        cart["billing"] = billing;
        assert_eq!(shop.post("/api/orders", &cart).await.status(), 400);
    }
    assert_eq!(shop.number("SELECT COUNT(*) FROM orders").await, 0);
});

on_both!(operators_manage_rates_that_they_have_seen, |test: TestDb| async move {
    let shop = german(&test);
    let _server = shop.serve().await;
    let db = test.open().await;
    let operator = sign_in(&db, "operator@example.com", Role::Admin).await;
    let all = "/api/admin/tax-rates";
    let rate = json!({ "country": "FR", "region": "20", "name": "TVA", "percent": "8.5", "valid_from": "2020-01-01" });
    let made = ask(&shop, Method::POST, all, Some(&operator), Some(&rate)).await;
    assert_eq!(made.headers()["etag"], "\"1\"");
    let made = json_of(made, 201).await;
    let one = format!("{all}/{}", made["id"].as_str().expect("an identifier"));
    problem(ask(&shop, Method::POST, all, Some(&operator), Some(&rate)).await, 409, "conflict").await;
    let changed = ask(&shop, Method::PATCH, &one, Some(&operator), Some(&json!({ "percent": "10" }))).await;
    assert_eq!(json_of(changed, 200).await["percent"], "10");
    let stale = ask(&shop, Method::PATCH, &one, Some(&operator), Some(&json!({ "percent": "11" }))).await;
    problem(stale, 412, "precondition-failed").await;
    problem(ask(&shop, Method::DELETE, &one, Some(&operator), None).await, 412, "precondition-failed").await;
    for (wrong, pointer) in [
        (json!({ "percent": "x" }), "#/percent"),
        (json!({ "percent": 5 }), "#/percent"),
        (json!({ "valid_from": "2020-13-01" }), "#/valid_from"),
        (json!({ "valid_until": "2020-01-01" }), "#/valid_until"),
        (json!({ "category": "No Slug" }), "#/category"),
        (json!({ "name": "a\u{0}" }), "#/name"),
        (json!({ "else": 1 }), "#/else"),
    ] {
        let request = shop.client.patch(shop.mintreu.url(&one)).header("if-match", "\"2\"").json(&wrong);
        let answer = request.header("cookie", &operator.cookie).send().await.expect("an answer");
        let refused = problem(answer, 422, "invalid-input").await;
        assert_eq!(refused["errors"][0]["pointer"], pointer, "{refused}");
    }
    assert_eq!(get(&shop, &format!("{all}?country=FR"), &operator).await["data"].as_array().map(Vec::len), Some(1));
    assert_eq!(get(&shop, &format!("{all}?country=DE"), &operator).await["data"], json!([]));
    let request = shop.client.delete(shop.mintreu.url(&one)).header("if-match", "\"2\"");
    let gone = request.header("cookie", &operator.cookie).send().await.expect("an answer");
    assert_eq!(gone.status(), 204);
    problem(ask(&shop, Method::GET, &one, Some(&operator), None).await, 404, "not-found").await;
});

const PAID: usize = 60;
const KILLS: usize = 4;

on_both!(killed_amid_issuing_it_leaves_no_gap, |test: TestDb| async move {
    let shop = german(&test);
    let paid = AtomicUsize::new(0);
    let mut server = shop.serve().await;
    // Each step is tried until it is answered well, however often the server dies meanwhile.
    let insist = async |send: &dyn Fn() -> reqwest::RequestBuilder| {
        until("an answer", async || {
            let answer = send().send().await.map_err(|error| error.to_string())?;
            match answer.status().as_u16() {
                200..=299 | 409 => answer.json::<Value>().await.map_err(|error| error.to_string()),
                status => Err(status.to_string()),
            }
        })
        .await
    };
    let cookie = &shop.buyer().await.cookie;
    let buy = async {
        for n in 0..PAID {
            let key = format!("order {n}");
            let open = || {
                let request = shop.client.post(shop.mintreu.url("/api/orders")).header("idempotency-key", &key);
                request.header("cookie", cookie).json(&new_order())
            };
            let order = insist(&open).await["id"].as_str().expect("an identifier").to_owned();
            let pay = shop.mintreu.url(&format!("/pay/{order}"));
            let session = insist(&|| shop.client.get(&pay).header("accept", "application/json")).await;
            let complete = shop.mintreu.url(&format!("/sandbox/sessions/{}/complete", session_in(&session)));
            insist(&|| shop.client.post(&complete).header("cookie", cookie).json(&json!({ "outcome": "paid" }))).await;
            paid.fetch_add(1, Ordering::Relaxed);
        }
    };
    let kill = async {
        for kill in 1..=KILLS {
            let moment = PAID * kill / (KILLS + 1);
            until("enough is paid", async || {
                let so_far = paid.load(Ordering::Relaxed);
                if so_far >= moment { Ok(()) } else { Err(so_far) }
            })
            .await;
            // Somewhere within a round of the desk.
            tokio::time::sleep(Duration::from_millis(7 * kill as u64)).await;
            server.kill_9();
            server = shop.serve().await;
        }
        server
    };
    let (_server, ()) = tokio::join!(kill, buy);
    until("all is invoiced", async || {
        let (there, due) = (
            shop.number("SELECT COUNT(*) FROM invoices").await,
            shop.number("SELECT COUNT(*) FROM invoices_due").await,
        );
        if there == 60 && due == 0 { Ok(()) } else { Err((there, due)) }
    })
    .await;
    assert_eq!(shop.number("SELECT COUNT(DISTINCT payment_id) FROM invoices").await, 60);
    assert_eq!(shop.number("SELECT MAX(number) FROM invoices").await, 60);
    assert_eq!(shop.number("SELECT last FROM invoice_series").await, 60);
    let db = test.open().await;
    assert_eq!(mintreu::invoices::prove(&db).await.expect("answers"), (60, vec![]));
});
