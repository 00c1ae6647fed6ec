//! Credentials of an outside API: the real server against a vendor's server that misbehaves.

use std::time::Duration;

use mintreu::{
    credentials::{
        CredentialId, CredentialOptions, Credentials, ProvisionCredential, RotateCredential, SyncCredential,
    },
    downloads::{Origin, OriginOptions},
    fetch_all, fetch_one,
    jobs::JobId,
    kernel::seal::{Keyring, Random},
    licenses::{self, Change, LicenseId, Step},
};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    keys_scene::{Does, Scene, VendorServer, text},
    support::{Mintreu, eventually, sold::ROOT},
};

async fn step(scene: &Scene, id: LicenseId, step: Step) {
    scene
        .db
        .write(async |tx| licenses::take_step(tx, id, step, &Change::system().because("a test")).await)
        .await
        .expect("the step is taken");
}

async fn actions(scene: &Scene) -> Vec<String> {
    fetch_all!(
        scene.db,
        sqlx::query_scalar("SELECT action FROM audit_entries WHERE object_type = 'credential' ORDER BY id")
    )
    .expect("answers")
}

on_both!(a_credential_is_made_shown_replaced_and_taken_back, |db| async move {
    let vendor = VendorServer::start().await;
    let scene = Scene::prepare(&db, Mintreu::new()).await;
    let server = scene.mintreu.serve().await;
    let secret = scene.hook(&vendor).await;
    let license = scene.sold.license(&scene.db).await;
    let made = scene.until_credential_is(&license, "active").await;
    assert_eq!(made["rate_limits"], json!({ "per_minute": 60 }), "{made}");
    assert!(made.get("key").is_none() && !made.to_string().contains("hush"), "{made}");
    let call = vendor.calls("credential.provision").pop().expect("a call");
    assert!(call.is_signed_with(&secret), "{call:?}");
    assert_eq!(call.id, format!("{}-provision-1", license.id));
    assert_eq!(call.body["data"]["license"], json!(license.id));
    assert!(!String::from_utf8_lossy(&call.raw).contains("example.com"), "nobody's address is told");

    let revealed = scene.revealed(&license).await;
    assert_eq!((&revealed["key"], &revealed["secret"]), (&json!(vendor.made()[0]), &json!("hush")));
    let sealed: Vec<u8> =
        fetch_one!(scene.db, sqlx::query_scalar("SELECT sealed FROM api_credentials")).expect("sealed");
    assert!(!String::from_utf8_lossy(&sealed).contains("hush"), "it is sealed");
    let one = format!("/api/licenses/{}/credentials/{}", license.id, text(&made["id"]));
    scene.told(&scene.stranger, Method::POST, &format!("{one}/reveal"), Value::Null, 404).await;
    scene.told(&scene.operator, Method::POST, &format!("{one}/reveal"), Value::Null, 404).await;

    scene.told(&scene.buyer, Method::POST, &format!("{one}/rotate"), Value::Null, 202).await;
    eventually("it is another", async || scene.revealed(&license).await["key"] != revealed["key"]).await;
    assert_eq!(vendor.calls("credential.rotate")[0].id, format!("{}-rotate-1-1", license.id));

    step(&scene, license.id, Step::Suspend).await;
    scene.told(&scene.buyer, Method::POST, &format!("{one}/reveal"), Value::Null, 409).await;
    step(&scene, license.id, Step::Resume).await;
    scene.revealed(&license).await;
    step(&scene, license.id, Step::Revoke).await;
    scene.until_credential_is(&license, "revoked").await;
    assert_eq!(vendor.calls("credential.revoke").len(), 1);
    let left: i64 =
        fetch_one!(scene.db, sqlx::query_scalar("SELECT COUNT(*) FROM api_credentials WHERE sealed IS NOT NULL"))
            .expect("a number");
    assert_eq!(left, 0, "nothing of it is kept");
    let actions = actions(&scene).await;
    for wanted in ["wanted", "provisioned", "revealed", "rotation_asked", "rotated", "taken_back", "revoked"] {
        assert!(actions.contains(&format!("credential.{wanted}")), "{wanted}: {actions:?}");
    }
    for private in ["hush", "ak_", &secret.expose()] {
        assert!(!server.stderr().contains(private), "{private} is in the log");
    }
});

