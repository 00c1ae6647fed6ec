//! Operators at work: everything that runs is seen and controlled over the API, for a reason, and written down.

use mintreu::accounts::Role;
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    journey_premises::{Premises, sent},
    journey_routes::{Takes, Who, routes},
    journey_shop::{new_order, problem, until},
    operations_scene::{Desk, json_of, rows},
    support::{TestDb, sign_in},
};

on_both!(actors_are_seen_and_begin_anew, |test: TestDb| async move {
    let desk = Desk::on(&test).await;
    let actors = desk.get("/api/admin/actors").await;
    let of = |name: &str| rows(&actors).iter().filter(|actor| actor["capability"] == name).count();
    assert!(of("payments") > 1 && of("audit") == 1 && of("key uses") == 1, "{actors}");
    assert!(rows(&actors).iter().all(|actor| actor["state"] == "running" || actor["state"] == "stopped"), "{actors}");
    let why = json!({ "reason": "it hangs" });
    for name in ["payments", "key%20uses"] {
        assert_eq!(desk.post(&format!("/api/admin/actors/{name}/restart"), why.clone()).await.status(), 202);
    }
    problem(desk.post("/api/admin/actors/none/restart", why).await, 404, "not-found").await;
    let entry = desk.trail("actor.restarted").await;
    assert_eq!((&entry["object_id"], &entry["reason"]), (&json!("key uses"), &json!("it hangs")));
    assert_eq!(entry["actor_id"], desk.operator.user.to_string());
    // It works as before.
    let order = desk.shop.open().await;
    desk.shop.pay(&order).await;
    desk.shop.until_order_is(&order, "fulfilled").await;
});

on_both!(a_queue_is_held_and_its_jobs_are_called_off_and_run_again, |test: TestDb| async move {
    let desk = Desk::on(&test).await;
    let why = |text: &str| json!({ "reason": text });
    let queues = desk.get("/api/admin/queues").await;
    assert!(
        rows(&queues).iter().any(|queue| queue["queue"] == "notifications" && queue["paused"] == false),
        "{queues}"
    );
    problem(desk.post("/api/admin/queues/none/pause", why("x")).await, 404, "not-found").await;
    let held = desk.done("/api/admin/queues/notifications/pause", why("the server is moved"), 200).await;
    assert_eq!((&held["paused"], &held["reason"]), (&json!(true), &json!("the server is moved")));

    let forgotten = json!({ "email": desk.operator.email });
    for _ in 0..3 {
        assert_eq!(desk.shop.post("/api/password/forgot", &forgotten).await.status(), 202);
    }
    let waiting = "/api/admin/jobs?state=available&queue=notifications";
    let jobs = desk.get(waiting).await;
    assert_eq!(rows(&jobs).len(), 3, "{jobs}");
    let job = jobs["data"][0]["id"].as_str().expect("an id").to_owned();
    let path = format!("/api/admin/jobs/{job}");
    assert_eq!(desk.get(&path).await["errors"], json!([]));
    assert_eq!(rows(&desk.get(&format!("{waiting}&sort=created")).await)[2]["id"], job.as_str());
    for (query, found) in [
        ("kind=none", 0),
        ("group=none", 0),
        ("state=dead", 0),
        ("queue=notifications&until=2020-01-01T00:00:00Z", 0),
        ("queue=notifications&from=2020-01-01T00:00:00Z&limit=2", 2),
    ] {
        assert_eq!(rows(&desk.get(&format!("/api/admin/jobs?{query}")).await).len(), found, "{query}");
    }
    let counts = desk.get("/api/admin/queues").await;
    let of = rows(&counts).iter().find(|queue| queue["queue"] == "notifications").expect("it is there");
    assert_eq!(of["jobs"]["available"]["jobs"], 3);

    let done = desk.done(&format!("{path}/cancel"), why("nobody asked"), 200).await;
    assert_eq!(done["cancellation"], "cancelled");
    problem(desk.post(&format!("{path}/cancel"), why("x")).await, 409, "conflict").await;
    assert_eq!(desk.trail("job.cancelled").await["reason"], "nobody asked");
    assert_eq!(desk.done(&format!("{path}/retry"), why("somebody did"), 200).await["state"], "available");
    assert_eq!(desk.trail("job.retried").await["object_id"], job.as_str());
    assert_eq!(desk.done(&format!("{path}/cancel"), why("x"), 200).await["cancellation"], "cancelled");
    let all = json!({ "state": "cancelled", "queue": "notifications", "reason": "all of them" });
    assert_eq!(desk.done("/api/admin/jobs/retry", all.clone(), 200).await, json!({ "retried": 1 }));
    assert_eq!(desk.done("/api/admin/jobs/retry", all, 200).await, json!({ "retried": 0 }));
    for (wrong, pointer) in [
        (json!({ "reason": "x" }), "#/state"),
        (json!({ "state": "completed", "reason": "x" }), "#/state"),
        (json!({ "state": "dead" }), "#/reason"),
    ] {
        let refused = problem(desk.post("/api/admin/jobs/retry", wrong).await, 422, "invalid-input").await;
        assert_eq!(refused["errors"][0]["pointer"], pointer);
    }
    let none = path.replace(&path[path.len() - 4..], "0000");
    for path in [format!("{none}/retry"), format!("{none}/cancel")] {
        problem(desk.post(&path, why("x")).await, 404, "not-found").await;
    }
    problem(desk.ask(Method::GET, &none).send().await.expect("an answer"), 404, "not-found").await;

    let free = desk.done("/api/admin/queues/notifications/resume", why("it is there"), 200).await;
    assert_eq!(free["paused"], false);
    until("all is done", async || {
        let job = desk.get(&path).await;
        if job["state"] == "completed" { Ok(()) } else { Err(job) }
    })
    .await;
    problem(desk.post(&format!("{path}/retry"), why("x")).await, 409, "conflict").await;
    for action in ["queue.paused", "queue.resumed"] {
        assert_eq!(desk.trail(action).await["object_id"], "notifications");
    }
});

