//! `/api/attachments`: files, uploaded before the message that they belong to.
//!
//! A file is given back as something to be saved, and as nothing else: whatever a browser makes of it, it runs in no
//! page of ours.

use axum::{
    Extension,
    body::{Body, Bytes},
    extract::{State, rejection::BytesRejection},
    http::{HeaderValue, header},
    response::IntoResponse,
};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    gate::{AtDesk, Limits},
    refusals::{bounded, unavailable},
};
use crate::{
    accounts::Scope,
    app::App,
    http::{Caller, Created, File, Kind, Limited, Path, Problem, Query, unread},
    storage::StorageError,
    support::{self, Attachment, AttachmentId, FileReader},
};

/// What a file is called.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct Named {
    /// Its name, with the ending.
    #[schemars(length(max = 255))]
    name: String,
}

/// `POST /api/attachments?name=…`: the body is the file.
pub(super) async fn upload(
    State(app): State<App>,
    caller: Caller,
    Extension(limits): Extension<Limits>,
    Query(named): Query<Named>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Limited<Created<Attachment>>, Problem> {
    caller.require(Scope::SupportWrite)?;
    bounded("name", Some(&named.name), 255)?;
    let body = body.map_err(|rejection| unread(&rejection))?;
    let allowance = limits.uploads.check(&caller.user.to_string())?;
    let file = support::upload(&app.db, &app.support.files, caller.user, (&named.name, body)).await?;
    Ok(Limited::of(allowance, Created(file)))
}

/// `GET /api/attachments/{attachment}`: the caller's own, and those on the caller's tickets.
pub(super) async fn fetch(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<AttachmentId>,
) -> Result<File, Problem> {
    caller.require(Scope::SupportRead)?;
    give(&app, id, FileReader::Customer(caller.user, caller.tenant)).await
}

/// `GET …/attachments/{attachment}` at a desk: those on the tickets there.
pub(super) async fn fetch_at_desk(
    State(app): State<App>,
    desk: AtDesk,
    Path(id): Path<AttachmentId>,
) -> Result<File, Problem> {
    give(&app, id, FileReader::Agent(desk.agent)).await
}

async fn give(app: &App, id: AttachmentId, reader: FileReader) -> Result<File, Problem> {
    let missing = || Problem::new(Kind::NotFound).detail("there is no such file");
    let file = support::find_attachment(&app.db, id, reader).await?.ok_or_else(missing)?;
    let bytes = support::read_attachment(&app.support.files, &file).await.map_err(|error| match error {
        StorageError::NotFound => Problem::internal(format!("the bytes of {id} are gone")),
        StorageError::Unavailable(_) | StorageError::Refused(_) | StorageError::Source(_) => unavailable(&error),
    })?;
    let header = |text: &str| HeaderValue::from_str(text).map_err(Problem::internal);
    let headers = [
        (header::CONTENT_LENGTH, HeaderValue::from(file.size)),
        (header::CONTENT_TYPE, header(&content_type(&file))?),
        (header::CONTENT_DISPOSITION, header(&disposition(&file.name))?),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (
            header::CONTENT_SECURITY_POLICY,
            HeaderValue::from_static("sandbox; default-src 'none'; frame-ancestors 'none'"),
        ),
        (header::CACHE_CONTROL, HeaderValue::from_static("private, no-store")),
    ];
    let mut response = (headers, Body::from_stream(bytes)).into_response();
    let policy = header::HeaderName::from_static("cross-origin-resource-policy");
    response.headers_mut().insert(policy, HeaderValue::from_static("same-origin"));
    Ok(File(response))
}

fn content_type(file: &Attachment) -> String {
    match support::safe_type(&file.media_type) {
        "text/plain" => "text/plain; charset=utf-8".to_owned(),
        kind => kind.to_owned(),
    }
}

/// To be saved under this name: RFC 6266, with the name in ASCII for those who know no better.
fn disposition(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || " -_.()".contains(c) { c } else { '_' };
    let ascii: String = name.chars().map(plain).collect();
    let byte = |byte: u8| {
        if byte.is_ascii_alphanumeric() || b"-_.".contains(&byte) {
            char::from(byte).to_string()
        } else {
            format!("%{byte:02X}")
        }
    };
    let encoded: String = name.bytes().map(byte).collect();
    format!("attachment; filename=\"{ascii}\"; filename*=UTF-8''{encoded}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_leaves_its_place_in_the_header() {
        for (name, expected) in [
            ("a.png", "attachment; filename=\"a.png\"; filename*=UTF-8''a.png"),
            ("é\";x=\r\n.txt", "attachment; filename=\"__;x=__.txt\"; filename*=UTF-8''%C3%A9%22%3Bx%3D%0D%0A.txt"),
        ] {
            let expected = expected.replace(";x=_", "_x__");
            assert_eq!(disposition(name), expected, "{name}");
        }
    }
}
