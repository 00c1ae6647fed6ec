//! `Idempotency-Key`: a request that is sent twice does its work once, and is answered twice alike.
//!
//! After <https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/>. Refusals are not kept, and no
//! provider is called inside such a request.

use std::borrow::Cow;

use axum::{
    body::Body,
    extract::FromRequestParts,
    http::{HeaderName, HeaderValue, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};

use super::{
    answer::Once,
    problem::{Kind, Problem},
};
use crate::{
    app::App,
    db::{DbError, Tx},
    idempotency::{Answer, RecallError, Request},
};

const HEADER: HeaderName = HeaderName::from_static("idempotency-key");
const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
/// The longest key, in characters.
const LONGEST: usize = 255;

/// The key that came with a request, if one did.
#[derive(Debug, Clone)]
pub struct IdempotencyKey(Option<String>);

impl<S: Send + Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let Some(value) = parts.headers.get(&HEADER) else { return Ok(Self(None)) };
        let key = value.to_str().unwrap_or_default();
        if key.is_empty() || key.len() > LONGEST {
            return Err(Problem::new(Kind::InvalidParameter)
                .error("#/Idempotency-Key", format!("expected 1 to {LONGEST} printable ASCII characters")));
        }
        Ok(Self(Some(key.to_owned())))
    }
}

impl From<RecallError> for Problem {
    fn from(error: RecallError) -> Self {
        match error {
            RecallError::OtherRequest => Self::new(Kind::InvalidInput).detail(error.to_string()),
            RecallError::Sealed(error) => Self::internal(error),
            RecallError::Db(error) => error.into(),
        }
    }
}

/// Why a keyed write did not happen.
enum Stopped<E> {
    /// Another request with the same key was first.
    Overtaken,
    Kept(RecallError),
    Refused(E),
}

impl<E: From<DbError>> From<DbError> for Stopped<E> {
    fn from(error: DbError) -> Self {
        Self::Refused(error.into())
    }
}

/// A request that may carry a key.
#[derive(Debug)]
pub struct Keyed {
    request: Option<Request>,
    /// Where what it makes is found, by its `id`.
    collection: Option<&'static str>,
}

impl Keyed {
    /// `scope` is the caller and the route, e.g. `usr_… POST /api/orders`; `body` is what the request said.
    pub fn new(key: IdempotencyKey, scope: String, body: &impl Serialize) -> Result<Self, Problem> {
        let Some(key) = key.0 else { return Ok(Self { request: None, collection: None }) };
        let body = serde_json::to_vec(body).map_err(Problem::internal)?;
        Ok(Self { request: Some(Request::new(scope, key, &body)), collection: None })
    }

    /// What it makes is found in `collection`, e.g. `/api/orders`: 201 says where, the first time and again.
    #[must_use]
    pub fn found_in(self, collection: &'static str) -> Self {
        Self { collection: Some(collection), ..self }
    }

    /// The answer that was given before: to be asked before anything is looked up that may have changed since.
    pub async fn recall<T, const STATUS: u16>(&self, app: &App) -> Result<Option<Once<T, STATUS>>, Problem> {
        let Some(request) = &self.request else { return Ok(None) };
        Ok(request.recall(&app.db, &app.keys).await?.map(|answer| replayed(answer, self.collection)))
    }

    /// The answer to a request that was refused: what it asks for may be taken by the same request, which was sent twice
    /// and came first by the other way.
    pub async fn refused<T, const STATUS: u16>(&self, app: &App, problem: Problem) -> Result<Once<T, STATUS>, Problem> {
        // A failure of this side is not looked behind: the database may be away.
        if problem.kind() == Kind::Internal {
            return Err(problem);
        }
        self.recall(app).await?.ok_or(problem)
    }

    /// Runs `work` in a transaction and answers with what it gives; under a key, once.
    pub async fn once<T, E, F, const STATUS: u16>(self, app: &App, work: F) -> Result<Once<T, STATUS>, Problem>
    where
        T: Serialize,
        E: From<DbError> + Into<Problem>,
        F: AsyncFnOnce(&mut Tx) -> Result<T, E>,
    {
        let collection = self.collection;
        let Some(request) = &self.request else {
            let value = app.db.write(work).await.map_err(Into::into)?;
            let body = serde_json::to_vec(&value).map_err(Problem::internal)?;
            return Ok(Once::new(response(Answer { status: STATUS, body }, collection)));
        };
        let written = app
            .db
            .write(async |tx| {
                let value = work(tx).await.map_err(Stopped::Refused)?;
                // Answers are texts, numbers and lists of them, which always serialise.
                let answer = Answer { status: STATUS, body: serde_json::to_vec(&value).unwrap_or_default() };
                let kept = request.keep(tx, &app.keys, &answer).await.map_err(Stopped::Kept)?;
                if kept { Ok(answer) } else { Err(Stopped::<E>::Overtaken) }
            })
            .await;
        match written {
            Ok(answer) => Ok(Once::new(response(answer, collection))),
            Err(Stopped::Refused(error)) => self.refused(app, error.into()).await,
            Err(Stopped::Kept(error)) => Err(error.into()),
            Err(Stopped::Overtaken) => {
                let gone =
                    || Problem::new(Kind::Conflict).detail("a request with this Idempotency-Key is being answered");
                let answer = request.recall(&app.db, &app.keys).await?.ok_or_else(gone)?;
                Ok(replayed(answer, collection))
            }
        }
    }
}

/// The whole of it, for work that looks nothing up before its transaction.
pub async fn once<T, E, F, const STATUS: u16>(
    app: &App,
    key: IdempotencyKey,
    scope: String,
    body: &impl Serialize,
    work: F,
) -> Result<Once<T, STATUS>, Problem>
where
    T: Serialize,
    E: From<DbError> + Into<Problem>,
    F: AsyncFnOnce(&mut Tx) -> Result<T, E>,
{
    let keyed = Keyed::new(key, scope, body)?;
    if let Some(answer) = keyed.recall(app).await? {
        return Ok(answer);
    }
    keyed.once(app, work).await
}

/// What was made, as far as its address is concerned.
#[derive(Deserialize)]
struct Made<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
}

fn response(answer: Answer, collection: Option<&str>) -> Response {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::OK);
    let address = collection.filter(|_| status == StatusCode::CREATED).and_then(|collection| {
        let made: Made<'_> = serde_json::from_slice(&answer.body).ok()?;
        HeaderValue::from_str(&format!("{collection}/{}", made.id)).ok()
    });
    let mut response = (status, [(header::CONTENT_TYPE, "application/json")], Body::from(answer.body)).into_response();
    if let Some(address) = address {
        response.headers_mut().insert(header::LOCATION, address);
    }
    response
}

fn replayed<T, const STATUS: u16>(answer: Answer, collection: Option<&str>) -> Once<T, STATUS> {
    let mut response = response(answer, collection);
    response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    Once::new(response)
}
