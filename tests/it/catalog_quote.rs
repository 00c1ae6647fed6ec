//! What carts cost, and what becomes of a coupon that many want at once.

use futures::future::join_all;
use mintreu::{
    accounts::Role,
    catalog::{self, CouponProblem, ItemProblem, Quote, QuoteError, QuoteRequest, Wanted},
    db::{Db, DbError},
    execute, fetch_one,
    kernel::{CouponId, Currency, OrderId, TenantId},
};

use crate::{
    catalog_shop::{import, patch_plan_price, shelf},
    support::sign_in,
};

fn wanted(product: &str, plan: Option<&str>, quantity: i64) -> Wanted {
    Wanted { product: product.to_owned(), plan: plan.map(str::to_owned), quantity }
}

const fn request(items: &[Wanted]) -> QuoteRequest<'_> {
    QuoteRequest { items, currency: Currency::USD, coupon: None, tenant: None, commission_bps: 1500, tax: None }
}

async fn priced(db: &Db, request: QuoteRequest<'_>) -> Quote {
    let quote = catalog::quote(db, request).await.expect("a price");
    assert_eq!(quote.subtotal, quote.lines.iter().map(|line| line.unit_amount * line.quantity).sum::<i64>());
    assert_eq!(quote.discount, quote.lines.iter().map(|line| line.discount).sum::<i64>());
    assert_eq!(quote.tax, quote.lines.iter().map(|line| line.tax).sum::<i64>());
    assert_eq!(quote.total, quote.subtotal - quote.discount + quote.tax);
    for line in &quote.lines {
        assert_eq!(line.total, line.quantity * line.unit_amount - line.discount + line.tax);
        assert!((0..=line.quantity * line.unit_amount).contains(&line.discount), "{line:?}");
    }
    quote
}

on_both!(a_cart_costs_what_the_catalogue_says, |test| async move {
    let db = test.open().await;
    import(&db, &shelf()).await;
    let items = [wanted("lamp", Some("regular"), 3), wanted("candle", None, 1)];
    let quote = priced(&db, request(&items)).await;
    let [lamp, candle] = quote.lines.as_slice() else { panic!("{quote:?}") };
    assert_eq!(
        (lamp.title.as_str(), lamp.plan_name.as_str(), lamp.unit_amount, lamp.total),
        ("Lamp", "Regular", 1999, 5997)
    );
    assert_eq!((lamp.commission_bps, candle.commission_bps), (2000, 10_000), "the vendor's own rate; the house's all");
    assert_eq!(lamp.limits.activations, Some(1));
    assert_eq!((quote.subtotal, quote.discount, quote.tax, quote.total), (6496, 0, 0, 6496));
    // Another vendor has no rate of its own.
    let quote = priced(&db, request(&[wanted("rope", None, 1)])).await;
    assert_eq!(quote.lines[0].commission_bps, 1500);
    // By id, too.
    let by_id = [wanted(&lamp.product.to_string(), Some(&lamp.plan.to_string()), 3)];
    assert_eq!(priced(&db, request(&by_id)).await.lines[0], *lamp);
    // In a currency without decimals, and in one with three.
    let yen = QuoteRequest { currency: Currency::JPY, ..request(&items[..1]) };
    assert_eq!(priced(&db, yen).await.total, 9000);
    let dinar = QuoteRequest { currency: Currency::KWD, ..request(&items[..1]) };
    assert_eq!(priced(&db, dinar).await.total, 18_375);
});

