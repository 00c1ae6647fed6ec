//! Bodies of the compatible routes: a form, or JSON with the same fields.

use std::collections::HashMap;

use axum::{
    Form,
    body::Bytes,
    extract::{FromRequest, Request},
    http::header,
};
use serde_json::Value;

use crate::http::{Kind, Problem, unread};

/// Fields by name. What is not a text in JSON is the text that a form would have.
#[derive(Debug)]
pub(super) struct Fields(HashMap<String, String>);

impl Fields {
    /// A field that says something.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.trim().is_empty())
    }
}

impl<S: Send + Sync> FromRequest<S> for Fields {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let kind =
            request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        if kind == "application/x-www-form-urlencoded" || kind.is_empty() {
            let body = Bytes::from_request(request, state).await.map_err(|rejection| unread(&rejection))?;
            return form(&body).await;
        }
        if kind == "application/json" || kind.starts_with("application/") && kind.ends_with("+json") {
            let body = Bytes::from_request(request, state).await.map_err(|rejection| unread(&rejection))?;
            return json(&body);
        }
        Err(Problem::new(Kind::UnsupportedMediaType)
            .detail("the body must be a form or JSON, and `Content-Type` say so"))
    }
}

async fn form(body: &Bytes) -> Result<Fields, Problem> {
    let request = Request::post("/")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(axum::body::Body::from(body.clone()))
        .map_err(Problem::internal)?;
    let read: Result<Form<Vec<(String, String)>>, _> = Form::from_request(request, &()).await;
    let Form(fields) = read.map_err(|_| Problem::new(Kind::MalformedBody).detail("the body is not a form"))?;
    Ok(Fields(fields.into_iter().collect()))
}

fn json(body: &[u8]) -> Result<Fields, Problem> {
    let malformed = || Problem::new(Kind::MalformedBody).detail("the body must be a JSON object");
    let mut value: Value = serde_json::from_slice(body).map_err(|_| malformed())?;
    // A JSON:API document has the fields in its resource.
    if let Some(attributes) = value.pointer_mut("/data/attributes").map(Value::take) {
        value = attributes;
    }
    let Value::Object(object) = value else { return Err(malformed()) };
    let text = |value: Value| match value {
        Value::String(text) => Some(text),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    };
    Ok(Fields(object.into_iter().filter_map(|(name, value)| Some((name, text(value)?))).collect()))
}
