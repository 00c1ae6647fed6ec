//! The finished document: what the routes told, with their schemas, problems and what holds for all of them.

use std::collections::BTreeSet;

use aide::{axum::ApiRouter, openapi::OpenApi};
use axum::{Router, body::Bytes};
use serde_json::{Map, Value, json};

use super::{
    operation::{AUDIENCE, OUTSIDE, PROBLEMS, SESSION, TOKEN},
    problems::{self, Components},
    schemas::{self, GIVEN, TAKEN},
};
use crate::http::{auth::SESSION_COOKIE, problem::Document};

/// What the API is, for whoever begins to read.
const INTRODUCTION: &str = include_str!("page/introduction.md");

/// The rooms of the API, in the order in which one meets them.
const TAGS: [(&str, &str); 13] = [
    ("accounts", "Register, sign in, second factors, access tokens; operators manage people."),
    ("catalogue", "Products, categories, prices and plans, coupons, tax rates."),
    ("orders", "Carts, orders, payments, refunds, subscriptions, the ledger."),
    ("licences", "What was bought: keys, activations, and validation from within the products."),
    ("downloads", "Files of products, links to them, and their sources."),
    ("keys", "API keys of licences, metered calls, and the endpoints of plans."),
    ("credentials", "Credentials of outside APIs, made by vendors' hooks."),
    ("invoices", "Invoices and credit notes, as JSON, page and PDF."),
    ("support", "Tickets, the desks at which they are answered, articles."),
    ("mail", "Letters that were sent, what people want to get, and addresses that nothing is sent to."),
    ("webhooks", "What payment providers send, and how it was handled."),
    ("privacy", "All that is kept about a person, as an archive, and the deletion of accounts."),
    (
        "operations",
        "Actors, jobs, flags, kill switches, the audit trail, the ledger, usage, whether all is well; probes of the running \
         process, and the sandbox that pretends to be a payment provider.",
    ),
];

/// What the parts of paths are that are plain texts. The others are told by their types.
const PARAMETERS: [(&str, &str); 10] = [
    ("actor", "The actor's name, as `GET /api/admin/actors` tells it."),
    ("flag", "The flag's key, e.g. `checkout.guest`."),
    ("provider", "Who sends it: `stripe`, `paypal` or `sandbox`."),
    ("queue", "The queue's name, as `GET /api/admin/queues` tells it."),
    ("schedule", "The schedule's name, as `GET /api/admin/schedules` tells it."),
    ("session", "The sandbox's name of the checkout session: the last part of its address."),
    ("slug", "Its slug, as in its address."),
    ("subscription", "The sandbox's name of the subscription."),
    ("switch", "Which kill switch, e.g. `payments`."),
    ("token", "The last part of a link that was given to whoever asks."),
];

/// Ends the description of a router: gives the router, and the document as it is served.
pub(in crate::http) fn finish(router: ApiRouter, public_url: &str) -> (Router, Bytes) {
    let mut api = OpenApi::default();
    let router = router.finish_api(&mut api);
    let problem = schemas::given::<Document<'static>>();
    debug_assert_eq!(problem.get("$ref"), Some(&"#/components/schemas/Problem".into()));
    let mut paths = match serde_json::to_value(api.paths) {
        Ok(Value::Object(paths)) => paths,
        _ => Map::new(),
    };
    let mut components = Components { public_url, responses: Map::new() };
    for (path, item) in &mut paths {
        let Value::Object(item) = item else { continue };
        for operation in item.values_mut() {
            if let Value::Object(operation) = operation {
                self::operation(path, operation, &mut components);
            }
        }
    }
    let (taken, given) = schemas::all();
    let mut document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Mintreu",
            "summary": "Sells digital products: downloads, licence keys, metered API access, subscriptions.",
            "description": format!("{INTRODUCTION}\n{}", problems::table(public_url)),
            "version": env!("CARGO_PKG_VERSION"),
            "license": { "name": "Apache License 2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": public_url }],
        "tags": TAGS.map(|(name, description)| json!({ "name": name, "description": description })),
        "paths": paths,
        "components": {
            "securitySchemes": security_schemes(),
            "headers": problems::headers(),
            "responses": components.responses,
        },
    });
    add_schemas(&mut document, taken, given);
    tidy(&mut document);
    prune(&mut document);
    // It is texts, numbers and lists of them, which always serialise.
    (router, Bytes::from(serde_json::to_vec(&document).unwrap_or_default()))
}

