//! Downloads: links, and the sources behind them.

use reqwest::Method;
use serde_json::{Value, json};

use super::{PAGE, Route, Takes, Who, delete, get, patch, post, push, send};

const LOG: &[&str] = &["limit", "after", "before", "product", "user", "status", "license", "from", "until", "sort"];

/// Elsewhere, but nowhere that anybody would ask.
fn source() -> Value {
    json!({
        "provider": "url", "name": "Linux", "description": "For Linux", "source_url": "https://127.0.0.1/lamp-{n}.zip",
        "token": "secret", "version": "1.0.0", "file_name": "lamp.zip", "checksum": "ab".repeat(32),
        "metadata": { "arch": "x86_64" }, "is_primary": false, "is_active": true,
    })
}

pub(super) fn routes() -> Vec<Route> {
    use Who::{Account, Entitled, Operator, Owner, Vendor};
    let mut all = vec![
        get("/api/products/{slug}/sources", Entitled("licenses:read"), &[]),
        send(
            Method::POST,
            "/api/products/{slug}/download",
            Entitled("licenses:read"),
            Takes::Optional(json!({ "source": null, "version": "1.0.0" })),
        ),
        get("/api/download/{token}", Owner("licenses:read"), &[]),
        get("/api/downloads", Account("licenses:read"), LOG),
        get("/api/admin/downloads", Operator, LOG),
        get(
            "/api/admin/downloads/export",
            Operator,
            &["product", "user", "license", "status", "from", "until", "sort", "format"],
        ),
        get(
            "/api/admin/sources",
            Operator,
            &["limit", "after", "before", "product", "state", "provider", "active", "sort"],
        ),
        get("/api/developer/products", Vendor("products:read"), PAGE),
    ];
    all.extend(desk(
        Operator,
        Operator,
        [
            "/api/admin/products/{id}/sources",
            "/api/admin/products/{id}/files",
            "/api/admin/sources/{id}",
            "/api/admin/sources/{id}/verify",
        ],
    ));
    all.extend(desk(
        Vendor("products:read"),
        Vendor("products:write"),
        [
            "/api/developer/products/{id}/sources",
            "/api/developer/products/{id}/files",
            "/api/developer/sources/{id}",
            "/api/developer/sources/{id}/verify",
        ],
    ));
    all
}

/// What is done with sources.
fn desk(reads: Who, writes: Who, [sources, files, one, verify]: [&'static str; 4]) -> [Route; 7] {
    [
        get(sources, reads, &[]),
        post(sources, writes, source()),
        Route {
            query: &["file_name", "name", "version", "is_primary"],
            with: "file_name=lamp.zip",
            ..send(Method::PUT, files, writes, Takes::Bytes(b"hello"))
        },
        get(one, reads, &[]),
        patch(one, writes, source()),
        delete(one, writes),
        push(verify, writes),
    ]
}
