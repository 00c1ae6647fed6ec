//! A question about the lamp with a file, an answer that can be used, and an article.

use reqwest::Method;
use serde_json::json;

use super::{Premises, text};
use crate::support::Mintreu;

/// Mail is taken in; no file or mail is larger than what is tried as too large; limits are tried elsewhere.
pub(super) fn open(mintreu: Mintreu) -> Mintreu {
    mintreu
        .env("MINTREU__SUPPORT__ATTACHMENT_SIZE", "1MiB")
        .env("MINTREU__SUPPORT__INBOUND_SIZE", "1MiB")
        .env("MINTREU__SUPPORT__INBOUND_SECRET", "whsec_mail_for_tests_only_32_bytes")
        .env("MINTREU__SUPPORT__TICKETS_PER_HOUR", "10000")
        .env("MINTREU__MAIL__REPORT_SECRET", "whsec_cmVwb3J0cyBvZiB0ZXN0cyBhcmUgc2lnbmVkIHNvISE=")
}

pub(super) async fn furnish(premises: &Premises) -> Vec<(&'static str, String)> {
    let (buyer, operator) = (premises.shop.buyer().await, &premises.operator);
    let file = premises.upload(Method::POST, "/api/attachments?name=a.txt", buyer, b"hello").await;
    let question = json!({
        "subject": "It does not shine", "body": "Why?", "license": premises.thing("/api/licenses/{license}"),
        "attachments": [file["id"]],
    });
    let ticket = premises.make("/api/tickets", buyer, &question).await;
    let canned = json!({ "title": "Switch", "body": "Dear {{customer.name}}, have you switched it on?" });
    let canned = premises.make("/api/admin/canned-answers", operator, &canned).await;
    let article = json!({
        "slug": "switches", "title": "Switches", "category": "lamps", "body": "On the left.", "status": "published",
    });
    let article = premises.make("/api/admin/articles", operator, &article).await;
    let (ticket, file, canned) = (text(&ticket["id"]), text(&file["id"]), text(&canned["id"]));
    vec![
        ("/api/tickets/{ticket}", ticket.clone()),
        ("/api/developer/tickets/{ticket}", ticket.clone()),
        ("/api/developer/tickets/{ticket}/canned-answers/{answer}", canned.clone()),
        ("/api/guest/tickets/{ticket}", ticket.clone()),
        ("/api/admin/tickets/{ticket}", ticket),
        ("/api/admin/tickets/{ticket}/canned-answers/{answer}", canned.clone()),
        ("/api/admin/canned-answers/{answer}", canned),
        ("/api/attachments/{attachment}", file.clone()),
        ("/api/developer/attachments/{attachment}", file.clone()),
        ("/api/admin/attachments/{attachment}", file),
        ("/api/articles/{slug}", "switches".to_owned()),
        ("/api/admin/articles/{article}", text(&article["id"])),
    ]
}
