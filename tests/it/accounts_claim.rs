//! Guests: what they bought becomes theirs when they prove their address.

use mintreu::{
    accounts::{Email, ProofOf, Purpose, guest_tenant, issue_proof},
    db::{Db, DbError},
    fetch_all,
    kernel::TenantId,
    notifications::Notice,
};
use serde_json::{Value, json};

use crate::{
    accounts_scene::{PASSWORD, Scene},
    journey_shop::problem,
};

/// A guest's order, as far as accounts know of it.
async fn guest(db: &Db, email: &str, mailed: bool) -> TenantId {
    let email: Email = email.parse().expect("an address");
    db.write(async |tx| {
        let tenant = guest_tenant(tx, &email).await?;
        if mailed {
            let proof = issue_proof(tx, Purpose::ClaimPurchases, ProofOf::Guest(tenant), &email).await?;
            tx.enqueue(&Notice::ClaimPurchases { proof }).await?;
        }
        Ok::<_, DbError>(tenant)
    })
    .await
    .expect("a guest")
}

/// What is to be moved: from where and to where.
async fn attached(db: &Db) -> Vec<Value> {
    let jobs: Vec<String> = fetch_all!(
        db,
        sqlx::query_scalar("SELECT payload FROM jobs WHERE kind = 'accounts.attach_purchases' ORDER BY id")
    )
    .expect("jobs");
    jobs.iter().map(|job| serde_json::from_str(job).expect("JSON")).collect()
}

on_both!(a_guest_claims_with_a_new_account, |db| async move {
    let scene = Scene::on(&db).await;
    let (first, second) =
        (guest(&scene.db, "ada@example.com", true).await, guest(&scene.db, "ada@example.com", false).await);
    guest(&scene.db, "eve@example.com", false).await;
    assert_ne!(first, second, "each order has a tenant of its own");
    let mail = scene.mail("ada@example.com", 1).await;
    assert!(mail.contains("/claim?token="), "{mail}");
    let token = scene.token("ada@example.com", 1).await;
    for (body, pointer) in [
        (json!({ "token": token, "name": "\u{0}" }), "#/name"),
        (json!({ "token": token, "password": "short" }), "#/password"),
        (json!({ "token": "x", "password": PASSWORD }), "#/token"),
    ] {
        let refused = problem(scene.post("/api/claim", "", &body).await, 422, "invalid-input").await;
        assert_eq!(refused["errors"][0]["pointer"], pointer);
    }
    let body = json!({ "token": token, "name": "Ada", "password": PASSWORD });
    let claimed = scene.posted("/api/claim", "", &body, 200).await;
    assert_eq!(claimed, json!({ "account": "created", "email": "ada@example.com", "password_set": true }));
    let account = scene.got("/api/account", &scene.login("ada@example.com", PASSWORD).await).await;
    assert_eq!(account["name"], "Ada");
    let jobs = attached(&scene.db).await;
    let mut from: Vec<_> = jobs.iter().map(|job| job["from"].as_str().expect("a tenant").to_owned()).collect();
    from.sort();
    assert_eq!(from, [first.to_string(), second.to_string()]);
    for job in jobs {
        assert_eq!((&job["to"], &job["user"]), (&account["tenant_id"], &account["id"]));
    }
    problem(scene.post("/api/claim", "", &body).await, 422, "invalid-input").await;
});

on_both!(a_claim_without_a_password_is_completed_by_mail, |db| async move {
    let scene = Scene::on(&db).await;
    guest(&scene.db, "ada@example.com", true).await;
    let token = scene.token("ada@example.com", 1).await;
    let claimed = scene.posted("/api/claim", "", &json!({ "token": token }), 200).await;
    assert_eq!(claimed, json!({ "account": "created", "email": "ada@example.com", "password_set": false }));
    scene.posted("/api/password/forgot", "", &json!({ "email": "ada@example.com" }), 202).await;
    let token = scene.token("ada@example.com", 2).await;
    scene.posted("/api/password/reset", "", &json!({ "token": token, "password": PASSWORD }), 204).await;
    let account = scene.got("/api/account", &scene.login("ada@example.com", PASSWORD).await).await;
    assert_eq!(account["name"], "ada");
    assert_eq!(attached(&scene.db).await.len(), 1, "each guest is attached once");
});

on_both!(a_claim_goes_to_the_account_of_its_address_and_changes_nothing_of_it, |db| async move {
    let scene = Scene::on(&db).await;
    scene.register("ada@example.com").await;
    guest(&scene.db, "ada@example.com", true).await;
    let token = scene.token("ada@example.com", 2).await;
    let body = json!({ "token": token, "name": "Eve", "password": "the password of eve" });
    let claimed = scene.posted("/api/claim", "", &body, 200).await;
    assert_eq!(claimed, json!({ "account": "existing", "email": "ada@example.com", "password_set": true }));
    let account = scene.got("/api/account", &scene.login("ada@example.com", PASSWORD).await).await;
    assert_eq!(account["name"], "Ada");
    let login = json!({ "email": "ada@example.com", "password": "the password of eve" });
    problem(scene.post("/api/login", "", &login).await, 401, "unauthorized").await;
    assert_eq!(attached(&scene.db).await.len(), 1);
});

on_both!(whoever_confirms_an_address_gets_what_its_guests_bought, |db| async move {
    let scene = Scene::on(&db).await;
    let tenant = guest(&scene.db, "ada@example.com", false).await;
    scene.register("ada@example.com").await;
    let jobs = attached(&scene.db).await;
    assert_eq!(jobs.len(), 1);
    assert_eq!(jobs[0]["from"], tenant.to_string());

    let later = guest(&scene.db, "ada@example.com", false).await;
    scene.posted("/api/password/forgot", "", &json!({ "email": "ada@example.com" }), 202).await;
    let token = scene.token("ada@example.com", 2).await;
    scene.posted("/api/password/reset", "", &json!({ "token": token, "password": "another password" }), 204).await;
    let jobs = attached(&scene.db).await;
    assert_eq!(jobs.len(), 2);
    assert_eq!(jobs[1]["from"], later.to_string());
});
