//! A file of the lamp, and a link to it.

use reqwest::Method;
use serde_json::json;

use super::{Premises, text};
use crate::support::Mintreu;

/// No file is larger than what is tried as too large.
pub(super) fn open(mintreu: Mintreu) -> Mintreu {
    mintreu.env("MINTREU__DOWNLOADS__MAX_FILE", "1MiB")
}

pub(super) async fn furnish(premises: &Premises) -> Vec<(&'static str, String)> {
    let product = premises.thing("/api/admin/products/{id}");
    let path = format!("/api/admin/products/{product}/files?file_name=lamp.zip&version=1.0.0");
    let source = premises.upload(Method::PUT, &path, &premises.operator, b"PK\x03\x04 a lamp").await;
    let link = premises.make("/api/products/lamp/download", premises.shop.buyer().await, &json!({})).await;
    let token = text(&link["url"]).rsplit('/').next().expect("a token").to_owned();
    vec![
        ("/api/download/{token}", token),
        ("/api/developer/products/{id}", product.to_owned()),
        ("/api/admin/sources/{id}", text(&source["id"])),
        ("/api/developer/sources/{id}", text(&source["id"])),
    ]
}
