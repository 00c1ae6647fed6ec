//! Lists of operators: sorted with ties, a page at a time, in either direction, while rows are added; and as files.

use std::collections::BTreeSet;

use mintreu::{
    accounts::{self, Account, AccountChange, AccountError, AccountFilter, AccountSort, By, Role},
    audit::Actor,
    db::{Db, DbError},
    execute,
    kernel::{Page, PageFrom, PageRequest, Sort, Sorted, Time, UserId},
};
use reqwest::Method;
use serde_json::Value;

use crate::{
    journey_premises::{Premises, sent},
    journey_routes::routes,
    journey_shop::problem,
    operations_scene::{Desk, rows},
    support::{TestDb, sign_in},
};

async fn person(db: &Db, email: &str, name: &str, seen: Option<i64>) -> UserId {
    let person = sign_in(db, email, Role::Customer).await;
    let changed: Result<u64, DbError> = db
        .write(async |tx| {
            execute!(
                tx,
                sqlx::query("UPDATE users SET name = $2, last_login_at = $3 WHERE id = $1")
                    .bind(person.user)
                    .bind(name)
                    .bind(seen.map(|second| Time::from_micros(second * 1_000_000)))
            )
        })
        .await;
    assert_eq!(changed.expect("changed"), 1);
    person.user
}

async fn page(
    db: &Db,
    sort: Sort<AccountSort>,
    limit: i64,
    from: PageFrom<mintreu::kernel::Place<AccountSort, UserId>>,
) -> Page<Account> {
    let filter = AccountFilter { email: Some("sorted".to_owned()), ..AccountFilter::default() };
    let sorted = Sorted::of(sort, PageRequest { limit, from }).expect("a place of this list");
    accounts::all_accounts(db, &filter, &sorted).await.expect("a page")
}

/// What a list is sorted by, for the eyes of this test.
fn key(account: &Account, field: AccountSort) -> (String, i64) {
    match field {
        AccountSort::Created => (String::new(), account.created_at.as_micros()),
        AccountSort::Email => (account.email.to_string(), 0),
        AccountSort::Name => (account.name.clone(), 0),
        AccountSort::LastLogin => (String::new(), account.last_login_at.map_or(0, Time::as_micros)),
    }
}

on_both!(a_sorted_list_has_each_row_once_whatever_its_pages, |test: TestDb| async move {
    let db = test.open().await;
    for number in 0..17 {
        // Three names, four logins, and those whom nobody ever signed in to.
        let name = ["ada", "bea", "cyd"][number % 3];
        let seen = (number % 5 != 0).then_some(i64::try_from(number % 4).expect("small") + 1_000);
        person(&db, &format!("sorted{:02}@example.com", (number * 7) % 17), name, seen).await;
    }
    for text in ["created", "-created", "email", "-email", "name", "-name", "last_login", "-last_login"] {
        let sort: Sort<AccountSort> = text.parse().expect("an order");
        let whole = page(&db, sort, 100, PageFrom::Start).await.data;
        assert_eq!(whole.len(), 17);
        let keys: Vec<_> = whole.iter().map(|account| (key(account, sort.field), account.id.uuid())).collect();
        let mut sorted = keys.clone();
        sorted.sort();
        if sort.down {
            sorted.reverse();
        }
        assert_eq!(keys, sorted, "{text}");
        let ids: Vec<_> = whole.iter().map(|account| account.id).collect();
        for limit in [1, 2, 5, 16, 17] {
            let (mut from, mut seen) = (PageFrom::Start, Vec::new());
            loop {
                let next = page(&db, sort, limit, from).await;
                seen.extend(next.data.iter().map(|account| account.id));
                let Some(cursor) = next.next_cursor.filter(|_| next.has_more) else { break };
                from = PageFrom::After(cursor.parse().expect("a cursor"));
            }
            assert_eq!(seen, ids, "{text} by {limit}");
        }
        // Backwards from the end.
        let last = page(&db, sort, 16, PageFrom::Start).await.next_cursor.expect("one more");
        let before = page(&db, sort, 4, PageFrom::Before(last.parse().expect("a cursor"))).await;
        assert_eq!(before.data.iter().map(|account| account.id).collect::<Vec<_>>(), ids[11..15], "{text}");
    }
});

