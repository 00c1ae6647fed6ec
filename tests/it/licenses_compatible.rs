//! Programs that were written for other platforms' licence APIs find them here, shape by shape.

use mintreu::{
    catalog::Limits,
    execute,
    licenses::{self, Change, LicenseView, Step, number},
};
use serde_json::{Value, json};

use crate::{
    licenses_http::Scene,
    support::sold::{Sold, key},
};

impl Scene {
    /// Posts a form; the answer's status and body.
    async fn form(&self, path: &str, fields: &[(&str, &str)]) -> (u16, Value) {
        let answer = self.client.post(self.mintreu.url(path)).form(fields).send().await.expect("an answer");
        (answer.status().as_u16(), answer.json().await.expect("JSON"))
    }

    async fn raw(&self, path: &str, kind: &str, body: String) -> (u16, Value) {
        let request = self.client.post(self.mintreu.url(path)).header("content-type", kind).body(body);
        let answer = request.send().await.expect("an answer");
        (answer.status().as_u16(), answer.json().await.expect("JSON"))
    }

    async fn take(&self, license: &LicenseView, step: Step) {
        let change = Change::system().because("a test");
        self.db.write(async |tx| licenses::take_step(tx, license.id, step, &change).await).await.expect("taken");
    }
}

/// As they write times: microseconds, and `Z`.
fn is_stamp(value: &Value) -> bool {
    value.as_str().is_some_and(|text| text.len() == 27 && text.ends_with('Z') && &text[19..20] == ".")
}

on_both!(lemon_squeezy_programs_find_its_licence_api, |db| async move {
    let scene = Scene::open(&db).await;
    let sold = Sold::with(&scene.db, &scene.owner, Limits { activations: Some(1), ..Limits::default() }, 1).await;
    let (license, from) = (sold.license(&scene.db).await, &sold.entitlement);
    let key = key(&license);
    let (status, mut active) =
        scene.form("/v1/licenses/activate", &[("license_key", key), ("instance_name", "Test")]).await;
    assert_eq!(status, 200, "{active}");
    let instance = active["instance"]["id"].as_str().expect("an id").to_owned();
    instance.parse::<uuid::Uuid>().expect("a UUID");
    assert!(is_stamp(&active["instance"]["created_at"]) && is_stamp(&active["license_key"]["created_at"]), "{active}");
    active["instance"]["created_at"] = json!("then");
    active["license_key"]["created_at"] = json!("then");
    let meta = json!({
        "store_id": number(from.developer), "order_id": number(from.order), "order_item_id": number(from.item),
        "product_id": number(from.product), "product_name": "A thing", "variant_id": number(from.plan),
        "variant_name": "Standard", "customer_id": number(from.tenant), "customer_name": "owner@example.com",
        "customer_email": "owner@example.com",
    });
    assert_eq!(
        active,
        json!({
            "activated": true,
            "error": null,
            "license_key": {
                "id": number(license.id), "status": "active", "key": key, "activation_limit": 1, "activation_usage": 1,
                "created_at": "then", "expires_at": null, "test_mode": false,
            },
            "instance": { "id": instance, "name": "Test", "created_at": "then" },
            "meta": meta,
        })
    );
    let (status, full) = scene.form("/v1/licenses/activate", &[("license_key", key), ("instance_name", "Two")]).await;
    assert_eq!((status, &full["activated"], &full["instance"]), (400, &json!(false), &Value::Null));
    assert_eq!(full["error"], "This license key has reached the activation limit.");
    assert_eq!((&full["license_key"]["activation_usage"], &full["meta"]), (&json!(1), &meta));

    let (status, valid) =
        scene.form("/v1/licenses/validate", &[("license_key", key), ("instance_id", &instance)]).await;
    assert_eq!((status, &valid["valid"], &valid["error"]), (200, &json!(true), &Value::Null));
    assert_eq!((&valid["instance"]["name"], &valid["meta"]), (&json!("Test"), &meta));
    let (status, valid) = scene.form("/v1/licenses/validate", &[("license_key", key)]).await;
    assert_eq!((status, &valid["valid"], &valid["instance"]), (200, &json!(true), &Value::Null));
    for wrong in ["nonsense", "00000000-0000-0000-0000-000000000000"] {
        let (status, missing) =
            scene.form("/v1/licenses/validate", &[("license_key", key), ("instance_id", wrong)]).await;
        assert_eq!(
            (status, &missing["valid"], &missing["error"]),
            (404, &json!(false), &json!("instance_id not found."))
        );
    }
    let document = json!({ "license_key": key, "instance_id": instance }).to_string();
    for kind in ["application/json", "application/vnd.api+json"] {
        let (status, valid) = scene.raw("/v1/licenses/validate", kind, document.clone()).await;
        assert_eq!((status, &valid["valid"]), (200, &json!(true)), "{kind}");
    }
    let (status, ended) =
        scene.form("/v1/licenses/deactivate", &[("license_key", key), ("instance_id", &instance)]).await;
    assert_eq!((status, &ended["deactivated"], &ended["error"]), (200, &json!(true), &Value::Null));
    assert_eq!(
        (&ended["license_key"]["status"], &ended["license_key"]["activation_usage"]),
        (&json!("inactive"), &json!(0))
    );
    let (status, _) = scene.form("/v1/licenses/deactivate", &[("license_key", key), ("instance_id", &instance)]).await;
    assert_eq!(status, 404);

    scene.take(&license, Step::Suspend).await;
    let fields = [("license_key", key), ("instance_name", "x"), ("instance_id", &*instance)];
    crate::support::eventually("the server knows", async || {
        scene.form("/v1/licenses/validate", &fields[..1]).await.0 == 400
    })
    .await;
    for (path, verb) in [("/v1/licenses/activate", "activated"), ("/v1/licenses/validate", "valid")] {
        let (status, disabled) = scene.form(path, &fields[..2]).await;
        assert_eq!(
            (status, &disabled[verb], &disabled["error"]),
            (400, &json!(false), &json!("This license key is disabled."))
        );
        assert_eq!(disabled["license_key"]["status"], "disabled");
    }
    for (path, verb) in [
        ("/v1/licenses/activate", "activated"),
        ("/v1/licenses/validate", "valid"),
        ("/v1/licenses/deactivate", "deactivated"),
    ] {
        let unknown = [("license_key", "38b1460a-5104-4067-a91d-77b872934d51"), fields[1], fields[2]];
        let (status, unknown) = scene.form(path, &unknown).await;
        assert_eq!((status, &unknown[verb], &unknown["error"]), (404, &json!(false), &json!("license_key not found.")));
        let (status, missing) = scene.form(path, &fields[1..]).await;
        assert_eq!((status, &missing["message"]), (422, &json!("The license key field is required.")));
        assert_eq!(missing["errors"]["license_key"], json!(["The license key field is required."]));
        assert_eq!(scene.raw(path, "application/json", "[".to_owned()).await.0, 400);
        assert_eq!(scene.raw(path, "text/xml", "<a/>".to_owned()).await.0, 415);
        assert_eq!(scene.raw(path, "application/json", "x".repeat(17 << 10)).await.0, 413);
    }
    let past = scene.db.now() - std::time::Duration::from_secs(1);
    let expired = Sold::to(&scene.db, &scene.owner).await.until(past).license(&scene.db).await;
    let (status, expired) =
        scene.form("/v1/licenses/validate", &[("license_key", crate::support::sold::key(&expired))]).await;
    assert_eq!((status, &expired["error"]), (400, &json!("This license key has expired.")));
    assert_eq!(expired["license_key"]["status"], "expired");
});

