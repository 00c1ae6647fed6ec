//! Something that was sold: a vendor, a product, a plan, and a paid order of it, written straight into the tables.

use mintreu::{
    catalog::{LicenseType, Limits},
    db::{Db, DbError},
    execute, fetch_one,
    kernel::{
        DeveloperId, OrderId, OrderItemId, PlanId, ProductId, Time,
        seal::{Keyring, Random},
    },
    licenses::{self, Entitlement, IssueError, KeyMaker, LicenseView},
};

use super::Person;

/// The installation's key in tests that make licence keys themselves.
pub(crate) const ROOT: [u8; 32] = *b"0123456789abcdef0123456789ABCDEF";

/// The same as the configuration takes it.
pub(crate) fn root_text() -> String {
    mintreu::kernel::seal::to_hex(&ROOT)
}

/// What makes keys under [`ROOT`].
pub(crate) fn key_maker() -> KeyMaker {
    KeyMaker::new(&Keyring::new([ROOT], Random::os()).expect("has a key"))
}

/// A paid item, and what it gives.
#[derive(Debug, Clone)]
pub(crate) struct Sold {
    pub(crate) entitlement: Entitlement,
    pub(crate) slug: String,
}

impl Sold {
    /// One of a product of its own, bought by `who`.
    pub(crate) async fn to(db: &Db, who: &Person) -> Self {
        Self::with(db, who, Limits::default(), 1).await
    }

    /// So many of a product of its own, with these limits.
    pub(crate) async fn with(db: &Db, who: &Person, limits: Limits, quantity: i64) -> Self {
        let entitlement = Entitlement {
            order: db.ids().next(),
            item: db.ids().next(),
            tenant: who.tenant,
            user: Some(who.user),
            product: db.ids().next(),
            plan: db.ids().next(),
            developer: db.ids().next(),
            license_type: LicenseType::Regular,
            limits,
            quantity,
            expires_at: None,
            followed: false,
        };
        let slug = format!("thing-{}", db.ids().next_uuid().simple());
        let sold = Self { entitlement, slug };
        db.write(async |tx| {
            let now = tx.now();
            sold.write_product(tx, now).await?;
            sold.write_order(tx, &who.email, now).await
        })
        .await
        .expect("the sale is written");
        sold
    }

    async fn write_product(&self, tx: &mut mintreu::db::Tx, now: Time) -> Result<(), DbError> {
        let (developer, product, plan): (DeveloperId, ProductId, PlanId) =
            (self.entitlement.developer, self.entitlement.product, self.entitlement.plan);
        execute!(
            tx,
            sqlx::query(
                "INSERT INTO developers (id, slug, name, created_at, updated_at) VALUES ($1, $2, 'Vendor', $3, $3)"
            )
            .bind(developer)
            .bind(&self.slug)
            .bind(now)
        )?;
        execute!(
            tx,
            sqlx::query(
                "INSERT INTO products (id, developer_id, slug, title, short_description, description, content, type,
                     version, status, featured, requires_auth, default_license, meta, api_config, revision, created_at,
                     updated_at)
                 VALUES ($1, $2, $3, 'A thing', '', '', '', 'license', '1.0', 'published', $5, $5, 'regular', '{}', '{}',
                     1, $4, $4)"
            )
            .bind(product)
            .bind(developer)
            .bind(&self.slug)
            .bind(now)
            .bind(false)
        )?;
        execute!(
            tx,
            sqlx::query(
                "INSERT INTO plans (id, product_id, slug, name, billing_cycle, license_type, features, limits, active,
                     position, revision, created_at, updated_at)
                 VALUES ($1, $2, 'standard', 'Standard', 'one_time', 'regular', '[]', '{}', $4, 1, 1, $3, $3)"
            )
            .bind(plan)
            .bind(product)
            .bind(now)
            .bind(true)
        )?;
        Ok(())
    }

    async fn write_order(&self, tx: &mut mintreu::db::Tx, email: &str, now: Time) -> Result<(), DbError> {
        let Entitlement { order, item, tenant, user, product, plan, developer, quantity, .. } = &self.entitlement;
        let (order, item): (&OrderId, &OrderItemId) = (order, item);
        execute!(
            tx,
            sqlx::query(
                "INSERT INTO orders (id, tenant_id, user_id, email, currency, subtotal, discount, tax, total, provider,
                     payment_state, fulfilment_state, dispute_state, created_at, expires_at, paid_at)
                 VALUES ($1, $2, $3, $4, 'USD', $5, 0, 0, $5, 'sandbox', 'paid', 'unfulfilled', 'none', $6, $6, $6)"
            )
            .bind(order)
            .bind(tenant)
            .bind(user)
            .bind(email)
            .bind(quantity * 1999)
            .bind(now)
        )?;
        execute!(
            tx,
            sqlx::query(
                "INSERT INTO order_items (id, order_id, position, product_id, plan_id, developer_id, title, plan_name,
                     billing_cycle, license_type, limits, quantity, unit_amount, discount, tax, total, commission_bps)
                 VALUES ($1, $2, 1, $3, $4, $5, 'A thing', 'Standard', 'one_time', 'regular', '{}', $6, 1999, 0, 0, $7,
                     1500)"
            )
            .bind(item)
            .bind(order)
            .bind(product)
            .bind(plan)
            .bind(developer)
            .bind(quantity)
            .bind(quantity * 1999)
        )?;
        Ok(())
    }

    /// Until when its licences are good.
    pub(crate) fn until(mut self, expires_at: Time) -> Self {
        self.entitlement.expires_at = Some(expires_at);
        self
    }

    /// Issues its licences. How many, unless it has them.
    pub(crate) async fn try_issue(&self, db: &Db) -> Result<usize, IssueError> {
        let hooks = "SELECT COUNT(*) FROM credential_hooks WHERE product_id = $1";
        let hooks: i64 = fetch_one!(db, sqlx::query_scalar(hooks).bind(self.entitlement.product))?;
        let entitlement = Entitlement { followed: hooks > 0, ..self.entitlement.clone() };
        let (keys, entitlements) = (key_maker(), [entitlement]);
        db.write(async |tx| licenses::issue(tx, &keys, &entitlements).await).await
    }

    /// Issues its licences.
    pub(crate) async fn issue(&self, db: &Db) {
        self.try_issue(db).await.expect("issued");
    }

    /// Its licences, with their keys.
    pub(crate) async fn licenses(&self, db: &Db) -> Vec<LicenseView> {
        licenses::of_order(db, &key_maker(), self.entitlement.order).await.expect("they can be read")
    }

    /// Issues its licences and gives the first, with its key.
    pub(crate) async fn license(&self, db: &Db) -> LicenseView {
        self.issue(db).await;
        self.licenses(db).await.into_iter().next().expect("a licence")
    }
}

/// The key of a licence that was read with it.
pub(crate) fn key(license: &LicenseView) -> &str {
    license.license_key.as_deref().expect("with its key")
}
