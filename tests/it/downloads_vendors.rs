//! Vendors manage the sources of what they sell, and reach nothing that is the operator's or another vendor's.

use mintreu::{
    audit::Actor,
    catalog::{By, EditError},
    downloads::{
        Editor, NewFile, Source, SourceFields, SourceProvider, SourceState, UploadError, create_source, delete_source,
        managed_source, managed_sources, patch_source, source, verify_now,
    },
    kernel::DeveloperId,
};
use serde_json::{Value, json};

use crate::downloads_scene::{Host, Scene, by, content, who, whole};

/// Whoever sells what the scene sold.
fn vendor(scene: &Scene) -> Editor {
    seller(scene.sold.entitlement.developer)
}

fn seller(developer: DeveloperId) -> Editor {
    Editor::vendor(By::actor(Actor::user("vendor")), developer)
}

fn fields(provider: SourceProvider, url: &str) -> SourceFields {
    let fields = json!({ "provider": provider, "source_url": url, "file_name": "thing.bin" });
    serde_json::from_value(fields).expect("fields")
}

async fn make(scene: &Scene, editor: &Editor, fields: SourceFields) -> Result<Source, EditError> {
    let rules = scene.downloads.rules();
    scene.db.write(async |tx| create_source(tx, scene.product(), fields, rules, editor).await).await
}

async fn change(scene: &Scene, editor: &Editor, id: &Source, patch: Value) -> Result<Source, EditError> {
    let (rules, patch) = (scene.downloads.rules(), patch.as_object().expect("an object").clone());
    scene.db.write(async |tx| patch_source(tx, id.id, id.revision, &patch, (rules, editor)).await).await
}

async fn looked_at(scene: &Scene, made: &Source) -> Source {
    let _ = scene.downloads.verify(made.id, true).await;
    source(&scene.db, made.id).await.expect("answers").expect("it is there")
}

fn pointer<T: std::fmt::Debug>(refused: Result<T, EditError>) -> String {
    match refused {
        Err(EditError::Invalid(flaws)) => flaws[0].pointer.clone(),
        other => panic!("{other:?}"),
    }
}

on_both!(a_vendor_manages_what_is_theirs_and_nothing_else, |db| async move {
    let scene = Scene::open(&db).await;
    let (owner, rival) = (vendor(&scene), seller(scene.db.ids().next()));
    let new = || NewFile { file_name: "thing.bin".to_owned(), ..NewFile::default() };
    let made = scene.downloads.attach(scene.product(), new(), content(b"hello"), &owner).await.expect("taken");
    assert_eq!(scene.get(&scene.bought().await, None).await.expect("served"), b"hello");
    let taken = scene.downloads.attach(scene.product(), new(), content(b"evil"), &rival).await;
    assert!(matches!(taken, Err(UploadError::Edit(EditError::NotFound))), "{taken:?}");

    let theirs = |editor: &Editor| editor.developer;
    for (editor, found) in [(&owner, true), (&rival, false), (&by(), true)] {
        let one = managed_source(&scene.db, made.id, theirs(editor)).await.expect("answers");
        let all = managed_sources(&scene.db, scene.product(), theirs(editor)).await.expect("answers");
        assert_eq!((one.is_some(), all.map(|all| all.len())), (found, found.then_some(1)), "{editor:?}");
    }
    let url = "https://example.com/a.zip";
    assert!(matches!(make(&scene, &rival, fields(SourceProvider::Url, url)).await, Err(EditError::NotFound)));
    assert!(matches!(change(&scene, &rival, &made, json!({ "name": "evil" })).await, Err(EditError::NotFound)));
    let asked = scene.db.write(async |tx| verify_now(tx, made.id, &rival).await).await;
    assert!(matches!(asked, Err(EditError::NotFound)), "{asked:?}");
    let gone = scene.db.write(async |tx| delete_source(tx, made.id, 1, &rival).await).await;
    assert!(matches!(gone, Err(EditError::NotFound)), "{gone:?}");

    let changed = change(&scene, &owner, &made, json!({ "name": "Linux", "is_primary": true })).await.expect("changed");
    assert_eq!((changed.fields.name.as_str(), changed.state), ("Linux", SourceState::Ok));
    scene.db.write(async |tx| verify_now(tx, made.id, &owner).await).await.expect("asked for");
    scene.db.write(async |tx| delete_source(tx, made.id, 2, &owner).await).await.expect("deleted");
});

