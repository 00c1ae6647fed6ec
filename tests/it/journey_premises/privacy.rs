//! The archive of what is kept about the owner, and the link to it.

use mintreu::{kernel::Id, privacy::Links};
use reqwest::Method;
use serde_json::Value;

use super::{Premises, mail};
use crate::journey_shop::until;

/// Has an archive written, and names it.
pub(super) async fn furnish(premises: &Premises) -> Vec<(&'static str, String)> {
    let owner = premises.shop.buyer().await;
    let ask = premises.ask(Method::POST, "/api/account/exports").header("cookie", &owner.cookie);
    let answer = ask.send().await.expect("an answer");
    assert_eq!(answer.status(), 202);
    let made: Value = answer.json().await.expect("JSON");
    let id = made["id"].as_str().expect("an id").to_owned();
    until("the archive is written", async || {
        let list = premises.get("/api/account/exports", owner).await;
        if list["data"][0]["status"] == "ready" { Ok(()) } else { Err(list) }
    })
    .await;
    let export: Id<mintreu::privacy::DataExportMarker> = id.parse().expect("an id");
    let token = Links::new(&mail::keys()).token(export);
    vec![("/api/account/exports/{export}", id), ("/api/exports/{token}", token)]
}
