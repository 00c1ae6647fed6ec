//! What everybody sees: lists, searches, pages that stay where they are.

use mintreu::{
    catalog::{self, Browse, Card, Sort},
    db::{Db, DbError},
    execute,
    kernel::{Currency, PageFrom, PageRequest},
};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    catalog_shop::{Served, import, shelf},
    journey_shop::problem,
};

fn all() -> Browse {
    Browse {
        q: None,
        category: None,
        kind: None,
        developer: None,
        featured: None,
        min_price: None,
        max_price: None,
        currency: Currency::USD,
        sort: None,
    }
}

async fn page(db: &Db, what: &Browse, limit: i64, after: Option<&str>) -> (Vec<Card>, Option<String>) {
    let from = after.map_or(PageFrom::Start, |after| PageFrom::After(after.parse().expect("a cursor")));
    let page = catalog::browse(db, what, PageRequest { limit, from }).await.expect("a page");
    assert_eq!(page.has_more, page.next_cursor.is_some());
    (page.data, page.next_cursor)
}

async fn slugs(db: &Db, what: &Browse) -> Vec<String> {
    page(db, what, 100, None).await.0.into_iter().map(|card| card.slug).collect()
}

fn things(prefix: &str, count: usize) -> Value {
    let thing = |number: usize| {
        let price = 100 * (number % 4 + 1);
        json!({
            "slug": format!("{prefix}-{number}"), "title": format!("Thing {}", number % 3), "type": "download",
            "status": "published", "short_description": if number.is_multiple_of(2) { "common" } else { "" },
            "description": "common", "published_at": format!("2026-01-{:02}T00:00:00Z", number % 5 + 1),
            "plans": [{"slug": "p", "name": "P", "billing_cycle": "one_time", "prices": if number.is_multiple_of(5) { json!({"EUR": 1}) } else { json!({"USD": price}) }}],
        })
    };
    json!({"format": "mintreu.catalog/1", "products": (0..count).map(thing).collect::<Vec<_>>()})
}

on_both!(pages_are_whole_in_every_order_while_products_are_added, |test| async move {
    let db = test.open().await;
    import(&db, &things("a", 23)).await;
    db.write(async |tx| {
        execute!(
            tx,
            sqlx::query(
                "UPDATE products SET downloads = length(slug) % 2, rating_sum = length(title), rating_count = 2"
            )
        )?;
        Ok::<_, DbError>(())
    })
    .await
    .expect("rated");
    for (round, sort) in Sort::ALL.iter().enumerate() {
        let q = (*sort == Sort::Relevance).then(|| "common".to_owned());
        let what = Browse { sort: Some(*sort), q, ..all() };
        let before = slugs(&db, &what).await;
        let (mut seen, mut cursor, mut pages): (Vec<String>, Option<String>, usize) = (Vec::new(), None, 0);
        loop {
            let (cards, next) = page(&db, &what, 4, cursor.as_deref()).await;
            seen.extend(cards.into_iter().map(|card| card.slug));
            pages += 1;
            if pages <= 2 {
                import(&db, &things(&format!("r{round}-{pages}"), 5)).await;
            }
            match next {
                Some(next) => cursor = Some(next),
                None => break,
            }
        }
        let old: Vec<_> = seen.iter().filter(|slug| before.contains(slug)).cloned().collect();
        assert_eq!(old, before, "{sort}: those that were there, each once, in order");
        let mut once = seen.clone();
        once.sort_unstable();
        once.dedup();
        assert_eq!(once.len(), seen.len(), "{sort}: nothing twice");
        // Backwards from the end of what there is now, to the same order.
        let now = slugs_all(&db, &what).await;
        let (_, second) = page(&db, &what, 8, None).await;
        let before = PageFrom::Before(second.expect("more").parse().expect("a cursor"));
        let back = catalog::browse(&db, &what, PageRequest { limit: 4, from: before }).await.expect("a page");
        let back: Vec<_> = back.data.into_iter().map(|card| card.slug).collect();
        assert_eq!(back, now[3..7], "{sort}");
    }
});

