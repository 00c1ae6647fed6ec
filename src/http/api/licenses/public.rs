//! `/api/license`: what sold programs ask. The key is the only credential.

use std::sync::Arc;

use aide::{
    OperationOutput,
    generate::GenContext,
    openapi::{Operation, Response as Described},
};
use axum::{
    Extension,
    extract::State,
    response::{IntoResponse, Response},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, value::RawValue};

use super::{
    bounds::{NAME, optional, refused, text},
    calls::Calls,
};
use crate::{
    app::App,
    http::{Allowance, Context, Json, Limited, Problem},
    kernel::Time,
    licenses::{
        self, Activated, Asked, Code, Deactivated, Domain, KeyHash, KeyRefused, NewPlace, Place, PublicKey, Question,
        TypingError,
    },
    usage::Count,
};

/// The largest `server_info`, in bytes of JSON.
const SERVER_INFO: usize = 4 << 10;

/// What a program sends. Fields that are not known are ignored: programs live longer than servers.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "LicenseQuestion", description = "What a program sends. Fields that are not known are ignored.")]
pub(super) struct Ask {
    /// The licence's key.
    license_key: String,
    /// The product that it must be of: its id or its name in addresses.
    #[schemars(length(min = 1, max = 255))]
    product: Option<String>,
    /// The host that the program serves.
    #[schemars(length(min = 1, max = 255))]
    domain: Option<String>,
    /// What to call the activation; its domain or its fingerprint if nothing is said.
    #[schemars(length(min = 1, max = 255))]
    instance_name: Option<String>,
    /// The activation that is meant, as it was named when it was made.
    instance_id: Option<String>,
    /// What the program knows its machine by; instead of `instance_id`.
    #[schemars(length(min = 1, max = 255))]
    fingerprint: Option<String>,
    /// Comes back as it came, so that an answer cannot be an old one: a number, or at most 255 bytes of text.
    nonce: Option<Nonce>,
    /// What the owner shall see of the program's surroundings: at most 4096 bytes of JSON.
    server_info: Option<Map<String, Value>>,
}

/// Comes back as it came, so that an answer cannot be an old one.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(untagged)]
#[schemars(inline)]
pub(super) enum Nonce {
    Number(i64),
    Text(String),
}

impl Ask {
    fn question(&self, context: &Context) -> Result<Question<'_>, Problem> {
        let domain = match optional("#/domain", self.domain.as_deref(), NAME)? {
            Some(domain) => Some(domain.parse::<Domain>().map_err(|error| refused("#/domain", error.to_string()))?),
            None => None,
        };
        Ok(Question {
            product: optional("#/product", self.product.as_deref(), NAME)?,
            domain,
            ip: context.peer().map(|address| address.to_canonical()),
            place: self.place()?,
        })
    }

    fn place(&self) -> Result<Option<Asked<'_>>, Problem> {
        if let Some(id) = &self.instance_id {
            let id =
                id.parse().map_err(|error: crate::kernel::ParseIdError| refused("#/instance_id", error.to_string()))?;
            return Ok(Some(Asked::Instance(id)));
        }
        let fingerprint = optional("#/fingerprint", self.fingerprint.as_deref(), NAME)?;
        Ok(fingerprint.map(Asked::Fingerprint))
    }

    fn checked_nonce(&self) -> Result<Option<&Nonce>, Problem> {
        match &self.nonce {
            Some(Nonce::Text(text)) if text.len() > NAME => {
                Err(refused("#/nonce", format!("expected at most {NAME} bytes")))
            }
            nonce => Ok(nonce.as_ref()),
        }
    }
}

/// What a program gets. It reads `valid`; the rest is for people.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "LicenseVerdict", description = "What a program gets. It reads `valid`; the rest is for people.")]
pub(super) struct Answer<'a> {
    /// Whether the licence is good for what was asked, or what was asked is done.
    valid: bool,
    /// Why, or why not.
    code: Code,
    /// The same in words.
    detail: &'a str,
    /// The licence, if there is one with this key.
    #[schemars(with = "Option<licenses::Shown<'static>>")]
    license: Option<&'a RawValue>,
    /// The activation that is meant.
    instance: Option<&'a Place>,
    /// The question's.
    #[serde(skip_serializing_if = "Option::is_none")]
    nonce: Option<&'a Nonce>,
    /// Whether the answer is as the licence stood some time ago: the database is away. Missing otherwise.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    stale: bool,
    /// When it was answered.
    ts: Time,
}

/// An answer that is written, since it refers to what is kept in memory.
#[derive(Debug)]
pub(super) struct Told(Limited<Response>);

impl Told {
    fn new(allowance: Option<Allowance>, answer: &Answer<'_>) -> Self {
        Self(Limited::perhaps(allowance, Json(answer).into_response()))
    }
}

impl IntoResponse for Told {
    fn into_response(self) -> Response {
        self.0.into_response()
    }
}

impl OperationOutput for Told {
    type Inner = Answer<'static>;

    fn inferred_responses(ctx: &mut GenContext, operation: &mut Operation) -> Vec<(Option<u16>, Described)> {
        Limited::<Json<Answer<'static>>>::inferred_responses(ctx, operation)
    }
}

impl<'a> Answer<'a> {
    const fn of(code: Code, nonce: Option<&'a Nonce>, ts: Time) -> Self {
        let valid = matches!(code, Code::Valid);
        Self { valid, code, detail: code.detail(), license: None, instance: None, nonce, stale: false, ts }
    }
}