on_both!(what_cannot_be_had_is_told_by_position, |test| async move {
    let db = test.open().await;
    import(&db, &shelf()).await;
    // More than anybody may ask for: what is stored is not trusted to fit.
    db.write(async |tx| {
        let most = i64::MAX / 2 + 1;
        let moon = "SELECT l.id FROM plans l JOIN products p ON p.id = l.product_id WHERE p.slug = 'moon'";
        let text = format!("UPDATE plan_prices SET amount = $1 WHERE plan_id = ({moon})");
        execute!(tx, sqlx::query(sqlx::AssertSqlSafe(text.as_str())).bind(most))
    })
    .await
    .expect("it is dear");
    let long = "x".repeat(5000);
    let items = [
        wanted("lamp", Some("regular"), 1),
        wanted("lamp", None, 1),
        wanted("lamp", Some("golden"), 1),
        wanted("lamp", Some("old"), 1),
        wanted("no-such", None, 1),
        wanted("sketch", None, 1),
        wanted("bygone", None, 1),
        wanted("rope", None, 0),
        wanted("rope", None, 101),
        wanted("moon", None, 100),
        wanted("a\0b", Some("c\0d"), 1),
        wanted(&long, Some(&long), 1),
        wanted("' OR 1=1 --", None, 1),
        wanted("prd_00000000000000000000000000", None, 1),
    ];
    let Err(QuoteError::Items(problems)) = catalog::quote(&db, request(&items)).await else { panic!("refused") };
    assert_eq!(
        problems,
        [
            (1, ItemProblem::PlanNeeded),
            (2, ItemProblem::NoPlan),
            (3, ItemProblem::NoPlan),
            (4, ItemProblem::NoProduct),
            (5, ItemProblem::NoProduct),
            (6, ItemProblem::NoProduct),
            (7, ItemProblem::Quantity),
            (8, ItemProblem::Quantity),
            (9, ItemProblem::TooMuch),
            (10, ItemProblem::NoProduct),
            (11, ItemProblem::NoProduct),
            (12, ItemProblem::NoProduct),
            (13, ItemProblem::NoProduct),
        ]
    );
    let ropes = [wanted("rope", None, 1)];
    let dinar = QuoteRequest { currency: Currency::KWD, ..request(&ropes) };
    let Err(QuoteError::Items(problems)) = catalog::quote(&db, dinar).await else { panic!("refused") };
    assert_eq!(problems, [(0, ItemProblem::NoPrice)]);
    // Each fits, the sum does not.
    let moons: Vec<_> = (0..2).map(|_| wanted("moon", None, 1)).collect();
    let refused = catalog::quote(&db, request(&moons)).await;
    assert!(
        matches!(&refused, Err(QuoteError::Items(problems)) if problems[0].1 == ItemProblem::TooMuch),
        "{refused:?}"
    );
    let many: Vec<_> = (0..51).map(|_| wanted("rope", None, 1)).collect();
    for items in [&many[..], &[]] {
        assert!(matches!(catalog::quote(&db, request(items)).await, Err(QuoteError::ItemCount)));
    }
    assert_eq!(priced(&db, request(&many[..50])).await.lines.len(), 50);
});

on_both!(a_coupon_takes_off_what_it_is_worth_from_what_is_in_its_scope, |test| async move {
    let db = test.open().await;
    import(&db, &shelf()).await;
    let items = [wanted("lamp", Some("regular"), 3), wanted("candle", None, 1), wanted("rope", None, 1)];
    let with = |coupon| QuoteRequest { coupon: Some(coupon), ..request(&items) };
    // 5997 + 499 + 1000 = 7496; 15 % of it are 1124.4.
    let quote = priced(&db, with("ALL15")).await;
    assert_eq!((quote.discount, quote.total), (1124, 6372));
    assert_eq!(quote.lines.iter().map(|line| line.discount).collect::<Vec<_>>(), [899, 75, 150]);
    assert!(quote.coupon.is_some());
    assert_eq!(priced(&db, with(" all15 ")).await.discount, 1124, "however it is typed");
    // The category above the lamp's and the candle's.
    assert_eq!(priced(&db, with("LIGHT10")).await.lines.iter().map(|l| l.discount).collect::<Vec<_>>(), [600, 50, 0]);
    // Fifty dollars off the rope, which costs ten.
    assert_eq!(priced(&db, with("ROPE50")).await.lines.iter().map(|l| l.discount).collect::<Vec<_>>(), [0, 0, 1000]);
    for (code, problem) in [
        ("NOSUCH", CouponProblem::Unknown),
        ("ASLEEP", CouponProblem::Unknown),
        ("a\0b", CouponProblem::Unknown),
        ("BYGONE", CouponProblem::NotNow),
        ("TOCOME", CouponProblem::NotNow),
        ("EUROS", CouponProblem::NotForThese),
    ] {
        let refused = catalog::quote(&db, with(code)).await;
        assert!(matches!(refused, Err(QuoteError::Coupon(why)) if why == problem), "{code}: {refused:?}");
    }
    let ropes = [wanted("rope", None, 1)];
    let refused = catalog::quote(&db, QuoteRequest { coupon: Some("LIGHT10"), ..request(&ropes) }).await;
    assert!(matches!(refused, Err(QuoteError::Coupon(CouponProblem::NotForThese))), "{refused:?}");
});

on_both!(a_change_of_price_changes_no_quote_that_was_made, |test| async move {
    let db = test.open().await;
    import(&db, &shelf()).await;
    let items = [wanted("rope", None, 2)];
    let before = priced(&db, request(&items)).await;
    patch_plan_price(&db, "rope", "only", 1500).await;
    assert_eq!(before.total, 2000);
    assert_eq!(priced(&db, request(&items)).await.total, 3000);
});

/// An order that is there to take a use of a coupon.
async fn order(db: &Db, tenant: TenantId) -> OrderId {
    db.write(async |tx| {
        let (id, now): (OrderId, _) = (tx.new_id(), tx.now());
        execute!(
            tx,
            sqlx::query(
                "INSERT INTO orders (id, tenant_id, email, currency, subtotal, discount, tax, total, provider,
                                     payment_state, fulfilment_state, dispute_state, created_at, expires_at)
                 VALUES ($1, $2, 'x@example.com', 'USD', 0, 0, 0, 0, 'sandbox', 'pending', 'unfulfilled', 'none', $3, $3)"
            )
            .bind(id)
            .bind(tenant)
            .bind(now)
        )?;
        Ok::<_, DbError>(id)
    })
    .await
    .expect("an order")
}

