//! The API's description is true: it has every route, what each takes and who may use it, and is sound in itself.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::{
    journey_premises::{PAGES, Told},
    journey_routes::{Route, Takes, Who, registered, routes},
    journey_shop::Shop,
    support::{Mintreu, TestDb},
};

/// The document as it is served.
async fn told() -> Told {
    let db = TestDb::sqlite();
    let shop = Shop::of(Mintreu::new(), &db.url());
    let _server = shop.serve().await;
    let answer = shop.client.get(shop.mintreu.url("/api/openapi.json")).send().await.expect("an answer");
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["content-type"], "application/json");
    let tag = answer.headers()["etag"].clone();
    let again = shop.client.get(shop.mintreu.url("/api/openapi.json")).header("if-none-match", tag).send().await;
    assert_eq!(again.expect("an answer").status(), 304);
    Told::of(answer.json().await.expect("JSON"))
}

/// Every operation, by `METHOD path`.
fn operations(told: &Told) -> BTreeMap<String, &Value> {
    let paths = told.document()["paths"].as_object().expect("paths");
    paths
        .iter()
        .flat_map(|(path, item)| {
            let methods = item.as_object().expect("a path item");
            methods.iter().map(move |(method, operation)| (format!("{} {path}", method.to_uppercase()), operation))
        })
        .collect()
}

fn list<'a>(operation: &'a Value, name: &str) -> Vec<&'a Value> {
    operation[name].as_array().map(|all| all.iter().collect()).unwrap_or_default()
}

/// The names of the parameters that are in `place`.
fn parameters<'a>(operation: &'a Value, place: &str) -> BTreeSet<&'a str> {
    let here = list(operation, "parameters").into_iter().filter(|parameter| parameter["in"] == place);
    here.map(|parameter| parameter["name"].as_str().expect("a name")).collect()
}

/// Where also nobody may get something: what is free, what a link opens, what a guest's token opens. What the journeys try
/// there belongs to somebody.
const OPEN_TOO: [&str; 4] =
    ["/api/products/{slug}/sources", "/api/products/{slug}/download", "/api/download/{token}", "/api/invoices"];

/// What a route asks of who uses it, as the document writes it: each way to be somebody, with its scopes.
fn security(who: Who) -> Vec<String> {
    let session = || "session []".to_owned();
    let token = |scopes: &str| format!("token [{scopes}]");
    match who {
        Who::Anybody | Who::OwnPages => Vec::new(),
        Who::Guest => vec!["nobody".to_owned(), session()],
        Who::SignedIn => vec![session(), token("")],
        Who::Session | Who::OwnSession => vec![session()],
        Who::Account(scope) | Who::Owner(scope) | Who::Entitled(scope) | Who::Vendor(scope) => {
            vec![session(), token(scope)]
        }
        Who::Operator => vec![session(), token("admin")],
    }
}

fn told_security(operation: &Value) -> Vec<String> {
    let ways = list(operation, "security").into_iter();
    let told = ways.map(|way| match way.as_object().expect("a way").iter().next() {
        None => "nobody".to_owned(),
        Some((name, scopes)) => {
            let scopes: Vec<_> = scopes.as_array().expect("scopes").iter().filter_map(Value::as_str).collect();
            format!("{name} [{}]", scopes.join(" "))
        }
    });
    told.collect()
}

/// What does not fit between a route, as it is tried, and its operation.
fn differences(route: &Route, operation: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let (told, mut asked) = (told_security(operation), security(route.who));
    if OPEN_TOO.contains(&route.path) {
        asked.insert(0, "nobody".to_owned());
    }
    let open = asked.is_empty() || route.who == Who::Guest;
    // Somebody may be known where nobody has to be.
    let fits = told == asked || (open && (told.is_empty() || told.first().is_some_and(|way| way == "nobody")));
    if !fits {
        found.push(format!("is for {:?}, and tells of {told:?}", route.who));
    }
    let (told, asked): (_, BTreeSet<_>) = (parameters(operation, "query"), route.query.iter().copied().collect());
    if told != asked {
        found.push(format!("takes the query {asked:?}, and tells of {told:?}"));
    }
    let names: BTreeSet<_> = route.path.split('{').skip(1).filter_map(|part| part.split('}').next()).collect();
    let told = parameters(operation, "path");
    if told != names {
        found.push(format!("has the parameters {names:?}, and tells of {told:?}"));
    }
    let body = &operation["requestBody"];
    let required = body["required"] == true;
    let content: Vec<_> = body["content"].as_object().map(|kinds| kinds.keys().collect()).unwrap_or_default();
    let fits = match &route.takes {
        Takes::Nothing => body.is_null(),
        Takes::Json(_) => required && content == ["application/json"],
        Takes::Optional(_) => !required && content == ["application/json"],
        Takes::Fields(_) | Takes::File(_) => required && content.len() > 1,
        Takes::Form(_) | Takes::Signed | Takes::Bytes(_) => required && !content.is_empty(),
    };
    if !fits {
        found.push(format!("takes {:?}, and tells of {content:?} (required: {required})", route.takes));
    }
    found
}

