//! `/api/openapi.json`, and `/api/docs` where people read it. Everything is served from here: nothing is asked elsewhere.

use std::sync::Arc;

use axum::{
    Router,
    extract::State,
    http::{HeaderValue, StatusCode, header},
    response::{Html, IntoResponse, Response},
    routing::get,
};
use bytes::Bytes;
use swagger_ui_redist::{SwaggerUi, SwaggerUiStaticFile};

use crate::http::{
    etag::{Conditional, IfNoneMatch, tag_of_bytes},
    extract::Path,
    problem::{Kind, Problem},
};

/// Scripts and styles from files of this server alone; its drawings are in the styles.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);
const PAGE: &str = include_str!("page/docs.html");
const START: &str = include_str!("page/start.js");

#[derive(Debug)]
struct Document {
    bytes: Bytes,
    tag: String,
}

/// The pages of a document.
pub(in crate::http) fn pages(bytes: Bytes) -> Router {
    let tag = tag_of_bytes(&bytes);
    Router::new()
        .route("/api/openapi.json", get(document_itself))
        .route("/api/docs", get(page))
        .route("/api/docs/{file}", get(file))
        .with_state(Arc::new(Document { bytes, tag }))
}

async fn document_itself(State(document): State<Arc<Document>>, known: IfNoneMatch) -> Response {
    if let Conditional::Unchanged(tag) = known.answer(document.tag.clone(), ()) {
        return (StatusCode::NOT_MODIFIED, [(header::ETAG, tag)]).into_response();
    }
    let headers = [
        (header::CONTENT_TYPE, "application/json"),
        (header::CACHE_CONTROL, "no-cache"),
        (header::ETAG, document.tag.as_str()),
    ];
    (headers, document.bytes.clone()).into_response()
}

async fn page() -> impl IntoResponse {
    ([(header::CONTENT_SECURITY_POLICY, POLICY)], Html(PAGE))
}

/// What the page consists of.
async fn file(Path(name): Path<String>, known: IfNoneMatch) -> Response {
    let library = |wanted: SwaggerUiStaticFile| {
        let found = SwaggerUi::static_files().iter().find(|(file, _)| *file == wanted);
        found.map(|(_, bytes)| *bytes).unwrap_or_default()
    };
    let (kind, bytes) = match name.as_str() {
        "swagger-ui.css" => ("text/css; charset=utf-8", library(SwaggerUiStaticFile::Css)),
        "swagger-ui.js" => ("text/javascript; charset=utf-8", library(SwaggerUiStaticFile::Js)),
        "start.js" => ("text/javascript; charset=utf-8", START.as_bytes()),
        _ => return Problem::new(Kind::NotFound).detail("the page has no such file").into_response(),
    };
    // It is another file when the program is another.
    let tag = format!("\"{}-{}\"", env!("CARGO_PKG_VERSION"), bytes.len());
    match known.answer(tag, ()) {
        Conditional::Unchanged(tag) => (StatusCode::NOT_MODIFIED, [(header::ETAG, tag)]).into_response(),
        Conditional::Whole(whole) => {
            let headers = [
                (header::CONTENT_TYPE, kind.to_owned()),
                (header::CACHE_CONTROL, "no-cache".to_owned()),
                (header::ETAG, whole.0),
            ];
            (headers, bytes).into_response()
        }
    }
}
