//! Articles and canned answers: found, filled, and edited by several at once.

use futures::future::join_all;
use mintreu::{
    accounts::Role,
    db::Db,
    kernel::{PageFrom, PageRequest},
    support::{
        self, ArticleFields, ArticleFilter, ArticleId, ArticlePatch, ArticleStatus, CannedFields, CannedPatch,
        EditError, NewTicket, Signature,
    },
};

use crate::desk_scene::Scene;

async fn write(scene: &Scene, slug: &str, title: &str, body: &str, status: ArticleStatus) -> ArticleId {
    let fields = ArticleFields {
        slug: slug.to_owned(),
        title: title.to_owned(),
        category: "keys".to_owned(),
        body: body.to_owned(),
        status,
    };
    let by = Scene::by(&scene.grace, Role::Admin);
    scene.db.write(async |tx| support::create_article(tx, fields, &by).await).await.expect("written").id
}

async fn find(db: &Db, q: &str, limit: i64) -> Vec<String> {
    let filter = ArticleFilter { q: Some(q.to_owned()), category: None };
    let (mut found, mut from) = (Vec::new(), PageFrom::Start);
    loop {
        let page = support::browse_articles(db, &filter, PageRequest { limit, from }).await.expect("a page");
        found.extend(page.data.into_iter().map(|card| card.slug));
        match page.next_cursor {
            Some(next) => from = PageFrom::After(next.parse().expect("a cursor")),
            None => return found,
        }
    }
}

on_both!(published_articles_are_found_by_their_words, |test| async move {
    let scene = Scene::on(&test).await;
    let published = ArticleStatus::Published;
    write(&scene, "refunds", "Refunds", "Move on: money goes back within days.", published).await;
    let moving =
        write(&scene, "move-a-licence", "Move a licence", "Deactivate it on the old machine.", published).await;
    write(&scene, "keys", "Where is my key?", "Größe: see your licence. `key-2.0`", published).await;
    write(&scene, "secret", "Move a secret licence", "Not yet.", ArticleStatus::Draft).await;
    for limit in [1, 10] {
        assert_eq!(find(&scene.db, "move", limit).await, ["move-a-licence", "refunds"], "titles come first");
        assert_eq!(find(&scene.db, "LICENCE", limit).await, ["move-a-licence", "keys"]);
        assert_eq!(find(&scene.db, "deact", limit).await, ["move-a-licence"], "the last word may be unfinished");
        assert_eq!(find(&scene.db, "größe", limit).await, ["keys"]);
        assert_eq!(find(&scene.db, "secret", limit).await, [""; 0], "a draft is nobody's");
        assert_eq!(find(&scene.db, "'\"*:&| OR", limit).await, [""; 0]);
    }
    let by = Scene::by(&scene.grace, Role::Admin);
    let patch = ArticlePatch { title: Some("Change a licence".to_owned()), ..ArticlePatch::default() };
    scene.db.write(async |tx| support::patch_article(tx, moving, 1, patch, &by).await).await.expect("changed");
    assert_eq!(find(&scene.db, "move", 10).await, ["refunds"]);
    assert_eq!(find(&scene.db, "change", 10).await, ["move-a-licence"]);
    scene.db.write(async |tx| support::vote(tx, "move-a-licence", "usr_1", true).await).await.expect("voted");
    scene.db.write(async |tx| support::delete_article(tx, moving, 2, &by).await).await.expect("deleted");
    assert_eq!(find(&scene.db, "change", 10).await, [""; 0]);
    let filter = ArticleFilter { q: None, category: Some("keys".to_owned()) };
    let page = PageRequest { limit: 10, from: PageFrom::Start };
    let all = support::browse_articles(&scene.db, &filter, page).await.expect("a page").data;
    assert_eq!(all.iter().map(|card| card.slug.as_str()).collect::<Vec<_>>(), ["keys", "refunds"]);
});

