//! Kill switches: flipped from another process, seen by the running server within a second, and nothing lost meanwhile.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::journey_shop::{Shop, new_order, paid_event, problem, until};

/// Within what time a running server promises to follow.
const PROMISE: Duration = Duration::from_secs(1);

/// Flips a switch from another process. Requests that are sent when the promised time is over must find it done.
async fn flip(shop: &Shop, command: &str, switch: &str, seen: impl AsyncFn() -> bool) {
    shop.run(&["flags", command, switch, "--reason", "a test of the switch"]);
    let flipped = Instant::now();
    loop {
        let asked = flipped.elapsed();
        if seen().await {
            return;
        }
        assert!(asked <= PROMISE, "{command} {switch} is not seen by a request sent {asked:?} after it");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn orders_answer(shop: &Shop, status: u16) -> bool {
    shop.post("/api/orders", &new_order()).await.status() == status
}

on_both!(killed_payments_refuse_new_orders_and_keep_what_providers_send, |db| async move {
    let shop = Shop::on(&db);
    let _server = shop.serve().await;
    let order = shop.open().await;
    flip(&shop, "kill", "payments", async || orders_answer(&shop, 503).await).await;

    for refused in [shop.post("/api/orders", &new_order()).await, shop.get(&format!("/pay/{order}")).await] {
        let retry_after = refused.headers()["retry-after"].to_str().expect("text").parse::<u64>();
        assert!(retry_after.is_ok_and(|seconds| seconds >= 1));
        let problem = problem(refused, 503, "capability-disabled").await;
        assert_eq!(problem["capability"], "payments", "{problem}");
    }
    assert_eq!(shop.order(&order).await["status"], "pending", "what exists can be looked at");
    assert_eq!(shop.deliver(&paid_event("evt_1", &order, &json!({}))).await.status(), 200);
    assert_eq!(shop.deliver(&paid_event("evt_1", &order, &json!({}))).await.status(), 200);

    // Longer than the workers' poll: whatever would be claimed is claimed by now.
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let waiting = shop.json(&["jobs", "list", "--kind", "payments.handle_event"]);
    let states: Vec<&Value> = waiting.as_array().expect("a list").iter().map(|job| &job["state"]).collect();
    assert_eq!(states, ["available"; 2], "{waiting}");
    assert_eq!(shop.number("SELECT COUNT(*) FROM webhook_inbox WHERE outcome IS NULL").await, 1);

    flip(&shop, "restore", "payments", async || orders_answer(&shop, 201).await).await;
    shop.until_order_is(&order, "fulfilled").await;
    assert_eq!(shop.outcomes().await, ["settled"]);
    let trail = shop.json(&["audit", "list", "--object-type", "switch"]);
    let entries = trail["data"].as_array().expect("a list");
    let told: Vec<_> = entries.iter().map(|entry| (&entry["action"], &entry["reason"])).collect();
    let reason = json!("a test of the switch");
    assert_eq!(told, [(&json!("switch.restored"), &reason), (&json!("switch.killed"), &reason)]);
    shop.is_sound();
});

on_both!(killed_licensing_lets_payments_settle_and_gives_the_license_later, |db| async move {
    let shop = Shop::on(&db);
    let _server = shop.serve().await;
    shop.run(&["flags", "kill", "licensing", "--reason", "a new signing key"]);
    // Until the switch is seen, licences may still be issued.
    until("the server has seen the switch", async || {
        let metrics = shop.client.get(shop.mintreu.metrics_url()).send().await.expect("an answer");
        let metrics = metrics.text().await.expect("text");
        let gauge = metrics.lines().find(|line| line.starts_with(r#"mintreu_flags_switch_killed{switch="licensing"}"#));
        if gauge.is_some_and(|line| line.ends_with(" 1")) { Ok(()) } else { Err(gauge.map(str::to_owned)) }
    })
    .await;
    let order = shop.open().await;
    shop.pay(&order).await;
    shop.until_order_is(&order, "paid").await;
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let view = shop.order(&order).await;
    assert_eq!((&view["status"], &view["licenses"]), (&json!("paid"), &json!([])));
    let waiting = shop.json(&["jobs", "list", "--kind", "licenses.issue", "--state", "available"]);
    assert_eq!(waiting.as_array().map(Vec::len), Some(1), "{waiting}");

    shop.run(&["flags", "restore", "licensing", "--reason", "the key is there"]);
    shop.until_order_is(&order, "fulfilled").await;
    assert_eq!(shop.number("SELECT COUNT(*) FROM licenses").await, 1);
    shop.is_sound();
});

on_both!(a_switch_outlives_the_server, |db| async move {
    let shop = Shop::on(&db);
    let mut server = shop.serve().await;
    flip(&shop, "kill", "payments", async || orders_answer(&shop, 503).await).await;
    server.terminate();
    assert!(server.wait().success());
    let _server = shop.serve().await;
    assert!(orders_answer(&shop, 503).await);
    let listed = shop.json(&["flags", "list"]);
    let payments = listed["switches"].as_array().expect("a list").iter().find(|it| it["switch"] == "payments").cloned();
    assert_eq!(payments.as_ref().map(|it| &it["killed"]), Some(&json!(true)), "{listed}");
});

on_both!(a_flag_is_set_and_read_back, |db| async move {
    let shop = Shop::on(&db);
    shop.run(&["migrate"]);
    let declared = shop.json(&["flags", "get", "checkout.guest"]);
    assert_eq!(declared["definition"]["default"], "on", "{declared}");
    shop.run(&["flags", "set", "checkout.guest", "false", "--reason", "too much fraud"]);
    let set = shop.json(&["flags", "get", "checkout.guest"]);
    assert_eq!((&set["definition"]["default"], &set["version"]), (&json!("off"), &json!(1)), "{set}");
    assert_eq!(set["definition"]["description"], declared["definition"]["description"], "what it is for is kept");

    let stale = ["flags", "set", "checkout.guest", "true", "--reason", "x", "--version", "7"];
    assert!(shop.refused(&stale, 1).stderr.contains("checkout.guest"));
    let banner = r#"{"type":"string","variants":{"a":"Hello"},"default":"a"}"#;
    shop.run(&["flags", "set", "shop.banner", banner, "--reason", "spring"]);
    assert!(shop.refused(&["flags", "set", "shop.banner", "true", "--reason", "x"], 2).stderr.contains("boolean"));
    let _server = shop.serve().await;
    until("the flag is listed", async || {
        let listed = shop.json(&["flags", "list"]);
        let found =
            listed["flags"].as_array().is_some_and(|flags| flags.iter().any(|flag| flag["key"] == "shop.banner"));
        found.then_some(()).ok_or(listed)
    })
    .await;
});
