//! Keys held to their rules, without a server: the clock is the test's.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use mintreu::{
    accounts::{By, Role},
    api_keys::{self, ApiKeys, KeyOptions, NewKey, Owner, Refused, Rotation},
    audit::Actor,
    db::Db,
    kernel::{
        Clock, ManualClock, Time,
        seal::{Keyring, Random},
    },
    licenses::{CacheOptions, LicenseCache},
};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{
    keys_scene::make_api,
    support::{
        TestDb, eventually, sign_in,
        sold::{ROOT, Sold, key_maker},
    },
};

struct Replica {
    db: Db,
    cache: LicenseCache,
    keys: ApiKeys,
    _ends: DropGuard,
}

async fn replica(test: &TestDb, clock: Arc<dyn Clock>) -> Replica {
    let db = test.open_at(clock).await;
    let cache = LicenseCache::new(db.clone(), key_maker(), CacheOptions::default());
    let options = KeyOptions {
        per_license: 3,
        overlap: Duration::from_hours(24),
        max_overlap: Duration::from_hours(48),
        cache_size: 10,
        verifications_per_minute: 0,
        stale_grace: Duration::from_hours(1),
    };
    let keyring = Keyring::new([ROOT], Random::os()).expect("a key");
    let keys = ApiKeys::new(db.clone(), &keyring, cache.clone(), options);
    let stop = CancellationToken::new();
    let (follower, signals, token) = (cache.clone(), db.clone(), stop.clone());
    tokio::spawn(async move { follower.follow(token).await });
    let token = stop.clone();
    tokio::spawn(async move { signals.signals().run(&signals, token).await });
    eventually("the follower is there", async || cache.age().is_some()).await;
    Replica { db, cache, keys, _ends: stop.drop_guard() }
}

impl Replica {
    async fn ask(&self, secret: &str) -> Result<(), Refused> {
        let presented = self.keys.recognise(None, secret).expect("ours");
        self.keys.authenticate(&presented).await.map(|good| assert!(!good.stale))
    }
}

const START: Time = Time::from_micros(1_800_000_000_000_000);

on_both!(the_old_secret_works_until_the_overlap_is_over, |db| async move {
    let clock = Arc::new(ManualClock::new(START));
    let here = replica(&db, clock.clone()).await;
    let there = replica(&db, clock.clone()).await;
    let buyer = sign_in(&here.db, "buyer@example.com", Role::Customer).await;
    let sold = Sold::to(&here.db, &buyer).await;
    make_api(&here.db, &sold, &buyer).await;
    let license = sold.license(&here.db).await.id;
    let (owner, by) = (Owner { tenant: buyer.tenant, user: buyer.user }, By::actor(Actor::system("tests")));
    let ends = START + Duration::from_hours(100);
    let new = NewKey { name: "ci".to_owned(), scopes: None, expires_at: Some(ends) };
    let made = here
        .db
        .write(async |tx| api_keys::create(tx, &here.keys, (owner, license), &new, &by).await)
        .await
        .expect("made");
    here.ask(&made.secret).await.expect("good");
    there.ask(&made.secret).await.expect("good elsewhere");

    let rotation = Rotation { owner, license, key: made.client_id, overlap: Duration::from_hours(10) };
    let rotated =
        here.db.write(async |tx| api_keys::rotate(tx, &here.keys, &rotation, &by).await).await.expect("rotated");
    here.ask(&rotated.secret).await.expect("the new one is good at once");
    eventually("it is good elsewhere", async || there.ask(&rotated.secret).await.is_ok()).await;
    clock.set(START + Duration::from_hours(10) - Duration::from_micros(1));
    here.ask(&made.secret).await.expect("still good");
    clock.set(START + Duration::from_hours(10));
    assert_eq!(here.ask(&made.secret).await, Err(Refused::Unknown), "the overlap is over");
    assert_eq!(there.ask(&made.secret).await, Err(Refused::Unknown), "elsewhere too");
    here.ask(&rotated.secret).await.expect("good");
    clock.set(ends);
    assert!(matches!(here.ask(&rotated.secret).await, Err(Refused::Expired | Refused::Unknown)));

    // When it was used is written down once somebody does.
    here.keys.write_uses().await.expect("written");
    let found = api_keys::find(&here.db, buyer.tenant, license, made.client_id).await.expect("answers").expect("there");
    assert_eq!(found.last_used_at, Some(START + Duration::from_hours(10)));
    let _ = &here.cache;
});

on_both!(a_revocation_elsewhere_is_known_here_and_never_comes_back, |db| async move {
    let clock = Arc::new(ManualClock::new(START));
    let (here, there) = (replica(&db, clock.clone()).await, replica(&db, clock).await);
    let buyer = sign_in(&here.db, "buyer@example.com", Role::Customer).await;
    let sold = Sold::to(&here.db, &buyer).await;
    make_api(&here.db, &sold, &buyer).await;
    let license = sold.license(&here.db).await.id;
    let (owner, by) = (Owner { tenant: buyer.tenant, user: buyer.user }, By::actor(Actor::system("tests")));
    let new = NewKey { name: "ci".to_owned(), scopes: None, expires_at: None };
    let made = there
        .db
        .write(async |tx| api_keys::create(tx, &there.keys, (owner, license), &new, &by).await)
        .await
        .expect("made");
    eventually("it is good here", async || here.ask(&made.secret).await.is_ok()).await;
    there
        .db
        .write(async |tx| api_keys::revoke(tx, &there.keys, (owner, license), made.client_id, &by).await)
        .await
        .expect("revoked");
    assert_eq!(there.ask(&made.secret).await, Err(Refused::Unknown), "at once where it was revoked");
    eventually("it is known here", async || here.ask(&made.secret).await == Err(Refused::Unknown)).await;
    for _ in 0..200 {
        assert_eq!(here.ask(&made.secret).await, Err(Refused::Unknown));
        tokio::task::yield_now().await;
    }
});

on_both!(while_the_database_is_away_memory_answers_and_says_so, |db| async move {
    let here = replica(&db, Arc::new(ManualClock::new(START))).await;
    let buyer = sign_in(&here.db, "buyer@example.com", Role::Customer).await;
    let sold = Sold::to(&here.db, &buyer).await;
    make_api(&here.db, &sold, &buyer).await;
    let license = sold.license(&here.db).await.id;
    let (owner, by) = (Owner { tenant: buyer.tenant, user: buyer.user }, By::actor(Actor::system("tests")));
    let new = NewKey { name: "ci".to_owned(), scopes: None, expires_at: None };
    let made = here
        .db
        .write(async |tx| api_keys::create(tx, &here.keys, (owner, license), &new, &by).await)
        .await
        .expect("made");
    // Until the follower has told of the making, what was read is forgotten again.
    let since_made = Instant::now();
    eventually("the follower has looked since", async || {
        here.cache.age().is_some_and(|age| age < since_made.elapsed())
    })
    .await;
    for _ in 0..50 {
        here.ask(&made.secret).await.expect("good");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    here.db.close().await;
    let presented = here.keys.recognise(None, &made.secret).expect("ours");
    eventually("memory says that it is old", async || here.keys.authenticate(&presented).await.expect("good").stale)
        .await;
});