on_both!(what_the_clock_sets_going_is_set_going_by_hand, |test: TestDb| async move {
    let desk = Desk::on(&test).await;
    let kind = "/api/admin/jobs?kind=accounts.housekeeping";
    let before = rows(&desk.get(kind).await).len();
    let run =
        async |name: &str| desk.post(&format!("/api/admin/schedules/{name}/run"), json!({ "reason": "now" })).await;
    until("the schedules are known", async || {
        let all = desk.get("/api/admin/schedules").await;
        if rows(&all).iter().any(|one| one["name"] == "accounts.housekeeping") { Ok(()) } else { Err(all) }
    })
    .await;
    assert_eq!(run("accounts.housekeeping").await.status(), 202);
    until("it ran", async || {
        let jobs = desk.get(kind).await;
        if rows(&jobs).len() > before { Ok(()) } else { Err(jobs) }
    })
    .await;
    problem(run("none").await, 404, "not-found").await;
    assert_eq!(desk.trail("schedule.run").await["object_id"], "accounts.housekeeping");
    let known = desk.get("/api/admin/schedules").await;
    let one = rows(&known).iter().find(|one| one["name"] == "accounts.housekeeping").expect("it is there");
    assert!(one["last_run_at"].is_string() && one["next_run_at"].as_str() > one["last_run_at"].as_str(), "{one}");
});

