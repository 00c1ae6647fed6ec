//! `PUT …/products/{product}/files?file_name=…` at a desk: a file, as it is, becomes a source of the product.

use std::time::Duration;

use axum::{
    body::{Body, BodyDataStream},
    extract::State,
    http::{HeaderMap, header},
};
use futures::{StreamExt, stream};
use schemars::JsonSchema;
use serde::Deserialize;

use super::desk::AtDesk;
use crate::{
    app::App,
    downloads::{NewFile, Source, UploadError},
    http::{Created, FirstRevision, Path, Problem, Query},
    kernel::ProductId,
    storage::{ByteStream, StorageError},
};

/// What is said about the file.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Named {
    /// What the file is called.
    file_name: String,
    /// What buyers read of it.
    #[serde(default)]
    name: String,
    /// Which version it is.
    #[serde(default)]
    version: String,
    /// Whether it is offered first.
    #[serde(default)]
    is_primary: bool,
}

/// How long the next piece may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// `PUT …/products/{product}/files`
pub(super) async fn upload(
    State(app): State<App>,
    desk: AtDesk,
    Path(product): Path<ProductId>,
    Query(named): Query<Named>,
    headers: HeaderMap,
    body: Body,
) -> Result<FirstRevision<Created<Source>>, Problem> {
    let most = app.downloads.max_file();
    let length = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if length.is_some_and(|length| length > most) {
        return Err(UploadError::TooLarge(most).into());
    }
    let Named { file_name, name, version, is_primary } = named;
    let new = NewFile { file_name, name, version, is_primary };
    let source = app.downloads.attach(product, new, pieces(body), &desk.editor).await?;
    Ok(FirstRevision(Created(source)))
}

fn pieces(body: Body) -> ByteStream {
    stream::unfold(Some(body.into_data_stream()), next).boxed()
}

async fn next(
    body: Option<BodyDataStream>,
) -> Option<(Result<axum::body::Bytes, StorageError>, Option<BodyDataStream>)> {
    let mut body = body?;
    match tokio::time::timeout(PATIENCE, body.next()).await {
        Ok(None) => None,
        Ok(Some(Ok(piece))) => Some((Ok(piece), Some(body))),
        Ok(Some(Err(error))) => Some((Err(StorageError::Source(error.to_string())), None)),
        Err(_) => Some((Err(StorageError::Source("it stopped".to_owned())), None)),
    }
}