on_both!(rows_that_are_added_amid_it_neither_hide_nor_repeat_others, |test: TestDb| async move {
    let db = test.open().await;
    for number in 0..9 {
        person(&db, &format!("sorted{number}@example.com"), ["ada", "cyd"][number % 2], None).await;
    }
    let sort: Sort<AccountSort> = "name".parse().expect("an order");
    let before: BTreeSet<_> =
        page(&db, sort, 100, PageFrom::Start).await.data.iter().map(|one| one.id.uuid()).collect();
    let (mut from, mut seen, mut number) = (PageFrom::Start, Vec::new(), 0);
    loop {
        let next = page(&db, sort, 2, from).await;
        seen.extend(next.data.iter().map(|account| account.id.uuid()));
        let Some(cursor) = next.next_cursor.filter(|_| next.has_more) else { break };
        from = PageFrom::After(cursor.parse().expect("a cursor"));
        if number < 3 {
            number += 1;
            person(&db, &format!("sorted-late{number}@example.com"), ["aaa", "bea", "zoe"][number - 1], None).await;
        }
    }
    let once: BTreeSet<_> = seen.iter().copied().collect();
    assert_eq!(once.len(), seen.len(), "no row twice");
    assert!(before.is_subset(&once), "none left out");
});

on_both!(two_operators_who_demote_each_other_leave_one, |test: TestDb| async move {
    let db = test.open().await;
    let by = By::actor(Actor::operator("usr_x"));
    for round in 0..8 {
        let (one, other) = (
            sign_in(&db, &format!("one{round}@example.com"), Role::Admin).await.user,
            sign_in(&db, &format!("other{round}@example.com"), Role::Admin).await.user,
        );
        let change = if round % 2 == 0 {
            AccountChange { role: Some(Role::Customer), disabled: None }
        } else {
            AccountChange { role: None, disabled: Some(true) }
        };
        let demote = |whom, own| accounts::change_account(&db, (whom, Some(own)), change, &by, "a quarrel");
        let (first, second) = tokio::join!(demote(other, one), demote(one, other));
        let refused =
            [first, second].into_iter().filter(|done| matches!(done, Err(AccountError::LastOperator))).count();
        assert_eq!(refused, 1, "round {round}: one stays");
        // The one who stayed leaves as somebody else comes.
        let next = sign_in(&db, &format!("next{round}@example.com"), Role::Admin).await.user;
        let change = AccountChange { role: Some(Role::Customer), disabled: None };
        for whom in [one, other] {
            accounts::change_account(&db, (whom, None), change, &by, "they leave").await.expect("another one is there");
        }
        let last = accounts::change_account(&db, (next, None), change, &by, "x").await;
        assert!(matches!(last, Err(AccountError::LastOperator)), "{last:?}");
        let done: Result<u64, DbError> = db
            .write(async |tx| execute!(tx, sqlx::query("UPDATE users SET role = 'customer' WHERE id = $1").bind(next)))
            .await;
        assert_eq!(done.expect("changed"), 1);
    }
});

/// What grows while work goes on.
const MOVING: [&str; 7] = ["jobs", "mails", "webhooks", "audit", "invoices", "ledger", "payments"];

/// The rows of a table, read as people's programs read it.
fn records(table: &str) -> (Vec<String>, Vec<Vec<String>>) {
    let mut reader = csv::ReaderBuilder::new().from_reader(table.as_bytes());
    let head = reader.headers().expect("a head").iter().map(str::to_owned).collect();
    let rows = reader.records().map(|row| row.expect("a row").iter().map(str::to_owned).collect()).collect();
    (head, rows)
}