fn security_schemes() -> Value {
    json!({
        SESSION: {
            "type": "apiKey", "in": "cookie", "name": SESSION_COOKIE,
            "description": "The cookie of `POST /api/login`. A change is taken from the shop's own pages only.",
        },
        TOKEN: {
            "type": "http", "scheme": "bearer",
            "description": "An access token of `POST /api/account/tokens`, made for the scope that an operation names, \
                            or the one that `POST /api/login` gives with `\"token\": true`.",
        },
    })
}

/// Makes of what a route noted what an operation says.
fn operation(path: &str, operation: &mut Map<String, Value>, components: &mut Components<'_>) {
    let outside = operation.remove(OUTSIDE).is_some();
    let noted = match operation.remove(PROBLEMS) {
        Some(Value::Array(noted)) => noted,
        _ => Vec::new(),
    };
    let responses = operation.entry("responses").or_insert_with(|| json!({}));
    if let Value::Object(responses) = responses {
        problems::write(responses, &noted, outside, components);
    }
    let names: Vec<&str> = path.split('{').skip(1).filter_map(|part| part.split('}').next()).collect();
    if let Some(Value::Array(parameters)) = operation.get_mut("parameters") {
        for parameter in parameters.iter_mut().filter(|parameter| parameter["in"] == "path") {
            let place: Option<usize> = parameter["name"].as_str().and_then(|name| name.parse().ok());
            if let Some(name) = place.and_then(|place| names.get(place)) {
                parameter["name"] = Value::from(*name);
            }
            let known = PARAMETERS.iter().find(|(name, _)| parameter["name"] == *name);
            if let (None, Some((_, text))) = (parameter.get("description"), known) {
                parameter["description"] = Value::from(*text);
            }
        }
    }
    let text = who(operation);
    if !text.is_empty() {
        let before = operation.get("description").and_then(Value::as_str);
        let description = before.map_or_else(|| text.clone(), |before| format!("{before}\n\n{text}"));
        operation.insert("description".to_owned(), description.into());
    }
}

/// Who may use an operation, for people.
fn who(operation: &mut Map<String, Value>) -> String {
    let audience = operation.remove(AUDIENCE);
    let mut sentences = Vec::new();
    if let Some(Value::String(audience)) = audience {
        sentences.push(format!("For {audience}."));
    }
    let Some(Value::Array(schemes)) = operation.get("security") else { return sentences.join(" ") };
    let scopes = schemes.iter().find_map(|scheme| scheme.get(TOKEN)?.as_array());
    match scopes.map(Vec::as_slice) {
        Some([scope, ..]) => {
            sentences.push(format!("An access token needs the scope `{}`.", scope.as_str().unwrap_or_default()));
        }
        None if schemes.iter().any(|scheme| scheme.get(SESSION).is_some()) => {
            sentences.push("Only for a session: an access token does not do.".to_owned());
        }
        Some([]) | None => {}
    }
    sentences.join(" ")
}

/// Puts schemas of both directions together. Where a type of the same name is taken otherwise than it is given, what is
/// taken is called `…Input`.
fn add_schemas(document: &mut Value, taken: Map<String, Value>, given: Map<String, Value>) {
    let mut other: BTreeSet<String> = BTreeSet::new();
    loop {
        let renamed = |value: &Value| redirected(value, &other);
        let found: Vec<String> = taken
            .iter()
            .filter(|(name, schema)| {
                !other.contains(*name) && given.get(*name).is_some_and(|given| *given != renamed(schema))
            })
            .map(|(name, _)| name.clone())
            .collect();
        if found.is_empty() {
            break;
        }
        other.extend(found);
    }
    let mut schemas = given;
    for (name, schema) in taken {
        let name = if other.contains(&name) { format!("{name}Input") } else { name };
        schemas.entry(name).or_insert_with(|| redirected(&schema, &other));
    }
    *document = redirected(document, &other);
    document["components"]["schemas"] = Value::Object(schemas);
}

