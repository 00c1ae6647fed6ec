//! Arguments of handlers, read strictly: what does not fit is a problem that points at the place.

use std::fmt::Write;

use axum::{
    body::Bytes,
    extract::{
        self, FromRequest, FromRequestParts, RawPathParams, Request,
        path::ErrorKind,
        rejection::{BytesRejection, FailedToBufferBody, PathRejection, QueryRejection},
    },
    http::{HeaderMap, header, request::Parts},
    response::{IntoResponse, Response},
};
use serde::{Serialize, de::DeserializeOwned};

use super::problem::{Kind, Problem};

/// A body of JSON, in and out.
///
/// In: `Content-Type` must be `application/json` or end with `+json`. Whether unknown fields are refused is up to `T`
/// (`#[serde(deny_unknown_fields)]`).
#[derive(Debug, Clone, Copy, Default)]
pub struct Json<T>(pub T);

impl<T, S> FromRequest<S> for Json<T>
where
    T: DeserializeOwned,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        if !is_json(request.headers()) {
            return Err(Problem::new(Kind::UnsupportedMediaType)
                .detail("the body must be JSON, and `Content-Type: application/json` must say so"));
        }
        let body = Bytes::from_request(request, state).await.map_err(|rejection| unread(&rejection))?;
        parse(&body).map(Self)
    }
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        match serde_json::to_vec(&self.0) {
            Ok(body) => ([(header::CONTENT_TYPE, "application/json")], body).into_response(),
            Err(error) => Problem::internal(error).into_response(),
        }
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()) else { return false };
    let essence = value.split(';').next().unwrap_or_default().trim();
    let Some((kind, of)) = essence.split_once('/') else { return false };
    let structured = of.rsplit_once('+').is_some_and(|(_, suffix)| suffix.eq_ignore_ascii_case("json"));
    kind.eq_ignore_ascii_case("application") && (of.eq_ignore_ascii_case("json") || structured)
}

/// What a body that was not received comes to.
pub(crate) fn unread(rejection: &BytesRejection) -> Problem {
    match rejection {
        BytesRejection::FailedToBufferBody(FailedToBufferBody::LengthLimitError(_)) => {
            Problem::new(Kind::BodyTooLarge).detail("the body is larger than this route takes")
        }
        // The connection broke, or its framing was wrong: hardly anyone is left to read this.
        _ => Problem::new(Kind::MalformedBody).detail("the body could not be received to its end"),
    }
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    if body.is_empty() {
        return Err(Problem::new(Kind::MalformedBody).detail("the body is empty; JSON is expected"));
    }
    // Keeping the path costs half as much again as parsing does: it is found only for what is refused.
    if let Ok(value) = serde_json::from_slice(body) {
        // Serde takes a list for an object whose fields it has in their order, and an empty one for an empty change.
        if body.trim_ascii_start().starts_with(b"[") {
            let problem = Problem::new(Kind::MalformedBody);
            return Err(problem
                .detail("the JSON does not have the shape that is expected")
                .error("#", "invalid type: a list, expected an object"));
        }
        return Ok(value);
    }
    let mut json = serde_json::Deserializer::from_slice(body);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let pointer = pointer(error.path());
        refused_body(pointer, error.inner())
    })?;
    json.end().map_err(|error| refused_body("#".to_owned(), &error))?;
    Ok(value)
}

fn refused_body(mut pointer: String, error: &serde_json::Error) -> Problem {
    use serde_json::error::Category;
    let text = error.to_string();
    let problem = Problem::new(Kind::MalformedBody);
    match error.classify() {
        Category::Data => {
            // Serde points at the object that lacks a field; the field itself is what the client looks for.
            if let Some(field) = quoted(&text, "missing field `") {
                push_token(&mut pointer, field);
            }
            problem.detail("the JSON does not have the shape that is expected").error(pointer, shorten(&text))
        }
        Category::Syntax | Category::Eof | Category::Io => problem.detail(format!("not JSON: {}", shorten(&text))),
    }
}

/// Parameters from the query string.
#[derive(Debug, Clone, Copy, Default)]
pub struct Query<T>(pub T);

impl<T, S> FromRequestParts<S> for Query<T>
where
    T: DeserializeOwned,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        match extract::Query::try_from_uri(&parts.uri) {
            Ok(extract::Query(value)) => Ok(Self(value)),
            Err(rejection) => Err(refused_query(&rejection)),
        }
    }
}