/// A key that is none: told without asking anything.
fn unknown(app: &App, error: KeyRefused, nonce: Option<&Nonce>, allowance: Option<Allowance>) -> Told {
    app.license_cache.count(Code::NotFound);
    let detail = match error {
        KeyRefused::Typing(TypingError::Prefix) | KeyRefused::Foreign => Code::NotFound.detail().to_owned(),
        KeyRefused::Typing(error) => error.to_string(),
    };
    let answer = Answer { detail: &detail, ..Answer::of(Code::NotFound, nonce, app.db.now()) };
    Told::new(allowance, &answer)
}

/// `POST /api/license/validate`
pub(super) async fn validate(
    State(app): State<App>,
    Extension(calls): Extension<Arc<Calls>>,
    context: Context,
    Json(ask): Json<Ask>,
) -> Result<Told, Problem> {
    let (nonce, key) = (ask.checked_nonce()?, app.license_keys.recognise(&ask.license_key));
    let allowance = calls.take(context.peer(), key.ok())?;
    let question = ask.question(&context)?;
    let hash = match key {
        Ok(hash) => hash,
        Err(error) => return Ok(unknown(&app, error, nonce, allowance)),
    };
    let verdict = app.license_cache.validate(hash, &question).await?;
    let now = app.db.now();
    if let Some(license) = &verdict.license {
        count(&app, license.subject(), "POST /api/license/validate", now).await;
    }
    let answer = Answer {
        license: verdict.license.as_ref().map(|license| license.shown(now)),
        instance: verdict.place.as_ref(),
        stale: verdict.stale,
        ..Answer::of(verdict.code, nonce, now)
    };
    Ok(Told::new(allowance, &answer))
}

/// Counts a validation of a licence.
pub(super) async fn count(app: &App, subject: &str, endpoint: &str, at: Time) {
    let count = Count { subject, metric: "license.validations", endpoint, amount: 1, at, call: None };
    app.usage.record_together(&[count]).await;
}

/// `POST /api/license/activate`
pub(super) async fn activate(
    State(app): State<App>,
    Extension(calls): Extension<Arc<Calls>>,
    context: Context,
    Json(ask): Json<Ask>,
) -> Result<Told, Problem> {
    let (nonce, key) = (ask.checked_nonce()?, app.license_keys.recognise(&ask.license_key));
    let allowance = calls.take(context.peer(), key.ok())?;
    let question = ask.question(&context)?;
    let fingerprint = optional("#/fingerprint", ask.fingerprint.as_deref(), NAME)?;
    let named = ask.instance_name.as_deref().or(ask.domain.as_deref()).or(fingerprint).unwrap_or("unnamed");
    let name = text("#/instance_name", named, NAME)?;
    let server_info = Value::from(ask.server_info.clone().unwrap_or_default()).to_string();
    if server_info.len() > SERVER_INFO {
        return Err(refused("#/server_info", format!("expected at most {SERVER_INFO} bytes of JSON")));
    }
    let hash = match key {
        Ok(hash) => hash,
        Err(error) => return Ok(unknown(&app, error, nonce, allowance)),
    };
    let new = NewPlace { question, name, fingerprint, server_info: &server_info };
    let activated = app.db.write(async |tx| licenses::activate(tx, hash, &new).await).await?;
    let (code, place) = match &activated {
        Activated::New(place) | Activated::Already(place) => (Code::Valid, Some(place)),
        Activated::Refused(code) => (*code, None),
    };
    let answer = Answer { instance: place, ..Answer::of(code, nonce, app.db.now()) };
    Ok(changed(&app, hash, answer, allowance).await)
}

/// `POST /api/license/deactivate`
pub(super) async fn deactivate(
    State(app): State<App>,
    Extension(calls): Extension<Arc<Calls>>,
    context: Context,
    Json(ask): Json<Ask>,
) -> Result<Told, Problem> {
    let (nonce, key) = (ask.checked_nonce()?, app.license_keys.recognise(&ask.license_key));
    let allowance = calls.take(context.peer(), key.ok())?;
    let Some(asked) = ask.place()? else {
        return Err(refused("#/instance_id", "name the activation: `instance_id` or `fingerprint`"));
    };
    let hash = match key {
        Ok(hash) => hash,
        Err(error) => return Ok(unknown(&app, error, nonce, allowance)),
    };
    let done = app.db.write(async |tx| licenses::deactivate(tx, hash, &asked).await).await?;
    let code = match done {
        Deactivated::Done(_) => Code::Valid,
        Deactivated::Refused(code) => code,
    };
    Ok(changed(&app, hash, Answer::of(code, nonce, app.db.now()), allowance).await)
}

/// The answer with the licence as it is now.
async fn changed(app: &App, hash: KeyHash, answer: Answer<'_>, allowance: Option<Allowance>) -> Told {
    app.license_cache.forget(hash);
    // What was to be done is done; when the licence cannot be read, the answer is still true.
    let license = app.license_cache.find(hash).await.ok().and_then(|(license, _)| license);
    let detail = if matches!(answer.code, Code::Valid) { "done" } else { answer.detail };
    let license = license.as_ref().map(|license| license.shown(answer.ts));
    Told::new(allowance, &Answer { detail, license, ..answer })
}

/// The keys that verify licence files.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "LicensePublicKeys")]
pub(super) struct PublicKeys {
    /// `ed25519`.
    algorithm: &'static str,
    /// The name of the key that new files are signed with.
    key_id: Option<String>,
    /// That key: 32 bytes in base64.
    public_key: Option<String>,
    /// All keys that files are signed with which may still be good.
    keys: Vec<PublicKey>,
}

/// `GET /api/license/public-key`
pub(super) async fn public_key(State(app): State<App>) -> Json<PublicKeys> {
    let keys = app.license_keys.signer().public_keys();
    let current = keys.first();
    Json(PublicKeys {
        algorithm: "ed25519",
        key_id: current.map(|key| key.key_id.clone()),
        public_key: current.map(|key| key.public_key.clone()),
        keys,
    })
}