async fn slugs_all(db: &Db, what: &Browse) -> Vec<String> {
    let (mut seen, mut cursor) = (Vec::new(), None);
    loop {
        let (cards, next) = page(db, what, 100, cursor.as_deref()).await;
        seen.extend(cards.into_iter().map(|card| card.slug));
        match next {
            Some(next) => cursor = Some(next),
            None => return seen,
        }
    }
}

on_both!(filters_and_orders_show_what_they_say, |test| async move {
    let db = test.open().await;
    import(&db, &shelf()).await;
    let with = |change: fn(&mut Browse)| {
        let mut what = Browse { sort: Some(Sort::Title), ..all() };
        change(&mut what);
        what
    };
    assert_eq!(slugs(&db, &with(|_| ())).await, ["candle", "lamp", "moon", "rope"], "no drafts, nothing archived");
    assert_eq!(slugs(&db, &with(|b| b.category = Some("lights".into()))).await, ["candle", "lamp"], "and all below");
    assert_eq!(slugs(&db, &with(|b| b.category = Some("lamps".into()))).await, ["lamp"]);
    assert_eq!(slugs(&db, &with(|b| b.category = Some("nowhere".into()))).await, [""; 0]);
    assert_eq!(slugs(&db, &with(|b| b.developer = Some("acme".into()))).await, ["lamp"]);
    assert_eq!(slugs(&db, &with(|b| b.featured = Some(true))).await, [""; 0]);
    assert_eq!(slugs(&db, &with(|b| b.min_price = Some(1000))).await, ["lamp", "moon", "rope"]);
    assert_eq!(slugs(&db, &with(|b| b.max_price = Some(999))).await, ["candle"]);
    assert_eq!(slugs(&db, &with(|b| (b.max_price, b.currency) = (Some(900), Currency::EUR))).await, ["rope"]);
    assert_eq!(slugs(&db, &with(|b| b.sort = Some(Sort::PriceUp))).await, ["candle", "rope", "moon", "lamp"]);
    assert_eq!(slugs(&db, &with(|b| b.sort = Some(Sort::PriceDown))).await, ["lamp", "moon", "rope", "candle"]);
    let dear = slugs(&db, &with(|b| (b.sort, b.currency) = (Some(Sort::PriceDown), Currency::KWD))).await;
    assert_eq!(dear[0], "lamp", "those without a price last: {dear:?}");
    let cards = page(&db, &with(|b| b.currency = Currency::EUR), 10, None).await.0;
    let prices: Vec<_> = cards.iter().map(|card| card.price.map(|price| price.amount)).collect();
    assert_eq!(prices, [None, None, None, Some(900)]);
});

on_both!(a_search_finds_words_and_ranks_them, |test| async move {
    let db = test.open().await;
    let product = |slug: &str, title: &str, short: &str, content: &str| {
        json!({"slug": slug, "title": title, "type": "download", "status": "published", "short_description": short,
               "content": content, "plans": [{"slug": "p", "name": "P", "billing_cycle": "one_time", "prices": {"USD": 1}}]})
    };
    let products = [
        product("anywhere", "Oil", "For it", "Fill the lantern slowly"),
        product("short", "Wick", "For a lantern", ""),
        product("prefix", "Lanterns for halls", "", ""),
        product("title", "Lantern, small", "", ""),
        product("unicode", "Größe 東京 café", "naïve", ""),
        product("other", "Night-light 2.0", "", "x@example.com don't"),
    ];
    import(&db, &json!({"format": "mintreu.catalog/1", "products": products})).await;
    let found = async |q: &str| slugs(&db, &Browse { q: Some(q.to_owned()), ..all() }).await;
    assert_eq!(found("lantern").await, ["title", "prefix", "short", "anywhere"]);
    let mut begun = found("LANT").await;
    begun.sort_unstable();
    assert_eq!(begun, ["anywhere", "prefix", "short", "title"]);
    assert_eq!(found("small lantern").await, ["title"], "all words, in any order");
    assert_eq!(found("lantern sma").await, ["title"], "the last may be unfinished");
    assert_eq!(found("lant small").await, [""; 0], "the others not");
    for q in ["größe", "GRÖSSE".replace("SS", "ß").as_str(), "東京", "café", "naïve", "grö"] {
        assert_eq!(found(q).await, ["unicode"], "{q}");
    }
    for q in ["night light", "night-light", "night", "light 2", "example", "don't"] {
        assert_eq!(found(q).await, ["other"], "{q}");
    }
    for q in [
        "\"",
        "'",
        "lantern\"",
        "a'b",
        "NEAR(",
        "title:",
        "*",
        "-",
        "( OR )",
        "lantern AND NOT",
        "^lantern\\",
        "\\",
        "'; DROP TABLE products; --",
        "lantern:*A",
        "<->",
        "&|!",
        "%",
        "_",
        "\u{0}",
        "lantern\u{0}",
        "{title}:x",
        "🦀",
        &"x".repeat(3000),
        &"a ".repeat(500),
    ] {
        found(q).await;
    }
    assert_eq!(found("\"lantern\" *").await.len(), 4, "signs mean nothing");
    // What changes is found as it is now.
    let changed = json!({"format": "mintreu.catalog/1", "products": [{"slug": "title", "title": "Torch"}]});
    import(&db, &changed).await;
    assert_eq!(found("torch").await, ["title"]);
    assert_eq!(found("lantern").await, ["prefix", "short", "anywhere"]);
});

