//! Downloads under test: a product that was sold, stores, and another host that does as it is told.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures::{StreamExt, TryStreamExt, stream};
use mintreu::{
    accounts::Role,
    audit::Actor,
    catalog::By,
    db::{Db, DbError},
    downloads::{
        Answer, Body, Client, Conditions, DownloadOptions, Downloads, Editor, Fetch, FetchError, Link, NewFile, Origin,
        OriginOptions, Sent, Source, SourceFields, SourceProvider, StartError, Who, Wish, create_source, source,
    },
    fetch_all,
    kernel::{
        Clock, ProductId, SystemClock,
        seal::{Keyring, Random},
    },
    licenses::LicenseView,
    storage::{ByteStream, LocalStorage, Storage, StorageError, Stores},
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use crate::support::{
    Person, TestDb, sign_in,
    sold::{ROOT, Sold},
};

pub(crate) fn by() -> Editor {
    Editor::operator(By::actor(Actor::system("tests")))
}

pub(crate) fn keyring() -> Keyring {
    Keyring::new([ROOT], Random::os()).expect("a key")
}

/// A file as it is sent: in pieces that are no round number.
pub(crate) fn content(bytes: &[u8]) -> ByteStream {
    let pieces: Vec<Result<_, StorageError>> = bytes.chunks(777).map(|piece| Ok(piece.to_vec().into())).collect();
    stream::iter(pieces).boxed()
}

/// Bytes of which each part is different.
pub(crate) fn file(size: usize) -> Vec<u8> {
    (0..size).map(|at| u8::try_from((at / 251 + at) % 256).expect("a byte")).collect()
}

/// A shop's downloads without the shop.
pub(crate) struct Scene {
    pub(crate) db: Db,
    pub(crate) directory: TempDir,
    pub(crate) downloads: Downloads,
    pub(crate) buyer: Person,
    pub(crate) stranger: Person,
    pub(crate) sold: Sold,
    pub(crate) license: LicenseView,
}

/// What is different in a scene.
pub(crate) struct Different {
    pub(crate) s3: Option<Arc<dyn Storage>>,
    pub(crate) uses: i64,
    pub(crate) accel: Option<&'static str>,
    pub(crate) may_ask_itself: bool,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) max_file: u64,
}

impl Default for Different {
    fn default() -> Self {
        let clock = Arc::new(SystemClock);
        Self { s3: None, uses: 3, accel: None, may_ask_itself: true, clock, max_file: 1 << 20 }
    }
}

impl Scene {
    pub(crate) async fn open(test: &TestDb) -> Self {
        Self::with(test, Different::default()).await
    }

    pub(crate) async fn with(test: &TestDb, different: Different) -> Self {
        let db = test.open_at(different.clock).await;
        let directory = tempfile::tempdir().expect("a directory");
        let allow = if different.may_ask_itself { vec!["127.0.0.0/8".parse().expect("a network")] } else { vec![] };
        // Long enough for a busy machine, short enough to wait for one that stalls.
        let origin = Origin::new(OriginOptions { patience: Duration::from_secs(2), allow }).expect("a client");
        let options = DownloadOptions {
            public_url: "https://shop.example".to_owned(),
            link_ttl: Duration::from_mins(15),
            link_uses: different.uses,
            max_file: different.max_file,
            verify_every: Duration::from_hours(24),
            log_retention: Duration::from_hours(24 * 365),
            accel_redirect: different.accel.map(str::to_owned),
        };
        let prefers_s3 = different.s3.is_some();
        let local = Arc::new(LocalStorage::new(directory.path()));
        let stores = Stores { local, s3: different.s3, prefers_s3 };
        let downloads = Downloads::new(db.clone(), keyring(), stores, origin, options);
        let buyer = sign_in(&db, "buyer@example.com", Role::Customer).await;
        let stranger = sign_in(&db, "stranger@example.com", Role::Customer).await;
        let sold = Sold::to(&db, &buyer).await;
        let license = sold.license(&db).await;
        Self { db, directory, downloads, buyer, stranger, sold, license }
    }

    pub(crate) fn product(&self) -> ProductId {
        self.sold.entitlement.product
    }

    pub(crate) async fn attach(&self, bytes: &[u8]) -> Source {
        let new = NewFile { file_name: "thing.bin".to_owned(), is_primary: true, ..NewFile::default() };
        self.downloads.attach(self.product(), new, content(bytes), &by()).await.expect("attached")
    }

    /// A source elsewhere, looked at once.
    pub(crate) async fn elsewhere(&self, provider: SourceProvider, url: &str, token: Option<&str>) -> Source {
        let made = self.source_at(provider, url, token).await;
        // A failure to be tried again is told by the state.
        let _ = self.downloads.verify(made.id, true).await;
        source(&self.db, made.id).await.expect("answers").expect("it is there")
    }

    pub(crate) async fn source_at(&self, provider: SourceProvider, url: &str, token: Option<&str>) -> Source {
        let fields = SourceFields {
            provider,
            name: String::new(),
            description: String::new(),
            source_url: url.to_owned(),
            token: token.map(str::to_owned),
            version: "1.0".to_owned(),
            file_name: "thing.bin".to_owned(),
            checksum: None,
            metadata: serde_json::Map::new(),
            is_primary: false,
            is_active: true,
        };
        let (rules, by) = (self.downloads.rules(), by());
        self.db.write(async |tx| create_source(tx, self.product(), fields, rules, &by).await).await.expect("made")
    }

