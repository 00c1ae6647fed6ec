//! What is told of an operation while its route is registered: beside what its arguments and its answer say, who may
//! use it and how it may be refused.

use std::iter;

use aide::{
    openapi::{
        HeaderStyle, Operation, Parameter, ParameterData, ParameterSchemaOrContent, PathStyle, QueryStyle, ReferenceOr,
        SchemaObject, SecurityRequirement,
    },
    transform::{TransformOperation, TransformPathItem},
    util::iter_operations_mut,
};
use schemars::Schema;
use serde_json::{Value, json};

use super::inputs::takes;
use crate::{accounts::Scope, http::Kind};

/// The scheme of a session's cookie.
pub(super) const SESSION: &str = "session";
/// The scheme of an access token.
pub(super) const TOKEN: &str = "token";
/// The names of problems, until the document is finished.
pub(super) const PROBLEMS: &str = "x-problems";
/// Who an operation is for, until the document is finished.
pub(super) const AUDIENCE: &str = "x-audience";
/// That the operation is outside the application's layers, until the document is finished.
pub(super) const OUTSIDE: &str = "x-outside";

/// What a route says of itself that its types cannot.
pub(in crate::http) trait Tell: Sized {
    /// Its name for programs, which stays, and what it does, in a line.
    #[must_use]
    fn told(self, id: &str, summary: &str) -> Self;

    /// An access token must have been made for this.
    #[must_use]
    fn scope(self, scope: Scope) -> Self;

    /// An access token does not do: only a session does.
    #[must_use]
    fn by_session(self) -> Self;

    /// For operators.
    #[must_use]
    fn for_operators(self) -> Self;

    /// For developers who sell here, with a token that was made for this.
    #[must_use]
    fn for_developers(self, scope: Scope) -> Self;

    /// How it may be refused, beside what its arguments and its answer say.
    #[must_use]
    fn may(self, kinds: &[Kind]) -> Self;

    /// A body that is no JSON of a known shape: its media types.
    #[must_use]
    fn body(self, kinds: &[&str]) -> Self;

    /// That it is answered outside the layers of the application, without its limits.
    #[must_use]
    fn outside(self) -> Self;
}

impl Tell for TransformOperation<'_> {
    fn told(self, id: &str, summary: &str) -> Self {
        self.id(id).summary(summary)
    }

    fn scope(mut self, scope: Scope) -> Self {
        for requirement in &mut self.inner_mut().security {
            if let Some(scopes) = requirement.get_mut(TOKEN) {
                *scopes = vec![scope.as_str().to_owned()];
            }
        }
        self
    }

    fn by_session(mut self) -> Self {
        self.inner_mut().security.retain(|requirement| !requirement.contains_key(TOKEN));
        self
    }

    fn for_operators(mut self) -> Self {
        audience(self.inner_mut(), "operators");
        self.scope(Scope::Admin)
    }

    fn for_developers(mut self, scope: Scope) -> Self {
        audience(self.inner_mut(), "developers who sell here");
        self.scope(scope)
    }

    fn may(mut self, kinds: &[Kind]) -> Self {
        may(self.inner_mut(), kinds);
        self
    }

    fn body(mut self, kinds: &[&str]) -> Self {
        takes(self.inner_mut(), kinds, Schema::default());
        self
    }

    fn outside(mut self) -> Self {
        self.inner_mut().extensions.insert(OUTSIDE.to_owned(), true.into());
        self
    }
}

/// What holds for all operations of a path.
pub(in crate::http) trait TellEach: Sized {
    /// Tells each of them.
    #[must_use]
    fn each(self, tell: impl Fn(TransformOperation<'_>) -> TransformOperation<'_>) -> Self;
}

impl TellEach for TransformPathItem<'_> {
    fn each(mut self, tell: impl Fn(TransformOperation<'_>) -> TransformOperation<'_>) -> Self {
        for (_, operation) in iter_operations_mut(self.inner_mut()) {
            let _ = tell(TransformOperation::new(operation));
        }
        self
    }
}

/// Notes how an operation may be refused.
pub(in crate::http) fn may(operation: &mut Operation, kinds: &[Kind]) {
    let noted = operation.extensions.entry(PROBLEMS.to_owned()).or_insert_with(|| json!([]));
    let Value::Array(noted) = noted else { return };
    for kind in kinds {
        let name = Value::from(kind.name());
        if !noted.contains(&name) {
            noted.push(name);
        }
    }
}

/// Notes that somebody must have signed in, or may have: `{}` is nobody.
pub(in crate::http) fn signed_in(operation: &mut Operation, scopes: &[Scope]) {
    let scopes: Vec<String> = scopes.iter().map(|scope| scope.as_str().to_owned()).collect();
    operation.security = vec![
        SecurityRequirement::from([(SESSION.to_owned(), Vec::new())]),
        SecurityRequirement::from([(TOKEN.to_owned(), scopes)]),
    ];
    // Also the wrong site is refused, and the wrong token.
    may(operation, &[Kind::Unauthorized, Kind::Forbidden]);
}

/// Notes whom an operation is for.
pub(in crate::http) fn audience(operation: &mut Operation, who: &str) {
    operation.extensions.insert(AUDIENCE.to_owned(), who.into());
}

/// Where a parameter is.
#[derive(Debug, Clone, Copy)]
pub(super) enum Place {
    Path,
    Query,
    Header,
}

/// Notes a parameter.
pub(super) fn parameter(operation: &mut Operation, place: Place, name: &str, required: bool, mut schema: Schema) {
    let description = schema.remove("description").and_then(|text| text.as_str().map(str::to_owned));
    let parameter_data = ParameterData {
        name: name.to_owned(),
        description,
        required,
        deprecated: None,
        format: ParameterSchemaOrContent::Schema(SchemaObject {
            json_schema: schema,
            external_docs: None,
            example: None,
        }),
        example: None,
        examples: iter::empty().collect(),
        explode: None,
        extensions: iter::empty().collect(),
    };
    let parameter = match place {
        Place::Path => Parameter::Path { parameter_data, style: PathStyle::Simple },
        Place::Header => Parameter::Header { parameter_data, style: HeaderStyle::Simple },
        Place::Query => {
            Parameter::Query { parameter_data, allow_reserved: false, style: QueryStyle::Form, allow_empty_value: None }
        }
    };
    operation.parameters.push(ReferenceOr::Item(parameter));
}