on_both!(the_shop_window_over_http, |db| async move {
    let served = Served::on(&db).await;
    let store = db.open().await;
    import(&store, &shelf()).await;
    let get = async |path: &str| served.ask_as(None, Method::GET, path, None, None).await;
    let list: Value = get("/api/products?limit=2&sort=title").await.json().await.expect("JSON");
    assert_eq!((&list["has_more"], &list["data"][0]["slug"]), (&json!(true), &json!("candle")));
    assert_eq!(list["data"][1]["price"], json!({"amount": 1999, "currency": "USD"}));
    let cursor = list["next_cursor"].as_str().expect("a cursor");
    let next: Value =
        get(&format!("/api/products?limit=2&sort=title&after={cursor}")).await.json().await.expect("JSON");
    assert_eq!((&next["has_more"], &next["data"][1]["slug"]), (&json!(false), &json!("rope")));
    let other =
        problem(get(&format!("/api/products?sort=newest&after={cursor}")).await, 400, "invalid-parameter").await;
    assert!(other["errors"][0]["detail"].as_str().expect("text").contains("another order"), "{other}");
    for query in [
        "sort=best",
        "type=gift",
        "currency=XXX",
        "limit=0",
        "limit=101",
        "after=x",
        "after=e30",
        "min_price=much",
        "featured=perhaps",
        "sort=relevance",
        "q=a%00b",
        "category=%00",
        &format!("q={}", "x".repeat(201)),
    ] {
        problem(get(&format!("/api/products?{query}")).await, 400, "invalid-parameter").await;
    }
    assert_eq!(get("/api/products?q=%22*&currency=eur").await.status(), 200);

    let answer = get("/api/products/lamp").await;
    let etag = answer.headers()["etag"].to_str().expect("text").to_owned();
    let lamp: Value = answer.json().await.expect("JSON");
    assert_eq!(
        lamp["category_path"],
        json!([{"slug": "lights", "name": "Lights"}, {"slug": "lamps", "name": "Lamps"}])
    );
    assert_eq!(lamp["developer"], json!({"slug": "acme", "name": "Acme"}));
    assert_eq!(lamp["plans"].as_array().expect("a list").len(), 2, "the inactive one is not shown");
    assert_eq!(lamp["rating"], json!({"average": null, "count": 0}));
    let again = served.shop.client.get(served.shop.mintreu.url("/api/products/lamp")).header("if-none-match", &etag);
    assert_eq!(again.send().await.expect("an answer").status(), 304);
    for slug in ["sketch", "bygone", "none", "LAMP", "a%00b", "%27"] {
        problem(get(&format!("/api/products/{slug}")).await, 404, "not-found").await;
    }
    let tree: Value = get("/api/categories").await.json().await.expect("JSON");
    assert_eq!((&tree["data"][0]["slug"], &tree["data"][0]["products"]), (&json!("lights"), &json!(2)));
    assert_eq!(tree["data"][0]["children"][0]["products"], json!(1));
});