on_both!(a_hook_that_misbehaves_is_asked_again_and_nobody_s_request_fails, |db| async move {
    let vendor = VendorServer::start().await;
    let scene = Scene::prepare(&db, Mintreu::new()).await;
    let _server = scene.mintreu.serve().await;
    scene.hook(&vendor).await;
    vendor.next(&[Does::Says(500), Does::Garbage, Does::Huge, Does::Redirects]);
    let license = scene.sold.license(&scene.db).await;
    eventually("it was asked", async || !vendor.calls("credential.provision").is_empty()).await;
    eventually("the vendor sees why", async || {
        let seen = scene.get(&scene.vendor, "/api/developer/credentials").await;
        seen["data"][0]["problem"].is_string() || seen["data"][0]["state"] == "active"
    })
    .await;
    let waiting = scene.credential(&license).await;
    assert!(waiting.get("problem").is_none(), "owners are not told of the vendor's troubles: {waiting}");
    scene.until_credential_is(&license, "active").await;
    let calls = vendor.calls("credential.provision");
    assert_eq!(calls.len(), 5, "{calls:?}");
    assert!(calls.iter().all(|call| call.id == calls[0].id), "each time the same id");
    assert_eq!(vendor.made().len(), 1);
    let seen = scene.get(&scene.vendor, "/api/developer/credentials?attention=false&state=active").await;
    assert_eq!(seen["data"][0]["problem"], Value::Null, "{seen}");
});

on_both!(killed_between_the_call_and_its_answer_it_asks_again_and_keeps_one, |db| async move {
    let vendor = VendorServer::start().await;
    // Long enough that it is the process that dies, and not its patience.
    let scene = Scene::prepare(&db, Mintreu::new()).await;
    let mut server = scene.mintreu.serve().await;
    scene.hook(&vendor).await;
    vendor.next(&[Does::ObeysAndHangs]);
    let license = scene.sold.license(&scene.db).await;
    eventually("the vendor has made it", async || !vendor.made().is_empty()).await;
    server.kill_9();
    assert_eq!(scene_state(&scene).await, "provisioning");
    let _server = scene.mintreu.serve().await;
    scene.until_credential_is(&license, "active").await;
    assert_eq!(vendor.made(), [text(&scene.revealed(&license).await["key"])], "the one that was made before");
    let count: i64 =
        fetch_one!(scene.db, sqlx::query_scalar("SELECT COUNT(*) FROM api_credentials")).expect("a number");
    assert_eq!(count, 1);
});

async fn scene_state(scene: &Scene) -> String {
    fetch_one!(scene.db, sqlx::query_scalar("SELECT state FROM api_credentials")).expect("a state")
}

on_both!(what_is_revoked_while_it_is_made_is_taken_back_until_the_vendor_has_heard_it, |db| async move {
    let vendor = VendorServer::start().await;
    let scene = Scene::prepare(&db, Mintreu::new()).await;
    let _server = scene.mintreu.serve().await;
    scene.hook(&vendor).await;
    // It makes one and is not heard; then it is told to take it back, and stumbles twice.
    vendor.next(&[Does::ObeysAndHangs, Does::Says(503), Does::Says(404)]);
    let license = scene.sold.license(&scene.db).await;
    eventually("the vendor has made it", async || !vendor.made().is_empty()).await;
    step(&scene, license.id, Step::Revoke).await;
    scene.until_credential_is(&license, "revoked").await;
    assert_eq!(vendor.calls("credential.provision").len(), 1);
    assert_eq!(vendor.calls("credential.revoke").len(), 3);
});

on_both!(a_licence_that_comes_back_gets_another, |db| async move {
    let vendor = VendorServer::start().await;
    let scene = Scene::prepare(&db, Mintreu::new()).await;
    let _server = scene.mintreu.serve().await;
    scene.hook(&vendor).await;
    let license = scene.sold.license(&scene.db).await;
    scene.until_credential_is(&license, "active").await;
    let first = text(&scene.revealed(&license).await["key"]);
    let item = scene.sold.entitlement.item;
    scene.db.write(async |tx| licenses::end_item(tx, item, "the subscription ended").await).await.expect("ended");
    scene.until_credential_is(&license, "revoked").await;
    let until = "2999-01-01T00:00:00Z".parse().expect("a time");
    scene.db.write(async |tx| licenses::renew_item(tx, item, until).await).await.expect("renewed");
    scene.until_credential_is(&license, "active").await;
    assert_ne!(text(&scene.revealed(&license).await["key"]), first);
    // What an operator takes back is not made again, whatever becomes of the licence.
    let id = text(&scene.credential(&license).await["id"]);
    let path = format!("/api/admin/credentials/{id}/revoke");
    scene.told(&scene.operator, Method::POST, &path, json!({ "reason": "abused" }), 200).await;
    let revoked = scene.until_credential_is(&license, "revoked").await;
    assert_eq!(revoked["reason"], "abused");
    step(&scene, license.id, Step::Suspend).await;
    step(&scene, license.id, Step::Resume).await;
    eventually("the jobs are done", async || {
        let left: i64 = fetch_one!(
            scene.db,
            sqlx::query_scalar(
                "SELECT COUNT(*) FROM jobs WHERE queue = 'credentials' AND state NOT IN ('completed', 'scheduled')"
            )
        )
        .expect("a number");
        left == 0
    })
    .await;
    assert_eq!(scene.credential(&license).await["state"], "revoked");
});