#[tokio::test]
async fn every_route_is_described_as_it_is() {
    let told = told().await;
    let operations = operations(&told);
    let is_page = |route: &str| PAGES.contains(&route.split(' ').nth(1).unwrap_or_default());
    let missing: Vec<_> =
        registered().into_iter().filter(|route| !operations.contains_key(route) && !is_page(route)).collect();
    let registered = registered();
    let gone: Vec<_> = operations.keys().filter(|route| !registered.contains(*route) || is_page(route)).collect();
    let wrong: Vec<_> = routes()
        .iter()
        .filter_map(|route| Some((route, operations.get(&format!("{} {}", route.method, route.path))?)))
        .flat_map(|(route, operation)| {
            let told = differences(route, operation).into_iter();
            told.map(move |difference| format!("{} {} {difference}", route.method, route.path))
        })
        .collect();
    assert!(
        missing.is_empty() && gone.is_empty() && wrong.is_empty(),
        "not described: {missing:#?}; described, and not there: {gone:#?}; described otherwise than it is: {wrong:#?}"
    );
}

/// Every object of the document with its place.
fn each<'a>(place: &str, value: &'a Value, look: &mut impl FnMut(&str, &'a Value)) {
    look(place, value);
    match value {
        Value::Object(object) => object.iter().for_each(|(name, part)| each(&format!("{place}/{name}"), part, look)),
        Value::Array(parts) => {
            parts.iter().enumerate().for_each(|(at, part)| each(&format!("{place}/{at}"), part, look));
        }
        _ => {}
    }
}

