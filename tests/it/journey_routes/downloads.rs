//! Downloads: links, and the sources behind them.

use reqwest::Method;
use serde_json::{Value, json};

use super::{Route, Takes, Who, delete, get, patch, post, push, send};

const LOG: &[&str] = &["limit", "after", "before", "product", "user", "status"];

/// Elsewhere, but nowhere that anybody would ask.
fn source() -> Value {
    json!({
        "provider": "url", "name": "Linux", "description": "For Linux", "source_url": "https://127.0.0.1/lamp-{n}.zip",
        "token": "secret", "version": "1.0.0", "file_name": "lamp.zip", "checksum": "ab".repeat(32),
        "metadata": { "arch": "x86_64" }, "is_primary": false, "is_active": true,
    })
}

pub(super) fn routes() -> Vec<Route> {
    use Who::{Account, Entitled, Operator, Owner};
    vec![
        get("/api/products/{slug}/sources", Entitled("licenses:read"), &[]),
        post("/api/products/{slug}/download", Entitled("licenses:read"), json!({ "source": null, "version": "1.0.0" })),
        get("/api/download/{token}", Owner("licenses:read"), &[]),
        get("/api/downloads", Account("licenses:read"), LOG),
        get("/api/admin/downloads", Operator, LOG),
        get("/api/admin/products/{id}/sources", Operator, &[]),
        post("/api/admin/products/{id}/sources", Operator, source()),
        Route {
            query: &["file_name", "name", "version", "is_primary"],
            with: "file_name=lamp.zip",
            ..send(Method::PUT, "/api/admin/products/{id}/files", Operator, Takes::Bytes(b"hello"))
        },
        get("/api/admin/sources/{id}", Operator, &[]),
        patch("/api/admin/sources/{id}", Operator, source()),
        delete("/api/admin/sources/{id}", Operator),
        push("/api/admin/sources/{id}/verify", Operator),
    ]
}
