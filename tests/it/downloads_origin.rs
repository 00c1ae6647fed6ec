//! Files at other hosts: fetched without telling from where, and without going where nobody may be sent.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use mintreu::{
    downloads::{self, FetchError, SourceProvider, SourceState, StartError},
    fetch_one,
    jobs::Failure,
};

use crate::downloads_scene::{Different, Does, Host, Scene, answer, file, read, sent, who, whole};

/// Sends parts of `body` to those who ask for them.
fn in_parts(body: Vec<u8>) -> impl Fn(&str) -> Does + Send + Sync + 'static {
    move |head| {
        let range = head.lines().find_map(|line| line.strip_prefix("range: bytes="));
        let Some((first, last)) = range.and_then(|range| range.trim().split_once('-')) else { return whole(&body) };
        let (first, last): (usize, usize) = (first.parse().expect("a number"), last.parse().expect("a number"));
        let part = &body[first..=last];
        let range = format!("bytes {first}-{last}/{}", body.len());
        answer("206 Partial Content", &[("Content-Length", &part.len().to_string()), ("Content-Range", &range)], part)
    }
}

on_both!(a_file_elsewhere_is_passed_through, |db| async move {
    let (scene, bytes) = (Scene::open(&db).await, file(50_000));
    let host = Host::that(in_parts(bytes.clone())).await;
    let source = scene.elsewhere(SourceProvider::Url, &host.url("/secret/thing.bin"), None).await;
    assert_eq!((source.state, source.file_size), (SourceState::Ok, Some(50_000)), "{:?}", source.problem);
    let link = scene.bought().await;
    assert!(!serde_json::to_string(&link).expect("JSON").contains("127.0.0.1"), "the origin stays hidden");
    assert_eq!(scene.get(&link, None).await.expect("served"), bytes);
    assert_eq!(scene.get(&link, Some("bytes=40000-")).await.expect("served"), bytes[40_000..]);
    assert_eq!(scene.get(&link, Some("bytes=0-9")).await.expect("served"), bytes[..10]);
    assert_eq!(scene.statuses().await, ["delivered", "delivered", "delivered"]);
    // Looked at again nothing but the head is read, as its tag is the same.
    scene.downloads.verify(source.id, false).await.expect("looked at");
});

on_both!(a_host_without_parts_serves_ranges_too, |db| async move {
    let (scene, bytes) = (Scene::open(&db).await, file(5_000));
    let body = bytes.clone();
    let host = Host::that(move |_| whole(&body)).await;
    scene.elsewhere(SourceProvider::Url, &host.url("/thing.bin"), None).await;
    let link = scene.bought().await;
    assert_eq!(scene.get(&link, Some("bytes=4321-4400")).await.expect("served"), bytes[4321..=4400]);
    assert_eq!(scene.get(&link, Some("bytes=0-0")).await.expect("served"), bytes[..1]);
});

on_both!(nothing_private_is_asked, |db| async move {
    let scene = Scene::with(&db, Different { may_ask_itself: false, ..Different::default() }).await;
    let host = Host::that(|_| whole(b"secret")).await;
    // By number it is not even taken; by name it is found out when it is asked.
    let port = host.address.port();
    let source = scene.elsewhere(SourceProvider::Url, &format!("https://localhost:{port}/"), None).await;
    assert_eq!(source.state, SourceState::Broken);
    assert!(source.problem.as_deref().is_some_and(|why| why.contains("not public")), "{:?}", source.problem);
    for url in ["https://169.254.169.254/latest/meta-data/", "https://[::1]/", "https://10.0.0.1/", "https://0x7f.1/"] {
        let source = scene.elsewhere(SourceProvider::Url, url, None).await;
        assert!(source.problem.as_deref().is_some_and(|why| why.contains("not public")), "{url}: {:?}", source.problem);
    }
    assert_eq!(host.times(), 0, "nobody knocked");
    assert!(matches!(scene.link(who(&scene.buyer)).await, Err(StartError::NothingNow)));
});

on_both!(a_redirect_is_held_to_the_same_rules, |db| async move {
    let scene = Scene::open(&db).await;
    let host = Host::that(|head| {
        let to = |place: &str| answer("302 Found", &[("Location", place), ("Content-Length", "0")], b"");
        match head.split(' ').nth(1).unwrap_or_default() {
            "/metadata" => to("http://169.254.169.254/latest/"),
            "/inside" => to("https://10.0.0.1/"),
            "/file" => to("file:///etc/passwd"),
            "/name" => to("http://localhost/"),
            "/around" => to("/around"),
            "/nowhere" => answer("302 Found", &[("Content-Length", "0")], b""),
            "/good" => to("/there"),
            _ => whole(b"there"),
        }
    })
    .await;
    for path in ["/metadata", "/inside", "/file", "/name", "/around", "/nowhere"] {
        let source = scene.elsewhere(SourceProvider::Url, &host.url(path), None).await;
        assert_eq!(source.state, SourceState::Broken, "{path}");
    }
    scene.elsewhere(SourceProvider::Url, &host.url("/good"), None).await;
    assert_eq!(scene.get(&scene.bought().await, None).await.expect("served"), b"there");
});

