//! The catalogue as a file: out and in without loss, all of it or nothing.

use mintreu::{
    catalog::{self, Format, ImportError, ImportMode, Imported},
    credentials::{BesideCatalogue, HookRules},
    db::Db,
    fetch_one,
    kernel::seal::{Keyring, Random},
};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    catalog_shop::{Served, by, import, shelf},
    journey_shop::{Shop, problem},
    support::TestDb,
};

async fn exported(db: &Db, format: Format) -> String {
    String::from_utf8(catalog::export(db, format).await.expect("a file")).expect("text")
}

async fn brought(db: &Db, format: Format, file: &str, mode: ImportMode) -> Result<Imported, ImportError> {
    catalog::import(db, format, file.as_bytes(), mode, &by()).await
}

async fn pointers(db: &Db, format: Format, file: &str) -> Vec<String> {
    match brought(db, format, file, ImportMode::Keep).await {
        Err(ImportError::Invalid(flaws)) => flaws.into_iter().map(|flaw| flaw.pointer).collect(),
        other => panic!("{other:?}"),
    }
}

/// Texts that break what is careless.
fn nasty() -> Value {
    let mut document = shelf();
    let lamp = &mut document["products"][0];
    lamp["title"] = json!("=HYPERLINK(\"http://evil\")");
    lamp["short_description"] = json!("'=1+1, \"quoted\"; @home");
    lamp["description"] = json!("-1\r\nsecond, line\n\n\"third\"\tüñí \u{1f56f}");
    lamp["content"] = json!("+44");
    lamp["meta"] = json!({"=a": ["@b", null, 1.5], "c": {"d": "x\"y"}});
    document
}

on_both!(what_is_exported_is_imported_and_exported_the_same, |test| async move {
    let db = test.open().await;
    import(&db, &nasty()).await;
    catalog::seed::believable(&db).await.expect("seeded");
    for format in [Format::Json, Format::Csv] {
        let file = exported(&db, format).await;
        let empty = match test {
            TestDb::Sqlite(_) => TestDb::sqlite(),
            TestDb::Postgres(_) => TestDb::postgres().await.expect("a server"),
        };
        let other = empty.open().await;
        brought(&other, format, &file, ImportMode::Keep).await.expect("it is taken");
        assert_eq!(exported(&other, format).await, file, "{format}");
        // Once more changes nothing.
        let again = brought(&other, format, &file, ImportMode::Keep).await.expect("it is taken");
        for counts in [again.developers, again.categories, again.products, again.plans, again.coupons] {
            assert_eq!((counts.created, counts.changed), (0, 0), "{again:?}");
            assert!(counts.unchanged > 0);
        }
        assert_eq!(exported(&db, format).await, file);
    }
    let table = exported(&db, Format::Csv).await;
    let mut cells = 0;
    for cell in table.split([',', '\n']).map(|cell| cell.trim_start_matches('"')) {
        assert!(!cell.starts_with(['=', '@']), "{cell}");
        cells += 1;
    }
    assert!(cells > 1000);
});

on_both!(the_demonstration_is_sown_once, |test| async move {
    let db = test.open().await;
    let first = catalog::seed::believable(&db).await.expect("seeded").imported;
    assert!(first.products.created >= 12 && first.categories.created >= 8 && first.coupons.created == 3, "{first:?}");
    let again = catalog::seed::believable(&db).await.expect("seeded").imported;
    assert_eq!((again.products.created, again.products.changed, again.plans.changed), (0, 0, 0));
    let audited: i64 =
        fetch_one!(&db, sqlx::query_scalar("SELECT COUNT(*) FROM audit_entries WHERE action = 'product.created'"))
            .expect("a number");
    assert_eq!(audited, i64::from(first.products.created));
});

