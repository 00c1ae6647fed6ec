//! Sold programs ask, many at once: limits hold, revocations are obeyed by every process, and every answer is counted.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures::future::join_all;
use mintreu::accounts::Role;
use serde_json::{Value, json};

use crate::{
    journey_shop::{Shop, until},
    support::{Mintreu, Running, TestDb, sign_in, sold::root_text},
};

/// Within what time every process promises to follow.
const PROMISE: Duration = Duration::from_secs(1);

struct Scene {
    shop: Shop,
    server: Running,
    key: String,
    license: String,
}

fn mintreu() -> Mintreu {
    let mintreu = Mintreu::new().env("MINTREU__SECRETS__KEY", root_text());
    // How often programs may ask is tried elsewhere.
    mintreu.env("MINTREU__LICENSING__VALIDATIONS_PER_MINUTE_PER_KEY", "0")
}

/// Somebody who bought a licence for three places.
async fn bought(db: &TestDb) -> Scene {
    let shop = Shop::of(mintreu(), &db.url());
    let server = shop.serve().await;
    let order = shop.open().await;
    shop.pay(&order).await;
    let view = shop.until_order_is(&order, "fulfilled").await;
    let text = |name: &str| view["licenses"][0][name].as_str().expect("text").to_owned();
    let (key, license) = (text("license_key"), text("id"));
    Scene { shop, server, key, license }
}

async fn ask(shop: &Shop, route: &str, body: &Value) -> Value {
    let request = shop.client.post(shop.mintreu.url(&format!("/api/license/{route}"))).json(body);
    let answer = request.send().await.expect("an answer");
    assert_eq!(answer.status(), 200, "{route} {body}");
    answer.json().await.expect("JSON")
}

on_both!(fifty_that_activate_at_once_get_the_three_places_there_are, |db| async move {
    let Scene { shop, server: _server, key, license } = bought(&db).await;
    let place =
        |number: usize| json!({ "license_key": key, "instance_name": "pc", "fingerprint": format!("f{number}") });
    let bodies: Vec<_> = (0..50).map(place).collect();
    let answers = join_all(bodies.iter().map(|body| ask(&shop, "activate", body))).await;
    let code = |wanted: &str| answers.iter().filter(|answer| answer["code"] == wanted).count();
    assert_eq!((code("VALID"), code("TOO_MANY_MACHINES")), (3, 47), "{answers:?}");
    let active = "SELECT COUNT(*) FROM license_activations WHERE deactivated_at IS NULL";
    assert_eq!(shop.number(active).await, 3);
    assert_eq!(shop.number("SELECT activation_count FROM licenses").await, 3);

    // Those that are in stay in, and are not counted again.
    for (body, answer) in bodies.iter().zip(&answers).filter(|(_, answer)| answer["valid"] == true) {
        assert_eq!(ask(&shop, "activate", body).await["instance"]["id"], answer["instance"]["id"]);
        assert_eq!(ask(&shop, "validate", body).await["code"], "VALID");
    }
    // One leaves while twenty want in.
    let leaver = bodies.iter().zip(&answers).find(|(_, answer)| answer["valid"] == true).expect("one").0;
    assert_eq!(ask(&shop, "deactivate", leaver).await["code"], "VALID");
    assert_eq!(ask(&shop, "validate", leaver).await["code"], "NO_MACHINE");
    let others: Vec<_> = (100..120).map(place).collect();
    let answers = join_all(others.iter().map(|body| ask(&shop, "activate", body))).await;
    assert_eq!(answers.iter().filter(|answer| answer["valid"] == true).count(), 1, "{answers:?}");
    assert_eq!(shop.number(active).await, 3);
    let view: Value = shop.get(&format!("/api/licenses/{license}/activations")).await.json().await.expect("JSON");
    let listed = view["data"].as_array().expect("a list");
    assert_eq!(listed.iter().filter(|place| place["deactivated_at"].is_null()).count(), 3, "{view}");
});

/// Asks without pause until told to end; tells of each answer when it was asked for and what it said.
async fn watch(shop: &Shop, key: &str, over: &AtomicBool) -> Vec<(Instant, bool)> {
    let mut answers = Vec::new();
    while !over.load(Ordering::Relaxed) {
        let asked = Instant::now();
        let answer = ask(shop, "validate", &json!({ "license_key": key })).await;
        answers.push((asked, answer["valid"] == true));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    answers
}

/// Has an operator take a step while programs ask every server. Nobody who asks when the promised time is over may get
/// the old answer.
async fn stepped(scene: &Scene, servers: &[&Shop], cookie: &str, step: &str, valid_after: bool) {
    let over = AtomicBool::new(false);
    let change = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let path = scene.shop.mintreu.url(&format!("/api/admin/licenses/{}/{step}", scene.license));
        let request = scene.shop.client.post(path).header("cookie", cookie).json(&json!({ "reason": "a test" }));
        assert_eq!(request.send().await.expect("an answer").status(), 200, "{step}");
        let acknowledged = Instant::now();
        // The server that did it has forgotten the old answer already.
        let answer = ask(&scene.shop, "validate", &json!({ "license_key": scene.key })).await;
        assert_eq!(answer["valid"], valid_after, "{step}: {answer}");
        tokio::time::sleep(PROMISE + Duration::from_millis(500)).await;
        over.store(true, Ordering::Relaxed);
        acknowledged
    };
    let watchers = join_all(servers.iter().cycle().take(4 * servers.len()).map(|shop| watch(shop, &scene.key, &over)));
    let (acknowledged, answers) = tokio::join!(change, watchers);
    let (mut before, mut after) = (0, 0);
    for (asked, valid) in answers.into_iter().flatten() {
        if asked < acknowledged && valid != valid_after {
            before += 1;
        }
        if asked > acknowledged + PROMISE {
            assert_eq!(valid, valid_after, "{step}: asked {:?} after it was acknowledged", asked - acknowledged);
            after += 1;
        }
    }
    assert!(before > 0 && after > 0, "{step}: {before} before, {after} after");
}

