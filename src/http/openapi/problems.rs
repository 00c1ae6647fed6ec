//! Problems as the document tells them: one schema, and a response for each set of kinds that share a status.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::http::Kind;

/// What tells of a caller's allowance.
pub(super) const ALLOWANCE: [&str; 5] =
    ["RateLimit-Policy", "RateLimit", "X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset"];

/// What anything behind the application's layers may come to.
const EVERYWHERE: [Kind; 4] =
    [Kind::RequestTimeout, Kind::HeadersTooLarge, Kind::TemporaryReducedCapacity, Kind::Internal];
/// What is answered outside of them.
const OUTSIDE: [Kind; 2] = [Kind::HeadersTooLarge, Kind::Internal];

/// Writes an operation's problems among its responses, and what they refer to among `components`.
pub(super) fn write(
    responses: &mut Map<String, Value>,
    noted: &[Value],
    outside: bool,
    components: &mut Components<'_>,
) {
    let always = if outside { OUTSIDE.as_slice() } else { EVERYWHERE.as_slice() };
    let mut by_status: BTreeMap<u16, Vec<Kind>> = BTreeMap::new();
    for kind in Kind::ALL {
        if always.contains(&kind) || noted.iter().any(|name| name == kind.name()) {
            by_status.entry(kind.status().as_u16()).or_default().push(kind);
        }
    }
    for (status, kinds) in by_status {
        if let Some(own) = responses.get_mut(&status.to_string()) {
            // It has an answer of its own under this status: either may come.
            let mut problem = response(&kinds, components.public_url);
            own["content"]["application/problem+json"] = problem["content"]["application/problem+json"].take();
        } else {
            let reference = components.problem(&kinds);
            responses.insert(status.to_string(), reference);
        }
    }
}

/// The responses that operations refer to.
#[derive(Debug)]
pub(super) struct Components<'a> {
    pub(super) public_url: &'a str,
    pub(super) responses: Map<String, Value>,
}

impl Components<'_> {
    fn problem(&mut self, kinds: &[Kind]) -> Value {
        let names: Vec<String> = kinds.iter().map(|kind| camel(kind.name())).collect();
        let name = names.join("Or");
        if !self.responses.contains_key(&name) {
            let response = response(kinds, self.public_url);
            self.responses.insert(name.clone(), response);
        }
        json!({ "$ref": format!("#/components/responses/{name}") })
    }
}

fn response(kinds: &[Kind], public_url: &str) -> Value {
    let told: Vec<String> = kinds.iter().map(|kind| format!("{}: `{}`.", kind.title(), kind.uri(public_url))).collect();
    let examples: Map<String, Value> = kinds
        .iter()
        .map(|kind| {
            let value = json!({
                "type": kind.uri(public_url), "title": kind.title(), "status": kind.status().as_u16(),
                "instance": "/api/…", "request_id": "req_01h455vb4pex5vsknk084sn02q",
            });
            (kind.name().to_owned(), json!({ "value": value }))
        })
        .collect();
    let content = json!({ "schema": { "$ref": "#/components/schemas/Problem" }, "examples": examples });
    let mut response = json!({
        "description": told.join(" "),
        "content": { "application/problem+json": content },
    });
    let headers = headers_of(kinds);
    if !headers.is_empty() {
        response["headers"] = headers.into_iter().map(|name| (name.to_owned(), header(name))).collect();
    }
    response
}

fn header(name: &str) -> Value {
    json!({ "$ref": format!("#/components/headers/{name}") })
}

fn headers_of(kinds: &[Kind]) -> Vec<&'static str> {
    if kinds.contains(&Kind::QuotaExceeded) {
        return ALLOWANCE.into_iter().chain(["Retry-After"]).collect();
    }
    match kinds.first().map(|kind| kind.status().as_u16()) {
        Some(503) => vec!["Retry-After"],
        Some(401) => vec!["WWW-Authenticate"],
        _ => Vec::new(),
    }
}

/// `not-found` is `NotFound`.
fn camel(name: &str) -> String {
    let capital = |word: &str| {
        let mut letters = word.chars();
        letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect::<String>()
    };
    name.split('-').map(capital).collect()
}

/// The headers that responses refer to.
pub(super) fn headers() -> Value {
    let text = |description: &str| json!({ "description": description, "schema": { "type": "string" } });
    let number = |description: &str| json!({ "description": description, "schema": { "type": "integer" } });
    json!({
        "ETag": text("The state of what is given; sent back as `If-Match` with a change, as `If-None-Match` with a read."),
        "Idempotent-Replayed": text("`true` where the answer is the one that was given to the same request before."),
        "RateLimit": text("What is left of the limit, and in how many seconds it is whole again: `\"login\";r=3;t=20`."),
        "RateLimit-Policy": text("The limit: its name, so many requests, in so many seconds: `\"login\";q=10;w=60`."),
        "Retry-After": number("In how many seconds it makes sense to try again."),
        "Set-Cookie": text("The session's cookie, or its end."),
        "WWW-Authenticate": text("`Bearer realm=\"mintreu\"`."),
        "X-RateLimit-Limit": number("So many requests."),
        "X-RateLimit-Remaining": number("So many are left."),
        "X-RateLimit-Reset": number("When the limit is whole again, in Unix seconds."),
    })
}

/// All kinds, as a table for people.
pub(super) fn table(public_url: &str) -> String {
    let rows = Kind::ALL.map(|kind| {
        let (name, status, uri) = (kind.name(), kind.status().as_u16(), kind.uri(public_url));
        let page = format!("{public_url}/docs/problems/{name}");
        format!("| {status} | [{}]({page}) | `{uri}` |\n", kind.title())
    });
    format!("| Status | Problem | `type` |\n| --- | --- | --- |\n{}", rows.concat())
}
