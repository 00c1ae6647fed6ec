//! Operators at work: trees, states, revisions, and what nobody else may.

use futures::future::join_all;
use mintreu::{
    catalog::{self, CategoryFields, EditError},
    db::Db,
    fetch_one,
    kernel::CategoryId,
};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    catalog_shop::{Served, by, import, shelf},
    journey_shop::problem,
};

const FAMILIES: [&str; 4] = ["developers", "categories", "products", "coupons"];

async fn category(db: &Db, slug: &str, parent: Option<CategoryId>) -> Result<CategoryId, EditError> {
    let fields = CategoryFields {
        slug: slug.to_owned(),
        parent: parent.map(|id| id.to_string()),
        name: slug.to_owned(),
        description: String::new(),
        position: 0,
    };
    db.write(async |tx| Ok(catalog::create_category(tx, fields, &by()).await?.id)).await
}

async fn moved(db: &Db, id: CategoryId, revision: i64, parent: Option<CategoryId>) -> Result<i64, EditError> {
    let patch = json!({ "parent": parent });
    let patch = patch.as_object().expect("an object");
    db.write(async |tx| Ok(catalog::patch_category(tx, id, revision, patch, &by()).await?.revision)).await
}

fn pointer(refused: &EditError) -> &str {
    match refused {
        EditError::Invalid(flaws) => &flaws[0].pointer,
        other => panic!("{other:?}"),
    }
}

on_both!(the_tree_of_categories_has_six_levels_and_no_circle, |test| async move {
    let db = test.open().await;
    let mut chain = vec![category(&db, "l1", None).await.expect("made")];
    for level in 2..=6 {
        chain.push(category(&db, &format!("l{level}"), chain.last().copied()).await.expect("made"));
    }
    let seventh = category(&db, "l7", Some(chain[5])).await.expect_err("too deep");
    assert_eq!(pointer(&seventh), "#/parent");
    for inside in [chain[0], chain[1], chain[5]] {
        let refused = moved(&db, chain[0], 1, Some(inside)).await.expect_err("a circle");
        assert_eq!(pointer(&refused), "#/parent");
    }
    let other = category(&db, "other", None).await.expect("made");
    assert_eq!(pointer(&moved(&db, chain[0], 1, Some(other)).await.expect_err("too deep together")), "#/parent");
    moved(&db, chain[1], 1, Some(other)).await.expect("two to six under another");
    let tree = catalog::category_tree(&db).await.expect("a tree");
    assert_eq!((tree.len(), tree[1].slug.as_str(), tree[1].children[0].slug.as_str()), (2, "other", "l2"));
});

on_both!(two_moves_at_once_close_no_circle, |test| async move {
    let db = test.open().await;
    for round in 0..5 {
        let one = category(&db, &format!("one-{round}"), None).await.expect("made");
        let two = category(&db, &format!("two-{round}"), None).await.expect("made");
        let (first, second) = tokio::join!(moved(&db, one, 1, Some(two)), moved(&db, two, 1, Some(one)));
        assert_eq!(usize::from(first.is_ok()) + usize::from(second.is_ok()), 1, "{first:?} {second:?}");
    }
});

on_both!(one_of_many_edits_of_a_revision_is_made, |test| async move {
    let db = test.open().await;
    let id = category(&db, "a", None).await.expect("made");
    let edits = (0..10).map(async |number| {
        let patch = json!({"position": number + 1});
        let patch = patch.as_object().expect("an object").clone();
        db.write(async |tx| catalog::patch_category(tx, id, 1, &patch, &by()).await).await
    });
    let done = join_all(edits).await;
    assert_eq!(done.iter().filter(|result| result.is_ok()).count(), 1);
    assert!(done.iter().all(|result| matches!(result, Ok(_) | Err(EditError::Stale))), "{done:?}");
});

