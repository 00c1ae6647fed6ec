//! Support: tickets, the desks at which they are answered, and articles.

use reqwest::Method;
use serde_json::json;

use super::{PAGE, Route, Takes, Who, delete, get, patch, post, push, send};

const DESK: &[&str] = &["limit", "after", "before", "status", "priority", "category", "assignee", "breached", "sort"];

pub(super) fn routes() -> Vec<Route> {
    use Who::{Account, Anybody, Operator, Owner, Vendor};
    let reply = json!({ "body": "It does.", "attachments": [] });
    let ticket = json!({
        "subject": "Which bulb?", "body": "It does not say.", "category": "technical", "priority": "normal",
        "order": null, "license": null, "product": null, "follow_up_of": null, "attachments": [],
    });
    let guests = json!({
        "token": "x", "subject": "Which bulb?", "body": "It does not say.", "category": "technical",
        "priority": "normal", "order": null, "product": null,
    });
    let mut all = vec![
        get("/api/tickets", Account("support:read"), &["limit", "after", "before", "status"]),
        post("/api/tickets", Account("support:write"), ticket),
        get("/api/tickets/{ticket}", Owner("support:read"), &[]),
        get("/api/tickets/{ticket}/messages", Owner("support:read"), PAGE),
        post("/api/tickets/{ticket}/messages", Owner("support:write"), reply),
        push("/api/tickets/{ticket}/solve", Owner("support:write")),
        Route {
            query: &["name"],
            with: "name=a.txt",
            ..send(Method::POST, "/api/attachments", Account("support:write"), Takes::Bytes(b"hello"))
        },
        get("/api/attachments/{attachment}", Owner("support:read"), &[]),
        post("/api/guest/support-links", Anybody, json!({ "email": "guest@example.com" })),
        post("/api/guest/tickets", Anybody, guests),
        Route { query: &["token"], with: "token=x", ..get("/api/guest/tickets/{ticket}", Anybody, &[]) },
        Route {
            query: &["token", "limit", "after", "before"],
            with: "token=x",
            ..get("/api/guest/tickets/{ticket}/messages", Anybody, &[])
        },
        Route {
            query: &["token"],
            with: "token=x",
            ..post("/api/guest/tickets/{ticket}/messages", Anybody, json!({ "body": "It does.", "attachments": [] }))
        },
        Route { query: &["token"], with: "token=x", ..push("/api/guest/tickets/{ticket}/solve", Anybody) },
        get("/api/articles", Anybody, &["limit", "after", "before", "q", "category"]),
        get("/api/articles/{slug}", Anybody, &[]),
        post("/api/articles/{slug}/votes", Anybody, json!({ "helpful": true })),
        send(Method::POST, "/webhooks/mail/inbound", Anybody, Takes::Signed),
    ];
    all.extend(desk(
        Vendor("support:read"),
        Vendor("support:write"),
        [
            "/api/developer/tickets",
            "/api/developer/tickets/{ticket}",
            "/api/developer/tickets/{ticket}/messages",
            "/api/developer/tickets/{ticket}/canned-answers/{answer}",
            "/api/developer/attachments/{attachment}",
        ],
    ));
    let exported = &["status", "priority", "category", "assignee", "breached", "sort", "format"];
    all.push(get("/api/admin/tickets/export", Operator, exported));
    all.extend(desk(
        Operator,
        Operator,
        [
            "/api/admin/tickets",
            "/api/admin/tickets/{ticket}",
            "/api/admin/tickets/{ticket}/messages",
            "/api/admin/tickets/{ticket}/canned-answers/{answer}",
            "/api/admin/attachments/{attachment}",
        ],
    ));
    all.extend(shelves());
    all
}

/// What is done at a desk.
fn desk(reads: Who, writes: Who, [tickets, ticket, messages, filled, attachment]: [&'static str; 5]) -> [Route; 7] {
    let reply = json!({ "body": "It does.", "internal": false, "status": "open", "attachments": [] });
    let change = match writes {
        Who::Operator => json!({ "status": "open", "priority": "high", "category": "technical", "assignee": null }),
        _ => json!({ "status": "open" }),
    };
    [
        get(tickets, reads, DESK),
        get(ticket, reads, &[]),
        patch(ticket, writes, change),
        get(messages, reads, PAGE),
        post(messages, writes, reply),
        get(filled, reads, &[]),
        get(attachment, reads, &[]),
    ]
}

fn shelves() -> Vec<Route> {
    use Who::Operator;
    let article = json!({
        "slug": "article-{n}", "title": "Bulbs", "category": "lamps", "body": "Any will do.", "status": "published",
    });
    let canned = json!({ "title": "Bulbs {n}", "body": "Dear {{customer.name}}, any will do." });
    let mut all = Vec::new();
    for (list, one, body, query) in [
        ("/api/admin/canned-answers", "/api/admin/canned-answers/{answer}", canned, PAGE),
        ("/api/admin/articles", "/api/admin/articles/{article}", article, &["limit", "after", "before", "status"]),
    ] {
        all.extend([
            get(list, Operator, query),
            post(list, Operator, body.clone()),
            get(one, Operator, &[]),
            patch(one, Operator, body),
            delete(one, Operator),
        ]);
    }
    all.push(get("/api/admin/inbound-mails", Operator, &["limit", "after", "before", "outcome"]));
    all
}
