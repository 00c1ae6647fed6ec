//! Licences: as customers have them, and what licensed programs ask.

use reqwest::Method;
use serde_json::{Value, json};

use super::{PAGE, Route, Takes, Who, delete, get, patch, post, push, send};

pub(super) fn routes() -> Vec<Route> {
    use Who::{Account, Owner};
    let mut all = programs();
    all.extend([
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
    ]);
    all
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
