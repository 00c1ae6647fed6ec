//! Every route of the shop, and who may use it; a route that is missing here fails the first test.

use std::{collections::BTreeSet, fs, path::Path};

use reqwest::Method;
use serde_json::{Value, json};

/// Who may use a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Who {
    /// Everybody, signed in or not.
    Anybody,
    /// Everybody, but no page of another site.
    OwnPages,
    /// Somebody signed in, or a guest with the order's token.
    Guest,
    /// Somebody signed in; a token with this scope does too.
    Account(&'static str),
    /// Somebody signed in, with any token too.
    SignedIn,
    /// Somebody signed in by a session.
    Session,
    /// Whoever owns the thing; a token with this scope does too.
    Owner(&'static str),
    /// Whoever owns the thing, by a session.
    OwnSession,
    /// An operator.
    Operator,
}

/// What a route takes as its body.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Takes {
    Nothing,
    /// A good one; `{n}` in its texts stands for a number that no other request has.
    Json(Value),
    /// Fields, as a form or as JSON.
    Fields(Value),
    /// A form of a page.
    Form(&'static str),
    /// What a provider signs.
    Signed,
    /// A file of JSON or of a table.
    File(Value),
}

/// A route.
#[derive(Debug, Clone)]
pub(crate) struct Route {
    pub(crate) method: Method,
    pub(crate) path: &'static str,
    pub(crate) who: Who,
    pub(crate) takes: Takes,
    /// Its query parameters.
    pub(crate) query: &'static [&'static str],
}