on_both!(a_product_goes_from_draft_to_the_shelf_and_off_it, |db| async move {
    let served = Served::on(&db).await;
    let made = served.make("/api/admin/products", &json!({"title": "Größe & Maß", "type": "download"})).await;
    assert_eq!(
        (&made["slug"], &made["status"], &made["developer"]),
        (&json!("groesse-mass"), &json!("draft"), &json!("house"))
    );
    let twin = served.make("/api/admin/products", &json!({"title": "Größe & Maß", "type": "download"})).await;
    assert_eq!(twin["slug"], "groesse-mass-2");
    let path = format!("/api/admin/products/{}", made["id"].as_str().expect("an id"));
    let publish = json!({"status": "published"});
    problem(served.ask(Method::PATCH, &path, Some("\"1\""), Some(&publish)).await, 409, "conflict").await;
    let plan = json!({"name": "All", "billing_cycle": "one_time", "prices": {"USD": 100, "JPY": 5}});
    let plan = served.make(&format!("{path}/plans"), &plan).await;
    let answer = served.ask(Method::PATCH, &path, Some("\"1\""), Some(&publish)).await;
    assert_eq!(answer.status(), 200);
    let etag = answer.headers()["etag"].to_str().expect("text").to_owned();
    assert_eq!(
        served.read("/api/products/groesse-mass").await["plans"][0]["prices"][0],
        json!({"amount": 5, "currency": "JPY"})
    );
    let unpublished = problem(
        served.ask(Method::PATCH, &path, Some(&etag), Some(&json!({"status": "draft"}))).await,
        422,
        "invalid-input",
    );
    assert_eq!(unpublished.await["errors"][0]["pointer"], "#/status");
    // Its last plan stays while it is sold.
    let plan_path = format!("/api/admin/plans/{}", plan["id"].as_str().expect("an id"));
    for (method, body) in [
        (Method::PATCH, Some(json!({"active": false}))),
        (Method::PATCH, Some(json!({"prices": {"USD": null, "JPY": null}}))),
        (Method::DELETE, None),
    ] {
        problem(served.ask(method, &plan_path, Some("\"1\""), body.as_ref()).await, 409, "conflict").await;
    }
    problem(served.ask(Method::DELETE, &path, Some(&etag), None).await, 409, "conflict").await;
    let archived = served.ask(Method::PATCH, &path, Some(&etag), Some(&json!({"status": "archived"}))).await;
    assert_eq!(archived.status(), 200);
    problem(served.ask(Method::GET, "/api/products/groesse-mass", None, None).await, 404, "not-found").await;
    assert_eq!(served.ask(Method::DELETE, &plan_path, Some("\"1\""), None).await.status(), 204);
    let store = db.open().await;
    for name in ["product.published", "product.archived"] {
        let count: i64 =
            fetch_one!(&store, sqlx::query_scalar("SELECT COUNT(*) FROM domain_events WHERE name = $1").bind(name))
                .expect("a number");
        assert_eq!(count, 1, "{name}");
    }
    let trail = served.shop.json(&["audit", "list", "--action", "product.changed"]);
    let entries = trail["data"].as_array().expect("a list");
    assert_eq!(entries.len(), 2, "{trail}");
    assert!(entries[1].to_string().contains("published") && !entries[1].to_string().contains("title"), "{trail}");
    served.shop.is_sound();
});

/// A thing of each kind, to be edited: its path, and a patch.
async fn one_of_each(served: &Served) -> Vec<(String, Value)> {
    let mut all = Vec::new();
    for (family, body) in [
        ("developers", json!({"name": "Acme"})),
        ("categories", json!({"name": "Lights"})),
        ("products", json!({"title": "Lamp", "type": "license"})),
        ("coupons", json!({"code": "abc", "name": "Abc", "percent_bps": 100})),
    ] {
        let made = served.make(&format!("/api/admin/{family}"), &body).await;
        let patch = if family == "products" { json!({"title": "Other"}) } else { json!({"name": "Other"}) };
        all.push((format!("/api/admin/{family}/{}", made["id"].as_str().expect("an id")), patch));
    }
    let plans = format!("{}/plans", all[2].0);
    let plan = served.make(&plans, &json!({"name": "Plan", "billing_cycle": "monthly"})).await;
    assert_eq!(served.read(&plans).await["data"][0]["id"], plan["id"]);
    all.push((format!("/api/admin/plans/{}", plan["id"].as_str().expect("an id")), json!({"name": "Other"})));
    all
}

on_both!(every_edit_says_which_state_it_means, |db| async move {
    let served = Served::on(&db).await;
    let all = one_of_each(&served).await;
    for (path, patch) in all.iter().rev() {
        let answer = served.ask(Method::GET, path, None, None).await;
        let etag = answer.headers()["etag"].to_str().expect("text").to_owned();
        let known = served.shop.client.get(served.shop.mintreu.url(path)).header("cookie", &served.admin.cookie);
        assert_eq!(known.header("if-none-match", &etag).send().await.expect("an answer").status(), 304, "{path}");
        for method in [Method::PATCH, Method::DELETE] {
            let body = (method == Method::PATCH).then_some(patch);
            problem(served.ask(method.clone(), path, None, body).await, 428, "precondition-required").await;
            for stale in ["\"7\"", "*", "W/\"1\"", "nonsense", "\"\""] {
                problem(served.ask(method.clone(), path, Some(stale), body).await, 412, "precondition-failed").await;
            }
        }
        for (wrong, status, name) in [
            (json!({"nope": 1}), 422, "invalid-input"),
            (json!([]), 400, "malformed-body"),
            (json!({"name": 7, "title": 7}), 422, "invalid-input"),
        ] {
            problem(served.ask(Method::PATCH, path, Some(&etag), Some(&wrong)).await, status, name).await;
        }
        let changed = served.ask(Method::PATCH, path, Some(&etag), Some(patch)).await;
        assert_eq!(changed.status(), 200, "{path}");
        let newer = changed.headers()["etag"].to_str().expect("text").to_owned();
        assert_ne!(newer, etag);
        problem(served.ask(Method::PATCH, path, Some(&etag), Some(patch)).await, 412, "precondition-failed").await;
        assert_eq!(served.ask(Method::DELETE, path, Some(&newer), None).await.status(), 204, "{path}");
        problem(served.ask(Method::DELETE, path, Some(&newer), None).await, 404, "not-found").await;
        problem(served.ask(Method::GET, path, None, None).await, 404, "not-found").await;
    }
    served.shop.is_sound();
});