#[tokio::test]
async fn the_document_is_sound() {
    let told = told().await;
    let document = told.document();
    assert_eq!(document["openapi"], "3.1.0");
    let mut wrong = Vec::new();
    each("#", document, &mut |place, value| {
        if let Some(reference) = value.get("$ref").and_then(Value::as_str)
            && document.pointer(reference.trim_start_matches('#')).is_none()
        {
            wrong.push(format!("{place}: {reference} leads nowhere"));
        }
        if place.rsplit('/').next().is_some_and(|name| name.starts_with("x-")) && value.get("schema").is_none() {
            wrong.push(format!("{place}: a note is left"));
        }
    });
    let tags: BTreeSet<_> = list(document, "tags").into_iter().filter_map(|tag| tag["name"].as_str()).collect();
    let mut ids = BTreeSet::new();
    let operations = operations(&told);
    assert!(operations.len() > 150, "{}", operations.len());
    for (route, operation) in &operations {
        let text = |name: &str| operation[name].as_str().unwrap_or_default();
        if text("operationId").is_empty() || !ids.insert(text("operationId")) {
            wrong.push(format!("{route}: no id, or one that another has: {:?}", text("operationId")));
        }
        if text("summary").is_empty() || text("summary").len() > 90 || text("summary").ends_with('.') {
            wrong.push(format!("{route}: {:?} is no summary", text("summary")));
        }
        let own: Vec<_> = list(operation, "tags").into_iter().filter_map(Value::as_str).collect();
        if own.len() != 1 || !tags.contains(own[0]) {
            wrong.push(format!("{route}: {own:?} is not one of the tags"));
        }
        let responses = operation["responses"].as_object().expect("responses");
        if !responses.keys().any(|status| status.starts_with('2') || status.starts_with('3')) {
            wrong.push(format!("{route}: never goes well"));
        }
        for (status, response) in responses.iter().filter(|(status, _)| status.starts_with('4')) {
            let content = &told.resolved(response)["content"];
            if content.get("application/problem+json").is_none() && !route.contains(" /v") {
                wrong.push(format!("{route}: {status} is no problem"));
            }
        }
        for always in ["431", "500"] {
            if !responses.contains_key(always) {
                wrong.push(format!("{route}: does not tell of {always}"));
            }
        }
        let placeholders: BTreeSet<_> = parameters(operation, "path");
        if placeholders.iter().any(|name| name.parse::<usize>().is_ok()) {
            wrong.push(format!("{route}: a parameter without a name"));
        }
    }
    // A name with a number behind it is what the second of two types of the same name gets.
    for name in document["components"]["schemas"].as_object().expect("schemas").keys() {
        let good = name.chars().all(|c| c.is_ascii_alphanumeric()) && !name.ends_with(|c: char| c.is_ascii_digit());
        if !good {
            wrong.push(format!("{name} is no name of a schema"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test]
async fn everything_says_what_it_is() {
    let told = told().await;
    let (mut looked, mut silent) = (0, Vec::new());
    let mut look = |place: String, part: &Value| {
        looked += 1;
        if part["description"].as_str().is_none_or(|text| text.trim().is_empty()) {
            silent.push(place);
        }
    };
    each("#", told.document(), &mut |place, value| {
        // A property may be called so too, and is no list of them then.
        let properties = value.get("properties").filter(|_| !place.ends_with("/properties"));
        let properties = properties.and_then(Value::as_object);
        for (name, property) in properties.into_iter().flatten() {
            // What names one of several choices is what the choice is.
            let names = property.get("const").is_some() || properties.is_some_and(|all| all.len() == 1);
            let is_choice = names && place.contains("/oneOf/");
            look(format!("{place}: {name}"), if is_choice { value } else { property });
        }
    });
    for (name, schema) in told.document()["components"]["schemas"].as_object().expect("schemas") {
        look(format!("the schema {name}"), schema);
    }
    for (route, operation) in operations(&told) {
        for parameter in list(operation, "parameters") {
            look(format!("{route}: {}", parameter["name"]), told.resolved(parameter));
        }
    }
    assert!(looked > 2_000, "{looked}");
    assert!(silent.is_empty(), "{} of {looked} have no description: {silent:#?}", silent.len());
}

/// Where a file is had that may be of any type.
const ANY_FILE: [&str; 4] = [
    "GET /api/download/{token}",
    "GET /api/attachments/{attachment}",
    "GET /api/developer/attachments/{attachment}",
    "GET /api/admin/attachments/{attachment}",
];

#[tokio::test]
async fn what_is_answered_has_a_type_unless_it_may_be_of_any() {
    let told = told().await;
    let any = operations(&told).into_iter().filter(|(_, operation)| {
        let responses = operation["responses"].as_object().expect("responses").values();
        let mut kinds = responses.filter_map(|response| told.resolved(response)["content"].as_object());
        kinds.any(|content| content.keys().any(|kind| kind.contains('*')))
    });
    let (any, mut known) = (any.map(|(route, _)| route).collect::<Vec<_>>(), ANY_FILE);
    known.sort_unstable();
    assert_eq!(any, known);
}

#[tokio::test]
async fn the_page_needs_nothing_from_elsewhere() {
    let db = TestDb::sqlite();
    let shop = Shop::of(Mintreu::new(), &db.url());
    let _server = shop.serve().await;
    let get = async |path: &str| {
        let answer = shop.client.get(shop.mintreu.url(path)).send().await.expect("an answer");
        assert_eq!(answer.status(), 200, "{path}");
        answer
    };
    let page = get("/api/docs").await;
    let policy = page.headers()["content-security-policy"].to_str().expect("text").to_owned();
    assert!(policy.contains("script-src 'self';") && policy.starts_with("default-src 'none'"), "{policy}");
    assert!(!policy.contains("unsafe"), "{policy}");
    let text = page.text().await.expect("text");
    assert!(!text.contains("://"), "{text}");
    let mut loaded = 0;
    for part in text.split("\"docs/").skip(1) {
        let file = part.split('"').next().expect("a name");
        let answer = get(&format!("/api/docs/{file}")).await;
        assert!(answer.headers().contains_key("etag"), "{file}");
        assert!(answer.content_length().is_some_and(|length| length > 100), "{file}");
        loaded += 1;
    }
    assert_eq!(loaded, 3);
    // No script stands in the page itself.
    for script in text.split("<script").skip(1) {
        assert!(script.trim_start().starts_with("src=") && script.contains("></script>"), "{script}");
    }
    let none = shop.client.get(shop.mintreu.url("/api/docs/../mintreu.db")).send().await.expect("an answer");
    assert_eq!(none.status(), 404);
}
