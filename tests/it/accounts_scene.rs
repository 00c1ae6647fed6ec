//! A shop whose customers have accounts: the real server, its mails as files, and what people send to it.

use std::fs;

use mintreu::{
    accounts::Role,
    db::{Db, DbOptions},
    kernel::SystemClock,
};
use reqwest::{Method, Response};
use serde_json::{Value, json};

use crate::{
    journey_shop::{Shop, ids, until},
    support::{Mintreu, Person, Running, TestDb, sign_in},
};

pub(crate) const PASSWORD: &str = "correct horse battery";

/// A running shop.
pub(crate) struct Scene {
    pub(crate) shop: Shop,
    pub(crate) db: Db,
    pub(crate) server: Running,
}

impl Scene {
    pub(crate) async fn on(db: &TestDb) -> Self {
        Self::of(Mintreu::new(), db).await
    }

    /// With an environment of its own.
    pub(crate) async fn of(mintreu: Mintreu, db: &TestDb) -> Self {
        let shop = Shop::of(mintreu, &db.url());
        let server = shop.serve().await;
        let db = Db::open(&DbOptions::new(db.url()), ids()).await.expect("the database opens");
        Self { shop, db, server }
    }

    /// A request; `who` is the value of the cookie or, with `Bearer `, of the authorisation.
    pub(crate) async fn send(&self, method: Method, path: &str, who: &str, body: Option<&Value>) -> Response {
        let mut request = self.shop.client.request(method, self.shop.mintreu.url(path));
        if who.starts_with("Bearer ") {
            request = request.header("authorization", who);
        } else if !who.is_empty() {
            request = request.header("cookie", who);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        request.send().await.expect("an answer")
    }

    pub(crate) async fn post(&self, path: &str, who: &str, body: &Value) -> Response {
        self.send(Method::POST, path, who, Some(body)).await
    }

    pub(crate) async fn get(&self, path: &str, who: &str) -> Response {
        self.send(Method::GET, path, who, None).await
    }

    pub(crate) async fn delete(&self, path: &str, who: &str) -> Response {
        self.send(Method::DELETE, path, who, None).await
    }

    /// Posts what must succeed with this status.
    pub(crate) async fn posted(&self, path: &str, who: &str, body: &Value, status: u16) -> Value {
        let answer = self.post(path, who, body).await;
        let (given, text) = (answer.status(), answer.text().await.expect("text"));
        assert_eq!(given, status, "{path}: {text}");
        serde_json::from_str(&text).unwrap_or(Value::Null)
    }

    /// Gets what must be there.
    pub(crate) async fn got(&self, path: &str, who: &str) -> Value {
        let answer = self.get(path, who).await;
        let (given, text) = (answer.status(), answer.text().await.expect("text"));
        assert_eq!(given, 200, "{path}: {text}");
        serde_json::from_str(&text).expect("JSON")
    }

    /// All mails to an address, in the order in which they were owed.
    pub(crate) fn mails(&self, to: &str) -> Vec<String> {
        let directory = self.shop.mintreu.directory().join("var/mail");
        let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
        let mut files: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
        files.retain(|file| file.extension().is_some_and(|extension| extension == "eml"));
        files.sort();
        let mails = files.iter().map(|file| fs::read_to_string(file).expect("a mail"));
        mails.filter(|mail| mail.contains(&format!("\r\nTo: {to}\r\n"))).collect()
    }

    /// The mail of this number (from 1) to an address.
    pub(crate) async fn mail(&self, to: &str, number: usize) -> String {
        until(&format!("mail {number} to {to}"), async || {
            let mails = self.mails(to);
            mails.get(number - 1).cloned().ok_or(mails.len())
        })
        .await
    }

    /// The token out of the mail of this number.
    pub(crate) async fn token(&self, to: &str, number: usize) -> String {
        token_in(&self.mail(to, number).await)
    }

    /// Waits until all jobs are done.
    pub(crate) async fn settled(&self) {
        until("all jobs are done", async || {
            let left: i64 = mintreu::fetch_one!(
                &self.db,
                sqlx::query_scalar(
                    "SELECT COUNT(*) FROM jobs WHERE state NOT IN ('completed', 'discarded', 'cancelled')"
                )
            )
            .expect("a number");
            if left == 0 { Ok(()) } else { Err(left) }
        })
        .await;
    }

    /// Registers and confirms. The address must be new.
    pub(crate) async fn register(&self, email: &str) {
        let body = json!({ "name": "Ada", "email": email, "password": PASSWORD });
        self.posted("/api/register", "", &body, 202).await;
        let token = self.token(email, 1).await;
        let verified = self.posted("/api/verify-email", "", &json!({ "token": token }), 200).await;
        assert_eq!(verified, json!({ "status": "verified", "email": email, "password_set": true }));
    }

    /// Signs in with the password and gives the cookie.
    pub(crate) async fn login(&self, email: &str, password: &str) -> String {
        cookie_of(&self.post("/api/login", "", &json!({ "email": email, "password": password })).await)
    }

    /// Somebody in a role, signed in, without a password.
    pub(crate) async fn person(&self, email: &str, role: Role) -> Person {
        sign_in(&self.db, email, role).await
    }

    /// How many rows.
    pub(crate) async fn number(&self, query: &'static str) -> i64 {
        mintreu::fetch_one!(&self.db, sqlx::query_scalar(query)).expect("a number")
    }
}

/// The token out of a link in a mail.
pub(crate) fn token_in(mail: &str) -> String {
    let (_, rest) = mail.split_once("?token=").unwrap_or_else(|| panic!("no link in {mail}"));
    rest.chars().take_while(char::is_ascii_alphanumeric).collect()
}

/// The cookie that a login gave, as it is sent back.
pub(crate) fn cookie_of(answer: &Response) -> String {
    assert_eq!(answer.status(), 200, "{answer:?}");
    let cookie = answer.headers()["set-cookie"].to_str().expect("text");
    cookie.split(';').next().expect("a cookie").to_owned()
}

/// An answer without what is its own in every answer: status, names of headers, body.
pub(crate) async fn likeness(answer: Response) -> (u16, Vec<String>, Value) {
    let mut headers: Vec<_> = answer.headers().keys().map(|name| name.as_str().to_owned()).collect();
    headers.sort();
    let (status, text) = (answer.status().as_u16(), answer.text().await.expect("text"));
    let mut body: Value = serde_json::from_str(&text).unwrap_or(Value::Null);
    if let Some(body) = body.as_object_mut() {
        body.remove("request_id");
    }
    (status, headers, body)
}

/// The six digits of a secret, so many steps of 30 seconds from now.
pub(crate) fn totp(secret: &str, steps: i64) -> String {
    use mintreu::kernel::Clock;
    let secret = totp_rs::Secret::try_from_base32(secret).expect("base 32");
    let totp = totp_rs::Builder::new().with_secret(secret).build().expect("a generator");
    let seconds = SystemClock.now().as_secs() + steps * 30;
    totp.generate(seconds.try_into().expect("after 1970")).to_string()
}
