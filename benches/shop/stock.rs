//! The same with a million orders and licences stored.

use mintreu::{
    db::{Db, DbError},
    execute,
};

use crate::{
    CLIENTS, ROUND, ROUNDS, orders,
    report::Report,
    scene::Scene,
    shop::{Goods, Shop},
    validate,
};

/// How many.
const STORED: i64 = 1_000_000;

/// Writes a shop's past: orders, items, licences, in one statement each.
async fn fill(db: &Db, goods: Goods) {
    let now = db.now().plus_days(-30);
    db.write(async |tx| {
        let dialect = tx.dialect();
        let numbers = "CREATE TABLE past (n BIGINT PRIMARY KEY, o BLOB, i BLOB)";
        let numbers = dialect.pick(numbers, "CREATE TABLE past (n BIGINT PRIMARY KEY, o UUID, i UUID)");
        execute!(tx, sqlx::query(numbers))?;
        // Identifiers that sort like those of the past: they begin with a time.
        let made = dialect.pick(
            "INSERT INTO past WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < $1)
             SELECT n, unhex('0180' || printf('%012x', n) || hex(randomblob(8))), unhex('0180' || printf('%012x', n) || hex(randomblob(8))) FROM c",
            "INSERT INTO past SELECT n, ('0180' || lpad(to_hex(n), 12, '0') || substr(md5(random()::text), 1, 16))::uuid,
                    ('0180' || lpad(to_hex(n), 12, '0') || substr(md5(random()::text), 1, 16))::uuid
             FROM generate_series(1, $1) AS n",
        );
        execute!(tx, sqlx::query(made).bind(STORED))?;
        execute!(
            tx,
            sqlx::query(
                "INSERT INTO orders (id, tenant_id, email, currency, subtotal, discount, tax, total, provider,
                                     payment_state, fulfilment_state, dispute_state, created_at, expires_at, paid_at,
                                     fulfilled_at)
                 SELECT o, $1, 'past@example.com', 'USD', 1999, 0, 0, 1999, 'sandbox', 'paid', 'fulfilled', 'none', $2, $2,
                        $2, $2 FROM past"
            )
            .bind(goods.tenant)
            .bind(now)
        )?;
        execute!(
            tx,
            sqlx::query(
                "INSERT INTO order_items (id, order_id, position, product_id, plan_id, developer_id, title, plan_name,
                                          billing_cycle, license_type, limits, quantity, unit_amount, discount, tax,
                                          total, commission_bps)
                 SELECT i, o, 0, $1, $2, $3, 'Benchmark', 'Plan', 'one_time', 'regular', '{}', 1, 1999, 0, 0, 1999, 1500
                 FROM past"
            )
            .bind(goods.product)
            .bind(goods.plan)
            .bind(goods.developer)
        )?;
        execute!(
            tx,
            sqlx::query(
                "INSERT INTO licenses (id, tenant_id, order_id, order_item_id, seat, product_id, plan_id, developer_id,
                                       type, status, key_sealed, key_hash, key_hint, domains, ips, server_info, meta,
                                       revision, created_at, updated_at)
                 SELECT i, $1, o, i, 1, $2, $3, $4, 'regular', 'active', 'none',
                        'past ' || CAST(n AS TEXT), 'PAST', '[]', '[]', '{}', '{}', 1, $5, $5 FROM past"
            )
            .bind(goods.tenant)
            .bind(goods.product)
            .bind(goods.plan)
            .bind(goods.developer)
            .bind(now)
        )?;
        execute!(tx, sqlx::query("DROP TABLE past"))?;
        Ok::<_, DbError>(())
    })
    .await
    .expect("a past");
    db.write(async |tx| execute!(tx, sqlx::query("ANALYZE"))).await.expect("statistics");
}

pub(crate) async fn run(scene: &Scene, report: &Report<'_>) {
    if !report.wants("stored") {
        return;
    }
    let empty = Shop::open(scene, CLIENTS, async |_, _| {}).await;
    let full = Shop::open(scene, CLIENTS, fill).await;
    orders::sell(&empty, 32).await;
    orders::sell(&full, 32).await;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        ours.push(orders::sell(&full, 100).await);
        theirs.push(orders::sell(&empty, 100).await);
    }
    Report::rate("orders beside 1 M stored, limit: empty", &mut ours, &mut theirs, "0.80");
    let (of_full, of_empty) = (validate::questions(&full).await, validate::questions(&empty).await);
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for round in 0..=ROUNDS {
        let (full, empty) =
            (validate::rate(&full, &of_full, *ROUND).await, validate::rate(&empty, &of_empty, *ROUND).await);
        // In the first, memory learns them.
        if round > 0 {
            ours.push(full);
            theirs.push(empty);
        }
    }
    Report::rate("validate beside 1 M stored, limit: empty", &mut ours, &mut theirs, "0.80");
}