on_both!(an_import_is_all_or_nothing_and_names_what_is_wrong, |test| async move {
    let db = test.open().await;
    let before = exported(&db, Format::Json).await;
    let mut file = shelf();
    file["products"][1]["plans"][0]["prices"]["USD"] = json!(-1);
    file["products"][2]["category"] = json!("nowhere");
    file["products"][3]["titel"] = json!("x");
    file["coupons"][0]["percent_bps"] = json!(10_001);
    file["coupons"][1]["categories"] = json!(["nowhere"]);
    let mut found = pointers(&db, Format::Json, &file.to_string()).await;
    found.sort_unstable();
    found.dedup();
    assert_eq!(
        found,
        [
            "#/coupons/0/percent_bps",
            "#/coupons/1/categories/0",
            "#/products/1/plans/0/prices/USD",
            "#/products/1/status",
            "#/products/2/category",
            "#/products/3/titel",
        ]
    );
    assert_eq!(exported(&db, Format::Json).await, before, "nothing was kept");

    for (change, pointer) in [
        (
            json!({"categories": [{"slug": "a", "name": "A", "parent": "b"}, {"slug": "b", "name": "B", "parent": "a"}]}),
            "#/categories/0/parent",
        ),
        (json!({"categories": [{"slug": "a", "name": "A"}, {"slug": "a", "name": "B"}]}), "#/categories/1/slug"),
        (json!({"categories": [{"name": "A"}]}), "#/categories/0/slug"),
        (json!({"developers": [{"slug": "house", "name": "Mine"}]}), "#/developers/0/slug"),
        (json!({"developers": [{"slug": "a", "name": "A", "user": "usr_x"}]}), "#/developers/0/user"),
        (json!({"products": [{"slug": "a\0", "title": "A", "type": "api"}]}), "#/products/0/slug"),
        (json!({"products": [{"slug": "a", "title": "A\0", "type": "api"}]}), "#/products/0/title"),
        (json!({"products": [{"slug": "a", "title": "A", "type": "gift"}]}), "#/products/0/type"),
        (
            json!({"products": [{"slug": "a", "title": "A", "type": "api", "status": "published"}]}),
            "#/products/0/status",
        ),
        (json!({"products": [{"slug": "a", "title": "A", "type": "api", "plans": 7}]}), "#/products/0/plans"),
        (json!({"prodcuts": []}), "#/prodcuts"),
        (json!({"format": "other"}), "#/format"),
    ] {
        let mut file = change.clone();
        if file.get("format").is_none() {
            file["format"] = json!("mintreu.catalog/1");
        }
        assert_eq!(pointers(&db, Format::Json, &file.to_string()).await[0], pointer, "{change}");
    }
    for file in ["", "{", "[]", "\u{0}"] {
        assert!(brought(&db, Format::Json, file, ImportMode::Keep).await.is_err());
    }
    assert_eq!(exported(&db, Format::Json).await, before);
});

on_both!(a_table_is_refused_by_line_and_column, |test| async move {
    let db = test.open().await;
    for (table, pointer) in [
        ("slug,name\na,A\n", "#/rows/1/record"),
        ("record,slug,nmae\n", "#/rows/1/nmae"),
        ("record,slug,slug\n", "#/rows/1/slug"),
        ("record,slug,name\ncategory,a,A\nthing,b,B\n", "#/rows/3/record"),
        ("record,slug,name,position\ncategory,a,A,many\n", "#/rows/2/position"),
        ("record,slug,name,amount\ncategory,a,A,5\n", "#/rows/2/amount"),
        ("record,slug,name\ncategory,a,\"two\nlines\"\ncategory,b,\n", "#/rows/2/name"),
        ("record,slug,product,name,billing_cycle\nplan,p,nothing,P,one_time\n", "#/rows/2/product"),
    ] {
        assert_eq!(pointers(&db, Format::Csv, table).await[0], pointer, "{table}");
    }
    for table in ["record,slug,name\ncategory,a\n", "record,slug,name\ncategory,a,\u{0}\"\n"] {
        assert!(brought(&db, Format::Csv, table, ImportMode::Keep).await.is_err(), "{table}");
    }
    // Columns that are not there leave things as they are; empty cells clear.
    import(&db, &shelf()).await;
    let table = "\u{feff}record,slug,position,description\r\ncategory,lights,5,\"=x\"\r\n";
    let done = brought(&db, Format::Csv, table, ImportMode::Keep).await.expect("taken");
    assert_eq!(done.categories.changed, 1);
    let file: Value = serde_json::from_str(&exported(&db, Format::Json).await).expect("JSON");
    let lights = file["categories"].as_array().expect("a list").iter().find(|it| it["slug"] == "lights").expect("it");
    assert_eq!(
        (&lights["name"], &lights["position"], &lights["description"]),
        (&json!("Lights"), &json!(5), &json!("=x"))
    );
});

on_both!(a_dry_run_keeps_nothing, |test| async move {
    let db = test.open().await;
    let before = exported(&db, Format::Json).await;
    let done = brought(&db, Format::Json, &shelf().to_string(), ImportMode::DryRun).await.expect("it would do");
    assert!(done.dry_run && done.products.created == 6 && done.coupons.created == 10, "{done:?}");
    assert_eq!(exported(&db, Format::Json).await, before);
});

