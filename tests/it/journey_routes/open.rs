//! What is open to everybody.

use reqwest::Method;

use super::{Route, Takes, Who, get, send};

pub(super) fn routes() -> Vec<Route> {
    use Who::Anybody;
    vec![
        get("/livez", Anybody, &["verbose"]),
        get("/readyz", Anybody, &["verbose"]),
        get("/api/openapi.json", Anybody, &[]),
        get("/api/docs", Anybody, &[]),
        get("/api/docs/{file}", Anybody, &[]),
        get("/docs/problems", Anybody, &[]),
        get("/docs/problems/{name}", Anybody, &[]),
        get(
            "/api/products",
            Anybody,
            &[
                "limit",
                "after",
                "before",
                "q",
                "category",
                "type",
                "developer",
                "featured",
                "min_price",
                "max_price",
                "currency",
                "sort",
            ],
        ),
        get("/api/products/{slug}", Anybody, &[]),
        get("/api/categories", Anybody, &[]),
        get("/pay/{order}", Anybody, &[]),
        get("/pay/{order}/return", Anybody, &[]),
        get("/pay/{order}/cancelled", Anybody, &[]),
        send(Method::POST, "/webhooks/{provider}", Anybody, Takes::Signed),
    ]
}