fn get(path: &'static str, who: Who, query: &'static [&'static str]) -> Route {
    Route { method: Method::GET, path, who, takes: Takes::Nothing, query }
}

fn send(method: Method, path: &'static str, who: Who, takes: Takes) -> Route {
    Route { method, path, who, takes, query: &[] }
}

fn post(path: &'static str, who: Who, body: Value) -> Route {
    send(Method::POST, path, who, Takes::Json(body))
}

fn patch(path: &'static str, who: Who, body: Value) -> Route {
    send(Method::PATCH, path, who, Takes::Json(body))
}

fn delete(path: &'static str, who: Who) -> Route {
    send(Method::DELETE, path, who, Takes::Nothing)
}

fn push(path: &'static str, who: Who) -> Route {
    send(Method::POST, path, who, Takes::Nothing)
}

const PAGE: &[&str] = &["limit", "after", "before"];
const PASSWORD: &str = "correct horse battery";

/// All of them.
pub(crate) fn routes() -> Vec<Route> {
    let invoices = crate::journey_routes_invoices::routes();
    [open(), accounts(), customers(), programs(), catalogue(), operators(), sandbox(), invoices].concat()
}

fn open() -> Vec<Route> {
    use Who::Anybody;
    vec![
        get("/livez", Anybody, &["verbose"]),
        get("/readyz", Anybody, &["verbose"]),
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
        get("/pay/{order}/return", Anybody, &["token"]),
        get("/pay/{order}/cancelled", Anybody, &[]),
        send(Method::POST, "/webhooks/{provider}", Anybody, Takes::Signed),
    ]
}

fn accounts() -> Vec<Route> {
    use Who::{Account, OwnPages, OwnSession, Session, SignedIn};
    let fresh = "fresh{n}@example.com";
    vec![
        post("/api/register", OwnPages, json!({ "name": "Ada", "email": fresh, "password": PASSWORD })),
        post("/api/verify-email", OwnPages, json!({ "token": "0123456789abcdef" })),
        post("/api/verify-email/resend", OwnPages, json!({ "email": fresh })),
        post(
            "/api/login",
            OwnPages,
            json!({ "email": fresh, "password": PASSWORD, "totp": "123456", "recovery_code": "a-b", "token": true }),
        ),
        push("/api/logout", SignedIn),
        post("/api/password/forgot", OwnPages, json!({ "email": fresh })),
        post("/api/password/reset", OwnPages, json!({ "token": "0123456789abcdef", "password": PASSWORD })),
        post("/api/password/change", Session, json!({ "current_password": PASSWORD, "password": "another password" })),
        post("/api/claim", OwnPages, json!({ "token": "0123456789abcdef", "name": "Ada", "password": PASSWORD })),
        get("/api/account", Account("account:read"), &[]),
        patch("/api/account", Account("account:write"), json!({ "name": "Ada" })),
        get("/api/account/sessions", Session, PAGE),
        delete("/api/account/sessions/{session}", OwnSession),
        get("/api/account/tokens", Session, PAGE),
        post(
            "/api/account/tokens",
            Session,
            json!({ "name": "ci", "scopes": ["orders:read"], "expires_at": "2999-01-01T00:00:00Z" }),
        ),
        delete("/api/account/tokens/{token}", OwnSession),
        push("/api/account/totp", Session),
        post("/api/account/totp/confirm", Session, json!({ "totp": "123456" })),
        post(
            "/api/account/totp/disable",
            Session,
            json!({ "password": PASSWORD, "totp": "123456", "recovery_code": "a-b" }),
        ),
    ]
}

fn customers() -> Vec<Route> {
    use Who::{Account, Anybody, Guest, Owner};
    let cart = json!({
        "items": [{ "product": "lamp", "plan": "regular", "quantity": 1 }], "coupon": "ALL15", "currency": "USD",
        "provider": "sandbox", "email": "guest{n}@example.com",
    });
    vec![
        post("/api/quotes", Anybody, cart.clone()),
        post("/api/orders", Anybody, cart),
        get("/api/orders", Account("orders:read"), PAGE),
        get("/api/orders/{order}", Guest, &["token"]),
        push("/api/orders/{order}/cancel", Guest),
        get("/api/subscriptions", Account("orders:read"), PAGE),
        get("/api/subscriptions/{subscription}", Owner("orders:read"), &[]),
        post("/api/subscriptions/{subscription}/cancel", Owner("orders:write"), json!({ "at": "period_end" })),
        get("/api/licenses", Account("licenses:read"), PAGE),
        get("/api/licenses/{license}", Owner("licenses:read"), &[]),
        patch(
            "/api/licenses/{license}",
            Owner("licenses:write"),
            json!({ "domains": ["*.example.com"], "ips": ["0.0.0.0/1"] }),
        ),
        get("/api/licenses/{license}/activations", Owner("licenses:read"), PAGE),
        delete("/api/licenses/{license}/activations/{activation}", Owner("licenses:write")),
        push("/api/licenses/{license}/rotate-key", Owner("licenses:write")),
        get("/api/licenses/{license}/log", Owner("licenses:read"), PAGE),
        get("/api/licenses/{license}/file", Owner("licenses:read"), &["ttl"]),
    ]
}

fn programs() -> Vec<Route> {
    use Who::Anybody;
    let ask = json!({
        "license_key": "{key}", "product": "lamp", "domain": "www.example.com", "instance_name": "desk",
        "fingerprint": "f{n}", "nonce": "1", "server_info": { "os": "linux" },
    });
    let mut asked = ask.clone();
    asked["instance_id"] = json!("act_01kae41rr5f71r9kjywk21ja4c");
    let fields = |more: Value| {
        let mut fields = json!({ "license_key": "{key}" });
        for (name, value) in more.as_object().expect("an object") {
            fields[name] = value.clone();
        }
        Takes::Fields(fields)
    };
    let instance = json!({ "instance_id": "0196f2a0-0000-7000-8000-000000000000" });
    vec![
        post("/api/license/validate", Anybody, asked.clone()),
        post("/api/license/activate", Anybody, ask),
        post("/api/license/deactivate", Anybody, asked),
        get("/api/license/public-key", Anybody, &[]),
        send(Method::POST, "/v1/licenses/activate", Anybody, fields(json!({ "instance_name": "desk" }))),
        send(Method::POST, "/v1/licenses/validate", Anybody, fields(instance.clone())),
        send(Method::POST, "/v1/licenses/deactivate", Anybody, fields(instance)),
        send(
            Method::POST,
            "/v2/licenses/verify",
            Anybody,
            fields(json!({ "product_id": "lamp", "product_permalink": "lamp", "increment_uses_count": "true" })),
        ),
    ]
}

fn catalogue() -> Vec<Route> {
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
        ("/api/admin/products", "/api/admin/products/{id}", product, &["limit", "after", "before", "q", "status"]),
        ("/api/admin/products/{id}/plans", "/api/admin/plans/{id}", plan, &[]),
        ("/api/admin/coupons", "/api/admin/coupons/{id}", coupon, &["limit", "after", "before", "q", "active"]),
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

fn operators() -> Vec<Route> {
    use Who::Operator;
    let reason = json!({ "reason": "because" });
    vec![
        get("/api/admin/users", Operator, &["limit", "after", "before", "email", "role"]),
        get("/api/admin/users/{user}", Operator, &[]),
        patch(
            "/api/admin/users/{user}",
            Operator,
            json!({ "role": "customer", "disabled": false, "reason": "because" }),
        ),
        get("/api/admin/orders", Operator, &["limit", "after", "before", "payment_state", "email", "attention"]),
        get("/api/admin/orders/{order}", Operator, &[]),
        push("/api/admin/orders/{order}/cancel", Operator),
        post(
            "/api/admin/orders/{order}/refunds",
            Operator,
            json!({ "amount": 1, "payment": "pay_01kae41rr5f71r9kjywk21ja4c", "reason": "because" }),
        ),
        push("/api/admin/orders/{order}/attended", Operator),
        get("/api/admin/ledger/balances", Operator, &[]),
        get("/api/admin/licenses", Operator, &["limit", "after", "before", "product", "order", "status", "key"]),
        get("/api/admin/licenses/{license}", Operator, &[]),
        get("/api/admin/licenses/{license}/activations", Operator, PAGE),
        get("/api/admin/licenses/{license}/log", Operator, PAGE),
        post("/api/admin/licenses/{license}/suspend", Operator, reason.clone()),
        post("/api/admin/licenses/{license}/resume", Operator, reason.clone()),
        post("/api/admin/licenses/{license}/revoke", Operator, reason),
        post(
            "/api/admin/licenses/{license}/renew",
            Operator,
            json!({ "until": "2999-01-01T00:00:00Z", "reason": "because" }),
        ),
        get("/api/admin/webhooks", Operator, &["limit", "after", "before", "provider", "type", "outcome", "unhandled"]),
        get("/api/admin/webhooks/{webhook}", Operator, &[]),
        push("/api/admin/webhooks/{webhook}/replay", Operator),
    ]
}

fn sandbox() -> Vec<Route> {
    use Who::Anybody;
    vec![
        get("/sandbox/style.css", Anybody, &[]),
        get("/sandbox/pay/{session}", Anybody, &[]),
        send(
            Method::POST,
            "/sandbox/pay/{session}",
            Anybody,
            Takes::Form("outcome=declined&copies=1&delay_seconds=0&reversed=&amount=&currency="),
        ),
        get("/sandbox/sessions/{session}", Anybody, &[]),
        post(
            "/sandbox/sessions/{session}/complete",
            Anybody,
            json!({
                "outcome": "declined", "amount": 1, "currency": "USD", "copies": 1, "delay_seconds": 0,
                "reversed": false,
            }),
        ),
        post("/sandbox/sessions/{session}/refund", Anybody, json!({ "amount": 1, "copies": 1 })),
        post("/sandbox/sessions/{session}/dispute", Anybody, json!({ "action": "win", "copies": 1 })),
        post("/sandbox/subscriptions/{subscription}/renew", Anybody, json!({ "outcome": "paid", "copies": 1 })),
    ]
}

/// The routes that the sources register: `METHOD path`.
fn registered() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    visit(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/http"), &mut |source| {
        for part in source.split(".route(").skip(1) {
            let mut quotes = part.split('"');
            let before = quotes.next().unwrap_or_default();
            assert!(before.trim().is_empty(), "a route's path is written where it is registered: {before}");
            let path = quotes.next().expect("a path");
            let call = balanced(&part[before.len() + path.len() + 2..]);
            for method in ["get", "post", "put", "patch", "delete", "any", "head", "options"] {
                let named = call
                    .match_indices(&format!("{method}("))
                    .any(|(at, _)| !call[..at].ends_with(|before: char| before.is_alphanumeric() || before == '_'));
                if named {
                    found.insert(format!("{} {path}", method.to_uppercase()));
                }
            }
        }
    });
    assert!(found.remove("GET /metrics"), "which is on the operators' own listener");
    found
}

/// The text up to the bracket that closes the one before it.
fn balanced(text: &str) -> &str {
    let mut depth = 0;
    for (at, sign) in text.char_indices() {
        match sign {
            '(' => depth += 1,
            ')' if depth == 0 => return &text[..at],
            ')' => depth -= 1,
            _ => {}
        }
    }
    text
}

fn visit(directory: &Path, read: &mut impl FnMut(&str)) {
    for entry in fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            if !path.ends_with("tests") {
                visit(&path, read);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let source = fs::read_to_string(&path).expect("a source");
            let source = source.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
            read(source);
        }
    }
}

#[test]
fn every_route_is_in_the_table() {
    let table: BTreeSet<String> = routes().iter().map(|route| format!("{} {}", route.method, route.path)).collect();
    let registered = registered();
    assert!(registered.len() > 80, "the sources are read: {registered:?}");
    let missing: Vec<_> = registered.difference(&table).collect();
    let gone: Vec<_> = table.difference(&registered).collect();
    assert!(missing.is_empty() && gone.is_empty(), "not in the table: {missing:#?}; not there any more: {gone:#?}");
}
