//! What Lemon Squeezy's licence API answers, shape by shape.

use std::{borrow::Cow, collections::BTreeMap, marker::PhantomData};

use aide::{
    OperationOutput,
    generate::GenContext,
    openapi::{Operation, Response as Described},
};
use axum::{
    http::StatusCode,
    response::{IntoResponse, Response},
};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};
use uuid::Uuid;

use crate::{
    http::{
        Allowance, Json, Limited,
        openapi::{given, gives},
    },
    kernel::Time,
    licenses::{LicenseStatus, Place, Sale, check_typing, number},
};

/// What a call came to, with the licence as it is now.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Rest {
    /// Why not.
    pub(super) error: Option<&'static str>,
    /// The licence's key.
    pub(super) license_key: Option<LicenseKey>,
    /// Where it was sold.
    pub(super) meta: Option<Meta>,
}

/// The answer to an activation.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "LemonSqueezyActivation")]
pub(super) struct Activation {
    /// Whether it is active there.
    pub(super) activated: bool,
    /// The activation.
    pub(super) instance: Option<Instance>,
    #[serde(flatten)]
    pub(super) rest: Rest,
}

/// The answer to a validation.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "LemonSqueezyValidation")]
pub(super) struct Validation {
    /// Whether the licence is good.
    pub(super) valid: bool,
    /// The activation that was asked for.
    pub(super) instance: Option<Instance>,
    #[serde(flatten)]
    pub(super) rest: Rest,
}

/// The answer to a deactivation.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "LemonSqueezyDeactivation")]
pub(super) struct Deactivation {
    /// Whether it is active there no more.
    pub(super) deactivated: bool,
    #[serde(flatten)]
    pub(super) rest: Rest,
}

/// An activation, as it is told there.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "LemonSqueezyInstance")]
pub(super) struct Instance {
    /// Which one.
    #[schemars(with = "String", extend("format" = "uuid"))]
    id: Uuid,
    /// What its program calls it.
    name: String,
    /// When it was activated.
    created_at: Stamp,
}

impl Instance {
    pub(super) fn of(place: &Place) -> Self {
        Self { id: place.id.uuid(), name: place.name.clone(), created_at: Stamp(place.created_at) }
    }
}

/// A time as it is written there: with microseconds.
#[derive(Debug)]
struct Stamp(Time);

impl Serialize for Stamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0.to_datetime().format("%Y-%m-%dT%H:%M:%S%.6fZ"))
    }
}

impl JsonSchema for Stamp {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Stamp".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "date-time", "examples": ["2026-01-31T09:30:00.000000Z"] })
    }
}

/// A licence's key, as it is told there.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "LemonSqueezyKey")]
pub(super) struct LicenseKey {
    /// A number that stands for the licence.
    id: u64,
    /// How it stands.
    status: KeyStatus,
    /// The key.
    key: String,
    /// On how many machines at most.
    activation_limit: Option<i64>,
    /// On how many it is active.
    activation_usage: i64,
    /// When it was issued.
    created_at: Stamp,
    /// When it ends; never if null.
    expires_at: Option<Stamp>,
    /// Always false.
    test_mode: bool,
}

#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "LemonSqueezyKeyStatus", description = "How a key stands, in the words that are used there.")]
enum KeyStatus {
    /// Good, and active nowhere.
    Inactive,
    /// Good.
    Active,
    /// Its time is over, or its subscription ended.
    Expired,
    /// Not good yet, suspended, or revoked.
    Disabled,
}

impl LicenseKey {
    pub(super) fn of(sale: &Sale, key: &str, now: Time) -> Self {
        let status = match sale.status_at(now) {
            LicenseStatus::Active if sale.activation_count == 0 => KeyStatus::Inactive,
            LicenseStatus::Active => KeyStatus::Active,
            LicenseStatus::Expired | LicenseStatus::Cancelled => KeyStatus::Expired,
            LicenseStatus::Pending | LicenseStatus::Suspended | LicenseStatus::Revoked => KeyStatus::Disabled,
        };
        Self {
            id: number(sale.license),
            status,
            key: check_typing(key).map_or_else(|_| key.to_owned(), |typed| typed.to_string()),
            activation_limit: sale.max_activations,
            activation_usage: sale.activation_count,
            created_at: Stamp(sale.created_at),
            expires_at: sale.expires_at.map(Stamp),
            test_mode: false,
        }
    }
}

/// Where a licence was sold; the numbers stand for ids.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "LemonSqueezyMeta")]
pub(super) struct Meta {
    /// From which developer.
    store_id: u64,
    /// In which order.
    order_id: u64,
    /// As which of its items.
    order_item_id: u64,
    /// Of which product.
    product_id: u64,
    /// What the product is called.
    product_name: String,
    /// In which plan.
    variant_id: u64,
    /// What the plan is called.
    variant_name: String,
    /// To whom.
    customer_id: u64,
    /// What they are called.
    customer_name: String,
    /// Where they get mail.
    customer_email: String,
}

impl Meta {
    pub(super) fn of(sale: &Sale) -> Self {
        Self {
            store_id: number(sale.developer),
            order_id: number(sale.order),
            order_item_id: number(sale.item),
            product_id: number(sale.product),
            product_name: sale.product_title.clone(),
            variant_id: number(sale.plan),
            variant_name: sale.plan_name.clone(),
            customer_id: number(sale.tenant),
            customer_name: sale.customer_name.clone(),
            customer_email: sale.customer_email.clone(),
        }
    }
}

/// Fields that are missing.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "LemonSqueezyMissing")]
struct Missing {
    /// Which field is required.
    message: String,
    /// The same by the field's name.
    errors: BTreeMap<&'static str, [String; 1]>,
}

/// An answer as it is given there: a `B`, whatever it came to, unless fields are missing.
#[derive(Debug)]
pub(super) struct Spoken<B> {
    response: Response,
    of: PhantomData<fn() -> B>,
}

impl<B: Serialize> Spoken<B> {
    pub(super) fn new(status: StatusCode, allowance: Option<Allowance>, body: B) -> Self {
        let response = (status, Limited::perhaps(allowance, Json(body))).into_response();
        Self { response, of: PhantomData }
    }
}

impl<B> IntoResponse for Spoken<B> {
    fn into_response(self) -> Response {
        self.response
    }
}

impl<B: JsonSchema> OperationOutput for Spoken<B> {
    type Inner = B;

    fn inferred_responses(ctx: &mut GenContext, operation: &mut Operation) -> Vec<(Option<u16>, Described)> {
        let mut responses = Limited::<Json<B>>::inferred_responses(ctx, operation);
        let refused = |description| gives(description, "application/json", given::<B>());
        responses.push((Some(400), refused("It is refused; `error` says why.")));
        responses.push((Some(404), refused("There is no such key, or no such instance of it.")));
        let missing = gives("A field is missing.", "application/json", given::<Missing>());
        responses.push((Some(422), missing));
        responses
    }
}

/// The answer that a field which must be there is not.
pub(super) fn without<B>(name: &'static str) -> Spoken<B> {
    let text = format!("The {} field is required.", name.replace('_', " "));
    let body = Missing { message: text.clone(), errors: BTreeMap::from([(name, [text])]) };
    Spoken { response: (StatusCode::UNPROCESSABLE_ENTITY, Json(body)).into_response(), of: PhantomData }
}