on_both!(a_file_has_all_rows_and_no_formula, |test: TestDb| async move {
    let desk = Desk::on(&test).await;
    let made: Result<(), DbError> = desk
        .db
        .write(async |tx| {
            for number in 0..1_203 {
                let (id, now): (UserId, _) = (tx.new_id(), tx.now());
                let tenant = tx.ids().next_uuid();
                let name = if number == 7 { "=HYPERLINK(\"http://x\")".to_owned() } else { format!("n\"{number}\",\n") };
                execute!(
                    tx,
                    sqlx::query(
                        "INSERT INTO users (id, email, name, role, created_at, updated_at)
                         VALUES ($1, $2, $3, 'affiliate', $4, $4)"
                    )
                    .bind(id)
                    .bind(format!("many{number:04}@example.com"))
                    .bind(name)
                    .bind(now)
                )?;
                execute!(
                    tx,
                    sqlx::query(
                        "INSERT INTO tenants (id, kind, owner_id, name, created_at) VALUES ($1, 'personal', $2, 'x', $3)"
                    )
                    .bind(tenant)
                    .bind(id)
                    .bind(now)
                )?;
            }
            Ok(())
        })
        .await;
    made.expect("made");
    let (answer, table) = desk.file("/api/admin/users/export?role=affiliate&sort=-email").await;
    assert_eq!(answer.headers()["content-type"], "text/csv; charset=utf-8; header=present");
    assert_eq!(answer.headers()["content-disposition"], "attachment; filename=\"users.csv\"");
    assert_eq!(answer.headers()["cache-control"], "no-store");
    let (head, all) = records(&table);
    assert_eq!(head[..4], ["id", "tenant_id", "email", "name"]);
    let emails: Vec<_> = all.iter().map(|row| row[2].clone()).collect();
    let expected: Vec<_> = (0..1_203).rev().map(|number| format!("many{number:04}@example.com")).collect();
    assert_eq!(emails, expected, "all of them, each once, in their order");
    assert_eq!(all[1_203 - 8][3], "'=HYPERLINK(\"http://x\")");
    assert_eq!(all[0][3], "n\"1202\",\n");
    let (answer, lines) = desk.file("/api/admin/users/export?role=affiliate&format=jsonl").await;
    assert_eq!(answer.headers()["content-type"], "application/jsonl");
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(lines.len(), 1_203);
    assert!(lines.iter().any(|line| line["name"] == "=HYPERLINK(\"http://x\")"), "as it is");
    let entry = desk.trail("users.exported").await;
    assert_eq!(entry["after"]["format"], "jsonl");
    let wrong = desk.ask(Method::GET, "/api/admin/users/export?format=xlsx").send().await.expect("an answer");
    problem(wrong, 400, "invalid-parameter").await;
    // The trail's file ends with the head of its chain.
    let (_, lines) = desk.file("/api/admin/audit/export").await;
    let last: Value = serde_json::from_str(lines.lines().last().expect("a line")).expect("JSON");
    assert!(last["head"]["mac"].is_string(), "{last}");
    let (_, table) = desk.file("/api/admin/audit/export?format=csv&action=users.exported").await;
    assert!(records(&table).1.len() >= 4);
});

