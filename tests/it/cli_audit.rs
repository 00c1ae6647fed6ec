//! `mintreu audit`: what was done is listed, exported and proved; what was tampered with is named.

use serde_json::{Value, json};

use crate::{
    journey_shop::{Shop, until},
    support::TestDb,
};

/// A shop whose trail holds the entries of an order, its licence, its invoice and a switch, all sealed; the server has
/// stopped.
async fn shop_with_a_trail(db: &TestDb) -> (Shop, String) {
    let shop = Shop::on(db);
    let mut server = shop.serve().await;
    let order = shop.open().await;
    shop.pay(&order).await;
    shop.until_order_is(&order, "fulfilled").await;
    sealed(&shop, 5).await;
    shop.run(&["flags", "kill", "support", "--reason", "a holiday"]);
    sealed(&shop, 6).await;
    server.terminate();
    assert!(server.wait().success());
    (shop, order)
}

/// The number that an entry has in the chain.
fn place_of(shop: &Shop, action: &str) -> u64 {
    let lines = shop.run(&["audit", "export", "--action", action]);
    let line: Value = serde_json::from_str(lines.lines().next().expect("a line")).expect("JSON");
    line["sequence"].as_u64().expect("a place")
}

async fn sealed(shop: &Shop, entries: u64) {
    until("all entries are sealed", async || {
        let trail = shop.json(&["audit", "verify"]);
        if trail["unsealed"] == 0 && trail["verified"] == entries { Ok(()) } else { Err(trail) }
    })
    .await;
}

/// What an intruder does, who writes to the database but has not the key.
async fn tamper(shop: &Shop, statement: &'static str) {
    let db = shop.db().await;
    let changed = db.write(async |tx| mintreu::execute!(tx, sqlx::query(statement))).await;
    db.close().await;
    assert_eq!(changed.map_err(|error: mintreu::db::DbError| error).expect("it is written"), 1, "{statement}");
}

on_both!(the_trail_is_listed_and_exported_and_proved, |db| async move {
    let (shop, order) = shop_with_a_trail(&db).await;
    let listed = shop.json(&["audit", "list", "--object-type", "order", "--object", &order]);
    let actions: Vec<_> = listed["data"].as_array().expect("a list").iter().map(|it| &it["action"]).collect();
    assert_eq!(actions, ["order.fulfilled", "order.paid", "order.opened"], "newest first");
    let page = shop.json(&["audit", "list", "--limit", "1"]);
    assert_eq!((&page["has_more"], &page["data"][0]["action"]), (&json!(true), &json!("switch.killed")));
    let next = page["next_cursor"].as_str().expect("a cursor");
    assert_eq!(shop.json(&["audit", "list", "--after", next])["data"].as_array().map(Vec::len), Some(5));
    let table = shop.run(&["audit", "list"]);
    assert!(table.starts_with("TIME") && table.contains("a holiday"), "{table}");
    assert_eq!(shop.run(&["audit", "list", "--action", "nothing.like.this"]), "no entries\n");

    let printed = shop.run(&["audit", "export"]);
    let lines: Vec<Value> = printed.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let sequences: Vec<_> = lines.iter().filter_map(|line| line["sequence"].as_i64()).collect();
    assert_eq!(sequences, [1, 2, 3, 4, 5, 6]);
    let head = &lines.last().expect("a head")["head"];
    let published = format!("{}:{}", head["sequence"], head["mac"].as_str().expect("a hash"));
    shop.run(&["audit", "export", "--output", "trail.jsonl"]);
    let written = std::fs::read_to_string(shop.mintreu.directory().join("trail.jsonl")).expect("the file");
    assert_eq!(written, printed);
    let refused = shop.refused(&["audit", "export", "--output", "no/such/directory/trail.jsonl"], 1);
    assert!(refused.stderr.contains("no/such/directory/trail.jsonl"), "{refused:?}");

    assert!(shop.run(&["audit", "verify"]).starts_with("whole: 6 entries verified"));
    shop.run(&["audit", "verify", "--head", &published]);
    let forged = published.replace("6:", "5:");
    shop.refused(&["audit", "verify", "--head", &forged], 3);
});

on_both!(an_edited_entry_is_found_and_named, |db| async move {
    let (shop, _) = shop_with_a_trail(&db).await;
    let place = place_of(&shop, "order.paid");
    tamper(&shop, "UPDATE audit_entries SET action = 'order.gifted' WHERE action = 'order.paid'").await;
    let found = shop.refused(&["audit", "verify"], 3);
    assert_eq!(place, 2, "behind `order.opened`");
    assert!(found.stdout.starts_with("BROKEN: entry 2 "), "{found:?}");
    assert!(found.stdout.ends_with("verified before it: 1 entry\n"), "{found:?}");
    let json = shop.refused(&["audit", "verify", "--json"], 3);
    let report: Value = serde_json::from_str(&json.stdout).expect("JSON");
    assert_eq!((&report["problem"]["sequence"], &report["verified"]), (&json!(2), &json!(1)), "{report}");
    let sick = shop.refused(&["doctor"], 3);
    assert!(sick.stdout.contains("entry 2 "), "{}", sick.stdout);
});

on_both!(a_deleted_entry_is_found_and_named, |db| async move {
    let (shop, _) = shop_with_a_trail(&db).await;
    let place = place_of(&shop, "license.created");
    tamper(&shop, "DELETE FROM audit_entries WHERE action = 'license.created'").await;
    assert!(shop.refused(&["audit", "verify"], 3).stdout.contains(&format!("entry {place} is missing")));
});

on_both!(a_trail_that_was_cut_with_its_head_is_found_by_a_head_kept_elsewhere, |db| async move {
    let (shop, _) = shop_with_a_trail(&db).await;
    let head = shop.json(&["audit", "verify"])["head"].clone();
    let published = format!("{}:{}", head["sequence"], head["mac"].as_str().expect("a hash"));
    tamper(&shop, "UPDATE audit_head SET seq = 5, mac = (SELECT mac FROM audit_seals WHERE last_seq = 5)").await;
    tamper(&shop, "DELETE FROM audit_seals WHERE last_seq = 6").await;
    tamper(&shop, "DELETE FROM audit_entries WHERE action = 'switch.killed'").await;
    shop.run(&["audit", "verify"]);
    assert!(shop.refused(&["audit", "verify", "--head", &published], 3).stdout.contains("cut"));
});
