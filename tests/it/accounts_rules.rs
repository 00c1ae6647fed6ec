//! What the store keeps to, whatever asks it: times, races, and what is deleted.

use std::{sync::Arc, time::Duration};

use futures::future::join_all;
use mintreu::{
    accounts::{
        self, By, Claim, ClaimedBy, Credential, Device, Email, LoginError, NewAccessToken, NewAccount, NewPassword,
        PasswordError, Passwords, ProofError, ProofOf, Purpose, Registration, Role, SESSION_LIFE, Scope, Scopes,
        SignIn, TokenError,
    },
    audit::Actor,
    db::{Db, DbError},
    execute, fetch_all, fetch_one,
    idempotency::{self, Answer, Request},
    kernel::{
        Clock, ManualClock, SystemClock, UserId,
        seal::{Keyring, Random},
    },
};
use uuid::Uuid;

use crate::support::TestDb;

const PASSWORD: &str = "correct horse battery";

struct Rules {
    db: Db,
    clock: Arc<ManualClock>,
    keys: Keyring,
    passwords: Passwords,
}

impl Rules {
    async fn on(db: &TestDb) -> Self {
        let clock = Arc::new(ManualClock::new(SystemClock.now()));
        let db = db.open_at(clock.clone()).await;
        let keys = Keyring::new([[7; 32]], Random::os()).expect("a key");
        Self { db, clock, passwords: Passwords::new(keys.random().clone()), keys }
    }

    async fn account(&self, text: &str) -> UserId {
        let email = email(text);
        let password = NewPassword::choose(PASSWORD.to_owned(), &email).expect("a password");
        let new = NewAccount { name: "Ada".parse().expect("a name"), email, password, role: Role::Customer };
        accounts::create_account(&self.db, &self.passwords, new, &by()).await.expect("an account")
    }

    async fn proof(&self, purpose: Purpose, user: UserId, to: &str) -> (Uuid, String) {
        let email = email(to);
        let id = self.db.write(async |tx| accounts::issue_proof(tx, purpose, ProofOf::User(user), &email).await).await;
        let id = id.expect("a proof");
        (id, accounts::proof_token(&self.keys, purpose, id))
    }

    async fn sign_in(&self, text: &str) -> Result<accounts::SignedIn, LoginError> {
        let shown = accounts::check_password(&self.db, &self.passwords, &email(text), PASSWORD.to_owned()).await?;
        let how = SignIn { device: Device::new(None, Some("a\u{0}b")), wants_token: true, ..SignIn::default() };
        accounts::sign_in(&self.db, &self.keys, shown, how).await
    }

    async fn number(&self, query: &'static str) -> i64 {
        fetch_one!(&self.db, sqlx::query_scalar(query)).expect("a number")
    }
}

fn email(text: &str) -> Email {
    text.parse().expect("an address")
}

fn by() -> By {
    By::actor(Actor::system("test"))
}

on_both!(links_sessions_and_tokens_end_in_time, |db| async move {
    let rules = Rules::on(&db).await;
    let user = rules.account("ada@example.com").await;
    let (_, token) = rules.proof(Purpose::ResetPassword, user, "ada@example.com").await;
    let signed_in = rules.sign_in("ada@example.com").await.expect("signed in");
    let access = signed_in.token.expect("a token");
    rules.clock.advance(Duration::from_hours(1));
    let reset = accounts::reset_password(
        &rules.db,
        (&rules.keys, &rules.passwords),
        &token,
        "another password".to_owned(),
        None,
    );
    assert!(matches!(reset.await, Err(PasswordError::Token)));
    rules.clock.advance(SESSION_LIFE - Duration::from_hours(1) - Duration::from_secs(1));
    assert!(accounts::identify_session(&rules.db, &signed_in.session).await.expect("read").is_some());
    assert!(accounts::identify_token(&rules.db, &access).await.expect("read").is_some());
    rules.clock.advance(Duration::from_secs(1));
    assert_eq!(accounts::identify_session(&rules.db, &signed_in.session).await.expect("read"), None);
    assert_eq!(accounts::identify_token(&rules.db, &access).await.expect("read"), None);
});

on_both!(of_many_who_use_one_link_one_gets_through, |db| async move {
    let rules = Rules::on(&db).await;
    let user = rules.account("ada@example.com").await;
    let (_, token) = rules.proof(Purpose::ResetPassword, user, "ada@example.com").await;
    let tries = (0..6).map(|number| {
        let password = format!("password number {number}");
        accounts::reset_password(&rules.db, (&rules.keys, &rules.passwords), &token, password, None)
    });
    let done = join_all(tries).await;
    assert_eq!(done.iter().filter(|done| done.is_ok()).count(), 1, "{done:?}");
    assert!(done.iter().all(|done| matches!(done, Ok(()) | Err(PasswordError::Token))), "{done:?}");
    assert_eq!(rules.number("SELECT COUNT(*) FROM jobs WHERE payload LIKE '%password_changed%'").await, 1);
});