on_both!(licences_that_were_there_before_the_hook_get_theirs, |db| async move {
    let vendor = VendorServer::start().await;
    let (scene, _server, license) = Scene::open(&db).await;
    assert_eq!(scene.credential(&license).await, Value::Null);
    scene.hook(&vendor).await;
    scene.until_credential_is(&license, "active").await;
    let hook = format!("/api/developer/products/{}/hook", scene.sold.entitlement.product);
    let delete = scene.ask(&scene.vendor, Method::DELETE, &hook).header("if-match", "\"1\"").send();
    assert_eq!(delete.await.expect("an answer").status(), 409, "a credential needs it");
    for wrong in ["http://10.0.0.1/", "https://169.254.169.254/x", "ftp://example.com/", "https://a:b@example.com/"] {
        let patch = scene.ask(&scene.vendor, Method::PATCH, &hook).header("if-match", "\"1\"");
        let answer = patch.json(&json!({ "url": wrong })).send().await.expect("an answer").status();
        // An address in numbers is looked at when it is asked; its form is looked at here.
        assert!(matches!(answer.as_u16(), 200 | 412 | 422), "{wrong}: {answer}");
    }
});

/// The slice without the server.
fn credentials(scene: &Scene, allow: bool) -> Credentials {
    let allow = if allow { vec!["127.0.0.0/8".parse().expect("a network")] } else { vec![] };
    let origin = Origin::new(OriginOptions { patience: Duration::from_secs(5), allow }).expect("a client");
    let keys = Keyring::new([ROOT], Random::os()).expect("a key");
    let options = CredentialOptions {
        timeout: Duration::from_secs(2),
        sync_every: Duration::from_hours(1),
        expired_grace: Duration::from_hours(1),
    };
    Credentials::new(scene.db.clone(), keys, origin, options)
}

on_both!(after_the_last_try_a_person_is_told_and_the_owner_goes_on_waiting, |db| async move {
    let vendor = VendorServer::start().await;
    let scene = Scene::prepare(&db, Mintreu::new()).await;
    let server = scene.mintreu.serve().await;
    scene.hook(&vendor).await;
    drop(server);
    let license = scene.sold.license(&scene.db).await;
    let slice = credentials(&scene, true);
    slice.sweep().await.expect("swept");
    let id: CredentialId = fetch_one!(scene.db, sqlx::query_scalar("SELECT id FROM api_credentials")).expect("one");
    let product = scene.sold.entitlement.product.uuid();
    let job = ProvisionCredential { credential: id, product, epoch: 1 };
    let told = async || -> i64 {
        fetch_one!(scene.db, sqlx::query_scalar("SELECT COUNT(*) FROM jobs WHERE payload LIKE '%credential_stuck%'"))
            .expect("a number")
    };
    vendor.next(&[Does::Lacks, Does::Hangs, Does::Says(500)]);
    slice.provision(&job, false).await.expect_err("it fails");
    slice.provision(&job, false).await.expect_err("it fails");
    assert_eq!(told().await, 0, "not yet");
    slice.provision(&job, true).await.expect_err("it fails for the last time");
    assert_eq!(told().await, 1);
    assert_eq!(scene_state(&scene).await, "provisioning");
    // Nothing private is asked: the call is not made.
    let before = vendor.calls("credential.provision").len();
    credentials(&scene, false).provision(&job, false).await.expect_err("forbidden");
    assert_eq!(vendor.calls("credential.provision").len(), before);
    slice.provision(&job, false).await.expect("it works after all");
    slice.provision(&job, false).await.expect("and is not done twice");
    assert_eq!(vendor.made().len(), 1);

    // A rotation that fails for the last time leaves the old one.
    vendor.next(&[Does::Says(500)]);
    let owner = (scene.buyer.tenant, mintreu::accounts::By::actor(mintreu::audit::Actor::system("tests")));
    scene
        .db
        .write(async |tx| mintreu::credentials::ask_rotation(tx, owner.0, (license.id, id), &owner.1).await)
        .await
        .expect("asked");
    let rotation = RotateCredential { credential: id, product, epoch: 1, rotation: 1 };
    slice.rotate(&rotation, true).await.expect_err("it fails for the last time");
    slice.rotate(&rotation, false).await.expect("nothing is wanted any more");
    assert_eq!(vendor.made().len(), 1);
    assert_eq!(told().await, 2);

    // What was used is asked for, and kept.
    slice.sync(&SyncCredential { credential: id, product }, JobId::from_uuid(product)).await.expect("told");
    let kept: (String, String) =
        fetch_one!(scene.db, sqlx::query_as("SELECT usage_stats, rate_limits FROM api_credentials")).expect("kept");
    assert_eq!(kept, (r#"{"calls":7}"#.to_owned(), r#"{"per_minute":9}"#.to_owned()));
    vendor.next(&[Does::Garbage]);
    let job = SyncCredential { credential: id, product };
    slice.sync(&job, JobId::from_uuid(product)).await.expect_err("told nonsense");
});
