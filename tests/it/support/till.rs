//! A shop without its front: a catalogue, buyers, orders, and a provider's words, over one database.

use std::{sync::Arc, time::Duration};

use mintreu::{
    accounts::{Email, Role},
    catalog::{
        self, BillingCycle, Quote, QuoteRequest, Wanted,
        tax::{TaxRules, Taxation},
    },
    db::{Db, DbError, Tx},
    execute, fetch_all, fetch_one,
    jobs::Failure,
    kernel::{
        Clock, CouponId, Currency, DeveloperId, OrderId, PlanId, ProductId, SystemClock, seal::Keyring, seal::Random,
    },
    licenses::{KeyMaker, LicenseView},
    orders::{self, Billed, Buyer, Handled, OpenError, Opening, Order, Policy},
    payments::{Event, Paid, ProviderName, Refunded, ledger},
};

use super::{TestDb, sign_in};

/// What a test shop sells.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sells {
    pub(crate) price: i64,
    pub(crate) currency: Currency,
    pub(crate) billing: BillingCycle,
    pub(crate) commission_bps: i64,
}

impl Default for Sells {
    fn default() -> Self {
        Self { price: 1_999, currency: Currency::USD, billing: BillingCycle::OneTime, commission_bps: 1_500 }
    }
}

/// A shop.
pub(crate) struct Till {
    pub(crate) db: Db,
    pub(crate) policy: Policy,
    pub(crate) keys: KeyMaker,
}

impl Till {
    pub(crate) async fn open(test: &TestDb) -> Self {
        Self::open_at(test, Arc::new(SystemClock)).await
    }

    pub(crate) async fn open_at(test: &TestDb, clock: Arc<dyn Clock>) -> Self {
        let keyring = Keyring::new([[7; 32]], Random::os()).expect("a key");
        let policy = Policy {
            commission_bps: 1_500,
            tax: TaxRules::default(),
            payout_hold: Duration::from_hours(14 * 24),
            order_expiry: Duration::from_hours(24),
            partial_refund_revokes: false,
            late_payment_refunds: false,
            reconcile_interval: Duration::from_mins(1),
        };
        Self { db: test.open_at(clock).await, policy, keys: KeyMaker::new(&keyring) }
    }

    /// Puts a product with one plan on sale, by a vendor of its own.
    pub(crate) async fn sell(&self, slug: &str, sells: Sells) -> Wanted {
        put_on_sale(&self.db, slug, sells).await;
        Wanted { product: slug.to_owned(), plan: None, quantity: 1 }
    }

