//! JSON Schemas of what is taken and of what is given.
//!
//! The same type may be both, and then say different things: what may be left out by a client is always there in an
//! answer. So each direction has a generator of its own, and only where they differ the document has two schemas.

use std::cell::RefCell;

use schemars::{
    JsonSchema, Schema, SchemaGenerator,
    generate::{Contract, SchemaSettings},
};
use serde_json::{Map, Value};

/// Where references to schemas of what is given point.
pub(super) const GIVEN: &str = "#/components/schemas/";
/// Where references to schemas of what is taken point, until the document is finished.
pub(super) const TAKEN: &str = "#/components/inputs/";

struct Generators {
    taken: SchemaGenerator,
    given: SchemaGenerator,
}

impl Generators {
    fn new() -> Self {
        let generator = |contract, path: &str| {
            let path = path.trim_start_matches('#').trim_end_matches('/').to_owned();
            let settings = SchemaSettings::draft2020_12().with(|settings| {
                settings.contract = contract;
                settings.definitions_path = path.into();
                settings.meta_schema = None;
            });
            settings.into_generator()
        };
        Self { taken: generator(Contract::Deserialize, TAKEN), given: generator(Contract::Serialize, GIVEN) }
    }
}

thread_local! {
    // Routers are described while they are put together, which is done on one thread.
    static GENERATORS: RefCell<Generators> = RefCell::new(Generators::new());
}

/// The schema of what is taken: a reference, unless it is a small thing.
pub(in crate::http) fn taken<T: JsonSchema>() -> Schema {
    GENERATORS.with_borrow_mut(|generators| generators.taken.subschema_for::<T>())
}

/// The same without a name: for parameters, which are parts of it.
pub(super) fn taken_apart<T: JsonSchema>() -> Schema {
    GENERATORS.with_borrow_mut(|generators| T::json_schema(&mut generators.taken))
}

/// What the type is that a schema of what is taken refers to.
pub(super) fn meaning(schema: &Schema) -> Option<String> {
    let name = schema.get("$ref")?.as_str()?.strip_prefix(TAKEN)?;
    GENERATORS.with_borrow(|generators| {
        let text = generators.taken.definitions().get(name)?.get("description")?.as_str()?;
        Some(text.to_owned())
    })
}

/// The schema of what is given: a reference, unless it is a small thing.
pub(in crate::http) fn given<T: JsonSchema>() -> Schema {
    GENERATORS.with_borrow_mut(|generators| generators.given.subschema_for::<T>())
}

/// All schemas that were asked for, by their names: of what is taken, and of what is given. Begins anew.
pub(super) fn all() -> (Map<String, Value>, Map<String, Value>) {
    let mut generators = GENERATORS.replace(Generators::new());
    (generators.taken.take_definitions(true), generators.given.take_definitions(true))
}

/// A schema without the `null` that stands for a parameter that is not there.
pub(super) fn present(mut schema: Schema) -> Schema {
    let Some(object) = schema.as_object_mut() else { return schema };
    if object.get("default") == Some(&Value::Null) {
        object.remove("default");
    }
    if let Some(Value::Array(types)) = object.get_mut("type") {
        types.retain(|kind| kind != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            object.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::Array(choices)) = object.get_mut("anyOf") {
        choices.retain(|choice| choice.get("type") != Some(&"null".into()));
        if let [Value::Object(only)] = choices.as_slice() {
            let only = only.clone();
            object.remove("anyOf");
            for (name, value) in only {
                object.entry(name).or_insert(value);
            }
        }
    }
    if let Some(Value::Array(values)) = object.get_mut("enum") {
        values.retain(|value| !value.is_null());
    }
    schema
}