/// With references to what is taken leading to where it is in the end.
fn redirected(value: &Value, other: &BTreeSet<String>) -> Value {
    match value {
        Value::Object(object) => {
            let parts = object.iter().map(|(key, value)| {
                let name = value.as_str().filter(|_| key == "$ref").and_then(|place| place.strip_prefix(TAKEN));
                let value = match name {
                    Some(name) if other.contains(name) => format!("{GIVEN}{name}Input").into(),
                    Some(name) => format!("{GIVEN}{name}").into(),
                    None => redirected(value, other),
                };
                (key.clone(), value)
            });
            Value::Object(parts.collect())
        }
        Value::Array(values) => values.iter().map(|value| redirected(value, other)).collect(),
        other => other.clone(),
    }
}

/// Says the same more plainly: names of an enumeration in one list, and no marks of the source's documentation.
fn tidy(value: &mut Value) {
    match value {
        Value::Object(object) => {
            listed(object);
            // Formats of Rust that are none of the specification's; the bounds say as much.
            if object.get("format").and_then(Value::as_str).is_some_and(|format| format.starts_with("uint")) {
                object.remove("format");
            }
            if let Some(Value::String(text)) = object.get_mut("description") {
                *text = text.replace("[`", "`").replace("`]", "`");
            }
            object.values_mut().for_each(tidy);
        }
        Value::Array(values) => values.iter_mut().for_each(tidy),
        _ => {}
    }
}

/// Texts of which one is to be chosen, each with its meaning.
fn listed(schema: &mut Map<String, Value>) {
    let Some(Value::Array(choices)) = schema.get("oneOf") else { return };
    let name = |choice: &Value| match (choice.get("const"), choice.get("enum"), choice.get("type")) {
        (Some(name), None, Some(kind)) if kind == "string" => Some(vec![name.clone()]),
        (None, Some(Value::Array(names)), Some(kind)) if kind == "string" => Some(names.clone()),
        _ => None,
    };
    let Some(names) = choices.iter().map(name).collect::<Option<Vec<_>>>() else { return };
    let meanings: Vec<String> = choices
        .iter()
        .filter_map(|choice| {
            Some(format!("- `{}`: {}", choice.get("const")?.as_str()?, choice.get("description")?.as_str()?))
        })
        .collect();
    let before = schema.get("description").and_then(Value::as_str).unwrap_or_default();
    let description = format!("{before}\n\n{}", meanings.join("\n")).trim().to_owned();
    schema.remove("oneOf");
    schema.insert("type".to_owned(), "string".into());
    schema.insert("enum".to_owned(), names.concat().into());
    if !description.is_empty() {
        schema.insert("description".to_owned(), description.into());
    }
}

/// Leaves out what nothing refers to.
fn prune(document: &mut Value) {
    let mut kept = BTreeSet::new();
    let mut open = Vec::new();
    references(&document["paths"], &mut open);
    while let Some(reference) = open.pop() {
        let target = reference.strip_prefix('#').and_then(|pointer| document.pointer(pointer));
        if let Some(target) = target
            && kept.insert(reference)
        {
            references(target, &mut open);
        }
    }
    for section in ["schemas", "responses", "headers"] {
        if let Some(Value::Object(parts)) = document["components"].get_mut(section) {
            parts.retain(|name, _| kept.contains(&format!("#/components/{section}/{name}")));
        }
    }
}

fn references(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(object) => {
            if let Some(Value::String(reference)) = object.get("$ref") {
                found.push(reference.clone());
            }
            object.values().for_each(|value| references(value, found));
        }
        Value::Array(values) => values.iter().for_each(|value| references(value, found)),
        _ => {}
    }
}
