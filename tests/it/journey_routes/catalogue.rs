//! The catalogue, as operators manage it.

use reqwest::Method;
use serde_json::json;

use super::{Route, Takes, Who, delete, get, patch, post, send};

const PRODUCTS: &[&str] = &["limit", "after", "before", "q", "status", "developer", "category", "sort"];

pub(super) fn routes() -> Vec<Route> {
    use Who::Operator;
    let plan = json!({
        "slug": "plan-{n}", "name": "Plan", "billing_cycle": "one_time", "trial_days": null, "license_type": "regular",
        "features": ["one"], "limits": { "activations": 1, "uses": 2 }, "active": true, "position": 1,
        "prices": { "USD": 100, "JPY": 100 },
    });
    let product = json!({
        "slug": "thing-{n}", "title": "A thing", "developer": "acme", "category": "lights", "type": "license",
        "status": "draft", "short_description": "a", "description": "b", "content": "c",
        "image": "https://example.com/a.png", "version": "1.0.0", "featured": false,
        "demo_url": "https://example.com/", "github_url": "https://example.com/",
        "documentation_url": "https://example.com/", "requires_auth": true, "default_license": "regular",
        "module_key": "blog", "meta": { "a": 1 }, "api_config": { "a": [1] },
    });
    let coupon = json!({
        "code": "C{n}", "name": "A coupon", "percent_bps": 100, "amount": null, "currency": null,
        "starts_at": "2020-01-01T00:00:00Z", "ends_at": "2999-01-01T00:00:00Z", "max_uses": 5,
        "max_uses_per_customer": 1, "active": true, "products": ["lamp"], "categories": ["lights"],
    });
    let category =
        json!({ "slug": "shelf-{n}", "parent": "lights", "name": "Shelf", "description": "d", "position": 1 });
    let developer = json!({ "slug": "maker-{n}", "name": "Maker", "commission_bps": 1000, "user": null });
    let mut all = Vec::new();
    for (list, one, body, query) in [
        ("/api/admin/developers", "/api/admin/developers/{id}", developer, &["limit", "after", "before", "q"][..]),
        ("/api/admin/categories", "/api/admin/categories/{id}", category, &["limit", "after", "before", "q"]),
        ("/api/admin/products", "/api/admin/products/{id}", product, PRODUCTS),
        ("/api/admin/products/{id}/plans", "/api/admin/plans/{id}", plan, &[]),
        ("/api/admin/coupons", "/api/admin/coupons/{id}", coupon, &["limit", "after", "before", "q", "active", "sort"]),
    ] {
        all.extend([
            get(list, Operator, query),
            post(list, Operator, body.clone()),
            get(one, Operator, &[]),
            patch(one, Operator, body),
            delete(one, Operator),
        ]);
    }
    let file = json!({ "format": "mintreu.catalog/1", "developers": [{ "slug": "acme", "name": "Acme" }] });
    all.push(get("/api/admin/catalog/export", Operator, &["format"]));
    all.push(Route {
        query: &["dry_run"],
        ..send(Method::POST, "/api/admin/catalog/import", Operator, Takes::File(file))
    });
    all
}