on_both!(flags_are_set_by_whoever_has_seen_them, |test: TestDb| async move {
    let desk = Desk::on(&test).await;
    let path = "/api/admin/flags/checkout.guest";
    let shown = desk.ask(Method::GET, path).send().await.expect("an answer");
    assert_eq!(shown.headers()["etag"], "\"0\"");
    let put = async |path: &str, tag: &str, body: Value| {
        let request = desk.ask(Method::PUT, path).header("if-match", tag).json(&body);
        request.send().await.expect("an answer")
    };
    let off = json!({ "value": false, "reason": "too much fraud" });
    let bare = desk.ask(Method::PUT, path).json(&off).send().await.expect("an answer");
    problem(bare, 428, "precondition-required").await;
    problem(put(path, "\"9\"", off.clone()).await, 412, "precondition-failed").await;
    let set = put(path, "\"0\"", off.clone()).await;
    let tag = set.headers()["etag"].to_str().expect("text").to_owned();
    let set = json_of(path, set, 200).await;
    assert_eq!((&set["declared"], &set["definition"]["default"]), (&json!(true), &json!("off")));
    problem(put(path, "\"0\"", off).await, 412, "precondition-failed").await;
    // A guest finds the door closed.
    let mut cart = new_order();
    cart["email"] = json!("guest@example.com");
    let guest =
        desk.shop.client.post(desk.shop.mintreu.url("/api/orders")).json(&cart).send().await.expect("an answer");
    problem(guest, 401, "unauthorized").await;

    for (wrong, pointer) in [
        (json!({ "reason": "x" }), "#/definition"),
        (json!({ "value": true, "definition": {}, "reason": "x" }), "#/value"),
        (
            json!({ "definition": { "type": "number", "default": "a", "variants": { "a": 1 } }, "reason": "x" }),
            "#/definition/type",
        ),
        (json!({ "definition": { "type": "boolean", "default": "nowhere" }, "reason": "x" }), "#/definition/default"),
        (json!({ "value": true }), "#/reason"),
    ] {
        let refused = problem(put(path, &tag, wrong.clone()).await, 422, "invalid-input").await;
        assert_eq!(refused["errors"][0]["pointer"], pointer, "{wrong}: {refused}");
    }
    let clear = async |tag: &str| {
        let request = desk.ask(Method::POST, &format!("{path}/clear")).header("if-match", tag);
        request.json(&json!({ "reason": "the fraud is over" })).send().await.expect("an answer")
    };
    problem(clear("\"1000\"").await, 412, "precondition-failed").await;
    assert_eq!(json_of(path, clear(&tag).await, 200).await["definition"]["default"], "on");
    problem(clear(&tag).await, 404, "not-found").await;
    let history = desk.get(&format!("{path}/history")).await;
    let told: Vec<_> = rows(&history).iter().map(|entry| (entry["action"].clone(), entry["reason"].clone())).collect();
    let expected = [("flag.removed", "the fraud is over"), ("flag.changed", "too much fraud")];
    assert_eq!(told, expected.map(|(action, why)| (json!(action), json!(why))));

    let banner = "/api/admin/flags/shop.banner";
    let text =
        json!({ "definition": { "type": "string", "variants": { "a": "Hello" }, "default": "a" }, "reason": "new" });
    problem(put(banner, "\"1\"", text.clone()).await, 404, "not-found").await;
    assert_eq!(put(banner, "\"0\"", text).await.status(), 200);
    assert!(rows(&desk.get("/api/admin/flags").await).iter().any(|flag| flag["key"] == "shop.banner"));
    problem(desk.ask(Method::GET, "/api/admin/flags/none").send().await.expect("an answer"), 404, "not-found").await;
});

on_both!(a_switch_stops_what_it_stops_at_once, |test: TestDb| async move {
    let desk = Desk::on(&test).await;
    assert_eq!(rows(&desk.get("/api/admin/switches").await).len(), 6);
    let killed = desk.done("/api/admin/switches/payments/kill", json!({ "reason": "provider is down" }), 200).await;
    assert_eq!((&killed["killed"], &killed["reason"]), (&json!(true), &json!("provider is down")));
    let refused = desk.shop.post("/api/orders", &new_order()).await;
    problem(refused, 503, "capability-disabled").await;
    let checks = desk.get("/api/admin/checks").await;
    assert!(checks["findings"].as_array().expect("a list").iter().any(|found| found["about"] == "flags"), "{checks}");
    assert_eq!(desk.get("/api/admin/system").await["stopped"], json!(["payments"]));
    let restored = desk.done("/api/admin/switches/payments/restore", json!({ "reason": "it is back" }), 200).await;
    assert_eq!(restored["killed"], false);
    assert_eq!(desk.shop.post("/api/orders", &new_order()).await.status(), 201);
    let history = desk.get("/api/admin/switches/payments/history").await;
    let told: Vec<_> = rows(&history).iter().map(|entry| entry["reason"].clone()).collect();
    assert_eq!(told, ["it is back", "provider is down"]);
    problem(desk.post("/api/admin/switches/lamps/kill", json!({ "reason": "x" })).await, 404, "not-found").await;
});

