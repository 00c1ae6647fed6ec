//! The routes of API keys and credentials, and something of each to try them on.

use mintreu::{
    db::{Db, DbError},
    execute,
    kernel::LicenseId,
};
use reqwest::Method;
use serde_json::{Value, json};

use crate::journey_routes::{Route, Takes, Who};

fn route(method: Method, path: &'static str, who: Who, body: Option<&Value>) -> Route {
    let takes = body.map_or(Takes::Nothing, |body| Takes::Json(body.clone()));
    Route { method, path, who, takes, query: &[] }
}

/// A route's query parameters.
fn asking(route: Route, query: &'static [&'static str]) -> Route {
    Route { query, ..route }
}

/// All of them.
pub(crate) fn keys() -> Vec<Route> {
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
            all.push(asking(route($method.clone(), concat!("/api/vendor", $path), who, $body), $query));
        };
    }
    both!(get, "/plans/{id}/endpoints", "keys:read", None, &[]);
    both!(post, "/plans/{id}/endpoints", "keys:write", Some(&endpoint), &[]);
    both!(get, "/endpoints/{id}", "keys:read", None, &[]);
    both!(patch, "/endpoints/{id}", "keys:write", Some(&endpoint), &[]);
    both!(delete, "/endpoints/{id}", "keys:write", None, &[]);
    let of_keys = &["limit", "after", "before", "product", "license", "tenant", "status"];
    both!(get, "/keys", "keys:read", None, of_keys);
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
    all
}

/// Makes the licence one of an API, with an endpoint, a key and a credential, and says what stands for them.
pub(crate) async fn furnish(db: &Db, license: &str) -> Vec<(&'static str, String)> {
    let license: LicenseId = license.parse().expect("a licence");
    let ids = [db.ids().next_uuid(), db.ids().next_uuid(), db.ids().next_uuid()];
    let [endpoint, key, credential] = ids;
    let now = db.now();
    for text in [
        "UPDATE products SET type = 'api' WHERE id = (SELECT product_id FROM licenses WHERE id = $1)",
        "INSERT INTO api_endpoints (id, plan_id, method, path, scope, description, position, revision, created_at, updated_at)
         SELECT $2, plan_id, 'GET', '/v1/lamps', 'lamps:read', '', 0, 1, $5, $5 FROM licenses WHERE id = $1",
        "INSERT INTO api_keys (id, license_id, name, secret_hash, hint, revision, created_at, updated_at)
         VALUES ($3, $1, 'first', '00', '0000', 1, $5, $5)",
        "INSERT INTO api_credentials (id, license_id, product_id, state, epoch, rate_limits, usage_stats, barred, revision,
                                      created_at, updated_at)
         SELECT $4, id, product_id, 'revoked', 1, '{}', '{}', 1 = 1, 1, $5, $5 FROM licenses WHERE id = $1",
    ] {
        // Each statement names all parameters, so that each has a type.
        let text = match db.dialect().pick("sqlite", "postgres") {
            "sqlite" => text.to_owned(),
            _ => format!("WITH given AS (SELECT $1::uuid, $2::uuid, $3::uuid, $4::uuid, $5::timestamptz) {text}"),
        };
        let done = db.write(async |tx| {
            execute!(
                tx,
                sqlx::query(sqlx::AssertSqlSafe(text.clone()))
                    .bind(license)
                    .bind(endpoint)
                    .bind(key)
                    .bind(credential)
                    .bind(now)
            )
        });
        let done: Result<u64, DbError> = done.await;
        assert_eq!(done.expect("furnished"), 1, "{text}");
    }
    let plan: mintreu::kernel::PlanId =
        mintreu::fetch_one!(db, sqlx::query_scalar("SELECT plan_id FROM licenses WHERE id = $1").bind(license))
            .expect("a plan");
    let product: mintreu::kernel::ProductId =
        mintreu::fetch_one!(db, sqlx::query_scalar("SELECT product_id FROM licenses WHERE id = $1").bind(license))
            .expect("a product");
    let endpoint = mintreu::api_keys::EndpointId::from_uuid(endpoint).to_string();
    let key = mintreu::api_keys::ApiKeyId::from_uuid(key).to_string();
    let credential = mintreu::credentials::CredentialId::from_uuid(credential).to_string();
    vec![
        ("/api/licenses/{license}/keys/{key}", key.clone()),
        ("/api/admin/keys/{key}", key.clone()),
        ("/api/vendor/keys/{key}", key),
        ("/api/admin/endpoints/{id}", endpoint.clone()),
        ("/api/vendor/endpoints/{id}", endpoint),
        ("/api/licenses/{license}/credentials/{credential}", credential.clone()),
        ("/api/admin/credentials/{credential}", credential.clone()),
        ("/api/vendor/credentials/{credential}", credential),
        ("/api/vendor/plans/{id}", plan.to_string()),
        ("/api/vendor/products/{id}", product.to_string()),
    ]
}
