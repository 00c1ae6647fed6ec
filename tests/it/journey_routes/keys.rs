//! API keys, the endpoints that they open, and credentials of outside APIs.

use reqwest::Method;
use serde_json::{Value, json};

use super::{Route, Takes, Who};

fn route(method: Method, path: &'static str, who: Who, body: Option<&Value>) -> Route {
    let takes = body.map_or(Takes::Nothing, |body| Takes::Json(body.clone()));
    Route { method, path, who, takes, query: &[], with: "" }
}

/// A route's query parameters.
fn asking(route: Route, query: &'static [&'static str]) -> Route {
    Route { query, ..route }
}

pub(super) fn routes() -> Vec<Route> {
    let (get, post, patch, delete) = (Method::GET, Method::POST, Method::PATCH, Method::DELETE);
    let key = json!({ "name": "ci {n}", "scopes": ["lamps:read"], "expires_at": "2999-01-01T00:00:00Z" });
    let (reader, writer) = (Who::Owner("keys:read"), Who::Owner("keys:write"));
    let (overlap, name) = (json!({ "overlap_hours": 1 }), json!({ "name": "other" }));
    let question = json!({ "token": "mtk_0", "method": "GET", "path": "/v1/lamps", "calls": 1 });
    let mut all = vec![
        route(get.clone(), "/api/products/{slug}/endpoints", Who::Anybody, None),
        route(post.clone(), "/api/keys/verify", Who::Account("keys:verify"), Some(&question)),
        asking(route(get.clone(), "/api/licenses/{license}/keys", reader, None), &["limit", "after", "before"]),
        route(post.clone(), "/api/licenses/{license}/keys", writer, Some(&key)),
        route(get.clone(), "/api/licenses/{license}/keys/{key}", reader, None),
        route(patch.clone(), "/api/licenses/{license}/keys/{key}", writer, Some(&name)),
        route(delete.clone(), "/api/licenses/{license}/keys/{key}", writer, None),
        route(post.clone(), "/api/licenses/{license}/keys/{key}/rotate", writer, Some(&overlap)),
        route(get.clone(), "/api/licenses/{license}/api-usage", reader, None),
        route(get.clone(), "/api/licenses/{license}/credentials", reader, None),
        route(
            post.clone(),
            "/api/licenses/{license}/credentials/{credential}/reveal",
            Who::Owner("credentials:read"),
            None,
        ),
        route(post.clone(), "/api/licenses/{license}/credentials/{credential}/rotate", writer, None),
    ];
    all.extend(sellers());
    all
}

/// What operators and vendors have alike.
fn sellers() -> Vec<Route> {
    let (get, post, patch, delete) = (Method::GET, Method::POST, Method::PATCH, Method::DELETE);
    let endpoint =
        json!({ "method": "GET", "path": "/v1/{n}", "scope": "lamps:read", "description": "d", "position": 1 });
    let hook = json!({ "url": "https://example.com/hook", "active": false, "secret": null });
    let change = json!({ "url": "https://example.com/hook", "active": false });
    let reason = json!({ "reason": "because" });
    let mut all = Vec::new();
    macro_rules! both {
        ($method:expr, $path:literal, $scope:literal, $body:expr, $query:expr) => {
            all.push(asking(route($method.clone(), concat!("/api/admin", $path), Who::Operator, $body), $query));
            // Lists of what is one's own are anybody's, and empty for most.
            let who = if $path.contains('{') { Who::Owner($scope) } else { Who::Account($scope) };
            all.push(asking(route($method.clone(), concat!("/api/developer", $path), who, $body), $query));
        };
    }
    both!(get, "/plans/{id}/endpoints", "keys:read", None, &[]);
    both!(post, "/plans/{id}/endpoints", "keys:write", Some(&endpoint), &[]);
    both!(get, "/endpoints/{id}", "keys:read", None, &[]);
    both!(patch, "/endpoints/{id}", "keys:write", Some(&endpoint), &[]);
    both!(delete, "/endpoints/{id}", "keys:write", None, &[]);
    let of_keys = &["limit", "after", "before", "product", "license", "tenant", "status"];
    both!(get, "/keys", "keys:read", None, of_keys);
    both!(get, "/keys/{key}", "keys:read", None, &[]);
    both!(post, "/keys/{key}/revoke", "keys:write", Some(&reason), &[]);
    both!(get, "/products/{id}/hook", "keys:read", None, &[]);
    both!(post, "/products/{id}/hook", "keys:write", Some(&hook), &[]);
    both!(patch, "/products/{id}/hook", "keys:write", Some(&change), &[]);
    both!(delete, "/products/{id}/hook", "keys:write", None, &[]);
    both!(post, "/products/{id}/hook/rotate-secret", "keys:write", None, &[]);
    let of_credentials = &["limit", "after", "before", "product", "license", "state", "attention"];
    both!(get, "/credentials", "keys:read", None, of_credentials);
    both!(get, "/credentials/{credential}", "keys:read", None, &[]);
    both!(post, "/credentials/{credential}/revoke", "keys:write", Some(&reason), &[]);
    both!(post, "/credentials/{credential}/retry", "keys:write", None, &[]);
    let exports: [(_, &[&str]); 2] = [
        ("/api/admin/keys/export", &["product", "license", "tenant", "status", "format"]),
        ("/api/admin/credentials/export", &["product", "license", "state", "attention", "format"]),
    ];
    for (path, query) in exports {
        all.push(asking(route(get.clone(), path, Who::Operator, None), query));
    }
    all
}
