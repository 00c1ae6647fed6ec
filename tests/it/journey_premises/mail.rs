//! A letter, an address that gets none, and a link that ends reminders.

use mintreu::{
    kernel::seal::{Keyring, Random, from_hex},
    notifications::{Holder, Topic, unsubscribe_token},
};
use serde_json::json;

use super::Premises;
use crate::journey_shop::until;

/// The installation's key, with which links in mails are made.
pub(crate) const KEY: &str = "78c9a470b8190326286c6b70873d2cb8fa4655e8a7daefe8d4958b482929951a";

/// The same, for those who make such links.
pub(crate) fn keys() -> Keyring {
    let key = from_hex(KEY).and_then(|key| key.try_into().ok()).expect("32 bytes");
    Keyring::new([key], Random::seeded(1)).expect("a key")
}

pub(super) async fn furnish(premises: &Premises) -> Vec<(&'static str, String)> {
    let token = unsubscribe_token(&keys(), &Holder::User(premises.stranger.user), Topic::LicenseReminders);
    let suppress = json!({ "address": "nobody@example.com", "reason": "because" });
    let suppressed = premises.make("/api/admin/mail-suppressions", &premises.operator, &suppress).await;
    let mail = until("a letter is written", async || {
        let list = premises.get("/api/admin/mails", &premises.operator).await;
        list["data"][0]["id"].as_str().map(str::to_owned).ok_or(list)
    })
    .await;
    vec![
        ("/unsubscribe/{token}", token),
        ("/api/admin/mails/{mail}", mail),
        ("/api/admin/mail-suppressions/{suppression}", suppressed["id"].as_str().expect("an id").to_owned()),
        ("/api/admin/mail-templates/{template}", "verify_email".to_owned()),
    ]
}
