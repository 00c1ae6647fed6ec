//! Refusals and failures as clients see them: RFC 9457 problem documents.
//!
//! Promise: every error that leaves the front is one of [`Kind`], with a stable `type`, a page that explains it, and
//! the request's id. This is the only file that knows statuses.

use std::{borrow::Cow, time::Duration};

use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::db::DbError;

/// What kind of problem it is: one per documented `type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// No such route or thing, or not for this caller.
    NotFound,
    /// The route exists, but not with this method.
    MethodNotAllowed,
    /// The body is not the JSON that the route takes.
    MalformedBody,
    /// A parameter in the path or the query is not what the route takes.
    InvalidParameter,
    /// The body has the right shape and says something that cannot be.
    InvalidInput,
    /// The body is of a media type that the route does not take.
    UnsupportedMediaType,
    /// The body is too large.
    BodyTooLarge,
    /// The request did not arrive or was not answered in time.
    RequestTimeout,
    /// The request's head is too large.
    HeadersTooLarge,
    /// Credentials are missing or wrong.
    Unauthorized,
    /// The caller is known and may not do this.
    Forbidden,
    /// The request contradicts the present state of the thing.
    Conflict,
    /// The thing was changed since the client read it.
    PreconditionFailed,
    /// The request does not say which state of the thing it is about.
    PreconditionRequired,
    /// A quota or rate limit is used up.
    QuotaExceeded,
    /// An operator has switched the capability off.
    CapabilityDisabled,
    /// Too much is going on at once.
    TemporaryReducedCapacity,
    /// A payment provider does not answer, or refuses.
    ProviderUnavailable,
    /// It was there, and is over.
    Gone,
    /// The part of a file that is asked for is none of it.
    RangeNotSatisfiable,
    /// A file's storage or origin does not answer.
    StorageUnavailable,
    /// A defect or an outage on this side.
    Internal,
}

impl Kind {
    /// All of them, in the order of the index page.
    pub const ALL: [Self; 22] = [
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::MalformedBody,
        Self::InvalidParameter,
        Self::InvalidInput,
        Self::UnsupportedMediaType,
        Self::BodyTooLarge,
        Self::RequestTimeout,
        Self::HeadersTooLarge,
        Self::Unauthorized,
        Self::Forbidden,
        Self::Conflict,
        Self::PreconditionFailed,
        Self::PreconditionRequired,
        Self::QuotaExceeded,
        Self::CapabilityDisabled,
        Self::TemporaryReducedCapacity,
        Self::ProviderUnavailable,
        Self::Gone,
        Self::RangeNotSatisfiable,
        Self::StorageUnavailable,
        Self::Internal,
    ];