on_both!(a_token_opens_its_own_host_and_no_other, |db| async move {
    let scene = Scene::open(&db).await;
    let store = Host::that(|head| {
        assert!(!head.contains("s3cret"), "the token went to another host: {head}");
        whole(b"asset")
    })
    .await;
    let (place, leaked) = (store.url("/asset"), Arc::new(AtomicBool::new(false)));
    let seen = leaked.clone();
    let host = Host::that(move |head| {
        if !head.contains("authorization: bearer s3cret") {
            seen.store(true, Ordering::SeqCst);
            return answer("404 Not Found", &[("Content-Length", "0")], b"");
        }
        match head.split(' ').nth(1).unwrap_or_default() {
            "/api/v3/repos/acme/lamp/releases/tags/v1" => {
                let told = br#"{"assets":[{"id":41,"name":"other.zip"},{"id":42,"name":"lamp.zip"}]}"#;
                answer("200 OK", &[("Content-Length", &told.len().to_string())], told)
            }
            "/api/v3/repos/acme/lamp/releases/assets/42" if head.contains("accept: application/octet-stream") => {
                answer("302 Found", &[("Location", &place), ("Content-Length", "0")], b"")
            }
            _ => answer("404 Not Found", &[("Content-Length", "0")], b""),
        }
    })
    .await;
    let url = host.url("/acme/lamp/releases/download/v1/lamp.zip");
    let source = scene.elsewhere(SourceProvider::Github, &url, Some("s3cret")).await;
    assert_eq!(source.state, SourceState::Ok, "{:?}", source.problem);
    assert!(source.has_token && source.fields.token.is_none());
    let stored: Vec<u8> =
        fetch_one!(scene.db, sqlx::query_scalar("SELECT encrypted_token FROM product_sources")).expect("sealed");
    assert!(!String::from_utf8_lossy(&stored).contains("s3cret"), "it is sealed");
    assert_eq!(scene.get(&scene.bought().await, None).await.expect("served"), b"asset");
    assert!(!leaked.load(Ordering::SeqCst));
    let missing = host.url("/acme/lamp/releases/download/v1/missing.zip");
    let source = scene.elsewhere(SourceProvider::Github, &missing, Some("s3cret")).await;
    assert_eq!(source.problem.as_deref(), Some("there is no file at its address"));
});

on_both!(an_archive_is_fetched_with_a_token_that_stays_at_its_host, |db| async move {
    let scene = Scene::open(&db).await;
    let told = Arc::new(AtomicBool::new(false));
    let seen = told.clone();
    let store = Host::that(move |head| {
        if head.contains("s3cret") || head.contains("authorization") || head.contains("private-token") {
            seen.store(true, Ordering::SeqCst);
        }
        whole(b"archive")
    })
    .await;
    let place = store.url("/archive");
    let host = Host::that(move |head| {
        let path = head.split(' ').nth(1).unwrap_or_default();
        let known = match path {
            "/api/v3/repos/acme/lamp/zipball/refs/tags/v1" => head.contains("authorization: bearer s3cret"),
            "/acme/lamp/-/archive/v1/lamp-v1.zip" => head.contains("private-token: s3cret"),
            "/acme/lamp/archive/v1.zip" => head.contains("authorization: token s3cret"),
            _ => false,
        };
        if known {
            answer("302 Found", &[("Location", &place), ("Content-Length", "0")], b"")
        } else {
            answer("404 Not Found", &[("Content-Length", "0")], b"")
        }
    })
    .await;
    for (provider, path) in [
        (SourceProvider::Github, "/acme/lamp/archive/refs/tags/v1.zip"),
        (SourceProvider::Gitlab, "/acme/lamp/-/archive/v1/lamp-v1.zip"),
        (SourceProvider::Gitea, "/acme/lamp/archive/v1.zip"),
    ] {
        let source = scene.elsewhere(provider, &host.url(path), Some("s3cret")).await;
        assert_eq!(source.state, SourceState::Ok, "{provider}: {:?}", source.problem);
        assert_eq!(scene.get(&scene.bought().await, None).await.expect("served"), b"archive");
        let bare = scene.elsewhere(provider, &host.url(path), None).await;
        assert_eq!(bare.state, SourceState::Broken, "{provider} without its token");
    }
    assert!(store.times() >= 6 && !told.load(Ordering::SeqCst), "another host learns nothing of the token");
});

on_both!(other_git_hosts_are_asked_in_their_way, |db| async move {
    let scene = Scene::open(&db).await;
    let host = Host::that(|head| {
        let path = head.split(' ').nth(1).unwrap_or_default();
        let known = path.contains("/-/") && head.contains("private-token: s3cret")
            || path.contains("/releases/download/") && head.contains("authorization: token s3cret");
        if known { whole(b"asset") } else { answer("401 Unauthorized", &[("Content-Length", "0")], b"") }
    })
    .await;
    let gitlab = host.url("/acme/lamp/-/releases/v1/downloads/lamp.zip");
    let gitea = host.url("/acme/lamp/releases/download/v1/lamp.zip");
    for (provider, url) in [(SourceProvider::Gitlab, &gitlab), (SourceProvider::Gitea, &gitea)] {
        let source = scene.elsewhere(provider, url, Some("s3cret")).await;
        assert_eq!(source.state, SourceState::Ok, "{provider}: {:?}", source.problem);
        let source = scene.elsewhere(provider, url, None).await;
        assert_eq!(source.state, SourceState::Broken, "{provider} without its token");
    }
});

