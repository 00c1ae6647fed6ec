//! What handlers answer with, by names that say the status, so that the API's description knows it too.

use std::marker::PhantomData;

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;

use super::{extract::Json, rate::Allowance};

/// 201: what was made.
#[derive(Debug, Clone)]
pub struct Created<T>(pub T);

impl<T: Serialize> IntoResponse for Created<T> {
    fn into_response(self) -> Response {
        (StatusCode::CREATED, Json(self.0)).into_response()
    }
}

/// 202: what will be done.
#[derive(Debug, Clone)]
pub struct Accepted<T>(pub T);

impl<T: Serialize> IntoResponse for Accepted<T> {
    fn into_response(self) -> Response {
        (StatusCode::ACCEPTED, Json(self.0)).into_response()
    }
}

/// 202: it will be done, and there is nothing to say yet.
#[derive(Debug, Clone, Copy)]
pub struct Promised;

impl IntoResponse for Promised {
    fn into_response(self) -> Response {
        StatusCode::ACCEPTED.into_response()
    }
}

/// 204: done, and nothing to say.
#[derive(Debug, Clone, Copy)]
pub struct NoContent;

impl IntoResponse for NoContent {
    fn into_response(self) -> Response {
        StatusCode::NO_CONTENT.into_response()
    }
}

/// An answer with what is left of the caller's allowance.
#[derive(Debug, Clone)]
pub struct Limited<R> {
    allowance: Option<Allowance>,
    answer: R,
}

impl<R> Limited<R> {
    /// One of what the allowance lets through.
    pub const fn of(allowance: Allowance, answer: R) -> Self {
        Self { allowance: Some(allowance), answer }
    }

    /// One of what the allowance lets through, if there is a limit.
    pub const fn perhaps(allowance: Option<Allowance>, answer: R) -> Self {
        Self { allowance, answer }
    }

    /// One that cost nothing, such as an answer given again.
    pub const fn free(answer: R) -> Self {
        Self { allowance: None, answer }
    }
}

impl<R: IntoResponse> IntoResponse for Limited<R> {
    fn into_response(self) -> Response {
        (self.allowance, self.answer).into_response()
    }
}

/// The answer to a request that may carry an `Idempotency-Key`: a `T` under `STATUS`, the first time and again.
#[derive(Debug)]
pub struct Once<T, const STATUS: u16 = 201> {
    response: Response,
    of: PhantomData<fn() -> T>,
}

impl<T, const STATUS: u16> Once<T, STATUS> {
    /// `response` has `STATUS` and a `T`, or had when it was given first.
    pub(super) fn new(response: Response) -> Self {
        Self { response, of: PhantomData }
    }
}

impl<T, const STATUS: u16> IntoResponse for Once<T, STATUS> {
    fn into_response(self) -> Response {
        self.response
    }
}

/// What was just made, which nobody has changed: it is at its first revision.
#[derive(Debug)]
pub struct FirstRevision<R>(pub R);

impl<R: IntoResponse> IntoResponse for FirstRevision<R> {
    fn into_response(self) -> Response {
        let mut response = self.0.into_response();
        response.headers_mut().insert(header::ETAG, HeaderValue::from_static("\"1\""));
        response
    }
}

/// A file of any media type.
#[derive(Debug)]
pub struct File(pub Response);

impl IntoResponse for File {
    fn into_response(self) -> Response {
        self.0
    }
}

/// A ZIP archive.
#[derive(Debug)]
pub struct Archive(pub Response);

impl IntoResponse for Archive {
    fn into_response(self) -> Response {
        self.0
    }
}

/// An answer that sets a cookie.
#[derive(Debug)]
pub struct WithCookie<R>(pub HeaderValue, pub R);

impl<R: IntoResponse> IntoResponse for WithCookie<R> {
    fn into_response(self) -> Response {
        let mut response = self.1.into_response();
        response.headers_mut().insert(header::SET_COOKIE, self.0);
        response
    }
}

/// An answer that nothing on its way may keep: it holds a secret.
#[derive(Debug)]
pub struct NotStored<R>(pub R);

impl<R: IntoResponse> IntoResponse for NotStored<R> {
    fn into_response(self) -> Response {
        let mut response = self.0.into_response();
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}