on_both!(operators_carry_the_catalogue_over_http_and_the_command_line, |db| async move {
    let served = Served::on(&db).await;
    let (import, export) = ("/api/admin/catalog/import", "/api/admin/catalog/export");
    let done: Value = served
        .ask(Method::POST, &format!("{import}?dry_run=true"), None, Some(&shelf()))
        .await
        .json()
        .await
        .expect("JSON");
    assert_eq!((&done["dry_run"], &done["products"]["created"]), (&json!(true), &json!(6)));
    assert_eq!(served.read("/api/products").await["data"], json!([]));
    let done: Value = served.ask(Method::POST, import, None, Some(&shelf())).await.json().await.expect("JSON");
    assert_eq!(done["products"]["created"], 6);
    let answer = served.ask(Method::GET, &format!("{export}?format=csv"), None, None).await;
    assert!(answer.headers()["content-type"].to_str().expect("text").starts_with("text/csv"));
    let table = answer.text().await.expect("text");
    let post = |kind: &'static str, body: Vec<u8>| {
        let request = served.shop.client.post(served.shop.mintreu.url(import)).header("cookie", &served.admin.cookie);
        request.header("content-type", kind).body(body).send()
    };
    let done: Value =
        post("text/csv", table.clone().into_bytes()).await.expect("an answer").json().await.expect("JSON");
    assert_eq!(done["products"]["unchanged"], 6);
    problem(post("text/plain", table.into_bytes()).await.expect("an answer"), 415, "unsupported-media-type").await;
    problem(post("text/csv", b"\xff\xfe\0".to_vec()).await.expect("an answer"), 400, "malformed-body").await;
    problem(post("application/json", b"{".to_vec()).await.expect("an answer"), 400, "malformed-body").await;
    problem(post("text/csv", vec![b'a'; (10 << 20) + 1]).await.expect("an answer"), 413, "body-too-large").await;
    let wrong = problem(
        post("text/csv", b"record,slug,name\ncategory,A,x\n".to_vec()).await.expect("an answer"),
        422,
        "invalid-input",
    )
    .await;
    assert_eq!(wrong["errors"][0]["pointer"], "#/rows/2/slug");
    problem(served.ask(Method::GET, &format!("{export}?format=xml"), None, None).await, 400, "invalid-parameter").await;
    for (who, status, name) in [(None, 401, "unauthorized"), (Some(&served.customer), 403, "forbidden")] {
        problem(served.ask_as(who, Method::GET, export, None, None).await, status, name).await;
        problem(served.ask_as(who, Method::POST, import, None, Some(&shelf())).await, status, name).await;
    }
    command_line(&served.shop);
});

fn command_line(shop: &Shop) {
    let file = shop.mintreu.directory().join("catalog.json");
    shop.run(&["catalog", "export", "catalog.json"]);
    let standard = shop.run(&["catalog", "export", "-", "--format", "json"]);
    assert_eq!(std::fs::read_to_string(&file).expect("a file"), standard);
    let done = shop.json(&["catalog", "import", "catalog.json", "--dry-run"]);
    assert_eq!((&done["dry_run"], &done["products"]["unchanged"]), (&json!(true), &json!(6)));
    std::fs::write(&file, standard.replace("\"Rope\"", "\"\"")).expect("written");
    let refused = shop.refused(&["catalog", "import", "catalog.json"], 1);
    assert!(refused.stderr.contains("/title"), "{refused:?}");
    shop.refused(&["catalog", "import", "catalog.txt"], 2);
    shop.refused(&["catalog", "import", "none.json"], 1);
}