    /// A coupon of so many hundredths of a percent.
    pub(crate) async fn coupon(&self, code: &str, percent_bps: i64, max_uses: Option<i64>) {
        let (id, now): (CouponId, _) = (self.db.ids().next(), self.db.now());
        self.db
            .write(async |tx| {
                execute!(
                    tx,
                    sqlx::query(
                        "INSERT INTO coupons (id, code, name, percent_bps, max_uses, active, revision, created_at,
                                              updated_at)
                         VALUES ($1, $2, $2, $3, $4, $5, 1, $6, $6)"
                    )
                    .bind(id)
                    .bind(code)
                    .bind(percent_bps)
                    .bind(max_uses)
                    .bind(true)
                    .bind(now)
                )
            })
            .await
            .expect("the coupon is made");
    }

    /// Somebody with an account.
    pub(crate) async fn buyer(&self, email: &str) -> Buyer {
        let person = sign_in(&self.db, email, Role::Customer).await;
        Buyer::Account { user: person.user, tenant: person.tenant, email: person.email }
    }

    /// Somebody without one.
    pub(crate) fn guest(email: &str) -> Buyer {
        Buyer::Guest(email.parse::<Email>().expect("an address"))
    }

    pub(crate) async fn order(&self, buyer: &Buyer, items: &[Wanted]) -> Order {
        self.try_order(buyer, items, Currency::USD, None).await.expect("the order is opened")
    }

    pub(crate) async fn try_order(
        &self,
        buyer: &Buyer,
        items: &[Wanted],
        currency: Currency,
        coupon: Option<&str>,
    ) -> Result<Order, OpenError> {
        self.order_billed(buyer, items, (currency, coupon), None).await
    }

    /// Opens an order at the catalogue's prices, taxed by the policy's rules.
    pub(crate) async fn order_billed(
        &self,
        buyer: &Buyer,
        items: &[Wanted],
        (currency, coupon): (Currency, Option<&str>),
        billed: Option<&Billed>,
    ) -> Result<Order, OpenError> {
        let tax = Some(Taxation { rules: &self.policy.tax, place: billed.map(Billed::place) });
        let (tenant, commission_bps) = (buyer.tenant(), self.policy.commission_bps);
        let request = QuoteRequest { items, currency, coupon, tenant, commission_bps, tax };
        let quote = catalog::quote(&self.db, request).await?;
        self.open_billed(buyer, &quote, billed).await
    }

    /// Opens an order at the prices of a quote.
    pub(crate) async fn open_order(&self, buyer: &Buyer, quote: &Quote) -> Result<Order, OpenError> {
        self.open_billed(buyer, quote, None).await
    }

    async fn open_billed(&self, buyer: &Buyer, quote: &Quote, billing: Option<&Billed>) -> Result<Order, OpenError> {
        let opening = Opening { buyer, quote, provider: ProviderName::Stripe, policy: &self.policy, billing };
        self.db.write(async |tx| orders::open(tx, &opening).await).await
    }

    /// What the provider says.
    pub(crate) async fn tell(&self, event: Event) -> Result<Handled, Failure> {
        self.db.write(async |tx| orders::handle(tx, ProviderName::Stripe, event, &self.policy).await).await
    }

    /// What the provider says at once, while licences may be given with the money.
    pub(crate) async fn tell_all(&self, events: Vec<Event>) -> Vec<Handled> {
        let events: Vec<_> = events.into_iter().map(|event| (ProviderName::Stripe, event)).collect();
        let tell = async |tx: &mut Tx| orders::handle_all(tx, events.clone(), &self.policy, Some(&self.keys)).await;
        self.db.write(tell).await.expect("the events are handled")
    }

    /// The order is paid as ordered.
    pub(crate) async fn pay(&self, order: &Order) -> Handled {
        self.tell(Event::Paid(paid(order))).await.expect("the event is handled")
    }

    /// What the licensing actor does with a paid order.
    pub(crate) async fn fulfil(&self, order: OrderId) {
        self.db.write(async |tx| orders::fulfil(tx, &self.keys, &[order]).await).await.expect("the order is fulfilled");
    }

    /// Ordered, paid, fulfilled.
    pub(crate) async fn sold(&self, buyer: &Buyer, items: &[Wanted]) -> Order {
        let order = self.order(buyer, items).await;
        assert_eq!(self.pay(&order).await, Handled::Settled);
        self.fulfil(order.id).await;
        self.find(order.id).await
    }

    pub(crate) async fn find(&self, order: OrderId) -> Order {
        orders::find_any(&self.db, order).await.expect("answers").expect("there is such an order")
    }

    pub(crate) async fn status(&self, order: OrderId) -> &'static str {
        self.find(order).await.status().as_str()
    }

    pub(crate) async fn licenses(&self, order: OrderId) -> Vec<LicenseView> {
        mintreu::licenses::of_order(&self.db, &self.keys, order).await.expect("answers")
    }

    /// How many of an order's licences are in `status`.
    pub(crate) async fn licenses_in(&self, order: OrderId, status: &str) -> i64 {
        fetch_one!(
            self.db,
            sqlx::query_scalar("SELECT COUNT(*) FROM licenses WHERE order_id = $1 AND status = $2")
                .bind(order)
                .bind(status)
        )
        .expect("answers")
    }

    /// How many jobs of a kind were enqueued.
    pub(crate) async fn jobs_of(&self, kind: &str) -> i64 {
        fetch_one!(self.db, sqlx::query_scalar("SELECT COUNT(*) FROM jobs WHERE kind = $1").bind(kind))
            .expect("answers")
    }

    /// What an account holds, in US dollars' cents.
    pub(crate) async fn balance(&self, account: &str) -> i64 {
        self.balance_in(account, Currency::USD).await
    }

    pub(crate) async fn balance_in(&self, account: &str, currency: Currency) -> i64 {
        let balances = ledger::balances(&self.db).await.expect("answers");
        balances.iter().find(|b| b.account == account && b.currency == currency).map_or(0, |balance| balance.amount)
    }

    /// Asserts that the ledger balances: each transaction, and all of it.
    pub(crate) async fn assert_sound(&self) {
        assert_eq!(ledger::verify(&self.db).await.expect("answers"), vec![]);
        let sums: Vec<(String, i64)> = fetch_all!(
            self.db,
            sqlx::query_as("SELECT currency, CAST(SUM(amount) AS BIGINT) FROM ledger_entries GROUP BY currency")
        )
        .expect("answers");
        assert!(sums.iter().all(|(_, sum)| *sum == 0), "{sums:?}");
    }
}