on_both!(gumroad_programs_find_its_verification, |db| async move {
    let scene = Scene::open(&db).await;
    let sold = Sold::with(&scene.db, &scene.owner, Limits { uses: Some(2), ..Limits::default() }, 1).await;
    let (license, product) = (sold.license(&scene.db).await, sold.entitlement.product.to_string());
    let key = key(&license);
    let verify = async |fields: &[(&str, &str)]| scene.form("/v2/licenses/verify", fields).await;
    let (status, first) = verify(&[("product_id", &product), ("license_key", key)]).await;
    assert_eq!((status, &first["success"], &first["uses"]), (200, &json!(true), &json!(1)), "{first}");
    let purchase = &first["purchase"];
    for (name, value) in [
        ("product_id", json!(product)),
        ("product_name", json!("A thing")),
        ("permalink", json!(sold.slug)),
        ("email", json!("owner@example.com")),
        ("price", json!(1999)),
        ("currency", json!("usd")),
        ("quantity", json!(1)),
        ("license_key", json!(key)),
        ("refunded", json!(false)),
        ("disputed", json!(false)),
        ("chargebacked", json!(false)),
        ("subscription_ended_at", Value::Null),
        ("subscription_cancelled_at", Value::Null),
        ("subscription_failed_at", Value::Null),
        ("order_number", json!(number(sold.entitlement.order))),
    ] {
        assert_eq!(purchase[name], value, "{name}: {purchase}");
    }
    let still = [("product_permalink", &*sold.slug), ("license_key", key), ("increment_uses_count", "false")];
    assert_eq!(verify(&still).await.1["uses"], 1);
    let body = json!({ "product_id": product, "license_key": key, "increment_uses_count": false }).to_string();
    assert_eq!(scene.raw("/v2/licenses/verify", "application/json", body).await.1["uses"], 1);
    assert_eq!(verify(&[("product_id", &*sold.slug), ("license_key", key)]).await.1["uses"], 2);
    let (status, spent) = verify(&[("product_id", &product), ("license_key", key)]).await;
    assert_eq!((status, &spent["success"]), (404, &json!(false)), "{spent}");
    assert_eq!(verify(&still).await.1["uses"], 2);
    let unknown = json!({ "success": false, "message": "That license does not exist for the provided product." });
    for fields in [
        vec![("product_id", "another"), ("license_key", key)],
        vec![("product_id", &*product), ("license_key", "nonsense")],
        vec![("product_id", &*product)],
        vec![("license_key", key)],
        vec![],
    ] {
        assert_eq!(verify(&fields).await, (404, unknown.clone()), "{fields:?}");
    }
    scene.take(&license, Step::Suspend).await;
    let disabled = json!({ "success": false, "message": "This license key has been disabled." });
    assert_eq!(verify(&still).await, (404, disabled));
    // Money that went back is told in the purchase, as there.
    let order = sold.entitlement.order;
    scene
        .db
        .write(async |tx| {
            execute!(tx, sqlx::query("UPDATE orders SET payment_state = 'refunded' WHERE id = $1").bind(order))?;
            licenses::revoke_order(tx, order, "refunded").await
        })
        .await
        .expect("refunded");
    let (status, refunded) = verify(&[("product_id", &product), ("license_key", key)]).await;
    assert_eq!((status, &refunded["purchase"]["refunded"], &refunded["uses"]), (200, &json!(true), &json!(2)));
    assert_eq!(scene.raw("/v2/licenses/verify", "application/json", "x".repeat(17 << 10)).await.0, 413);
});