on_both!(an_origin_that_fails_is_tried_again_and_then_flagged, |db| async move {
    let scene = Scene::open(&db).await;
    let host = Host::that(|_| answer("503 Service Unavailable", &[("Content-Length", "0")], b"")).await;
    let source = scene.source_at(SourceProvider::Url, &host.url("/a"), None).await;
    let looked = scene.downloads.verify(source.id, false).await;
    assert!(matches!(looked, Err(Failure::Retry { .. })), "{looked:?}");
    let state = async || downloads::source(&scene.db, source.id).await.expect("answers").expect("there").state;
    assert_eq!(state().await, SourceState::Unverified, "one outage flags nothing");
    scene.downloads.verify(source.id, true).await.expect("looked at for the last time");
    assert_eq!(state().await, SourceState::Broken);
});

on_both!(what_an_origin_does_wrong_is_noticed_when_it_is_looked_at, |db| async move {
    let scene = Scene::with(&db, Different { max_file: 100_000, ..Different::default() }).await;
    let host = Host::that(|head| match head.split(' ').nth(1).unwrap_or_default() {
        "/short" => answer("200 OK", &[("Content-Length", "1000")], b"too little"),
        "/huge" => answer("200 OK", &[("Content-Length", "100001")], b""),
        "/endless" => answer("200 OK", &[], &vec![0; 200_000]),
        "/packed" => answer("200 OK", &[("Content-Encoding", "gzip"), ("Content-Length", "2")], b"xx"),
        "/silent" => Does::Stalls(Vec::new()),
        "/stalls" => Does::Stalls(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf".to_vec()),
        "/nonsense" => Does::Answers(b"hello?\r\n\r\n".to_vec()),
        _ => answer("404 Not Found", &[("Content-Length", "0")], b""),
    })
    .await;
    for path in ["/short", "/huge", "/endless", "/packed", "/silent", "/stalls", "/nonsense", "/missing"] {
        let source = scene.elsewhere(SourceProvider::Url, &host.url(path), None).await;
        assert_eq!(source.state, SourceState::Broken, "{path}");
        assert!(!source.problem.as_deref().unwrap_or_default().contains("127.0.0.1"), "{:?}", source.problem);
    }
});

/// What a host does once it turned.
type Turn = fn() -> Does;

/// Good while it is looked at, and then as `does` says.
async fn turning(does: impl Fn() -> Does + Send + Sync + 'static) -> (Host, Arc<AtomicBool>) {
    let turned = Arc::new(AtomicBool::new(false));
    let is_turned = turned.clone();
    let host = Host::that(move |_| if is_turned.load(Ordering::SeqCst) { does() } else { whole(&file(1_000)) }).await;
    (host, turned)
}

on_both!(an_origin_that_turns_bad_delivers_nothing, |db| async move {
    let scene = Scene::open(&db).await;
    let turns: [Turn; 4] = [
        || whole(&file(999)),
        || answer("500 Internal Server Error", &[("Content-Length", "0")], b""),
        || answer("302 Found", &[("Location", "http://169.254.169.254/"), ("Content-Length", "0")], b""),
        || Does::Stalls(Vec::new()),
    ];
    for turn in turns {
        let (host, turned) = turning(turn).await;
        scene.elsewhere(SourceProvider::Url, &host.url("/a"), None).await;
        let link = scene.bought().await;
        turned.store(true, Ordering::SeqCst);
        let answer = scene.fetch(&link, who(&scene.buyer), None).await;
        assert!(matches!(answer, Err(FetchError::Unavailable)), "{answer:?}");
    }
    assert_eq!(scene.statuses().await, ["failed", "failed", "failed", "failed"]);
    assert_eq!(scene.counted().await, 0, "nothing of it counts");
});

on_both!(an_origin_that_breaks_off_is_told_apart_from_a_buyer_who_left, |db| async move {
    let scene = Scene::open(&db).await;
    let turns: [Turn; 2] = [
        || Does::Answers([b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n".as_slice(), &file(400)].concat()),
        || Does::Stalls([b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n".as_slice(), &file(400)].concat()),
    ];
    for turn in turns {
        let (host, turned) = turning(turn).await;
        scene.elsewhere(SourceProvider::Url, &host.url("/a"), None).await;
        let link = scene.bought().await;
        turned.store(true, Ordering::SeqCst);
        let answer = scene.fetch(&link, who(&scene.buyer), None).await.expect("it begins");
        read(sent(answer)).await.expect_err("it breaks off");
    }
    let log = scene.log().await;
    for (status, reason, bytes) in log {
        assert_eq!((status.as_str(), bytes), ("failed", 400));
        assert!(reason.is_some());
    }
});
