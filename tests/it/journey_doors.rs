//! Every door of the shop, tried by those who may not come in.

use std::collections::BTreeSet;

use mintreu::accounts::Role;
use reqwest::{Method, RequestBuilder};
use serde_json::Value;

use crate::{
    journey_premises::{Premises, SCOPES, sent},
    journey_routes::{Route, Takes, Who, routes},
    journey_shop::problem,
    support::{Person, sign_in},
};

/// Sends a request that must be refused so.
async fn refused(premises: &Premises, request: RequestBuilder, why: &str, status: u16, name: &str) {
    let (told, answer) = sent(premises, request).await;
    assert_eq!(answer.status(), status, "{why}: {told}");
    problem(answer, status, name).await;
}

fn is_signed_in(who: Who) -> bool {
    !matches!(who, Who::Anybody | Who::OwnPages | Who::Guest)
}

on_both!(nobody_and_those_with_wrong_credentials_stay_outside, |db| async move {
    let premises = Premises::on(&db).await;
    let mut tried = 0;
    for route in routes() {
        if is_signed_in(route.who) {
            refused(&premises, premises.good(&route), "nobody", 401, "unauthorized").await;
        }
        if is_signed_in(route.who) || route.who == Who::Guest {
            for (name, value) in [
                ("cookie", "mintreu_session=mss_0123456789abcdef"),
                ("cookie", "mintreu_session="),
                ("authorization", "Bearer nonsense"),
                ("authorization", "Bearer "),
            ] {
                let request = premises.good(&route).header(name, value);
                refused(&premises, request, value, 401, "unauthorized").await;
            }
            tried += 1;
        }
    }
    assert!(tried > 60, "{tried}");
    // A guest without the token, and one with another order's.
    let order = routes().into_iter().find(|route| route.path == "/api/orders/{order}").expect("a route");
    let path = premises.path(&order);
    refused(&premises, premises.ask(Method::GET, &path), "no token", 401, "unauthorized").await;
    for token in ["", "x", "%00", &"0".repeat(64), &"a".repeat(5_000)] {
        let request = premises.ask(Method::GET, &format!("{path}?token={token}"));
        refused(&premises, request, "a wrong token", 404, "not-found").await;
    }
});

on_both!(customers_and_vendors_are_no_operators, |db| async move {
    let premises = Premises::on(&db).await;
    let owner = premises.shop.buyer().await.cookie.clone();
    let affiliate = sign_in(&premises.db, "affiliate@example.com", Role::Affiliate).await.cookie;
    for route in routes().iter().filter(|route| route.who == Who::Operator) {
        for cookie in [&owner, &premises.stranger.cookie, &affiliate] {
            let request = premises.good(route).header("cookie", cookie);
            refused(&premises, request, "no operator", 403, "forbidden").await;
        }
        let request = premises.good(route).bearer_auth(&premises.token);
        refused(&premises, request, "a customer's token", 403, "forbidden").await;
    }
});

/// What somebody's list names.
async fn ids(premises: &Premises, route: &Route, who: &Person) -> BTreeSet<String> {
    let (told, answer) = sent(premises, premises.good(route).header("cookie", &who.cookie)).await;
    let list: Value = answer.json().await.expect("JSON");
    let data = list["data"].as_array().unwrap_or_else(|| panic!("{told}: {list}"));
    data.iter().map(|one| one["id"].to_string()).collect()
}

on_both!(customers_and_operators_are_no_vendors, |db| async move {
    let premises = Premises::on(&db).await;
    let owner = premises.shop.buyer().await.cookie.clone();
    let mut tried = 0;
    for route in routes().iter().filter(|route| matches!(route.who, Who::Vendor(_))) {
        // The stranger is a developer who sells nothing here.
        for cookie in [&owner, &premises.operator.cookie, &premises.stranger.cookie] {
            let request = premises.good(route).header("cookie", cookie);
            refused(&premises, request, "no vendor", 403, "forbidden").await;
        }
        if route.path.contains('{') {
            let request = premises.good(route).header("cookie", &premises.rival.cookie);
            refused(&premises, request, "another vendor", 404, "not-found").await;
        } else {
            // Each has a list of their own.
            let (own, rivals) =
                (ids(&premises, route, &premises.vendor).await, ids(&premises, route, &premises.rival).await);
            assert!(!own.is_empty() && own.is_disjoint(&rivals), "{}: {own:?}, {rivals:?}", route.path);
        }
        tried += 1;
    }
    assert!(tried > 6, "{tried}");
});

