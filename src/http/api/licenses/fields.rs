//! Bodies of the compatible routes: a form, or JSON with the same fields.

use aide::{OperationInput, generate::GenContext, openapi::Operation};
use axum::{
    Form,
    body::Bytes,
    extract::{FromRequest, Request},
    http::header,
};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::http::{
    Kind, Problem,
    openapi::{may, taken, takes},
    unread,
};

/// The media type of forms.
const FORM: &str = "application/x-www-form-urlencoded";

/// The fields that a `T` knows: texts that may be missing. What is not a text in JSON is the text that a form would have.
#[derive(Debug)]
pub(super) struct Fields<T>(pub(super) T);

/// A field that says something.
pub(super) fn said(field: Option<&String>) -> Option<&str> {
    field.map(String::as_str).filter(|value| !value.trim().is_empty())
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Fields<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let kind =
            request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let fields = if kind == FORM || kind.is_empty() {
            let body = Bytes::from_request(request, state).await.map_err(|rejection| unread(&rejection))?;
            form(&body).await?
        } else if kind == "application/json" || kind.starts_with("application/") && kind.ends_with("+json") {
            let body = Bytes::from_request(request, state).await.map_err(|rejection| unread(&rejection))?;
            json(&body)?
        } else {
            return Err(Problem::new(Kind::UnsupportedMediaType)
                .detail("the body must be a form or JSON, and `Content-Type` say so"));
        };
        serde_json::from_value(Value::Object(fields)).map(Self).map_err(Problem::internal)
    }
}

impl<T: JsonSchema> OperationInput for Fields<T> {
    fn operation_input(_: &mut GenContext, operation: &mut Operation) {
        takes(operation, &[FORM, "application/json"], taken::<T>());
        may(operation, &[Kind::MalformedBody, Kind::BodyTooLarge, Kind::UnsupportedMediaType]);
    }
}

async fn form(body: &Bytes) -> Result<Map<String, Value>, Problem> {
    let request = Request::post("/")
        .header(header::CONTENT_TYPE, FORM)
        .body(axum::body::Body::from(body.clone()))
        .map_err(Problem::internal)?;
    let read: Result<Form<Vec<(String, String)>>, _> = Form::from_request(request, &()).await;
    let Form(fields) = read.map_err(|_| Problem::new(Kind::MalformedBody).detail("the body is not a form"))?;
    Ok(fields.into_iter().map(|(name, value)| (name, Value::String(value))).collect())
}

fn json(body: &[u8]) -> Result<Map<String, Value>, Problem> {
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
    Ok(object.into_iter().filter_map(|(name, value)| Some((name, Value::String(text(value)?)))).collect())
}