on_both!(of_many_links_that_are_used_at_once_one_is_good, |db| async move {
    let rules = Rules::on(&db).await;
    let user = rules.account("ada@example.com").await;
    let mut tokens = Vec::new();
    for _ in 0..6 {
        tokens.push(rules.proof(Purpose::ResetPassword, user, "ada@example.com").await.1);
    }
    let tries = tokens.iter().enumerate().map(|(number, token)| {
        let password = format!("password number {number}");
        accounts::reset_password(&rules.db, (&rules.keys, &rules.passwords), token, password, None)
    });
    let done = join_all(tries).await;
    assert_eq!(done.iter().filter(|done| done.is_ok()).count(), 1, "{done:?}");
    assert!(done.iter().all(|done| matches!(done, Ok(()) | Err(PasswordError::Token))), "{done:?}");
});

on_both!(of_many_who_register_one_address_at_once_one_makes_the_account, |db| async move {
    let rules = Rules::on(&db).await;
    let tries = (0..8).map(|_| {
        let email = email("ada@example.com");
        let password = NewPassword::choose(PASSWORD.to_owned(), &email).expect("a password");
        let registration = Registration { name: "Ada".parse().expect("a name"), email, password };
        accounts::register(&rules.db, &rules.passwords, registration, None)
    });
    for done in join_all(tries).await {
        done.expect("registered");
    }
    assert_eq!(rules.number("SELECT COUNT(*) FROM users").await, 1);
    assert_eq!(rules.number("SELECT COUNT(*) FROM tenants").await, 1);
    assert_eq!(rules.number("SELECT COUNT(*) FROM mail_proofs").await, 8);
    assert_eq!(rules.number("SELECT COUNT(*) FROM users WHERE password_hash IS NULL").await, 1);
    let proofs: Vec<Uuid> = fetch_all!(&rules.db, sqlx::query_scalar("SELECT id FROM mail_proofs")).expect("proofs");
    let tokens: Vec<_> =
        proofs.iter().map(|id| accounts::proof_token(&rules.keys, Purpose::VerifyEmail, *id)).collect();
    let done = join_all(tokens.iter().map(|token| accounts::verify_email(&rules.db, &rules.keys, token, None))).await;
    assert!(done.iter().any(Result::is_ok), "{done:?}");
    assert!(done.iter().all(|done| matches!(done, Ok(_) | Err(ProofError::Token))), "{done:?}");
    assert_eq!(rules.number("SELECT COUNT(*) FROM users WHERE email_verified_at IS NOT NULL").await, 1);
});

on_both!(guests_are_attached_once_however_many_prove_the_address, |db| async move {
    let rules = Rules::on(&db).await;
    let user = rules.account("ada@example.com").await;
    for _ in 0..3 {
        let guest = email("ada@example.com");
        let made = rules.db.write(async |tx| accounts::guest_tenant(tx, &guest).await).await;
        made.expect("a guest");
    }
    let mut tokens = Vec::new();
    for _ in 0..4 {
        tokens.push(rules.proof(Purpose::ClaimPurchases, user, "ada@example.com").await.1);
    }
    let claims = tokens.iter().map(|token| {
        let claim = Claim { token: token.clone(), name: None, password: None };
        accounts::claim_purchases(&rules.db, (&rules.keys, &rules.passwords), claim, None)
    });
    for claimed in join_all(claims).await {
        assert_eq!(claimed.expect("claimed").account, ClaimedBy::Existing);
    }
    assert_eq!(rules.number("SELECT COUNT(*) FROM jobs WHERE kind = 'accounts.attach_purchases'").await, 3);
    assert_eq!(rules.number("SELECT COUNT(*) FROM tenants WHERE merged_into IS NOT NULL").await, 3);
});

on_both!(the_use_of_a_session_is_noted_once_a_minute, |db| async move {
    let rules = Rules::on(&db).await;
    rules.account("ada@example.com").await;
    let session = rules.sign_in("ada@example.com").await.expect("signed in").session;
    let identity = async || accounts::identify_session(&rules.db, &session).await.expect("read").expect("somebody");
    let opened = identity().await.seen_at.expect("seen");
    rules.clock.advance(Duration::from_secs(59));
    accounts::note_use(&rules.db, &identity().await).await.expect("noted");
    assert_eq!(identity().await.seen_at, Some(opened));
    rules.clock.advance(Duration::from_secs(1));
    let stale = identity().await;
    accounts::note_use(&rules.db, &stale).await.expect("noted");
    let noted = identity().await.seen_at;
    assert_eq!(noted, Some(rules.clock.now()));
    assert!(matches!(stale.credential, Credential::Session(_)));
});