on_both!(a_vendor_names_no_file_of_the_storage, |db| async move {
    let scene = Scene::open(&db).await;
    let secret = scene.attach(b"another vendor's").await;
    let key = secret.fields.source_url.clone();
    let owner = vendor(&scene);
    assert_eq!(pointer(make(&scene, &owner, fields(SourceProvider::Local, &key)).await), "#/provider");
    let own = make(&scene, &owner, fields(SourceProvider::Url, "https://example.com/a.zip")).await.expect("made");
    let moved = json!({ "provider": "local", "source_url": key });
    assert_eq!(pointer(change(&scene, &owner, &own, moved).await), "#/provider");
    let uploaded = change(&scene, &owner, &secret, json!({ "source_url": "other/file.bin" })).await;
    assert_eq!(pointer(uploaded), "#/provider", "nor another than was uploaded");
    // Nobody makes a product of what customers sent.
    let private = fields(SourceProvider::Local, "private/attachments/ab/0");
    assert_eq!(pointer(make(&scene, &by(), private).await), "#/source_url");
});

on_both!(a_token_does_not_go_where_a_vendor_points, |db| async move {
    let scene = Scene::open(&db).await;
    let host = Host::that(|_| whole(b"there")).await;
    let made = scene.source_at(SourceProvider::Url, "https://example.com/a.zip", Some("s3cret")).await;
    let owner = vendor(&scene);
    let elsewhere = "https://evil.example/catch";
    assert_eq!(pointer(change(&scene, &owner, &made, json!({ "source_url": elsewhere })).await), "#/token");
    assert_eq!(pointer(change(&scene, &owner, &made, json!({ "provider": "gitea" })).await), "#/source_url");
    let moved = change(&scene, &owner, &made, json!({ "source_url": elsewhere, "token": null })).await.expect("moved");
    assert!(!moved.has_token);
    // An operator may: the new address is theirs too.
    let made = scene.source_at(SourceProvider::Url, "https://example.com/b.zip", Some("other")).await;
    let kept = change(&scene, &by(), &made, json!({ "source_url": host.url("/b") })).await.expect("moved");
    assert!(kept.has_token);
    assert_eq!(looked_at(&scene, &kept).await.state, SourceState::Ok);
});

on_both!(networks_that_were_opened_are_the_operators_alone, |db| async move {
    let scene = Scene::open(&db).await;
    let host = Host::that(|_| whole(b"inside")).await;
    let owner = vendor(&scene);
    let url = host.url("/a");
    assert_eq!(pointer(make(&scene, &owner, fields(SourceProvider::Url, &url)).await), "#/source_url", "not http");
    for url in
        [format!("https://localhost:{}/", host.address.port()), format!("https://127.0.0.1:{}/", host.address.port())]
    {
        let made = make(&scene, &owner, fields(SourceProvider::Url, &url)).await.expect("made");
        let made = looked_at(&scene, &made).await;
        assert!(made.problem.as_deref().is_some_and(|why| why.contains("not public")), "{:?}", made.problem);
    }
    assert_eq!(host.times(), 0, "nobody knocked");
    // What the operator named is fetched, whoever names it otherwise.
    let made = scene.elsewhere(SourceProvider::Url, &url, None).await;
    let renamed = change(&scene, &owner, &made, json!({ "name": "Inside" })).await.expect("renamed");
    assert_eq!(renamed.state, SourceState::Ok);
    let served = scene.fetch(&scene.bought().await, who(&scene.buyer), None).await;
    assert!(served.is_ok(), "{served:?}");
    // A vendor who points it elsewhere makes it theirs; whatever else they say, it does not become the operator's.
    let moved = json!({ "source_url": format!("https://localhost:{}/", host.address.port()) });
    let moved = change(&scene, &owner, &renamed, moved).await.expect("moved");
    let again = change(&scene, &by(), &moved, json!({ "name": "Looked at" })).await.expect("renamed");
    assert_eq!(looked_at(&scene, &again).await.state, SourceState::Broken);
});