async fn operator(shop: &Shop) -> String {
    let store = shop.db().await;
    sign_in(&store, "operator@example.com", Role::Admin).await.cookie
}

on_both!(nobody_is_told_that_a_revoked_licence_is_valid, |db| async move {
    let scene = bought(&db).await;
    let cookie = operator(&scene.shop).await;
    stepped(&scene, &[&scene.shop], &cookie, "suspend", false).await;
    assert_eq!(ask(&scene.shop, "validate", &json!({ "license_key": scene.key })).await["code"], "SUSPENDED");
    stepped(&scene, &[&scene.shop], &cookie, "resume", true).await;
    stepped(&scene, &[&scene.shop], &cookie, "revoke", false).await;
    assert_eq!(ask(&scene.shop, "validate", &json!({ "license_key": scene.key })).await["code"], "REVOKED");
    let activate = json!({ "license_key": scene.key, "instance_name": "pc", "fingerprint": "f" });
    assert_eq!(ask(&scene.shop, "activate", &activate).await["code"], "REVOKED");
});

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_servers_of_one_database_follow_each_other_within_the_promised_time() {
    let Some(db) = TestDb::postgres().await else { return };
    let scene = bought(&db).await;
    let second = Shop::of(mintreu(), &db.url());
    let _second = second.serve().await;
    let cookie = operator(&scene.shop).await;
    let servers = [&scene.shop, &second];
    stepped(&scene, &servers, &cookie, "suspend", false).await;
    stepped(&scene, &servers, &cookie, "resume", true).await;
    stepped(&scene, &servers, &cookie, "revoke", false).await;
}

on_both!(each_validation_is_counted_and_reaches_the_summaries, |db| async move {
    let Scene { shop, mut server, key, license } = bought(&db).await;
    for _ in 0..25 {
        ask(&shop, "validate", &json!({ "license_key": key })).await;
    }
    let compatible = [("/v1/licenses/validate", json!({ "license_key": key }))];
    for (path, body) in &compatible {
        assert_eq!(shop.post(path, body).await.status(), 200);
    }
    let wrong = json!({ "license_key": "MINTREU-REG-DET2VR-20261121-PSCJX9QGWV92MMVKKTAKXS76XJ0E-9KBGQH" });
    assert_eq!(ask(&shop, "validate", &wrong).await["code"], "NOT_FOUND");
    let metrics = shop.client.get(shop.mintreu.metrics_url()).send().await.expect("an answer");
    let metrics = metrics.text().await.expect("text");
    let counted = |code: &str| {
        let line = format!("mintreu_license_validations_total{{code=\"{code}\"}} ");
        metrics.lines().find_map(|seen| seen.strip_prefix(&line)).map(str::to_owned)
    };
    assert_eq!((counted("VALID").as_deref(), counted("NOT_FOUND").as_deref()), (Some("26"), Some("1")));
    // Counted is counted, also when the process dies before it is flushed.
    server.kill_9();
    let _server = shop.serve().await;
    let sum = "SELECT CAST(COALESCE(SUM(count), 0) AS BIGINT) FROM usage_summaries
               WHERE metric = 'license.validations' AND period = 'day'";
    until("every validation is in the summaries", async || {
        let sum = shop.number(sum).await;
        if sum == 26 { Ok(()) } else { Err(sum) }
    })
    .await;
    let store = shop.db().await;
    let of_license: i64 = mintreu::fetch_one!(
        &store,
        sqlx::query_scalar("SELECT COUNT(*) FROM usage_summaries WHERE subject = $1 AND period = 'day'").bind(&license)
    )
    .expect("a number");
    assert_eq!(of_license, 2, "one row for each way of asking");
});

on_both!(a_licence_whose_time_is_over_is_told_as_expired_by_every_interface, |db| async move {
    let Scene { shop, server: _server, key, .. } = bought(&db).await;
    let store = shop.db().await;
    store
        .write(async |tx| {
            let past = mintreu::kernel::Time::from_micros(tx.now().as_micros() - 1_000_000);
            mintreu::execute!(tx, sqlx::query("UPDATE licenses SET expires_at = $1").bind(past))
        })
        .await
        .map_err(|error: mintreu::db::DbError| error)
        .expect("it is written");
    let body = json!({ "license_key": key, "instance_name": "pc" });
    for route in ["validate", "activate"] {
        let answer = ask(&shop, route, &body).await;
        assert_eq!((&answer["valid"], &answer["code"]), (&json!(false), &json!("EXPIRED")), "{route}: {answer}");
    }
    let lemon: Value = shop.post("/v1/licenses/validate", &body).await.json().await.expect("JSON");
    assert_eq!((&lemon["valid"], &lemon["license_key"]["status"]), (&json!(false), &json!("expired")), "{lemon}");
    let gumroad = json!({ "license_key": key, "product_id": crate::journey_shop::PRODUCT });
    assert_eq!(shop.post("/v2/licenses/verify", &gumroad).await.status(), 404);
});