on_both!(what_belongs_to_somebody_else_is_not_there, |db| async move {
    let premises = Premises::on(&db).await;
    let mut tried = 0;
    for route in routes() {
        if matches!(route.who, Who::Owner(_) | Who::OwnSession | Who::Guest) {
            // An operator is a stranger to a customer's things as well: there are routes for operators.
            for cookie in [&premises.stranger.cookie, &premises.operator.cookie] {
                let request = premises.good(&route).header("cookie", cookie);
                refused(&premises, request, "somebody else", 404, "not-found").await;
            }
            tried += 1;
        }
        if matches!(route.who, Who::Entitled(_)) {
            for cookie in [&premises.stranger.cookie, &premises.operator.cookie] {
                let request = premises.good(&route).header("cookie", cookie);
                refused(&premises, request, "not theirs", 403, "forbidden").await;
            }
        }
    }
    assert!(tried > 12, "{tried}");
    // The lists have nothing of others.
    for path in ["/api/orders", "/api/licenses", "/api/subscriptions", "/api/account/tokens", "/api/tickets"] {
        let request = premises.ask(Method::GET, path).header("cookie", &premises.stranger.cookie);
        let (told, answer) = sent(&premises, request).await;
        let list: Value = answer.json().await.expect("JSON");
        assert_eq!(list["data"], Value::Array(Vec::new()), "{told}");
    }
});

/// Makes an access token.
async fn token(premises: &Premises, cookie: &str, wanted: &Value) -> String {
    let request = premises.ask(Method::POST, "/api/account/tokens").header("cookie", cookie).json(wanted);
    let made: Value = sent(premises, request).await.1.json().await.expect("JSON");
    made["token"].as_str().unwrap_or_else(|| panic!("no token: {made}")).to_owned()
}

on_both!(a_token_opens_what_it_was_made_for_and_no_more, |db| async move {
    let premises = Premises::on(&db).await;
    let owner = premises.shop.buyer().await;
    // All that an operator has, but for being one.
    let everything = serde_json::json!({ "name": "all", "scopes": SCOPES });
    let operators = token(&premises, &premises.operator.cookie, &everything).await;
    for route in routes() {
        let (Who::Account(scope) | Who::Owner(scope) | Who::Entitled(scope) | Who::Vendor(scope)) = route.who else {
            if matches!(route.who, Who::Session | Who::OwnSession) {
                let request = premises.good(&route).bearer_auth(&premises.token);
                refused(&premises, request, "a token where a session is wanted", 403, "forbidden").await;
            }
            if route.who == Who::Operator {
                let (told, answer) = sent(&premises, premises.good(&route).bearer_auth(&operators)).await;
                assert_eq!(problem(answer, 403, "forbidden").await["scope"], "admin", "{told}");
            }
            continue;
        };
        let others = ["account:read", "orders:read", "orders:write", "licenses:read", "licenses:write"];
        let other = others.into_iter().find(|other| *other != scope).expect("another");
        let made = serde_json::json!({ "name": "other", "scopes": [other] });
        let cookie = if matches!(route.who, Who::Vendor(_)) { &premises.vendor.cookie } else { &owner.cookie };
        let token = token(&premises, cookie, &made).await;
        let request = premises.good(&route).bearer_auth(&token);
        let (told, answer) = sent(&premises, request).await;
        assert_eq!(answer.status(), 403, "{told}");
        assert_eq!(problem(answer, 403, "forbidden").await["scope"], scope, "{told}");
    }
});

fn changes(route: &Route) -> bool {
    route.method != Method::GET
}

on_both!(a_browser_is_not_made_to_change_anything_by_another_site, |db| async move {
    let premises = Premises::on(&db).await;
    let owner = premises.shop.buyer().await.cookie.clone();
    let mut tried = 0;
    for route in routes().iter().filter(|route| changes(route)) {
        let cookie = match route.who {
            Who::Operator => &premises.operator.cookie,
            Who::Vendor(_) => &premises.vendor.cookie,
            // They look at no cookie.
            Who::Anybody if !["/api/orders", "/api/articles/{slug}/votes"].contains(&route.path) => continue,
            _ => &owner,
        };
        for (name, value) in
            [("sec-fetch-site", "cross-site"), ("sec-fetch-site", "same-site"), ("origin", "https://evil.example")]
        {
            let request = premises.good(route).header("cookie", cookie).header(name, value);
            refused(&premises, request, "another site", 403, "forbidden").await;
        }
        tried += 1;
    }
    assert!(tried > 40, "{tried}");
});

on_both!(each_path_takes_its_methods_and_names_them, |db| async move {
    let premises = Premises::on(&db).await;
    let all = routes();
    for route in &all {
        let path = premises.path(route);
        let taken: Vec<_> = all.iter().filter(|other| other.path == route.path).map(|other| &other.method).collect();
        for method in [Method::GET, Method::POST, Method::PATCH, Method::DELETE, Method::PUT] {
            if taken.contains(&&method) {
                continue;
            }
            let (told, answer) = sent(&premises, premises.ask(method.clone(), &path)).await;
            let allow = answer.headers().get("allow").map(|value| value.to_str().expect("text").to_owned());
            problem(answer, 405, "method-not-allowed").await;
            let allow = allow.unwrap_or_else(|| panic!("no Allow: {told}"));
            assert!(taken.iter().all(|method| allow.contains(method.as_str())), "{told}: {allow}");
        }
        if route.takes == Takes::Nothing && route.method == Method::GET {
            let (told, answer) = sent(&premises, premises.ask(Method::HEAD, &path)).await;
            assert!(answer.status().as_u16() < 500, "{told}: {}", answer.status());
        }
    }
});
