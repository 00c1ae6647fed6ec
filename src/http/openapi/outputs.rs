//! What the answers of handlers say of their operations.

use aide::{
    OperationOutput,
    generate::GenContext,
    openapi::{Content, MediaType, Operation, ReferenceOr, Response, SchemaObject},
};
use schemars::{JsonSchema, Schema};

use super::{operation::may, schemas::given};
use crate::http::{
    Accepted, Archive, Conditional, Created, File, FirstRevision, Json, Kind, Limited, NoContent, NotStored, Once,
    Problem, Promised, Tagged, WithCookie,
};

type Responses = Vec<(Option<u16>, Response)>;

/// A response of one schema.
pub(in crate::http) fn gives(description: &str, kind: &str, json_schema: Schema) -> Response {
    let schema = Some(SchemaObject { json_schema, external_docs: None, example: None });
    let content = Content::from([(kind.to_owned(), MediaType { schema, ..MediaType::default() })]);
    Response { description: description.to_owned(), content, ..Response::default() }
}

fn json<T: JsonSchema>(status: u16) -> Responses {
    let description = match status {
        201 => "What was made.",
        202 => "It will be done.",
        _ => "Done.",
    };
    vec![(Some(status), gives(description, "application/json", given::<T>()))]
}

/// Notes headers of the answers that are no refusals; what they are is told once, in the components.
fn with_headers(mut responses: Responses, names: &[&str]) -> Responses {
    for (_, response) in &mut responses {
        for name in names {
            let reference = ReferenceOr::ref_(&format!("#/components/headers/{name}"));
            response.headers.insert((*name).to_owned(), reference);
        }
    }
    responses
}

/// How a handler may be refused its route tells: a problem's type does not.
impl OperationOutput for Problem {
    type Inner = Self;
}

impl<T: JsonSchema> OperationOutput for Json<T> {
    type Inner = T;

    fn inferred_responses(_: &mut GenContext, _: &mut Operation) -> Responses {
        json::<T>(200)
    }
}

impl<T: JsonSchema> OperationOutput for Created<T> {
    type Inner = T;

    fn inferred_responses(_: &mut GenContext, _: &mut Operation) -> Responses {
        json::<T>(201)
    }
}

impl<T: JsonSchema> OperationOutput for Accepted<T> {
    type Inner = T;

    fn inferred_responses(_: &mut GenContext, _: &mut Operation) -> Responses {
        json::<T>(202)
    }
}

impl OperationOutput for NoContent {
    type Inner = ();

    fn inferred_responses(_: &mut GenContext, _: &mut Operation) -> Responses {
        vec![(Some(204), Response { description: "Done.".to_owned(), ..Response::default() })]
    }
}

impl OperationOutput for Promised {
    type Inner = ();

    fn inferred_responses(_: &mut GenContext, _: &mut Operation) -> Responses {
        vec![(Some(202), Response { description: "It will be done.".to_owned(), ..Response::default() })]
    }
}

impl<T: JsonSchema, const STATUS: u16> OperationOutput for Once<T, STATUS> {
    type Inner = T;

    fn inferred_responses(_: &mut GenContext, _: &mut Operation) -> Responses {
        with_headers(json::<T>(STATUS), &["Idempotent-Replayed"])
    }
}

impl<T: JsonSchema> OperationOutput for Tagged<T> {
    type Inner = T;

    fn inferred_responses(_: &mut GenContext, _: &mut Operation) -> Responses {
        with_headers(json::<T>(200), &["ETag"])
    }
}

impl<T: JsonSchema> OperationOutput for Conditional<T> {
    type Inner = T;

    fn inferred_responses(_: &mut GenContext, _: &mut Operation) -> Responses {
        let unchanged = Response { description: "The client has it already.".to_owned(), ..Response::default() };
        let mut responses = json::<T>(200);
        responses.push((Some(304), unchanged));
        with_headers(responses, &["ETag"])
    }
}

impl<R: OperationOutput> OperationOutput for FirstRevision<R> {
    type Inner = R::Inner;

    fn inferred_responses(ctx: &mut GenContext, operation: &mut Operation) -> Responses {
        with_headers(R::inferred_responses(ctx, operation), &["ETag"])
    }
}

impl<R: OperationOutput> OperationOutput for NotStored<R> {
    type Inner = R::Inner;

    fn inferred_responses(ctx: &mut GenContext, operation: &mut Operation) -> Responses {
        R::inferred_responses(ctx, operation)
    }
}

impl<R: OperationOutput> OperationOutput for WithCookie<R> {
    type Inner = R::Inner;

    fn inferred_responses(ctx: &mut GenContext, operation: &mut Operation) -> Responses {
        with_headers(R::inferred_responses(ctx, operation), &["Set-Cookie"])
    }
}

impl<R: OperationOutput> OperationOutput for Limited<R> {
    type Inner = R::Inner;

    fn inferred_responses(ctx: &mut GenContext, operation: &mut Operation) -> Responses {
        may(operation, &[Kind::QuotaExceeded]);
        with_headers(R::inferred_responses(ctx, operation), &super::problems::ALLOWANCE)
    }
}

impl OperationOutput for File {
    type Inner = ();

    fn inferred_responses(_: &mut GenContext, _: &mut Operation) -> Responses {
        let text = "The file, under the media type that it was found to be of; `application/octet-stream` if of none that \
                    is known.";
        vec![(Some(200), gives(text, "*/*", Schema::default()))]
    }
}

impl OperationOutput for Archive {
    type Inner = ();

    fn inferred_responses(_: &mut GenContext, _: &mut Operation) -> Responses {
        vec![(Some(200), gives("The archive.", "application/zip", Schema::default()))]
    }
}
