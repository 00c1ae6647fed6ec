//! The shop that is measured: the real program on a database of its own, with people signed in and something to sell.

use std::{
    io::Write as _,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use mintreu::{
    accounts::{SESSION_TOKEN_PREFIX, token_hash},
    db::{Db, DbError, DbOptions},
    execute,
    kernel::{
        DeveloperId, IdSource, PlanId, ProductId, SystemClock, TenantId, UserId,
        seal::{Keyring, Random},
    },
    licenses::KeyMaker,
};

use crate::scene::Scene;

/// Signs the events.
pub(crate) const SECRET: &str = "whsec_benchmark";
/// What the buyers buy.
pub(crate) const PRODUCT: &str = "benchmark";
/// What it costs.
pub(crate) const PRICE: i64 = 1_999;
const KEY: [u8; 32] = *b"figures, and nothing in earnest.";

/// A running shop; gone when this is dropped.
pub(crate) struct Shop {
    pub(crate) address: String,
    pub(crate) metrics: String,
    pub(crate) db: Db,
    pub(crate) keys: KeyMaker,
    /// `Cookie` header lines of people who are signed in.
    pub(crate) cookies: Vec<String>,
    child: Child,
    dir: tempfile::TempDir,
}

/// How much memory a process has now, and had at most, in MB.
#[derive(Clone, Copy)]
pub(crate) struct Memory {
    pub(crate) now: f64,
    pub(crate) most: f64,
}

impl Drop for Shop {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The rows that everything else refers to.
#[derive(Clone, Copy)]
pub(crate) struct Goods {
    pub(crate) developer: DeveloperId,
    pub(crate) product: ProductId,
    pub(crate) plan: PlanId,
    pub(crate) tenant: TenantId,
}

impl Shop {
    /// A shop with `people` signed in; `stock` puts what it likes into the database before the server starts.
    pub(crate) async fn open(scene: &Scene, people: usize, stock: impl AsyncFnOnce(&Db, Goods)) -> Self {
        Self::open_with(scene, people, &[], stock).await
    }

    /// The same, configured otherwise.
    pub(crate) async fn open_with(
        scene: &Scene,
        people: usize,
        settings: &[(&str, &str)],
        stock: impl AsyncFnOnce(&Db, Goods),
    ) -> Self {
        let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
        let url = scene.url(&dir).await;
        let db = open(&url).await;
        db.migrate().await.expect("migrates");
        let mut cookies = Vec::new();
        let mut tenant = None;
        for _ in 0..people {
            let (cookie, of) = sign_in(&db).await;
            cookies.push(cookie);
            tenant = Some(of);
        }
        let goods = put_on_sale(&db, tenant.expect("somebody")).await;
        stock(&db, goods).await;
        let (address, metrics) = (free_address(), free_address());
        let mut command = Command::new(env!("CARGO_BIN_EXE_mintreu"));
        let key = mintreu::kernel::seal::to_hex(&KEY);
        command
            .arg("serve")
            .current_dir(dir.path())
            .env("MINTREU__DATABASE__URL", &url)
            .env("MINTREU__HTTP__LISTEN", &address)
            .env("MINTREU__HTTP__PUBLIC_URL", format!("http://{address}"))
            .env("MINTREU__METRICS__LISTEN", &metrics)
            .env("MINTREU__SECRETS__KEY", key)
            .env("MINTREU__PAYMENTS__SANDBOX__WEBHOOK_SECRET", SECRET)
            .env("MINTREU__TELEMETRY__LOG_FILTER", "error")
            .env("MINTREU__LICENSING__VALIDATIONS_PER_MINUTE_PER_KEY", "0")
            .env("MINTREU__LICENSING__VALIDATIONS_PER_MINUTE_PER_ADDRESS", "0")
            .envs(settings.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        let child = command.spawn().expect("it starts");
        while tokio::net::TcpStream::connect(&address).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let keyring = Keyring::new([KEY], Random::os()).expect("a key");
        Self { address, metrics, db, keys: KeyMaker::new(&keyring), cookies, child, dir }
    }

    /// Puts a file of so many bytes where the shop's files are, and gives its directory.
    pub(crate) fn place(&self, name: &str, size: usize) -> PathBuf {
        let files = self.dir.path().join("var/files");
        std::fs::create_dir_all(&files).expect("a directory");
        let piece: Vec<u8> = (0..1 << 20).map(|at: usize| (at / 251 + at) as u8).collect();
        let mut file = std::fs::File::create(files.join(name)).expect("a file");
        let mut left = size;
        while left > 0 {
            let wanted = left.min(piece.len());
            file.write_all(&piece[..wanted]).expect("it is written");
            left -= wanted;
        }
        files
    }

    /// What the server's memory comes to.
    pub(crate) fn memory(&self) -> Memory {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("it runs");
        let of = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("its memory");
            line.split_whitespace().next().expect("a number").parse::<f64>().expect("a number") / 1_024.0
        };
        Memory { now: of("VmRSS:"), most: of("VmHWM:") }
    }
}

/// The database, as another process opens it.
async fn open(url: &str) -> Db {
    Db::open(&DbOptions::new(url), IdSource::new(Arc::new(SystemClock))).await.expect("the database opens")
}

/// An address that nobody listens on.
pub(crate) fn free_address() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").to_string()
}

/// A source of the product that is on sale, as if somebody had verified it.
pub(crate) async fn offer(db: &Db, goods: Goods, provider: &str, place: &str, size: usize) {
    let (id, now) = (db.ids().next_uuid(), db.now());
    db.write(async |tx| {
        execute!(
            tx,
            sqlx::query(
                "INSERT INTO product_sources (id, product_id, provider, name, description, source_url, by_vendor, version,
                                              file_name, file_size, checksum, content_type, metadata, is_primary,
                                              is_active, state, last_verified_at, revision, created_at, updated_at)
                 VALUES ($1, $2, $3, '', '', $4, $5, '1', 'benchmark.bin', $6, $7, 'application/octet-stream', '{}', $8, $8,
                         'ok', $9, 1, $9, $9)"
            )
            .bind(id)
            .bind(goods.product)
            .bind(provider)
            .bind(place)
            .bind(false)
            .bind(size as i64)
            .bind("0".repeat(64))
            .bind(true)
            .bind(now)
        )?;
        Ok::<_, DbError>(())
    })
    .await
    .expect("it is offered");
}

