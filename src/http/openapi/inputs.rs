//! What the arguments of handlers say of their operations.

use aide::{
    OperationInput,
    generate::GenContext,
    openapi::{MediaType, Operation, ReferenceOr, RequestBody, Response, SchemaObject, SecurityRequirement},
};
use schemars::{JsonSchema, Schema, json_schema};
use serde_json::Value;

use super::{
    operation::{Place, audience, may, parameter, signed_in},
    schemas::{meaning, present, taken, taken_apart},
};
use crate::{
    accounts::Scope,
    http::{
        Admin, Caller, Context, IdempotencyKey, IfMatch, IfNoneMatch, Json, Kind, PageQuery, Path, Query, SameOrigin,
        Vendor,
    },
};

type Responses = Vec<(Option<u16>, Response)>;

impl<T: JsonSchema> OperationInput for Json<T> {
    fn operation_input(_: &mut GenContext, operation: &mut Operation) {
        takes(operation, &["application/json"], taken::<T>());
        may(operation, &[Kind::MalformedBody, Kind::BodyTooLarge, Kind::UnsupportedMediaType, Kind::InvalidInput]);
    }
}

/// Notes a body.
pub(in crate::http) fn takes(operation: &mut Operation, kinds: &[&str], json_schema: Schema) {
    let schema = Some(SchemaObject { json_schema, external_docs: None, example: None });
    let media = MediaType { schema, ..MediaType::default() };
    let content = kinds.iter().map(|kind| ((*kind).to_owned(), media.clone()));
    let body = RequestBody { content: content.collect(), required: true, ..RequestBody::default() };
    operation.request_body = Some(ReferenceOr::Item(body));
}

impl<T: JsonSchema> OperationInput for Path<T> {
    fn operation_input(_: &mut GenContext, operation: &mut Operation) {
        may(operation, &[Kind::InvalidParameter, Kind::NotFound]);
        let parts = taken_apart::<T>();
        if let Some(Value::Object(properties)) = parts.get("properties") {
            for (name, schema) in properties {
                parameter(operation, Place::Path, name, true, with_meaning(schema_of(schema)));
            }
            return;
        }
        // Without names of their own they are told by their places; the route knows their names.
        match parts.get("prefixItems") {
            Some(Value::Array(items)) => {
                for (place, schema) in items.iter().enumerate() {
                    parameter(operation, Place::Path, &place.to_string(), true, with_meaning(schema_of(schema)));
                }
            }
            _ => parameter(operation, Place::Path, "0", true, with_meaning(taken::<T>())),
        }
    }
}

impl<T: JsonSchema> OperationInput for Query<T> {
    fn operation_input(_: &mut GenContext, operation: &mut Operation) {
        may(operation, &[Kind::InvalidParameter]);
        let parts = taken_apart::<T>();
        let required = |name: &str| match parts.get("required") {
            Some(Value::Array(names)) => names.iter().any(|other| other == name),
            _ => false,
        };
        if let Some(Value::Object(properties)) = parts.get("properties") {
            for (name, schema) in properties {
                parameter(operation, Place::Query, name, required(name), present(schema_of(schema)));
            }
        }
    }
}

/// A parameter that says nothing of its own is what its type is.
fn with_meaning(mut schema: Schema) -> Schema {
    if let (None, Some(text)) = (schema.get("description"), meaning(&schema)) {
        schema.insert("description".to_owned(), text.into());
    }
    schema
}

/// A part of a schema is a schema.
fn schema_of(part: &Value) -> Schema {
    Schema::try_from(part.clone()).unwrap_or_default()
}

impl<C: JsonSchema> JsonSchema for PageQuery<C> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "PageQuery".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> Schema {
        let cursor = |generator: &mut schemars::SchemaGenerator, text: &str| {
            let mut schema = generator.subschema_for::<C>();
            schema.insert("description".to_owned(), text.into());
            schema
        };
        let after = cursor(generator, "Gives what comes after this cursor, the `next_cursor` of the page before.");
        let before = cursor(generator, "Gives what comes right before this cursor; not together with `after`.");
        let limit = json_schema!({
            "type": "integer", "minimum": 1, "maximum": 100, "default": 20, "description": "How many at most.",
        });
        json_schema!({ "type": "object", "properties": { "limit": limit, "after": after, "before": before } })
    }
}

/// Nobody needs to sign in: taken back where the argument is not optional.
fn nobody_too(operation: &mut Operation) {
    operation.security.insert(0, SecurityRequirement::new());
}

fn somebody(operation: &mut Operation) -> Responses {
    operation.security.retain(|requirement| !requirement.is_empty());
    Responses::new()
}

/// Of `Option<Caller>` only the first half is asked.
impl OperationInput for Caller {
    fn operation_input(_: &mut GenContext, operation: &mut Operation) {
        signed_in(operation, &[]);
        nobody_too(operation);
    }

    fn inferred_early_responses(_: &mut GenContext, operation: &mut Operation) -> Responses {
        somebody(operation)
    }
}

impl OperationInput for Admin {
    fn operation_input(_: &mut GenContext, operation: &mut Operation) {
        signed_in(operation, &[Scope::Admin]);
        audience(operation, "operators");
    }
}

impl OperationInput for Vendor {
    fn operation_input(_: &mut GenContext, operation: &mut Operation) {
        signed_in(operation, &[]);
        audience(operation, "developers who sell here");
    }
}

impl OperationInput for SameOrigin {
    fn operation_input(_: &mut GenContext, operation: &mut Operation) {
        may(operation, &[Kind::Forbidden]);
    }
}

impl OperationInput for Context {}

impl OperationInput for IdempotencyKey {
    fn operation_input(_: &mut GenContext, operation: &mut Operation) {
        let schema = json_schema!({
            "type": "string",
            "minLength": 1,
            "maxLength": 255,
            "description": "Names the request: sent again with the same key and the same body, it is answered again \
                            as the first time, for a day at least, with `Idempotent-Replayed: true`, and does nothing.",
        });
        parameter(operation, Place::Header, "Idempotency-Key", false, schema);
        may(operation, &[Kind::InvalidParameter, Kind::Conflict, Kind::InvalidInput]);
    }
}

impl OperationInput for IfMatch {
    fn operation_input(_: &mut GenContext, operation: &mut Operation) {
        let schema = json_schema!({
            "type": "string",
            "description": "The `ETag` of what is changed, as it was read.",
            "examples": ["\"3\""],
        });
        parameter(operation, Place::Header, "If-Match", true, schema);
        may(operation, &[Kind::PreconditionRequired, Kind::PreconditionFailed]);
    }
}

impl OperationInput for IfNoneMatch {
    fn operation_input(_: &mut GenContext, operation: &mut Operation) {
        let schema = json_schema!({
            "type": "string",
            "description": "The `ETag` of what the client has; unchanged, it is not sent again.",
        });
        parameter(operation, Place::Header, "If-None-Match", false, schema);
    }
}