fn refused_query(rejection: &QueryRejection) -> Problem {
    let text = rejection.body_text();
    let text = text.strip_prefix("Failed to deserialize query string: ").unwrap_or(&text);
    // `limit: invalid digit found in string`, or `missing field …` without a name before.
    let (name, detail) = match text.split_once(": ") {
        Some((name, detail)) if is_name(name) => (Some(name), detail),
        _ => {
            let openings = ["missing field `", "unknown field `", "duplicate field `"];
            (openings.iter().find_map(|opening| quoted(text, opening)), text)
        }
    };
    refused_parameter(name, detail)
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'))
}

/// Parameters from the path.
#[derive(Debug, Clone, Copy, Default)]
pub struct Path<T>(pub T);

impl<T, S> FromRequestParts<S> for Path<T>
where
    T: DeserializeOwned + Send,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match extract::Path::from_request_parts(parts, state).await {
            Ok(extract::Path(value)) => Ok(Self(value)),
            Err(rejection) => Err(refused_path(rejection, &names(parts).await)),
        }
    }
}

/// The names of the route's parameters, in their order.
async fn names(parts: &mut Parts) -> Vec<String> {
    match RawPathParams::from_request_parts(parts, &()).await {
        Ok(params) => params.iter().map(|(name, _)| name.to_owned()).collect(),
        // A value that is not UTF-8, which is told with its name anyway.
        Err(_) => Vec::new(),
    }
}

fn refused_path(rejection: PathRejection, names: &[String]) -> Problem {
    let PathRejection::FailedToDeserializePathParams(error) = rejection else {
        // The handler asks for parameters that its route does not have.
        return Problem::internal(rejection);
    };
    // A handler that takes the one value without a name still has a route that names it.
    let only = if let [name] = names { Some(name.as_str()) } else { None };
    match error.into_kind() {
        ErrorKind::ParseErrorAtKey { key, expected_type, .. } => {
            refused_parameter(Some(&key), &format!("expected {expected_type}"))
        }
        ErrorKind::ParseErrorAtIndex { index, expected_type, .. } => {
            refused_parameter(names.get(index).map(String::as_str), &format!("expected {expected_type}"))
        }
        ErrorKind::ParseError { expected_type, .. } => refused_parameter(only, &format!("expected {expected_type}")),
        ErrorKind::InvalidUtf8InPathParam { key } => refused_parameter(Some(&key), "not UTF-8 when decoded"),
        ErrorKind::DeserializeError { key, message, .. } => refused_parameter(Some(&key), &message),
        ErrorKind::Message(message) => refused_parameter(only, &message),
        // The handler's type does not fit its route: a defect on this side, whatever the client sent.
        kind => Problem::internal(kind),
    }
}

fn refused_parameter(name: Option<&str>, detail: &str) -> Problem {
    let mut pointer = "#".to_owned();
    if let Some(name) = name {
        push_token(&mut pointer, name);
    }
    Problem::new(Kind::InvalidParameter).error(pointer, shorten(detail))
}

/// A JSON pointer in the form of a URI fragment: RFC 6901, sections 3 and 6.
fn pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    let mut pointer = "#".to_owned();
    for segment in path {
        match segment {
            Segment::Seq { index } => push_token(&mut pointer, &index.to_string()),
            Segment::Map { key } => push_token(&mut pointer, key),
            // Serde looked into the value by variant; the pointer already says which value.
            Segment::Enum { .. } | Segment::Unknown => {}
        }
    }
    pointer
}

fn push_token(pointer: &mut String, token: &str) {
    pointer.push('/');
    for byte in token.bytes() {
        match byte {
            b'~' => pointer.push_str("~0"),
            b'/' => pointer.push_str("~1"),
            byte if byte.is_ascii_alphanumeric() || b"-._!$&'()*+,;=:@".contains(&byte) => pointer.push(byte.into()),
            // Writing into a string cannot fail.
            byte => drop(write!(pointer, "%{byte:02X}")),
        }
    }
}

/// The name that follows `opening` up to the closing back quote.
fn quoted<'a>(text: &'a str, opening: &str) -> Option<&'a str> {
    text.strip_prefix(opening)?.split('`').next()
}

/// Messages repeat what the client sent, whose length is the client's choice.
fn shorten(text: &str) -> String {
    const LIMIT: usize = 200;
    match text.char_indices().nth(LIMIT) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
