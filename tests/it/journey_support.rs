//! The way of a ticket: asked on the page, answered by an operator, answered back by mail, solved.

use std::{fs, path::Path};

use reqwest::Method;
use serde_json::{Value, json};

use crate::{desk_http::Served, desk_scene, journey_shop::until};

/// A letter that was written into the directory.
#[derive(Debug, Clone)]
struct Written(String);

impl Written {
    fn header(&self, name: &str) -> String {
        let head = self.0.split("\r\n\r\n").next().unwrap_or_default().replace("\r\n ", " ").replace("\r\n\t", " ");
        let value = head.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")).map(str::to_owned));
        value.unwrap_or_else(|| panic!("no {name} in {}", self.0))
    }

    fn reply_address(&self) -> String {
        let header = self.header("Reply-To");
        header.rsplit(['<', ' ']).next().unwrap_or_default().trim_end_matches('>').to_owned()
    }
}

fn letters(directory: &Path, to: &str) -> Vec<Written> {
    let Ok(entries) = fs::read_dir(directory.join("var/mail")) else { return Vec::new() };
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let mut found: Vec<_> = paths
        .filter(|path| path.extension().is_some_and(|it| it == "eml"))
        .map(|path| (path.clone(), Written(fs::read_to_string(path).expect("a mail"))))
        .filter(|(_, mail)| mail.header("To") == to)
        .collect();
    // They are called after their jobs, which are in the order of time.
    found.sort_by(|one, other| one.0.cmp(&other.0));
    found.into_iter().map(|(_, mail)| mail).collect()
}

async fn letter(served: &Served, to: &str, number: usize) -> Written {
    until(&format!("letter {number} to {to}"), async || {
        letters(served.mintreu.directory(), to).get(number - 1).cloned().ok_or(number)
    })
    .await
}

on_both!(a_question_is_answered_back_and_forth_and_solved, |test| async move {
    let served = Served::on(&test).await;
    let id = served.ask(&served.ada, json!({})).await;
    let desk = format!("/api/admin/tickets/{id}");
    let arrived = letter(&served, "ada@example.com", 1).await;
    let news = letter(&served, "grace@example.com", 1).await;
    assert!(news.0.contains("Why?"), "{news:?}");
    assert_eq!(arrived.header("References"), format!("<{id}@localhost>"));

    let listed = served.json(&served.grace, Method::GET, "/api/admin/tickets?status=new&assignee=none", None).await;
    assert_eq!(listed["data"][0]["id"], id.as_str());
    let note = json!({ "body": "She always asks that.", "internal": true });
    served.json(&served.grace, Method::POST, &format!("{desk}/messages"), Some(&note)).await;
    let answer = json!({ "body": "Restart it." });
    served.json(&served.grace, Method::POST, &format!("{desk}/messages"), Some(&answer)).await;
    let answered = letter(&served, "ada@example.com", 2).await;
    assert!(
        answered.0.contains("Restart it.") && answered.0.contains("Auto-Submitted: auto-generated"),
        "{answered:?}"
    );
    assert_eq!(answered.header("In-Reply-To"), format!("<{id}@localhost>"));
    assert_eq!(answered.header("Subject"), arrived.header("Subject"));
    assert_ne!(answered.header("Message-ID"), arrived.header("Message-ID"));

    let raw =
        desk_scene::mail("Ada <ada@example.com>", &answered.reply_address(), "a1@mail.example.com", "It helped not.");
    let raw = String::from_utf8(raw).expect("text");
    for _ in 0..2 {
        let received = served.mintreu.run_with(&["support", "receive"], &raw);
        assert!(received.status.success(), "{received:?}");
    }
    let back = until("the operator sees it", async || {
        let page = served.json(&served.grace, Method::GET, &format!("{desk}/messages"), None).await;
        if page["data"].as_array().is_some_and(|all| all.len() == 4) { Ok(page) } else { Err(page) }
    })
    .await;
    assert_eq!((&back["data"][3]["body"], &back["data"][3]["via"]), (&json!("It helped not."), &json!("mail")));
    assert_eq!(served.json(&served.grace, Method::GET, &desk, None).await["status"], "open");

    // The operator answers by mail as well, at an address of their own.
    let told = letter(&served, "grace@example.com", 2).await;
    assert_ne!(told.reply_address(), answered.reply_address());
    assert_eq!(told.header("In-Reply-To"), "<a1@mail.example.com>");
    let raw = desk_scene::mail("grace@example.com", &told.reply_address(), "g1@example.com", "Then update it.");
    let received = served.mintreu.run_with(&["support", "receive"], &String::from_utf8(raw).expect("text"));
    assert!(received.status.success(), "{received:?}");
    let third = letter(&served, "ada@example.com", 3).await;
    assert!(third.0.contains("Then update it."), "{third:?}");
    assert_eq!(third.header("References"), format!("<{id}@localhost> <a1@mail.example.com>"));

    let solved = served.json(&served.grace, Method::PATCH, &desk, Some(&json!({ "status": "solved" }))).await;
    assert_eq!((&solved["status"], &solved["breached"]), (&json!("solved"), &json!(false)));
    let last = letter(&served, "ada@example.com", 4).await;
    assert!(last.0.contains("marked as solved"), "{last:?}");

    let all = letters(served.mintreu.directory(), "ada@example.com");
    assert_eq!(all.len(), 4, "each once");
    for mail in &all {
        assert!(!mail.0.contains("She always asks that."), "{mail:?}");
        assert_eq!(mail.reply_address(), answered.reply_address(), "one address for all of it");
    }
    let seen = served.json(&served.ada, Method::GET, &format!("/api/tickets/{id}/messages"), None).await;
    let bodies: Vec<_> = seen["data"].as_array().expect("a list").iter().map(|it| it["body"].clone()).collect();
    assert_eq!(bodies, ["Why?", "Restart it.", "It helped not.", "Then update it."].map(Value::from));
    let page = served.json(&served.ada, Method::GET, "/api/tickets?status=solved", None).await;
    assert_eq!(page["data"][0]["id"], id.as_str());
    let dead = served.mintreu.run(&["jobs", "list", "--state", "dead", "--json"]);
    assert_eq!(dead.stdout.trim(), "[]");
    let trail = served.mintreu.run(&["audit", "verify"]);
    assert!(trail.status.success(), "{trail:?}");
});