on_both!(endpoints_and_hooks_go_with_it_and_secrets_do_not, |test| async move {
    let db = test.open().await;
    import(&db, &shelf()).await;
    let keys = Keyring::new([[7; 32]], Random::os()).expect("a key");
    let beside = BesideCatalogue(HookRules { keys: &keys, allows_plain: false });
    let endpoint = |method: &str, path: &str| json!({ "method": method, "path": path, "scope": "a:read" });
    let service = |hook: Value, endpoints: Value| {
        json!({ "format": "mintreu.catalog/1", "products": [{
            "slug": "checks", "title": "Checks", "developer": "acme", "type": "api", "status": "draft", "hook": hook,
            "plans": [{ "slug": "monthly", "name": "Monthly", "billing_cycle": "monthly", "license_type": "regular",
                        "prices": { "USD": 900 }, "endpoints": endpoints }],
        }] })
    };
    let put = async |db: &Db, format: Format, file: &str, mode: ImportMode| {
        catalog::import_with(db, (format, file.as_bytes()), mode, &beside, &by()).await
    };
    let hook = json!({ "url": "https://hooks.example.com/keys", "active": true });
    let first = service(hook.clone(), json!([endpoint("GET", "/checks"), endpoint("POST", "/checks/*")])).to_string();
    put(&db, Format::Json, &first, ImportMode::DryRun).await.expect("it would be taken");
    assert_eq!(number(&db, "SELECT COUNT(*) FROM api_endpoints").await, 0, "a trial leaves nothing");
    put(&db, Format::Json, &first, ImportMode::Keep).await.expect("it is taken");
    let secret: Vec<u8> =
        fetch_one!(db, sqlx::query_scalar("SELECT secret_sealed FROM credential_hooks")).expect("a secret");

    for format in [Format::Json, Format::Csv] {
        let file = catalog::export_with(&db, format, &beside).await.expect("a file");
        let file = String::from_utf8(file).expect("text");
        assert!(file.contains("https://hooks.example.com/keys") && file.contains("/checks/*"), "{file}");
        assert!(!file.contains("whsec_") && !file.contains("secret"), "{file}");
        let empty = match test {
            TestDb::Sqlite(_) => TestDb::sqlite(),
            TestDb::Postgres(_) => TestDb::postgres().await.expect("a server"),
        };
        let other = empty.open().await;
        put(&other, format, &file, ImportMode::Keep).await.expect("it is taken");
        let again = catalog::export_with(&other, format, &beside).await.expect("a file");
        assert_eq!(String::from_utf8(again).expect("text"), file, "{format}");
        let done = put(&other, format, &file, ImportMode::Keep).await.expect("it is taken");
        for counts in [done.products, done.plans] {
            assert_eq!((counts.created, counts.changed), (0, 0), "{done:?}");
        }
        let new: Vec<u8> =
            fetch_one!(other, sqlx::query_scalar("SELECT secret_sealed FROM credential_hooks")).expect("a secret");
        assert_ne!(new, secret, "a secret of its own");
    }

    // What is not named stays; what is said of the rest is changed, and the secret is not.
    let mut quiet = hook;
    quiet["active"] = json!(false);
    let mut changed = endpoint("GET", "/checks");
    changed["scope"] = json!("b:read");
    let done = put(&db, Format::Json, &service(quiet, json!([changed])).to_string(), ImportMode::Keep).await;
    let done = done.expect("it is taken");
    assert_eq!((done.products.changed, done.plans.changed), (1, 1), "{done:?}");
    assert_eq!(number(&db, "SELECT COUNT(*) FROM api_endpoints").await, 2);
    assert_eq!(number(&db, "SELECT COUNT(*) FROM api_endpoints WHERE scope = 'b:read'").await, 1);
    assert_eq!(number(&db, "SELECT COUNT(*) FROM api_endpoints WHERE scope = 'a:read'").await, 1);
    let kept: Vec<u8> =
        fetch_one!(db, sqlx::query_scalar("SELECT secret_sealed FROM credential_hooks")).expect("a secret");
    assert_eq!(kept, secret);

    // What is wrong is told where it stands.
    for (hook, endpoints, pointer) in [
        (json!(1), Value::Null, "/hook"),
        (json!({ "url": "ftp://x" }), Value::Null, "/hook/url"),
        (json!({ "url": "https://x.example.com", "secret": "whsec_x" }), Value::Null, "/hook/secret"),
        (Value::Null, json!({}), "/plans/0/endpoints"),
        (Value::Null, json!([1]), "/plans/0/endpoints/0"),
        (Value::Null, json!([endpoint("GET", "/checks"), endpoint("JUMP", "/x")]), "/plans/0/endpoints/1/method"),
        (Value::Null, json!([{ "method": "GET" }]), "/plans/0/endpoints/0/path"),
        (Value::Null, json!([endpoint("GET", "/x"), endpoint("GET", "/x")]), "/plans/0/endpoints/1"),
    ] {
        let file = service(hook, endpoints).to_string();
        match put(&db, Format::Json, &file, ImportMode::Keep).await {
            Err(ImportError::Invalid(flaws)) => {
                assert_eq!(flaws[0].pointer, format!("#/products/0{pointer}"), "{file}: {flaws:?}");
            }
            other => panic!("{file}: {other:?}"),
        }
    }
    assert_eq!(number(&db, "SELECT COUNT(*) FROM api_endpoints").await, 2, "nothing of what is wrong is kept");
    assert_eq!(pointers(&db, Format::Json, &first).await[0], "#/products/0/plans/0/endpoints", "not by itself");
});

async fn number(db: &Db, query: &'static str) -> i64 {
    fetch_one!(db, sqlx::query_scalar(query)).expect("a number")
}