on_both!(each_file_has_what_its_list_has, |db| async move {
    let premises = Premises::on(&db).await;
    let operator = &premises.operator;
    let mut tried = 0;
    for route in routes().iter().filter(|route| route.path.ends_with("/export")) {
        // These are made for reading in again, and in another form if nothing is said.
        if ["/api/admin/catalog/export", "/api/admin/audit/export"].contains(&route.path) {
            continue;
        }
        let list = premises.get(&format!("{}?limit=100", route.path.trim_end_matches("/export")), operator).await;
        let request = premises.ask(Method::GET, route.path).header("cookie", &operator.cookie);
        let (told, answer) = sent(&premises, request).await;
        let (head, all) = records(&answer.text().await.expect("a text"));
        // Work goes on meanwhile.
        let moving = MOVING.iter().any(|name| route.path.contains(name));
        assert!(moving || all.len() == rows(&list).len(), "{told}: {} of {}", all.len(), rows(&list).len());
        assert!(head.contains(&"id".to_owned()) && all.iter().all(|row| row.len() == head.len()), "{told}: {head:?}");
        // No column is empty in all rows because it has another name in the list.
        if let Some(first) = rows(&list).first().filter(|_| !route.path.contains("invoices")) {
            for column in head.iter().filter(|column| !column.contains("_amount") && !column.contains("_currency")) {
                let place = first.get(column.as_str()).is_some()
                    || column
                        .match_indices('_')
                        .any(|(at, _)| first.pointer(&format!("/{}/{}", &column[..at], &column[at + 1..])).is_some());
                let optional =
                    ["attention", "problem", "attention_at", "product_id", "assignee_id"].contains(&column.as_str());
                assert!(place || optional, "{told}: `{column}` is nowhere in {first}");
            }
        }
        tried += 1;
    }
    assert!(tried > 14, "{tried}");
});

on_both!(each_list_is_in_each_of_its_orders_and_in_no_other, |db| async move {
    let premises = Premises::on(&db).await;
    let by_time = &["created", "-created", "newest", "oldest"][..];
    let mut tried = 0;
    for route in routes().iter().filter(|route| route.path.starts_with("/api/admin/") && route.query.contains(&"sort"))
    {
        if route.path.ends_with("/export") || route.path == "/api/admin/tickets" {
            continue;
        }
        let more = match route.path {
            "/api/admin/users" => &["email", "-email", "name", "-name", "last_login", "-last_login"][..],
            "/api/admin/products" => &["title", "-title", "updated", "-updated", "downloads", "-downloads"],
            "/api/admin/coupons" => &["code", "-code", "used", "-used"],
            "/api/admin/subscriptions" => &["period_end", "-period_end", "amount", "-amount"],
            "/api/admin/sources" => &["verified", "-verified"],
            _ => &[],
        };
        for sort in by_time.iter().chain(more) {
            let path = format!("{}?sort={sort}", route.path);
            let (mut seen, mut after) = (Vec::new(), String::new());
            // As many as there were at most: work goes on meanwhile.
            for _ in 0..12 {
                let page = premises.get(&format!("{path}&limit=2{after}"), &premises.operator).await;
                seen.extend(rows(&page).iter().map(|row| row["id"].clone()));
                match page["next_cursor"].as_str().filter(|_| page["has_more"] == true) {
                    Some(cursor) => after = format!("&after={cursor}"),
                    None => break,
                }
            }
            let once: BTreeSet<String> = seen.iter().map(Value::to_string).collect();
            assert_eq!(once.len(), seen.len(), "{path}: a row twice");
            let whole = premises.get(&format!("{path}&limit=100"), &premises.operator).await;
            let whole: Vec<_> = rows(&whole).iter().map(|row| row["id"].clone()).collect();
            let moving = MOVING.iter().any(|name| route.path.contains(name));
            assert!(moving || whole.starts_with(&seen), "{path}: {seen:?} of {whole:?}");
        }
        for wrong in ["id", "-", "created,id", "created%20desc", "name;drop", "--created"] {
            let request = premises.ask(Method::GET, &format!("{}?sort={wrong}", route.path));
            let (told, answer) = sent(&premises, request.header("cookie", &premises.operator.cookie)).await;
            assert_eq!(answer.status(), 400, "{told}");
            problem(answer, 400, "invalid-parameter").await;
        }
        tried += 1;
    }
    assert!(tried > 14, "{tried}");
    // A cursor of another order.
    let page = premises.get("/api/admin/users?sort=email&limit=1", &premises.operator).await;
    let cursor = page["next_cursor"].as_str().expect("a cursor");
    let request = premises.ask(Method::GET, &format!("/api/admin/users?sort=-email&after={cursor}"));
    let (_, answer) = sent(&premises, request.header("cookie", &premises.operator.cookie)).await;
    problem(answer, 400, "invalid-parameter").await;
});
