//! A shop, its operator, and requests of theirs.

use mintreu::{accounts::Role, db::Db};
use reqwest::{Method, Response};
use serde_json::{Value, json};

use crate::{
    journey_shop::Shop,
    support::{Mintreu, Person, Running, TestDb, sign_in},
};

/// The shop, running, and its operator.
pub(crate) struct Desk {
    pub(crate) shop: Shop,
    pub(crate) db: Db,
    pub(crate) operator: Person,
    _server: Running,
}

impl Desk {
    pub(crate) async fn on(test: &TestDb) -> Self {
        Self::of(Mintreu::new(), test).await
    }

    pub(crate) async fn of(mintreu: Mintreu, test: &TestDb) -> Self {
        let shop = Shop::of(mintreu, &test.url());
        let server = shop.serve().await;
        let db = test.open().await;
        let operator = sign_in(&db, "operator@example.com", Role::Admin).await;
        Self { shop, db, operator, _server: server }
    }

    /// A request of the operator.
    pub(crate) fn ask(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.shop.client.request(method, self.shop.mintreu.url(path)).header("cookie", &self.operator.cookie)
    }

    /// What the operator reads.
    pub(crate) async fn get(&self, path: &str) -> Value {
        json_of(path, self.ask(Method::GET, path).send().await.expect("an answer"), 200).await
    }

    /// The answer to what the operator does.
    pub(crate) async fn post(&self, path: &str, body: Value) -> Response {
        self.ask(Method::POST, path).json(&body).send().await.expect("an answer")
    }

    /// The answer to what the operator does for a reason, as JSON.
    pub(crate) async fn done(&self, path: &str, body: Value, status: u16) -> Value {
        json_of(path, self.post(path, body).await, status).await
    }

    /// The newest entry of the trail about this action.
    pub(crate) async fn trail(&self, action: &str) -> Value {
        let list = self.get(&format!("/api/admin/audit?action={action}&limit=1")).await;
        list["data"][0].clone()
    }

    /// A file.
    pub(crate) async fn file(&self, path: &str) -> (Response, String) {
        let answer = self.ask(Method::GET, path).send().await.expect("an answer");
        assert_eq!(answer.status(), 200, "{path}");
        let again = self.ask(Method::GET, path).send().await.expect("an answer");
        (again, answer.text().await.expect("a text"))
    }
}

pub(crate) async fn json_of(what: &str, answer: Response, status: u16) -> Value {
    let got = answer.status();
    let text = answer.text().await.expect("a text");
    assert_eq!(got, status, "{what}: {text}");
    if text.is_empty() { json!(null) } else { serde_json::from_str(&text).expect("JSON") }
}

/// The rows of a page.
pub(crate) fn rows(page: &Value) -> &Vec<Value> {
    page["data"].as_array().unwrap_or_else(|| panic!("a list instead of {page}"))
}