    /// The last part of the `type`, and the name of the page.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.facts().0
    }

    /// The status that goes with it.
    #[must_use]
    pub const fn status(self) -> StatusCode {
        self.facts().1
    }

    /// The title: the same for every occurrence.
    #[must_use]
    pub const fn title(self) -> &'static str {
        self.facts().2
    }

    const fn facts(self) -> (&'static str, StatusCode, &'static str) {
        match self {
            Self::NotFound => ("not-found", StatusCode::NOT_FOUND, "Not found"),
            Self::MethodNotAllowed => {
                ("method-not-allowed", StatusCode::METHOD_NOT_ALLOWED, "The method is not allowed here")
            }
            Self::MalformedBody => ("malformed-body", StatusCode::BAD_REQUEST, "The body is not what is expected"),
            Self::InvalidParameter => {
                ("invalid-parameter", StatusCode::BAD_REQUEST, "A parameter is not what is expected")
            }
            Self::InvalidInput => {
                ("invalid-input", StatusCode::UNPROCESSABLE_ENTITY, "What the body says cannot be accepted")
            }
            Self::UnsupportedMediaType => {
                ("unsupported-media-type", StatusCode::UNSUPPORTED_MEDIA_TYPE, "The media type is not supported")
            }
            Self::BodyTooLarge => ("body-too-large", StatusCode::PAYLOAD_TOO_LARGE, "The body is too large"),
            Self::RequestTimeout => ("request-timeout", StatusCode::REQUEST_TIMEOUT, "The request took too long"),
            Self::HeadersTooLarge => (
                "headers-too-large",
                StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
                "The request's headers are too large",
            ),
            Self::Unauthorized => ("unauthorized", StatusCode::UNAUTHORIZED, "Credentials are missing or not valid"),
            Self::Forbidden => ("forbidden", StatusCode::FORBIDDEN, "This is not allowed to you"),
            Self::Conflict => ("conflict", StatusCode::CONFLICT, "The request conflicts with the present state"),
            Self::PreconditionFailed => {
                ("precondition-failed", StatusCode::PRECONDITION_FAILED, "It was changed since you read it")
            }
            Self::PreconditionRequired => (
                "precondition-required",
                StatusCode::PRECONDITION_REQUIRED,
                "Say which state you mean to change, with If-Match",
            ),
            Self::QuotaExceeded => ("quota-exceeded", StatusCode::TOO_MANY_REQUESTS, "A quota is used up"),
            Self::CapabilityDisabled => {
                ("capability-disabled", StatusCode::SERVICE_UNAVAILABLE, "This is switched off at the moment")
            }
            Self::TemporaryReducedCapacity => (
                "temporary-reduced-capacity",
                StatusCode::SERVICE_UNAVAILABLE,
                "Too many requests are being answered at the moment",
            ),
            Self::ProviderUnavailable => (
                "provider-unavailable",
                StatusCode::SERVICE_UNAVAILABLE,
                "The payment provider cannot be reached at the moment",
            ),
            Self::Gone => ("gone", StatusCode::GONE, "It was there, and is over"),
            Self::RangeNotSatisfiable => (
                "range-not-satisfiable",
                StatusCode::RANGE_NOT_SATISFIABLE,
                "The part that is asked for is none of the file's",
            ),
            Self::StorageUnavailable => {
                ("storage-unavailable", StatusCode::SERVICE_UNAVAILABLE, "The file cannot be reached at the moment")
            }
            Self::Internal => ("internal", StatusCode::INTERNAL_SERVER_ERROR, "Something went wrong on our side"),
        }
    }

    /// The `type`: registered with IANA where there is a registered one, else a page of this server.
    pub(super) fn uri(self, public_url: &str) -> String {
        match self {
            Self::QuotaExceeded | Self::TemporaryReducedCapacity => {
                format!("https://iana.org/assignments/http-problem-types#{}", self.name())
            }
            Self::NotFound
            | Self::MethodNotAllowed
            | Self::MalformedBody
            | Self::InvalidParameter
            | Self::InvalidInput
            | Self::UnsupportedMediaType
            | Self::BodyTooLarge
            | Self::RequestTimeout
            | Self::HeadersTooLarge
            | Self::Unauthorized
            | Self::Forbidden
            | Self::Conflict
            | Self::PreconditionFailed
            | Self::PreconditionRequired
            | Self::CapabilityDisabled
            | Self::ProviderUnavailable
            | Self::Gone
            | Self::RangeNotSatisfiable
            | Self::StorageUnavailable
            | Self::Internal => format!("{public_url}/docs/problems/{}", self.name()),
        }
    }
}

/// One thing that is wrong in a body or in parameters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct FieldError {
    /// Where: a JSON pointer as a URI fragment (RFC 6901, section 6), `#/items/0/quantity`; for a parameter, `#/limit`.
    pub pointer: String,
    /// What is wrong there.
    pub detail: String,
}

/// A refusal or failure on its way to the client.
#[derive(Debug, Clone)]
pub struct Problem(Box<Parts>);

#[derive(Debug, Clone)]
struct Parts {
    kind: Kind,
    detail: Option<Cow<'static, str>>,
    errors: Vec<FieldError>,
    retry_after: Option<Duration>,
    members: Map<String, Value>,
    headers: HeaderMap,
}

/// What only the edge knows about the occurrence.
#[derive(Debug, Clone, Copy)]
pub(super) struct Occurrence<'a> {
    pub(super) public_url: &'a str,
    pub(super) instance: &'a str,
    pub(super) request_id: &'a str,
}

