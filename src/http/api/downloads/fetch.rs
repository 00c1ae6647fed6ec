//! `GET /api/download/{token}`: the file behind a link, or where it is.

use std::sync::Arc;

use aide::{
    OperationOutput,
    generate::GenContext,
    openapi::{Operation, Response as Described},
};
use axum::{
    Extension,
    body::Body,
    extract::State,
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};

use super::{Limits, client, who};
use crate::{
    app::App,
    downloads::{Answer, Body as Content, Conditions, Fetch, LinkRefused, Sent},
    flags::{self, DOWNLOADS_PROXY},
    http::{Caller, Context, File, Kind, Path, Problem},
    usage::Count,
};

const ACCEL_REDIRECT: HeaderName = HeaderName::from_static("x-accel-redirect");

/// `GET /api/download/{token}`, and `HEAD`, which is no use of the link.
pub(super) async fn fetch(
    State(app): State<App>,
    Extension(limits): Extension<Arc<Limits>>,
    caller: Option<Caller>,
    context: Context,
    Path(token): Path<String>,
    method: Method,
    headers: HeaderMap,
) -> Result<Linked, Problem> {
    // A link that nobody made is refused before anybody is asked.
    let grant = app.downloads.open_link(&token).ok_or(LinkRefused::Unknown)?;
    limits.used.check(&token)?;
    let who = who(caller.as_ref())?;
    let user = who.map(|who| who.user.to_string());
    let asking = user.as_deref().map_or_else(flags::Context::anonymous, flags::Context::user);
    let fetch = Fetch {
        grant,
        who,
        client: client(&context, &headers),
        conditions: conditions(&headers),
        only_head: method == Method::HEAD,
        through_us: app.flags.bool(&DOWNLOADS_PROXY, &asking),
    };
    match app.downloads.fetch(fetch).await? {
        Answer::File(sent) => {
            count(&app, &sent);
            file(*sent).map(Linked)
        }
        Answer::NotModified { tag } => Ok(Linked((StatusCode::NOT_MODIFIED, [(header::ETAG, tag)]).into_response())),
        Answer::Unsatisfiable { size } => {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_RANGE, value(&format!("bytes */{size}"))?);
            Err(Problem::new(Kind::RangeNotSatisfiable).detail(format!("the file has {size} bytes")).headers(headers))
        }
    }
}

/// A file, a part of it, where it is, or that the client has it.
pub(super) struct Linked(Response);

impl IntoResponse for Linked {
    fn into_response(self) -> Response {
        self.0
    }
}

impl OperationOutput for Linked {
    type Inner = ();

    fn inferred_responses(ctx: &mut GenContext, operation: &mut Operation) -> Vec<(Option<u16>, Described)> {
        let part = File::inferred_responses(ctx, operation).into_iter().map(|(_, file)| {
            (Some(206), Described { description: "The part that `Range` asks for.".to_owned(), ..file })
        });
        let told =
            |status, text: &str| (Some(status), Described { description: text.to_owned(), ..Described::default() });
        let others = [told(302, "It is at `Location`."), told(304, "The client has it already.")];
        File::inferred_responses(ctx, operation).into_iter().chain(part).chain(others).collect()
    }
}

fn conditions(headers: &HeaderMap) -> Conditions {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    Conditions {
        range: text(header::RANGE),
        if_range: text(header::IF_RANGE),
        if_none_match: text(header::IF_NONE_MATCH),
    }
}

/// Counts a download of the product. Whoever continues one is not counted again.
fn count(app: &App, sent: &Sent) {
    if sent.counts {
        let (subject, at) = (sent.product.to_string(), app.usage.now());
        let endpoint = "GET /api/download/{token}";
        app.usage.record(&Count { subject: &subject, metric: "downloads", endpoint, amount: 1, at, call: None });
    }
}

/// Everything in here was made by this program of what it checked, so this cannot fail.
fn value(text: &str) -> Result<HeaderValue, Problem> {
    HeaderValue::from_str(text).map_err(Problem::internal)
}

fn file(sent: Sent) -> Result<Response, Problem> {
    let mut headers = HeaderMap::new();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    if let Content::Address(address) = &sent.body {
        headers.insert(header::LOCATION, value(address)?);
        return Ok((StatusCode::FOUND, headers).into_response());
    }
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(header::ETAG, value(&sent.tag)?);
    headers.insert(header::CONTENT_TYPE, value(&sent.content_type)?);
    headers.insert(header::CONTENT_DISPOSITION, value(&sent.disposition)?);
    // Whatever a vendor sells runs in no page of ours.
    let sandbox = HeaderValue::from_static("sandbox; default-src 'none'; frame-ancestors 'none'");
    headers.insert(header::CONTENT_SECURITY_POLICY, sandbox);
    let stream = match sent.body {
        Content::Internal(place) => {
            // The proxy in front sends the part that is asked for and its length, and says itself that it can.
            headers.remove(header::ACCEPT_RANGES);
            headers.insert(ACCEL_REDIRECT, value(&place)?);
            return Ok((StatusCode::OK, headers).into_response());
        }
        Content::Head | Content::Address(_) => None,
        Content::Stream(stream) => Some(stream),
    };
    let (status, length) = match &sent.range {
        None => (StatusCode::OK, sent.size),
        Some(range) => {
            let part = format!("bytes {}-{}/{}", range.start, range.end - 1, sent.size);
            headers.insert(header::CONTENT_RANGE, value(&part)?);
            (StatusCode::PARTIAL_CONTENT, range.end - range.start)
        }
    };
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    Ok((status, headers, stream.map_or_else(Body::empty, Body::from_stream)).into_response())
}