on_both!(the_trail_is_searched_and_proved_a_part_at_a_time, |test: TestDb| async move {
    let desk = Desk::on(&test).await;
    for number in 0..5 {
        let why = json!({ "reason": format!("reason {number}") });
        let path = format!("/api/admin/switches/ai/{}", if number % 2 == 0 { "kill" } else { "restore" });
        let request = desk.ask(Method::POST, &path).header("x-request-id", format!("ask-{number}")).json(&why);
        assert_eq!(request.send().await.expect("an answer").status(), 200);
    }
    let found = async |query: &str| {
        let list = desk.get(&format!("/api/admin/audit?object_type=switch&{query}")).await;
        rows(&list).iter().map(|entry| entry["reason"].as_str().expect("text").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(found("").await[0], "reason 4");
    assert_eq!(found("sort=created&limit=2").await, ["reason 0", "reason 1"]);
    assert_eq!(found("action=switch.restored").await, ["reason 3", "reason 1"]);
    assert_eq!(found("request=ask-2").await, ["reason 2"]);
    assert_eq!(found(&format!("actor=operator:{}", desk.operator.user)).await.len(), 5);
    assert_eq!(found("actor=operator").await.len(), 5);
    assert_eq!(found("actor=user").await.len(), 0);
    assert_eq!(found("until=2020-01-01T00:00:00Z").await.len(), 0);
    assert_eq!(found("from=2020-01-01T00:00:00Z&object=ai").await.len(), 5);
    for wrong in ["actor=ada", "actor=customer:usr_1", "sort=actor", "from=yesterday", "request=%00"] {
        let answer = desk.ask(Method::GET, &format!("/api/admin/audit?{wrong}")).send().await.expect("an answer");
        problem(answer, 400, "invalid-parameter").await;
    }
    let entry = desk.trail("switch.killed").await;
    assert_eq!(
        desk.get(&format!("/api/admin/audit/{}", entry["id"].as_str().expect("an id"))).await["reason"],
        "reason 4"
    );

    let sealed = until("all is sealed", async || {
        let whole = desk.get("/api/admin/audit/verify").await;
        if whole["verified"]["sequence"].as_i64() >= Some(5) { Ok(whole) } else { Err(whole) }
    })
    .await;
    assert_eq!((&sealed["complete"], &sealed["problem"]), (&json!(true), &Value::Null));
    let (mut after, mut parts) = (String::new(), 0);
    loop {
        let part = desk.get(&format!("/api/admin/audit/verify?limit=2{after}")).await;
        assert_eq!(part["problem"], Value::Null, "{part}");
        parts += 1;
        if part["complete"] == true {
            break;
        }
        let head = &part["verified"];
        assert_eq!(head["sequence"], 2 * parts, "{part}");
        after = format!("&after={}:{}", head["sequence"], head["mac"].as_str().expect("a hash"));
    }
    assert!(parts >= 3);
    let forged = format!("2:{}", "0".repeat(64));
    let part = desk.get(&format!("/api/admin/audit/verify?after={forged}")).await;
    assert_eq!(part["problem"]["problem"], "altered", "what was not verified before is not taken for it: {part}");
    let part = desk.get(&format!("/api/admin/audit/verify?head={forged}")).await;
    assert_eq!(part["problem"]["problem"], "not_published", "{part}");
    for wrong in ["limit=0", "limit=50001", "after=x", "after=-1:00", "head=1:zz"] {
        let answer =
            desk.ask(Method::GET, &format!("/api/admin/audit/verify?{wrong}")).send().await.expect("an answer");
        problem(answer, 400, "invalid-parameter").await;
    }
    let changed: Result<u64, mintreu::db::DbError> = desk
        .db
        .write(async |tx| {
            let third = "(SELECT id FROM audit_entries ORDER BY id LIMIT 1 OFFSET 2)";
            let text = format!("UPDATE audit_entries SET reason = 'x' WHERE id = {third}");
            mintreu::execute!(tx, sqlx::query(sqlx::AssertSqlSafe(text)))
        })
        .await;
    assert_eq!(changed.expect("changed"), 1);
    let part = desk.get("/api/admin/audit/verify?limit=2").await;
    assert_eq!(part["problem"], Value::Null, "the part before it is whole");
    let part = desk.get("/api/admin/audit/verify").await;
    assert_eq!((&part["problem"]["problem"], &part["problem"]["sequence"]), (&json!("altered"), &json!(3)), "{part}");
});

on_both!(the_books_are_open_to_operators, |test: TestDb| async move {
    let desk = Desk::on(&test).await;
    let order = desk.shop.open().await;
    desk.shop.pay(&order).await;
    desk.shop.until_order_is(&order, "fulfilled").await;
    let trial = desk.get("/api/admin/ledger/trial-balance").await;
    assert_eq!((&trial["balanced"], &trial["unbalanced"]), (&json!(true), &json!([])), "{trial}");
    assert_eq!(trial["currencies"][0]["debits"], trial["currencies"][0]["credits"]);
    let booked = desk.get(&format!("/api/admin/ledger/transactions?order={order}&kind=sale")).await;
    assert_eq!(rows(&booked).len(), 1, "{booked}");
    let sale = booked["data"][0]["id"].as_str().expect("an id").to_owned();
    let whole = desk.get(&format!("/api/admin/ledger/transactions/{sale}")).await;
    let sum: i64 =
        whole["entries"].as_array().expect("entries").iter().filter_map(|entry| entry["amount"].as_i64()).sum();
    assert_eq!((sum, &whole["order_id"]), (0, &json!(order)), "{whole}");
    let entries = desk.get(&format!("/api/admin/ledger/entries?transaction={sale}")).await;
    assert_eq!(rows(&entries).len(), whole["entries"].as_array().map(Vec::len).expect("entries"));
    let clearing =
        desk.get(&format!("/api/admin/ledger/entries?order={order}&account=clearing:sandbox&currency=USD")).await;
    assert!(!rows(&clearing).is_empty() && rows(&clearing).iter().all(|entry| entry["account"] == "clearing:sandbox"));
    for none in ["account=none", "kind=none", "currency=JPY", "until=2020-01-01T00:00:00Z"] {
        assert_eq!(rows(&desk.get(&format!("/api/admin/ledger/entries?{none}")).await).len(), 0, "{none}");
    }
    let payment = desk.get(&format!("/api/admin/payments?order={order}&state=succeeded")).await;
    let reference = payment["data"][0]["reference"].as_str().expect("a reference");
    assert_eq!(rows(&desk.get(&format!("/api/admin/payments?reference={reference}")).await).len(), 1);
    assert_eq!(rows(&desk.get("/api/admin/payments?unmatched=true").await).len(), 0);
    let refund = json!({ "reason": "broken" });
    let refund = desk.done(&format!("/api/admin/orders/{order}/refunds"), refund, 202).await;
    let refund = refund["id"].as_str().expect("an id").to_owned();
    until("the money is back", async || {
        let list = desk.get(&format!("/api/admin/refunds?order={order}&state=succeeded")).await;
        if list["data"][0]["id"] == refund.as_str() { Ok(()) } else { Err(list) }
    })
    .await;
    assert_eq!(desk.get(&format!("/api/admin/refunds/{refund}")).await["reason"], "broken");
    let system = desk.get("/api/admin/system").await;
    assert!(system["database"]["schema"].as_i64() >= Some(14), "{system}");
    assert_eq!((&system["storage"][0]["problem"], &system["providers"][0]), (&Value::Null, &json!("sandbox")));
    assert_eq!(system["workers"].as_array().map(Vec::len), Some(1));
    assert_eq!(desk.get("/api/admin/usage?period=month").await["has_more"], false);
    let refused = desk.ask(Method::GET, "/api/admin/usage?period=year").send().await.expect("an answer");
    problem(refused, 400, "invalid-parameter").await;
});

on_both!(an_order_is_looked_after_for_a_reason, |test: TestDb| async move {
    let desk = Desk::on(&test).await;
    let (order, paid) = (desk.shop.open().await, desk.shop.open().await);
    desk.shop.pay(&paid).await;
    desk.shop.until_order_is(&paid, "fulfilled").await;
    let why = json!({ "reason": "the buyer asked" });
    let nothing = desk.post(&format!("/api/admin/orders/{paid}/fulfil"), why.clone()).await;
    problem(nothing, 409, "conflict").await;
    assert_eq!(desk.post(&format!("/api/admin/orders/{paid}/reconcile"), why.clone()).await.status(), 202);
    assert_eq!(desk.trail("order.reconcile_asked").await["object_id"], paid.as_str());
    // A job is called off that should not have been.
    desk.done("/api/admin/queues/licensing/pause", why.clone(), 200).await;
    let lost = desk.shop.open().await;
    desk.shop.pay(&lost).await;
    let waiting = "/api/admin/orders?payment_state=paid&fulfilment_state=unfulfilled";
    until("it is paid", async || {
        let found = desk.get(waiting).await;
        if rows(&found).len() == 1 { Ok(()) } else { Err(found) }
    })
    .await;
    let jobs = desk.get("/api/admin/jobs?queue=licensing&state=available&kind=licenses.issue").await;
    let job = jobs["data"][0]["id"].as_str().unwrap_or_else(|| panic!("a job instead of {jobs}")).to_owned();
    desk.done(&format!("/api/admin/jobs/{job}/cancel"), why.clone(), 200).await;
    desk.done("/api/admin/queues/licensing/resume", why.clone(), 200).await;
    assert_eq!(desk.post(&format!("/api/admin/orders/{lost}/fulfil"), why.clone()).await.status(), 202);
    desk.shop.until_order_is(&lost, "fulfilled").await;
    assert_eq!(desk.shop.number("SELECT COUNT(*) FROM licenses").await, 2, "each once");
    assert_eq!(desk.trail("order.fulfilment_asked").await["object_id"], lost.as_str());
    assert_eq!(desk.post(&format!("/api/admin/orders/{order}/cancel"), why.clone()).await.status(), 204);
    let entry = desk.trail("order.cancelled").await;
    assert_eq!((&entry["object_id"], &entry["reason"]), (&json!(order), &json!("the buyer asked")));
    problem(desk.post(&format!("/api/admin/orders/{order}/cancel"), why).await, 409, "conflict").await;
    for (query, found) in [
        (format!("tenant={}", desk.shop.buyer().await.tenant), 3),
        ("payment_state=cancelled".to_owned(), 1),
        ("provider=stripe".to_owned(), 0),
        ("dispute_state=none&currency=USD&sort=created".to_owned(), 3),
        ("until=2020-01-01T00:00:00Z".to_owned(), 0),
        ("from=2020-01-01T00:00:00Z".to_owned(), 3),
    ] {
        assert_eq!(rows(&desk.get(&format!("/api/admin/orders?{query}")).await).len(), found, "{query}");
    }
});

on_both!(people_are_let_in_and_put_out, |test: TestDb| async move {
    let desk = Desk::on(&test).await;
    let new =
        json!({ "email": "Grace@example.com", "name": "Grace", "role": "developer", "reason": "she sells lamps" });
    let made = desk.done("/api/admin/users", new.clone(), 201).await;
    assert_eq!(made["email"], "grace@example.com");
    problem(desk.post("/api/admin/users", new).await, 409, "conflict").await;
    let path = format!("/api/admin/users/{}", made["id"].as_str().expect("an id"));
    let shown = desk.get(&path).await;
    assert_eq!(
        (&shown["role"], &shown["email_verified_at"], &shown["orders"]),
        (&json!("developer"), &json!(null), &json!(0))
    );
    for (wrong, pointer) in [
        (json!({ "email": "x", "name": "G", "role": "customer", "reason": "x" }), "#/email"),
        (json!({ "email": "g@example.com", "name": "", "role": "customer", "reason": "x" }), "#/name"),
        (json!({ "email": "g@example.com", "name": "G", "role": "customer" }), "#/reason"),
    ] {
        let refused = problem(desk.post("/api/admin/users", wrong).await, 422, "invalid-input").await;
        assert_eq!(refused["errors"][0]["pointer"], pointer, "{refused}");
    }
    let why = json!({ "reason": "she lost it" });
    assert_eq!(desk.post(&format!("{path}/resend-verification"), why.clone()).await.status(), 202);
    assert_eq!(desk.post(&format!("{path}/send-password-link"), why.clone()).await.status(), 202);
    until("the letters are written", async || {
        let mails = desk.get("/api/admin/mails?state=sent").await;
        let of = |name: &str| rows(&mails).iter().filter(|mail| mail["template"] == name).count();
        if of("verify_email") >= 2 && of("reset_password") == 1 { Ok(()) } else { Err(mails) }
    })
    .await;

    let ada = sign_in(&desk.db, "ada@example.com", Role::Customer).await;
    let path = format!("/api/admin/users/{}", ada.user);
    let own = async |cookie: &str| {
        let request = desk.shop.client.get(desk.shop.mintreu.url("/api/account")).header("cookie", cookie);
        request.send().await.expect("an answer").status().as_u16()
    };
    problem(desk.post(&format!("{path}/resend-verification"), why.clone()).await, 409, "conflict").await;
    let token = json!({ "name": "t", "scopes": ["account:read"] });
    let made = desk.shop.client.post(desk.shop.mintreu.url("/api/account/tokens")).header("cookie", &ada.cookie);
    let made = json_of("a token", made.json(&token).send().await.expect("an answer"), 201).await;
    let bearer = format!("Bearer {}", made["token"].as_str().expect("a token"));
    let with_token = async || {
        let request = desk.shop.client.get(desk.shop.mintreu.url("/api/account")).header("authorization", &bearer);
        request.send().await.expect("an answer").status().as_u16()
    };
    assert_eq!(rows(&desk.get(&format!("{path}/sessions")).await).len(), 1);
    let tokens = desk.get(&format!("{path}/tokens")).await;
    assert!(rows(&tokens).len() == 1 && tokens["data"][0].get("token").is_none(), "{tokens}");
    let out = json!({ "reason": "a stolen telephone" });
    assert_eq!(desk.post(&format!("{path}/sign-out"), out).await.status(), 204);
    assert_eq!((own(&ada.cookie).await, with_token().await), (401, 200));
    let out = json!({ "tokens": true, "reason": "all of it" });
    assert_eq!(desk.post(&format!("{path}/sign-out"), out).await.status(), 204);
    assert_eq!(with_token().await, 401);
    assert_eq!(desk.trail("user.put_out").await["after"], json!({ "tokens": true }));
    assert_eq!(desk.done(&format!("{path}/reset-totp"), why.clone(), 200).await["second_factor"], false);
    let disable = desk.ask(Method::PATCH, &path).json(&json!({ "disabled": true, "reason": "x" }));
    assert_eq!(disable.send().await.expect("an answer").status(), 200);
    problem(desk.post(&format!("{path}/send-password-link"), why.clone()).await, 409, "conflict").await;
    let none = path.replace(&path[path.len() - 4..], "0000");
    for step in ["sign-out", "resend-verification", "send-password-link", "reset-totp"] {
        problem(desk.post(&format!("{none}/{step}"), why.clone()).await, 404, "not-found").await;
    }
    for list in ["sessions", "tokens"] {
        let answer = desk.ask(Method::GET, &format!("{none}/{list}")).send().await.expect("an answer");
        problem(answer, 404, "not-found").await;
    }
});

on_both!(whatever_asks_for_a_reason_does_not_do_without, |db| async move {
    let premises = Premises::on(&db).await;
    let mut tried = 0;
    for route in routes().iter().filter(|route| route.who == Who::Operator) {
        let Takes::Json(good) = &route.takes else { continue };
        if good.get("reason").is_none_or(|reason| reason != "because") {
            continue;
        }
        let mut silent = good.clone();
        silent.as_object_mut().expect("an object").remove("reason");
        let mut blank = good.clone();
        blank["reason"] = json!(" ");
        for (body, allowed) in [(silent, &[400, 422][..]), (blank, &[422])] {
            let request = premises.ask(route.method.clone(), &premises.path(route)).header("if-match", "\"0\"");
            let request =
                request.header("cookie", &premises.operator.cookie).header("content-type", "application/json");
            let (told, answer) = sent(&premises, request.body(premises.fill(&body))).await;
            let status = answer.status().as_u16();
            let refused: Value = answer.json().await.expect("JSON");
            assert!(allowed.contains(&status), "{told}: {refused}");
            assert_eq!(refused["errors"][0]["pointer"], "#/reason", "{told}: {refused}");
        }
        tried += 1;
    }
    assert!(tried > 25, "{tried}");
});

on_both!(two_operators_who_edit_one_thing_do_not_undo_each_other, |db| async move {
    let premises = Premises::on(&db).await;
    let paths = [
        "/api/admin/developers/{id}",
        "/api/admin/categories/{id}",
        "/api/admin/products/{id}",
        "/api/admin/plans/{id}",
        "/api/admin/coupons/{id}",
        "/api/admin/tax-rates/{id}",
        "/api/admin/sources/{id}",
        "/api/admin/endpoints/{id}",
        "/api/admin/products/{id}/hook",
        "/api/admin/canned-answers/{answer}",
        "/api/admin/articles/{article}",
        "/api/admin/flags/{flag}",
        "/api/admin/flags/{flag}/clear",
    ];
    let mut tried = std::collections::BTreeSet::new();
    for route in routes().iter().filter(|route| paths.contains(&route.path) && route.method != Method::GET) {
        if route.path.ends_with("/hook") && route.method == Method::POST {
            continue;
        }
        for (tag, status, name) in
            [(None, 428, "precondition-required"), (Some("\"987654321\""), 412, "precondition-failed")]
        {
            let mut request = premises.ask(route.method.clone(), &premises.path(route));
            if let Some(tag) = tag {
                request = request.header("if-match", tag);
            }
            if let Some((kind, body)) = premises.body(route) {
                request = request.header("content-type", kind).body(body);
            }
            let (told, answer) = sent(&premises, request.header("cookie", &premises.operator.cookie)).await;
            // Nobody has set the flag, and the product has no hook: there is nothing to clear or to change.
            let absent = tag.is_some() && (route.path.ends_with("/clear") || route.path.ends_with("/hook"));
            assert!(answer.status() == status || absent && answer.status() == 404, "{told}: {}", answer.status());
            if !absent {
                problem(answer, status, name).await;
            }
        }
        tried.insert(route.path);
    }
    assert_eq!(tried.len(), paths.len(), "{tried:?}");
});

/// Whether a path of the page, in which `$NAME` stands for something, is a route's.
fn is_of(path: &str, route: &str) -> bool {
    let (given, known): (Vec<_>, Vec<_>) = (path.split('/').collect(), route.split('/').collect());
    given.len() == known.len()
        && given.iter().zip(&known).all(|(given, known)| given == known || known.starts_with('{'))
}

#[test]
fn the_page_for_operators_names_routes_that_there_are() {
    let page = include_str!("../../docs/operators.md").replace("\\\n", " ");
    let (table, mut tried) = (routes(), 0);
    for line in page.lines().filter(|line| line.contains("curl ")) {
        let (_, rest) = line.split_once("$SHOP").unwrap_or_else(|| panic!("no shop: {line}"));
        let path = rest.split(['"', '?', ' ']).next().expect("a path");
        let named = line.split_once(" -X ").map(|(_, rest)| rest.split(' ').next().expect("a method"));
        let method = named.unwrap_or(if line.contains(" -d '") { "POST" } else { "GET" });
        // What is there by its own name comes before what any name is.
        let exact = table.iter().find(|route| route.path == path && route.method == method);
        let route = exact.or_else(|| table.iter().find(|route| route.method == method && is_of(path, route.path)));
        let route = route.unwrap_or_else(|| panic!("{method} {path} is no route"));
        if let Some((_, query)) = rest.split('"').next().expect("a target").split_once('?') {
            for name in query.split(['&', '$']).filter_map(|pair| pair.split_once('=')).map(|(name, _)| name) {
                let known = route.query.contains(&name) || route.path.ends_with("/verify");
                assert!(known, "{path} takes no `{name}`");
            }
        }
        if let Some((_, body)) = line.split_once(" -d '") {
            let body: Value = serde_json::from_str(body.split('\'').next().expect("a body")).expect("JSON");
            let Takes::Json(good) = &route.takes else { panic!("{method} {path} takes no body") };
            let open = ["/api/login", "/api/admin/flags/{flag}"].contains(&route.path);
            for name in body.as_object().expect("an object").keys() {
                assert!(open || good.get(name).is_some(), "{path} takes no `{name}`");
            }
        }
        tried += 1;
    }
    assert!(tried > 60, "{tried}");
}
