//! Places where licences are active: limits hold however many ask at once.

use mintreu::{
    accounts::Role,
    catalog::Limits,
    db::{Db, DbError},
    fetch_one,
    licenses::{self, Activated, ActivationId, Asked, Code, Deactivated, KeyHash, NewPlace, Question},
};

use crate::support::{
    sign_in,
    sold::{Sold, key, key_maker},
};

async fn hash(db: &Db, limits: Limits) -> KeyHash {
    let buyer = sign_in(db, &format!("{}@example.com", db.ids().next_uuid().simple()), Role::Customer).await;
    let license = Sold::with(db, &buyer, limits, 1).await.license(db).await;
    key_maker().recognise(key(&license)).expect("ours")
}

#[derive(Default)]
struct Wish<'a> {
    fingerprint: Option<&'a str>,
    domain: Option<&'a str>,
    ip: Option<&'a str>,
}

async fn activate(db: &Db, hash: KeyHash, wish: &Wish<'_>) -> Activated {
    let question = Question {
        domain: wish.domain.map(|domain| domain.parse().expect("a host")),
        ip: wish.ip.map(|ip| ip.parse().expect("an address")),
        ..Question::default()
    };
    let new = NewPlace { question, name: "machine", fingerprint: wish.fingerprint, server_info: "{}" };
    let done: Result<_, DbError> = db.write(async |tx| licenses::activate(tx, hash, &new).await).await;
    done.expect("answered")
}

fn new(activated: &Activated) -> ActivationId {
    match activated {
        Activated::New(place) => place.id,
        other => panic!("{other:?}"),
    }
}

fn refused(activated: &Activated) -> Code {
    match activated {
        Activated::Refused(code) => *code,
        other => panic!("{other:?}"),
    }
}

async fn deactivate(db: &Db, hash: KeyHash, id: ActivationId) -> Deactivated {
    let done: Result<_, DbError> =
        db.write(async |tx| licenses::deactivate(tx, hash, &Asked::Instance(id)).await).await;
    done.expect("answered")
}

/// The count on the licence, and the rows that it counts.
async fn counts(db: &Db) -> (i64, i64) {
    let counted = fetch_one!(db, sqlx::query_scalar("SELECT CAST(SUM(activation_count) AS BIGINT) FROM licenses"));
    let rows = "SELECT COUNT(*) FROM license_activations WHERE deactivated_at IS NULL";
    (counted.expect("a number"), fetch_one!(db, sqlx::query_scalar(rows)).expect("a number"))
}

on_both!(fifty_at_once_take_three_places, |db| async move {
    let db = db.open().await;
    let hash = hash(&db, Limits { activations: Some(3), ..Limits::default() }).await;
    let names: Vec<_> = (0..50).map(|number| format!("machine {number}")).collect();
    let wishes: Vec<_> = names.iter().map(|name| Wish { fingerprint: Some(name), ..Wish::default() }).collect();
    let done = futures::future::join_all(wishes.iter().map(|wish| activate(&db, hash, wish))).await;
    assert_eq!(done.iter().filter(|done| matches!(done, Activated::New(_))).count(), 3);
    assert!(done.iter().all(|done| matches!(done, Activated::New(_) | Activated::Refused(Code::TooManyMachines))));
    assert_eq!(counts(&db).await, (3, 3));
});

on_both!(one_machine_takes_one_place_however_often_it_asks, |db| async move {
    let db = db.open().await;
    let hash = hash(&db, Limits { activations: Some(1), ..Limits::default() }).await;
    let wish = Wish { fingerprint: Some("the machine"), ..Wish::default() };
    let done = futures::future::join_all((0..10).map(|_| activate(&db, hash, &wish))).await;
    let ids: std::collections::HashSet<_> = done
        .iter()
        .map(|done| match done {
            Activated::New(place) | Activated::Already(place) => place.id,
            Activated::Refused(code) => panic!("{code}"),
        })
        .collect();
    assert_eq!((ids.len(), counts(&db).await), (1, (1, 1)));
});

on_both!(a_place_is_given_back_once, |db| async move {
    let db = db.open().await;
    let hash = hash(&db, Limits { activations: Some(2), ..Limits::default() }).await;
    let wish = Wish { fingerprint: Some("a"), ..Wish::default() };
    let id = new(&activate(&db, hash, &wish).await);
    new(&activate(&db, hash, &Wish { fingerprint: Some("b"), ..Wish::default() }).await);
    let done = futures::future::join_all((0..8).map(|_| deactivate(&db, hash, id))).await;
    assert_eq!(done.iter().filter(|done| **done == Deactivated::Done(id)).count(), 1);
    assert!(done.iter().all(|done| matches!(done, Deactivated::Done(_) | Deactivated::Refused(Code::NoMachine))));
    assert_eq!(counts(&db).await, (1, 1));
    assert_ne!(new(&activate(&db, hash, &wish).await), id, "the same machine comes back in another place");
});

on_both!(different_domains_and_addresses_are_counted, |db| async move {
    let db = db.open().await;
    let hosts = hash(&db, Limits { domains: Some(2), ..Limits::default() }).await;
    let on = |domain| Wish { domain: Some(domain), ..Wish::default() };
    let first = new(&activate(&db, hosts, &on("a.example")).await);
    new(&activate(&db, hosts, &on("A.example")).await);
    new(&activate(&db, hosts, &on("b.example")).await);
    assert_eq!(refused(&activate(&db, hosts, &on("c.example")).await), Code::TooManyDomains);
    deactivate(&db, hosts, first).await;
    assert_eq!(refused(&activate(&db, hosts, &on("c.example")).await), Code::TooManyDomains, "A is still active once");
    let addresses = hash(&db, Limits { ips: Some(1), ..Limits::default() }).await;
    let from = |ip| Wish { ip: Some(ip), ..Wish::default() };
    new(&activate(&db, addresses, &from("192.0.2.1")).await);
    new(&activate(&db, addresses, &from("::ffff:192.0.2.1")).await);
    assert_eq!(refused(&activate(&db, addresses, &from("192.0.2.2")).await), Code::TooManyIps);
});

on_both!(at_once_on_different_domains_the_limit_holds, |db| async move {
    let db = db.open().await;
    let hash = hash(&db, Limits { domains: Some(2), ..Limits::default() }).await;
    let hosts: Vec<_> = (0..20).map(|number| format!("host{number}.example")).collect();
    let wishes: Vec<_> = hosts.iter().map(|host| Wish { domain: Some(host), ..Wish::default() }).collect();
    let done = futures::future::join_all(wishes.iter().map(|wish| activate(&db, hash, wish))).await;
    assert_eq!(done.iter().filter(|done| matches!(done, Activated::New(_))).count(), 2);
});

on_both!(uses_are_counted_up_to_their_limit, |db| async move {
    let db = db.open().await;
    let hash = hash(&db, Limits { uses: Some(5), ..Limits::default() }).await;
    let used =
        futures::future::join_all((0..20).map(|_| db.write(async |tx| licenses::count_use(tx, hash).await))).await;
    assert_eq!(used.into_iter().filter(|used| matches!(used, Ok(true))).count(), 5);
});