async fn coupon(db: &Db, code: &str) -> (CouponId, i64, i64) {
    fetch_one!(
        db,
        sqlx::query_as(
            "SELECT id, used, (SELECT COUNT(*) FROM coupon_redemptions r WHERE r.coupon_id = c.id)
             FROM coupons c WHERE code = $1"
        )
        .bind(code)
    )
    .expect("a coupon")
}

async fn redeem(db: &Db, coupon: CouponId, order: OrderId, tenant: TenantId) -> bool {
    db.write(async |tx| catalog::redeem_coupon(tx, coupon, order, tenant).await).await.expect("an answer")
}

/// Whether each of `count` orders of customers got a use, when all ask at once.
async fn raced(db: &Db, code: &str, count: usize, customers: &[TenantId]) -> Vec<(OrderId, bool)> {
    let (id, ..) = coupon(db, code).await;
    let mut tasks = Vec::new();
    for number in 0..count {
        let tenant = customers[number % customers.len()];
        let order = order(db, tenant).await;
        let db = db.clone();
        tasks.push(tokio::spawn(async move { (order, redeem(&db, id, order, tenant).await) }));
    }
    join_all(tasks).await.into_iter().map(|task| task.expect("no panic")).collect()
}

on_both!(the_last_use_of_a_coupon_goes_to_one, |test| async move {
    let db = test.open().await;
    import(&db, &shelf()).await;
    let (one, two) =
        (sign_in(&db, "a@example.com", Role::Customer).await, sign_in(&db, "b@example.com", Role::Customer).await);
    for (code, count, uses) in [("LAST1", 2, 1), ("LAST5", 20, 5)] {
        let taken = raced(&db, code, count, &[one.tenant, two.tenant]).await;
        assert_eq!(taken.iter().filter(|(_, taken)| *taken).count(), uses, "{code}");
        let (id, used, redemptions) = coupon(&db, code).await;
        assert_eq!((used, redemptions), (i64::try_from(uses).expect("few"), used), "{code}");
        let items = [wanted("rope", None, 1)];
        let refused = catalog::quote(&db, QuoteRequest { coupon: Some(code), ..request(&items) }).await;
        assert!(matches!(refused, Err(QuoteError::Coupon(CouponProblem::UsedUp))), "{refused:?}");
        // One is given back, by several at once, and taken again.
        let (back, _) = taken.iter().find(|(_, taken)| *taken).expect("somebody got one");
        let releases = (0..5).map(async |_| {
            db.write(async |tx| catalog::release_coupon(tx, *back).await).await.expect("released");
        });
        join_all(releases).await;
        assert_eq!(coupon(&db, code).await.1, used - 1, "given back once");
        let next = order(&db, two.tenant).await;
        assert!(redeem(&db, id, next, two.tenant).await);
        let late = order(&db, two.tenant).await;
        assert!(!redeem(&db, id, late, two.tenant).await);
    }
});

on_both!(a_customer_takes_no_more_uses_than_are_theirs, |test| async move {
    let db = test.open().await;
    import(&db, &shelf()).await;
    let (one, two) =
        (sign_in(&db, "a@example.com", Role::Customer).await, sign_in(&db, "b@example.com", Role::Customer).await);
    let taken = raced(&db, "TWOEACH", 20, &[one.tenant, two.tenant]).await;
    assert_eq!(taken.iter().filter(|(_, taken)| *taken).count(), 4);
    let (id, used, redemptions) = coupon(&db, "TWOEACH").await;
    assert_eq!((used, redemptions), (4, 4), "what was refused was not counted");
    let items = [wanted("rope", None, 1)];
    let mine = QuoteRequest { coupon: Some("TWOEACH"), tenant: Some(one.tenant), ..request(&items) };
    let refused = catalog::quote(&db, mine).await;
    assert!(matches!(refused, Err(QuoteError::Coupon(CouponProblem::UsedUpByYou))), "{refused:?}");
    let three = sign_in(&db, "c@example.com", Role::Customer).await;
    assert_eq!(priced(&db, QuoteRequest { tenant: Some(three.tenant), ..mine }).await.discount, 100);
    let next = order(&db, three.tenant).await;
    assert!(redeem(&db, id, next, three.tenant).await);
    assert!(!redeem(&db, id, next, three.tenant).await, "one use an order");
    assert_eq!(coupon(&db, "TWOEACH").await.1, 5);
});

on_both!(a_coupon_that_ended_after_the_quote_is_not_taken, |test| async move {
    let db = test.open().await;
    import(&db, &shelf()).await;
    let one = sign_in(&db, "a@example.com", Role::Customer).await;
    for code in ["BYGONE", "TOCOME", "ASLEEP"] {
        let (id, ..) = coupon(&db, code).await;
        let order = order(&db, one.tenant).await;
        assert!(!redeem(&db, id, order, one.tenant).await, "{code}");
        assert_eq!(coupon(&db, code).await.1, 0, "{code}");
    }
});