async fn sign_in(db: &Db) -> (String, TenantId) {
    let (user, tenant): (UserId, TenantId) = (db.ids().next(), db.ids().next());
    let token = format!("{SESSION_TOKEN_PREFIX}{}", db.ids().next_uuid().simple());
    let (now, email, session) = (db.now(), format!("{user}@example.com"), db.ids().next_uuid());
    db.write(async |tx| {
        execute!(
            tx,
            sqlx::query(
                "INSERT INTO users (id, email, name, role, email_verified_at, created_at, updated_at)
                 VALUES ($1, $2, $2, 'customer', $3, $3, $3)"
            )
            .bind(user)
            .bind(&email)
            .bind(now)
        )?;
        execute!(
            tx,
            sqlx::query(
                "INSERT INTO tenants (id, kind, owner_id, name, created_at) VALUES ($1, 'personal', $2, $3, $4)"
            )
            .bind(tenant)
            .bind(user)
            .bind(&email)
            .bind(now)
        )?;
        execute!(
            tx,
            sqlx::query(
                "INSERT INTO sessions (id, user_id, token_hash, created_at, last_seen_at, expires_at)
                 VALUES ($1, $2, $3, $4, $4, $5)"
            )
            .bind(session)
            .bind(user)
            .bind(token_hash(&token))
            .bind(now)
            .bind(now.plus_days(1))
        )?;
        Ok::<_, DbError>(())
    })
    .await
    .expect("an account");
    (format!("cookie: mintreu_session={token}\r\n"), tenant)
}

async fn put_on_sale(db: &Db, tenant: TenantId) -> Goods {
    let goods = Goods { developer: db.ids().next(), product: db.ids().next(), plan: db.ids().next(), tenant };
    let now = db.now();
    db.write(async |tx| {
        execute!(
            tx,
            sqlx::query("INSERT INTO developers (id, slug, name, created_at, updated_at) VALUES ($1, 'v', 'V', $2, $2)")
                .bind(goods.developer)
                .bind(now)
        )?;
        execute!(
            tx,
            sqlx::query(
                "INSERT INTO products (id, developer_id, slug, title, short_description, description, content, type,
                                       version, status, featured, requires_auth, default_license, meta, api_config,
                                       revision, published_at, created_at, updated_at)
                 VALUES ($1, $2, $3, 'Benchmark', '', '', '', 'license', '1', 'published', $4, $4, 'regular', '{}', '{}',
                         1, $5, $5, $5)"
            )
            .bind(goods.product)
            .bind(goods.developer)
            .bind(PRODUCT)
            .bind(false)
            .bind(now)
        )?;
        execute!(
            tx,
            sqlx::query(
                "INSERT INTO plans (id, product_id, slug, name, billing_cycle, license_type, features, limits, active,
                                    position, revision, created_at, updated_at)
                 VALUES ($1, $2, 'plan', 'Plan', 'one_time', 'regular', '[]', '{}', $3, 0, 1, $4, $4)"
            )
            .bind(goods.plan)
            .bind(goods.product)
            .bind(true)
            .bind(now)
        )?;
        execute!(
            tx,
            sqlx::query("INSERT INTO plan_prices (plan_id, currency, amount) VALUES ($1, 'USD', $2)")
                .bind(goods.plan)
                .bind(PRICE)
        )?;
        Ok::<_, DbError>(())
    })
    .await
    .expect("it is on sale");
    goods
}