on_both!(an_account_has_so_many_tokens_and_no_more, |db| async move {
    let rules = Rules::on(&db).await;
    let user = rules.account("ada@example.com").await;
    let make = async || {
        let scopes = Scopes::new([Scope::AccountRead]);
        let new = NewAccessToken::choose("t", scopes, None, (Role::Customer, rules.clock.now())).expect("a token");
        rules.db.write(async |tx| accounts::make_token(tx, user, new, rules.keys.random(), &by()).await).await
    };
    for _ in 0..accounts::MOST_TOKENS {
        make().await.expect("made");
    }
    assert!(matches!(make().await, Err(TokenError::TooMany)));
    rules
        .db
        .write(async |tx| {
            let now = tx.now();
            execute!(tx, sqlx::query("UPDATE access_tokens SET revoked_at = $1").bind(now))
        })
        .await
        .expect("revoked");
    make().await.expect("revoked ones do not count");
});

on_both!(what_has_ended_is_deleted_and_what_has_not_is_kept, |db| async move {
    let rules = Rules::on(&db).await;
    let user = rules.account("ada@example.com").await;
    rules.sign_in("ada@example.com").await.expect("signed in");
    rules.proof(Purpose::ResetPassword, user, "ada@example.com").await;
    keep_answer(&rules, "old").await;
    rules.clock.advance(SESSION_LIFE + Duration::from_secs(1));
    rules.sign_in("ada@example.com").await.expect("signed in");
    rules.proof(Purpose::ResetPassword, user, "ada@example.com").await;
    keep_answer(&rules, "new").await;
    assert_eq!(accounts::purge(&rules.db).await.expect("purged"), 2);
    assert_eq!(idempotency::purge(&rules.db, Duration::from_hours(48)).await.expect("purged"), 1);
    for query in [
        "SELECT COUNT(*) FROM sessions",
        "SELECT COUNT(*) FROM mail_proofs",
        "SELECT COUNT(*) FROM idempotency_keys WHERE idempotency_key = 'new'",
    ] {
        assert_eq!(rules.number(query).await, 1, "{query}");
    }
    assert_eq!(rules.number("SELECT COUNT(*) FROM access_tokens").await, 2, "kept for 90 days after their end");
    rules.clock.advance(Duration::from_hours(90 * 24));
    accounts::purge(&rules.db).await.expect("purged");
    assert_eq!(rules.number("SELECT COUNT(*) FROM access_tokens").await, 1);
});

async fn keep_answer(rules: &Rules, key: &str) {
    let request = Request::new("scope".to_owned(), key.to_owned(), b"body");
    let answer = Answer { status: 201, body: b"{}".to_vec() };
    let kept = rules.db.write(async |tx| request.keep(tx, &rules.keys, &answer).await).await;
    assert!(kept.expect("kept"));
}

on_both!(a_password_that_changes_meanwhile_refuses_the_login, |db| async move {
    let rules = Rules::on(&db).await;
    let user = rules.account("ada@example.com").await;
    let ada = email("ada@example.com");
    let shown = accounts::check_password(&rules.db, &rules.passwords, &ada, PASSWORD.to_owned()).await;
    let shown = shown.expect("the password is right");
    let (_, token) = rules.proof(Purpose::ResetPassword, user, "ada@example.com").await;
    let reset = accounts::reset_password(
        &rules.db,
        (&rules.keys, &rules.passwords),
        &token,
        "another password".to_owned(),
        None,
    );
    reset.await.expect("reset");
    let late = accounts::sign_in(&rules.db, &rules.keys, shown, SignIn::default()).await;
    assert!(matches!(late, Err(LoginError::Credentials)), "{late:?}");
    assert_eq!(rules.number("SELECT COUNT(*) FROM sessions").await, 0);
});

on_both!(nothing_that_is_stored_opens_anything, |db| async move {
    let rules = Rules::on(&db).await;
    let user = rules.account("ada@example.com").await;
    let (id, token) = rules.proof(Purpose::ResetPassword, user, "ada@example.com").await;
    let stranger = Keyring::new([[8; 32]], Random::os()).expect("a key");
    let guessed = accounts::proof_token(&stranger, Purpose::ResetPassword, id);
    let guess = accounts::reset_password(
        &rules.db,
        (&rules.keys, &rules.passwords),
        &guessed,
        "another password".to_owned(),
        None,
    );
    assert!(matches!(guess.await, Err(PasswordError::Token)), "the id alone is of no use");
    let signed_in = rules.sign_in("ada@example.com").await.expect("signed in");
    let stored: Vec<String> = fetch_all!(
        &rules.db,
        sqlx::query_scalar(
            "SELECT token_hash FROM sessions UNION ALL SELECT token_hash FROM access_tokens
             UNION ALL SELECT password_hash FROM users"
        )
    )
    .expect("rows");
    assert_eq!(stored.len(), 3);
    for stored in &stored {
        for secret in [&signed_in.session, signed_in.token.as_ref().expect("a token"), &token] {
            assert!(!stored.contains(secret.as_str()));
        }
        let as_token: Result<_, DbError> = accounts::identify_session(&rules.db, stored).await;
        assert_eq!(as_token.expect("read"), None);
    }
});
