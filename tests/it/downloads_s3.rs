//! Files in a bucket: a real S3 endpoint in this process.

use std::{net::SocketAddr, path::Path, sync::Arc, time::Duration};

use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use mintreu::{
    downloads::{self, Body, Conditions, FetchError, NewFile, SourceProvider, SourceState, UploadError},
    jobs::Failure,
    kernel::Secret,
    storage::{S3Options, S3Storage, Storage},
};
use s3s::{auth::SimpleAuth, service::S3ServiceBuilder};
use tempfile::TempDir;
use tokio::{net::TcpListener, task::JoinSet};
use tokio_util::sync::CancellationToken;

use crate::{
    downloads_scene::{Different, Scene, by, content, file, read, sent, who},
    support::Mintreu,
};

/// A store with one bucket, until it is switched off.
pub(crate) struct Store {
    directory: TempDir,
    address: SocketAddr,
    off: CancellationToken,
}

impl Store {
    pub(crate) async fn open() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        std::fs::create_dir(directory.path().join("files")).expect("a bucket");
        let mut service = S3ServiceBuilder::new(s3s_fs::FileSystem::new(directory.path()).expect("a file system"));
        service.set_auth(SimpleAuth::from_single("shop", "s3cret"));
        let service = service.build();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let (address, off) = (listener.local_addr().expect("an address"), CancellationToken::new());
        tokio::spawn(off.clone().run_until_cancelled_owned(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let service = service.clone();
                connections.spawn(async move {
                    let _ =
                        auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
                });
            }
        }));
        Self { directory, address, off }
    }

    /// From now on nobody answers.
    pub(crate) fn switch_off(&self) {
        self.off.cancel();
    }

    /// An installation whose files are in it.
    pub(crate) fn used_by(&self, mintreu: Mintreu) -> Mintreu {
        mintreu
            .env("MINTREU__STORAGE__KIND", "s3")
            .env("MINTREU__STORAGE__S3__BUCKET", "files")
            .env("MINTREU__STORAGE__S3__REGION", "us-east-1")
            .env("MINTREU__STORAGE__S3__ENDPOINT", format!("http://{}", self.address))
            .env("MINTREU__STORAGE__S3__ACCESS_KEY", "shop")
            .env("MINTREU__STORAGE__S3__SECRET_KEY", "s3cret")
            .env("MINTREU__STORAGE__S3__PATH_STYLE", "true")
    }

    /// The names of what is in it.
    pub(crate) fn names(&self) -> Vec<String> {
        fn below(directory: &Path, at: &str, found: &mut Vec<String>) {
            for entry in std::fs::read_dir(directory).expect("a directory") {
                let path = entry.expect("an entry").path();
                let name = format!("{at}{}", path.file_name().expect("a name").to_string_lossy());
                if path.is_dir() { below(&path, &format!("{name}/"), found) } else { found.push(name) }
            }
        }
        let mut found = Vec::new();
        below(&self.directory.path().join("files"), "", &mut found);
        found
    }

    fn storage(&self) -> Arc<dyn Storage> {
        Arc::new(S3Storage::new(S3Options {
            bucket: "files".to_owned(),
            region: "us-east-1".to_owned(),
            endpoint: Some(format!("http://{}", self.address)),
            access_key: "shop".to_owned(),
            secret_key: Secret::new("s3cret".to_owned()),
            path_style: true,
            patience: Duration::from_secs(5),
        }))
    }

    async fn scene(&self, db: &crate::support::TestDb) -> Scene {
        Scene::with(db, Different { s3: Some(self.storage()), max_file: 64 << 20, ..Different::default() }).await
    }
}