/// What went wrong (RFC 9457). Some problems have members of their own.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Problem")]
pub(super) struct Document<'a> {
    /// What kind of problem it is: always the same URI for the same kind, whose page explains it.
    #[serde(rename = "type")]
    #[schemars(extend("format" = "uri"))]
    uri: String,
    /// The kind in words, the same for every occurrence.
    title: &'static str,
    /// The status of the answer.
    status: u16,
    /// What happened this time.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
    /// The path that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    instance: Option<&'a str>,
    /// The request's id, for whoever asks about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
    /// What is wrong in the request, each at its place.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [FieldError],
    #[serde(flatten)]
    members: &'a Map<String, Value>,
}

impl Problem {
    /// A problem without particulars.
    #[must_use]
    pub fn new(kind: Kind) -> Self {
        Self(Box::new(Parts {
            kind,
            detail: None,
            errors: Vec::new(),
            retry_after: None,
            members: Map::new(),
            headers: HeaderMap::new(),
        }))
    }

    /// Says what happened this time. Never hand in an error's text unless it was written for clients.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<Cow<'static, str>>) -> Self {
        self.0.detail = Some(detail.into());
        self
    }

    /// Adds one thing that is wrong, at `pointer` (see [`FieldError::pointer`]).
    #[must_use]
    pub fn error(mut self, pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        self.0.errors.push(FieldError { pointer: pointer.into(), detail: detail.into() });
        self
    }

    /// When it makes sense to try again; at least a second, whole seconds, rounded up.
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.0.retry_after = Some(wait);
        self
    }

    /// Adds a member of its own, such as `violated-policies`. The standard members cannot be replaced.
    #[must_use]
    pub fn member(mut self, name: &str, value: impl Into<Value>) -> Self {
        const STANDARD: [&str; 7] = ["type", "title", "status", "detail", "instance", "request_id", "errors"];
        if !STANDARD.contains(&name) {
            self.0.members.insert(name.to_owned(), value.into());
        }
        self
    }

    /// Adds headers to the answer.
    #[must_use]
    pub fn headers(mut self, headers: HeaderMap) -> Self {
        self.0.headers.extend(headers);
        self
    }

    /// A failure of this side: the reason goes to the log, not to the client.
    #[must_use]
    pub fn internal(reason: impl std::fmt::Display) -> Self {
        tracing::error!(error = %reason, "a request failed");
        Self::new(Kind::Internal)
    }

    /// A capability that an operator has switched off.
    #[must_use]
    pub fn capability_disabled(capability: &str) -> Self {
        Self::new(Kind::CapabilityDisabled)
            .detail(format!("`{capability}` is switched off by an operator; try again later"))
            .retry_after(Duration::from_secs(30))
            .member("capability", capability)
    }

    /// What kind it is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    fn body(&self, occurrence: Option<Occurrence<'_>>) -> Vec<u8> {
        let document = Document {
            uri: self.0.kind.uri(occurrence.map_or("", |here| here.public_url)),
            title: self.0.kind.title(),
            status: self.0.kind.status().as_u16(),
            detail: self.0.detail.as_deref(),
            instance: occurrence.map(|here| here.instance),
            request_id: occurrence.map(|here| here.request_id),
            errors: &self.0.errors,
            members: &self.0.members,
        };
        // Texts and values that are JSON already always serialise.
        serde_json::to_vec(&document).unwrap_or_default()
    }

    /// Writes the problem that a response carries into its body, now that its occurrence is known.
    pub(super) fn stamp(response: &mut Response, occurrence: Occurrence<'_>) {
        let Some(problem) = response.extensions_mut().remove::<Self>() else { return };
        // The length of the body that is replaced.
        response.headers_mut().remove(header::CONTENT_LENGTH);
        *response.body_mut() = Body::from(problem.body(Some(occurrence)));
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = (self.0.kind.status(), self.body(None)).into_response();
        let headers = response.headers_mut();
        headers.extend(self.0.headers.clone());
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(wait) = self.0.retry_after {
            let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds.max(1)));
        }
        if self.0.kind == Kind::Unauthorized {
            // RFC 9110, 15.5.2: a 401 names a scheme that would do.
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"mintreu\""));
        }
        // The outermost layer knows the request's id and writes the body again with it.
        response.extensions_mut().insert(self);
        response
    }
}

/// A database error that no operation gave a meaning to is a failure of this side.
impl From<DbError> for Problem {
    fn from(error: DbError) -> Self {
        let problem = Self::internal(&error);
        if error.is_transient() { problem.retry_after(Duration::from_secs(1)) } else { problem }
    }
}