    pub(crate) async fn link(&self, who: Option<Who>) -> Result<Link, StartError> {
        let client = Client::new("192.0.2.1".parse().ok(), Some("tests"));
        let chosen = self.downloads.choose(&self.sold.slug, who, &Wish::default(), &client).await?;
        let link = self.db.write(async |tx| Ok::<_, DbError>(self.downloads.give(tx, &chosen, who, None))).await;
        Ok(link.expect("given"))
    }

    pub(crate) async fn bought(&self) -> Link {
        self.link(who(&self.buyer)).await.expect("a link")
    }

    /// Uses a link; `range` is a header's value.
    pub(crate) async fn fetch(&self, link: &Link, who: Option<Who>, range: Option<&str>) -> Result<Answer, FetchError> {
        let conditions = Conditions { range: range.map(str::to_owned), ..Conditions::default() };
        self.fetch_with(link, who, conditions, false).await
    }

    pub(crate) async fn fetch_with(
        &self,
        link: &Link,
        who: Option<Who>,
        conditions: Conditions,
        through_us: bool,
    ) -> Result<Answer, FetchError> {
        let token = link.url.rsplit('/').next().expect("a token");
        let grant = self.downloads.open_link(token).expect("a link of ours");
        let client = Client::new("192.0.2.1".parse().ok(), Some("tests"));
        self.downloads.fetch(Fetch { grant, who, client, conditions, only_head: false, through_us }).await
    }

    pub(crate) async fn get(&self, link: &Link, range: Option<&str>) -> Result<Vec<u8>, FetchError> {
        let answer = self.fetch(link, who(&self.buyer), range).await?;
        Ok(read(sent(answer)).await.expect("it arrives"))
    }

    /// Status, reason and bytes of every attempt, in their order.
    pub(crate) async fn log(&self) -> Vec<(String, Option<String>, i64)> {
        self.downloads.settled().await;
        fetch_all!(self.db, sqlx::query_as("SELECT status, reason, bytes_sent FROM download_logs ORDER BY id"))
            .expect("answers")
    }

    pub(crate) async fn statuses(&self) -> Vec<String> {
        self.log().await.into_iter().map(|(status, _, _)| status).collect()
    }

    /// How often the product was downloaded.
    pub(crate) async fn counted(&self) -> i64 {
        let product = mintreu::catalog::product(&self.db, self.product()).await.expect("answers");
        product.expect("it is there").downloads
    }
}

pub(crate) fn who<'p>(person: impl Into<Option<&'p Person>>) -> Option<Who> {
    person.into().map(|person| Who { user: person.user, tenant: person.tenant })
}

pub(crate) fn sent(answer: Answer) -> Sent {
    match answer {
        Answer::File(sent) => *sent,
        other => panic!("no file: {other:?}"),
    }
}

pub(crate) async fn read(sent: Sent) -> Result<Vec<u8>, StorageError> {
    let Body::Stream(stream) = sent.body else { panic!("no stream: {:?}", sent.body) };
    let pieces: Vec<bytes::Bytes> = stream.try_collect().await?;
    Ok(pieces.concat())
}

/// What a host does with a request.
#[derive(Debug, Clone)]
pub(crate) enum Does {
    /// Sends this, and closes.
    Answers(Vec<u8>),
    /// Sends this, and nothing more.
    Stalls(Vec<u8>),
}

pub(crate) fn answer(status: &str, headers: &[(&str, &str)], body: &[u8]) -> Does {
    let mut head = format!("HTTP/1.1 {status}\r\nConnection: close\r\n");
    for (name, value) in headers {
        head.extend([name, ": ", value, "\r\n"]);
    }
    head.push_str("\r\n");
    Does::Answers([head.as_bytes(), body].concat())
}

/// A file with its length.
pub(crate) fn whole(body: &[u8]) -> Does {
    answer("200 OK", &[("Content-Length", &body.len().to_string()), ("ETag", "\"v1\"")], body)
}

/// Another host: what it does is decided for each request's head, in small letters.
pub(crate) struct Host {
    pub(crate) address: SocketAddr,
    pub(crate) asked: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<()>,
}

impl Host {
    pub(crate) async fn that(does: impl Fn(&str) -> Does + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (does, asked) = (Arc::new(does), Arc::new(AtomicUsize::new(0)));
        let counted = asked.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::SeqCst);
                let does = does.clone();
                tokio::spawn(async move { serve(stream, &*does).await });
            }
        });
        Self { address, asked, task }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn times(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(mut stream: TcpStream, does: &(dyn Fn(&str) -> Does + Send + Sync)) {
    let (mut head, mut piece) = (Vec::new(), [0; 4096]);
    while !head.windows(4).any(|four| four == b"\r\n\r\n") {
        match stream.read(&mut piece).await {
            Ok(0) | Err(_) => return,
            Ok(read) => head.extend_from_slice(&piece[..read]),
        }
    }
    let done = does(&String::from_utf8_lossy(&head).to_lowercase());
    match done {
        Does::Answers(bytes) => {
            let _ = stream.write_all(&bytes).await;
            let _ = stream.shutdown().await;
        }
        Does::Stalls(bytes) => {
            let _ = stream.write_all(&bytes).await;
            // Until the other side gives up.
            let _ = stream.read(&mut piece).await;
        }
    }
}