on_both!(nobody_but_operators_manages_the_catalogue, |db| async move {
    let served = Served::on(&db).await;
    let all = one_of_each(&served).await;
    let mut requests: Vec<(Method, String)> = Vec::new();
    for family in FAMILIES {
        requests
            .extend([(Method::GET, format!("/api/admin/{family}")), (Method::POST, format!("/api/admin/{family}"))]);
    }
    requests.extend([Method::GET, Method::POST].map(|method| (method, format!("{}/plans", all[2].0))));
    for (path, _) in &all {
        requests.extend([Method::GET, Method::PATCH, Method::DELETE].map(|method| (method, path.clone())));
    }
    let large = json!({"name": "x".repeat(2 << 20)});
    for (method, path) in &requests {
        for (who, status, name) in [
            (None, 401, "unauthorized"),
            (Some(&served.customer), 403, "forbidden"),
            (Some(&served.vendor), 403, "forbidden"),
        ] {
            let body = json!({"name": "Mine", "title": "Mine"});
            let body = (*method == Method::POST || *method == Method::PATCH).then_some(&body);
            problem(served.ask_as(who, method.clone(), path, Some("\"1\""), body).await, status, name).await;
        }
        if *method == Method::POST || *method == Method::PATCH {
            problem(served.ask(method.clone(), path, Some("\"1\""), Some(&large)).await, 413, "body-too-large").await;
        }
    }
    for family in ["developers", "categories", "products", "coupons", "plans"] {
        problem(
            served.ask(Method::GET, &format!("/api/admin/{family}/usr_x"), None, None).await,
            400,
            "invalid-parameter",
        )
        .await;
    }
});

on_both!(what_cannot_be_is_pointed_at, |db| async move {
    let served = Served::on(&db).await;
    let long = "x".repeat(60_000);
    for (family, body, pointer) in [
        ("developers", json!({"name": ""}), "#/slug"),
        ("developers", json!({"name": "A\u{0}", "slug": "a"}), "#/name"),
        ("developers", json!({"name": "A", "commission_bps": 10_001}), "#/commission_bps"),
        ("categories", json!({"name": "A", "slug": "A B"}), "#/slug"),
        ("categories", json!({"name": "A", "parent": "none"}), "#/parent"),
        ("categories", json!({"name": "A", "parent": "a\u{0}"}), "#/parent/0"),
        ("products", json!({"title": "A", "type": "api", "status": "published"}), "#/status"),
        ("products", json!({"title": "A", "type": "api", "content": long}), "#/content"),
        ("products", json!({"title": "A", "type": "api", "demo_url": "javascript:alert(1)"}), "#/demo_url"),
        ("products", json!({"title": "A", "type": "api", "developer": "nobody"}), "#/developer"),
        ("products", json!({"title": "A", "type": "api", "meta": {"a": long}}), "#/meta"),
        ("coupons", json!({"code": "A B", "name": "A", "percent_bps": 1}), "#/code"),
        ("coupons", json!({"code": "ABC", "name": "A"}), "#/percent_bps"),
        ("coupons", json!({"code": "ABC", "name": "A", "amount": 5}), "#/currency"),
        ("coupons", json!({"code": "ABC", "name": "A", "percent_bps": 1, "products": ["none"]}), "#/products/0"),
        (
            "coupons",
            json!({"code": "ABC", "name": "A", "percent_bps": 1, "starts_at": "2030-01-01T00:00:00Z", "ends_at": "2029-01-01T00:00:00Z"}),
            "#/ends_at",
        ),
    ] {
        let answer = served.ask(Method::POST, &format!("/api/admin/{family}"), None, Some(&body)).await;
        let refused = problem(answer, 422, "invalid-input").await;
        assert_eq!(refused["errors"][0]["pointer"], pointer, "{family}");
    }
    for family in FAMILIES {
        let answer =
            served.ask(Method::POST, &format!("/api/admin/{family}"), None, Some(&json!({"name": "A", "x": 1}))).await;
        problem(answer, 400, "malformed-body").await;
    }
    let product = served.make("/api/admin/products", &json!({"title": "A", "type": "api"})).await;
    let plans = format!("/api/admin/products/{}/plans", product["id"].as_str().expect("an id"));
    for (body, pointer) in [
        (json!({"name": "P", "billing_cycle": "trial"}), "#/trial_days"),
        (json!({"name": "P", "billing_cycle": "monthly", "trial_days": 3}), "#/trial_days"),
        (json!({"name": "P", "billing_cycle": "monthly", "prices": {"USD": -1}}), "#/prices/USD"),
        (json!({"name": "P", "billing_cycle": "monthly", "prices": {"USD": i64::MAX}}), "#/prices/USD"),
        (json!({"name": "P", "billing_cycle": "monthly", "limits": {"ips": 0}}), "#/limits/ips"),
        (json!({"name": "P", "billing_cycle": "monthly", "features": ["a\nb"]}), "#/features/0"),
    ] {
        let refused = problem(served.ask(Method::POST, &plans, None, Some(&body)).await, 422, "invalid-input").await;
        assert_eq!(refused["errors"][0]["pointer"], pointer, "{body}");
    }
    let nowhere = "/api/admin/products/prd_00000000000000000000000000/plans";
    let plan = json!({"name": "P", "billing_cycle": "monthly"});
    problem(served.ask(Method::POST, nowhere, None, Some(&plan)).await, 404, "not-found").await;
    problem(served.ask(Method::GET, nowhere, None, None).await, 404, "not-found").await;
});