/// What a provider says when an order is paid as ordered.
pub(crate) fn paid(order: &Order) -> Paid {
    Paid {
        order: order.id,
        session: format!("cs_{}", order.id),
        charge: Some(charge(order)),
        amount: order.total,
        currency: order.currency,
        fee: None,
        subscription: None,
    }
}

/// The provider's name of an order's money.
pub(crate) fn charge(order: &Order) -> String {
    format!("pi_{}", order.id)
}

/// What a provider says when money went back.
pub(crate) fn refunded(order: &Order, reference: &str, amount: i64) -> Event {
    Event::Refunded(Refunded {
        order: Some(order.id),
        charge: charge(order),
        refunds: vec![(reference.to_owned(), amount)],
        total: None,
        currency: order.currency,
    })
}

/// Puts a product with one plan on sale, by a vendor of its own.
pub(crate) async fn put_on_sale(db: &Db, slug: &str, sells: Sells) {
    let (developer, product, plan): (DeveloperId, ProductId, PlanId) =
        (db.ids().next(), db.ids().next(), db.ids().next());
    let now = db.now();
    db.write(async |tx| {
        execute!(
            tx,
            sqlx::query(
                "INSERT INTO developers (id, slug, name, commission_bps, created_at, updated_at)
                 VALUES ($1, $2, $2, $3, $4, $4)"
            )
            .bind(developer)
            .bind(format!("{slug}-vendor"))
            .bind(sells.commission_bps)
            .bind(now)
        )?;
        execute!(
            tx,
            sqlx::query(
                "INSERT INTO products (id, developer_id, slug, title, short_description, description, content, type,
                                       version, status, featured, requires_auth, default_license, meta, api_config,
                                       revision, published_at, created_at, updated_at)
                 VALUES ($1, $2, $3, $3, '', '', '', 'license', '1.0.0', 'published', $4, $4, 'regular', '{}', '{}',
                         1, $5, $5, $5)"
            )
            .bind(product)
            .bind(developer)
            .bind(slug)
            .bind(false)
            .bind(now)
        )?;
        execute!(
            tx,
            sqlx::query(
                "INSERT INTO plans (id, product_id, slug, name, billing_cycle, trial_days, license_type, features,
                                    limits, active, position, revision, created_at, updated_at)
                 VALUES ($1, $2, 'plan', 'Plan', $3, $4, 'regular', '[]', '{\"activations\":3}', $5, 0, 1, $6, $6)"
            )
            .bind(plan)
            .bind(product)
            .bind(sells.billing)
            .bind((sells.billing == BillingCycle::Trial).then_some(14_i64))
            .bind(true)
            .bind(now)
        )?;
        execute!(
            tx,
            sqlx::query("INSERT INTO plan_prices (plan_id, currency, amount) VALUES ($1, $2, $3)")
                .bind(plan)
                .bind(sells.currency)
                .bind(sells.price)
        )?;
        Ok::<_, DbError>(())
    })
    .await
    .expect("it is on sale");
}
