//! Every route of the shop, and who may use it, each room's in a file of its own; a route that is missing here fails the
//! first test.

mod accounts;
mod catalogue;
mod downloads;
mod invoices;
mod keys;
mod licenses;
mod mail;
mod open;
mod operations;
mod operators;
mod orders;
mod privacy;
mod sandbox;
mod support;

use std::{collections::BTreeSet, fs, path::Path};

use reqwest::Method;
use serde_json::Value;

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
    /// Whoever may have the product, others being told that they may not; a token with this scope does too.
    Entitled(&'static str),
    /// The developer whose product it is about; a token with this scope does too.
    Vendor(&'static str),
    /// An operator.
    Operator,
}

/// What a route takes as its body.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Takes {
    Nothing,
    /// A good one; `{n}` in its texts stands for a number that no other request has.
    Json(Value),
    /// The same, which may be left out.
    Optional(Value),
    /// Fields, as a form or as JSON.
    Fields(Value),
    /// A form of a page.
    Form(&'static str),
    /// What a provider signs.
    Signed,
    /// A file of JSON or of a table.
    File(Value),
    /// A file of any kind.
    Bytes(&'static [u8]),
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
    /// Those that a good request has.
    pub(crate) with: &'static str,
}

fn get(path: &'static str, who: Who, query: &'static [&'static str]) -> Route {
    Route { method: Method::GET, path, who, takes: Takes::Nothing, query, with: "" }
}

fn send(method: Method, path: &'static str, who: Who, takes: Takes) -> Route {
    Route { method, path, who, takes, query: &[], with: "" }
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
    [
        open::routes(),
        accounts::routes(),
        orders::routes(),
        licenses::routes(),
        downloads::routes(),
        support::routes(),
        mail::routes(),
        invoices::routes(),
        keys::routes(),
        catalogue::routes(),
        operators::routes(),
        operators::of_sales(),
        operators::of_licenses(),
        operations::routes(),
        privacy::routes(),
        sandbox::routes(),
    ]
    .concat()
}

/// The routes that the sources register: `METHOD path`.
pub(crate) fn registered() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    visit(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/http"), &mut |source| {
        // Those of the API, which are described, and pages.
        for part in source.replace(".api_route(", ".route(").split(".route(").skip(1) {
            let mut quotes = part.split('"');
            let before = quotes.next().unwrap_or_default();
            assert!(before.trim().is_empty(), "a route's path is written where it is registered: {before}");
            let path = quotes.next().expect("a path");
            let call = balanced(&part[before.len() + path.len() + 2..]);
            for method in ["get", "post", "put", "patch", "delete", "any", "head", "options"] {
                let named = |call: &str, method: &str| {
                    call.match_indices(method)
                        .any(|(at, _)| !call[..at].ends_with(|before: char| before.is_alphanumeric() || before == '_'))
                };
                if named(call, &format!("{method}(")) || named(call, &format!("{method}_with(")) {
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