on_both!(lists_are_filtered_and_a_repeated_creation_is_made_once, |db| async move {
    let served = Served::on(&db).await;
    let store = db.open().await;
    import(&store, &shelf()).await;
    for (path, count) in [
        ("/api/admin/products?status=draft", 1),
        ("/api/admin/products?q=LAMP", 1),
        ("/api/admin/products?q=%25", 0),
        ("/api/admin/coupons?active=false", 1),
        ("/api/admin/coupons?q=last", 2),
        ("/api/admin/developers?q=%00", 3),
        ("/api/admin/developers?q=b%00olt", 1),
        ("/api/admin/categories?limit=1", 1),
    ] {
        assert_eq!(served.read(path).await["data"].as_array().map(Vec::len), Some(count), "{path}");
    }
    let first = served.read("/api/admin/products?limit=4").await;
    let next = served
        .read(&format!("/api/admin/products?limit=4&after={}", first["next_cursor"].as_str().expect("a cursor")))
        .await;
    assert_eq!((first["data"].as_array().map(Vec::len), next["data"].as_array().map(Vec::len)), (Some(4), Some(2)));
    let create = async |name: &str| {
        let request = served.shop.client.post(served.shop.mintreu.url("/api/admin/developers"));
        let request = request.header("cookie", &served.admin.cookie).header("idempotency-key", "k1");
        request.json(&json!({"name": name})).send().await.expect("an answer")
    };
    let one: Value = create("Twice").await.json().await.expect("JSON");
    let two = create("Twice").await;
    assert_eq!((two.status().as_u16(), two.headers()["idempotent-replayed"].to_str().expect("text")), (201, "true"));
    assert_eq!(two.json::<Value>().await.expect("JSON"), one);
    problem(create("Other").await, 422, "invalid-input").await;
    problem(
        served.ask(Method::POST, "/api/admin/developers", None, Some(&json!({"name": "B", "slug": "twice"}))).await,
        409,
        "conflict",
    )
    .await;
    // The house stays as it is; what is in use stays.
    let house = format!("/api/admin/developers/{}", catalog::HOUSE);
    problem(served.ask(Method::DELETE, &house, Some("\"1\""), None).await, 409, "conflict").await;
    problem(
        served.ask(Method::PATCH, &house, Some("\"1\""), Some(&json!({"commission_bps": 1}))).await,
        422,
        "invalid-input",
    )
    .await;
    for (path, slug) in [("/api/admin/developers?q=acme", "acme"), ("/api/admin/categories?q=lights", "lights")] {
        let thing = &served.read(path).await["data"][0];
        assert_eq!(thing["slug"], slug);
        let path = format!("{}/{}", path.split('?').next().expect("a path"), thing["id"].as_str().expect("an id"));
        problem(served.ask(Method::DELETE, &path, Some("\"1\""), None).await, 409, "conflict").await;
    }
});