on_both!(everybody_has_one_voice_and_may_change_it, |test| async move {
    let scene = Scene::on(&test).await;
    write(&scene, "a", "A", "a", ArticleStatus::Published).await;
    write(&scene, "b", "B", "b", ArticleStatus::Draft).await;
    let say = async |slug: &str, voter: &str, helpful| {
        scene.db.write(async |tx| support::vote(tx, slug, voter, helpful).await).await.expect("answers")
    };
    assert!(
        !say("b", "usr_1", true).await && !say("none", "usr_1", true).await && !say("a' OR 1", "usr_1", true).await
    );
    let votes = join_all((0..10).map(async |n| say("a", "usr_1", n % 2 == 0).await)).await;
    assert!(votes.into_iter().all(|voted| voted));
    say("a", "usr_1", true).await;
    say("a", "usr_2", false).await;
    let article = support::published_article(&scene.db, "a").await.expect("answers").expect("published");
    assert_eq!((article.helpful, article.not_helpful), (1, 1));
});

on_both!(one_of_many_edits_of_an_article_is_made, |test| async move {
    let scene = Scene::on(&test).await;
    let id = write(&scene, "a", "A", "a", ArticleStatus::Draft).await;
    let edits = (0..10).map(async |number| {
        let patch = ArticlePatch { body: Some(format!("by {number}")), ..ArticlePatch::default() };
        let by = Scene::by(&scene.grace, Role::Admin);
        scene.db.write(async |tx| support::patch_article(tx, id, 1, patch, &by).await).await
    });
    let done = join_all(edits).await;
    assert_eq!(done.iter().filter(|result| result.is_ok()).count(), 1);
    assert!(done.iter().all(|result| matches!(result, Ok(_) | Err(EditError::Stale))), "{done:?}");
    write(&scene, "b", "B", "b", ArticleStatus::Draft).await;
    let (patch, by) =
        (ArticlePatch { slug: Some("b".to_owned()), ..ArticlePatch::default() }, Scene::by(&scene.grace, Role::Admin));
    let taken = scene.db.write(async |tx| support::patch_article(tx, id, 2, patch, &by).await).await;
    assert!(matches!(taken, Err(EditError::Taken("slug"))), "{taken:?}");
});

on_both!(a_canned_answer_is_filled_and_what_is_filled_in_is_text, |test| async move {
    let scene = Scene::on(&test).await;
    let by = Scene::by(&scene.grace, Role::Admin);
    let fields = |title: &str, body: &str| CannedFields { title: title.to_owned(), body: body.to_owned() };
    let body = "Dear {{customer.name}}, about {{ ticket.subject }} ({{product.title}}{{order.id}}): {{agent.name}}, {{shop.name}}";
    let made = scene.db.write(async |tx| support::create_canned(tx, fields("Hello", body), &by).await).await;
    let made = made.expect("made");
    let twin = scene.db.write(async |tx| support::create_canned(tx, fields("Hello", "x"), &by).await).await;
    assert!(matches!(twin, Err(EditError::Taken("title"))), "{twin:?}");
    let odd =
        scene.db.write(async |tx| support::create_canned(tx, fields("Odd", "{{user.password}}"), &by).await).await;
    assert!(matches!(odd, Err(EditError::Invalid(_))), "{odd:?}");

    let tricky = NewTicket { subject: "{{agent.name}} {{{{".to_owned(), ..Scene::question() };
    let ticket = scene.try_open(&scene.ada, &tricky).await.expect("opened");
    let filled = support::fill(&made.body, &ticket, Signature { agent: "Grace", shop: "The shop" });
    assert_eq!(filled, "Dear ada@example.com, about {{agent.name}} {{{{ (): Grace, The shop");

    let edits = (0..6).map(async |number| {
        let patch = CannedPatch { title: None, body: Some(format!("by {number}")) };
        let by = Scene::by(&scene.grace, Role::Admin);
        scene.db.write(async |tx| support::patch_canned(tx, made.id, 1, patch, &by).await).await
    });
    let done = join_all(edits).await;
    assert_eq!(done.iter().filter(|result| result.is_ok()).count(), 1, "{done:?}");
    let gone = scene.db.write(async |tx| support::delete_canned(tx, made.id, 1, &by).await).await;
    assert!(matches!(gone, Err(EditError::Stale)), "{gone:?}");
    scene.db.write(async |tx| support::delete_canned(tx, made.id, 2, &by).await).await.expect("deleted");
});