on_both!(a_buyer_is_sent_to_the_bucket, |db| async move {
    let store = Store::open().await;
    let scene = store.scene(&db).await;
    let bytes = file(100_000);
    let source = scene.attach(&bytes).await;
    assert_eq!((source.fields.provider, source.state), (SourceProvider::S3, SourceState::Ok));
    let link = scene.bought().await;
    let answer = sent(scene.fetch(&link, who(&scene.buyer), None).await.expect("served"));
    let Body::Address(address) = answer.body else { panic!("{:?}", answer.body) };
    let client = reqwest::Client::new();
    let fetched = client.get(&address).send().await.expect("an answer");
    assert_eq!(fetched.status(), 200, "{address}");
    assert_eq!(fetched.bytes().await.expect("a body"), bytes);
    let altered = address.replace("X-Amz-Signature=", "X-Amz-Signature=0");
    let forged = client.get(&altered).send().await.expect("an answer").status();
    assert!(forged.is_client_error(), "{forged}");
    assert_eq!(scene.log().await, [("redirected".to_owned(), None, 0)]);
    assert_eq!(scene.counted().await, 1);
});

on_both!(a_large_file_goes_in_parts_and_comes_through_us, |db| async move {
    let store = Store::open().await;
    let scene = store.scene(&db).await;
    let bytes = file((16 << 20) + 12_345);
    let source = scene.attach(&bytes).await;
    assert_eq!(source.file_size, i64::try_from(bytes.len()).ok());
    let link = scene.bought().await;
    for range in [None, Some("bytes=16777000-")] {
        let conditions = Conditions { range: range.map(str::to_owned), ..Conditions::default() };
        let answer = scene.fetch_with(&link, who(&scene.buyer), conditions, true).await.expect("served");
        let expected = if range.is_some() { &bytes[16_777_000..] } else { &bytes };
        assert!(read(sent(answer)).await.expect("it arrives") == expected, "{range:?}");
    }
    assert_eq!(scene.statuses().await, ["delivered", "delivered"]);
    assert_eq!(scene.counted().await, 1);
});

on_both!(an_object_of_the_operators_is_a_source, |db| async move {
    let store = Store::open().await;
    let scene = store.scene(&db).await;
    std::fs::write(store.directory.path().join("files/lamp.zip"), b"PK\x03\x04lamp").expect("written");
    let source = scene.elsewhere(SourceProvider::S3, "lamp.zip", None).await;
    assert_eq!(source.state, SourceState::Ok, "{:?}", source.problem);
    assert_eq!((source.file_size, source.content_type.as_deref()), (Some(8), Some("application/zip")));
    let missing = scene.elsewhere(SourceProvider::S3, "missing.zip", None).await;
    assert_eq!(missing.problem.as_deref(), Some("the file is not there"));
});

on_both!(a_bucket_that_is_away_delivers_nothing, |db| async move {
    let store = Store::open().await;
    let scene = store.scene(&db).await;
    let source = scene.attach(b"hello").await;
    let link = scene.bought().await;
    store.switch_off();
    let answer = scene.fetch_with(&link, who(&scene.buyer), Conditions::default(), true).await;
    assert!(matches!(answer, Err(FetchError::Unavailable)), "{answer:?}");
    assert_eq!(scene.statuses().await, ["failed"]);
    assert_eq!(scene.counted().await, 0);
    let looked = scene.downloads.verify(source.id, false).await;
    assert!(matches!(looked, Err(Failure::Retry { .. })), "{looked:?}");
    let known = downloads::source(&scene.db, source.id).await.expect("answers").expect("it is there");
    assert_eq!(known.state, SourceState::Ok, "an outage flags nothing at once");
    let new = NewFile { file_name: "thing.bin".to_owned(), ..NewFile::default() };
    let taken = scene.downloads.attach(scene.product(), new, content(b"x"), &by()).await;
    assert!(matches!(taken, Err(UploadError::Storage(_))), "{taken:?}");
    let offered = scene.downloads.offered(&scene.sold.slug, who(&scene.buyer)).await.expect("offered");
    assert_eq!(offered.len(), 1, "what was not stored is not offered");
});
