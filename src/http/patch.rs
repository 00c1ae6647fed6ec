//! Changes as JSON merge patches (RFC 7396): only what is to change is named.

use std::{borrow::Cow, marker::PhantomData};

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

/// Some of the fields of a `T`. What they may be is checked when they are put in their places.
#[derive(Debug, Clone)]
pub struct MergePatch<T> {
    fields: Map<String, Value>,
    of: PhantomData<fn() -> T>,
}

impl<T> std::ops::Deref for MergePatch<T> {
    type Target = Map<String, Value>;
    fn deref(&self) -> &Map<String, Value> {
        &self.fields
    }
}

impl<'de, T> Deserialize<'de> for MergePatch<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self { fields: Map::deserialize(deserializer)?, of: PhantomData })
    }
}

impl<T: JsonSchema> JsonSchema for MergePatch<T> {
    fn schema_name() -> Cow<'static, str> {
        let name = T::schema_name();
        format!("{}Patch", name.strip_suffix("Fields").unwrap_or(&name)).into()
    }

    fn schema_id() -> Cow<'static, str> {
        format!("{}::MergePatch<{}>", module_path!(), T::schema_id()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = T::json_schema(generator);
        schema.remove("required");
        schema.insert("description".to_owned(), "What is to change (RFC 7396); what is not named stays.".into());
        if let Some(Value::Object(properties)) = schema.ensure_object().get_mut("properties") {
            // Nothing is said, nothing changes.
            for property in properties.values_mut().filter_map(Value::as_object_mut) {
                property.remove("default");
            }
        }
        schema
    }
}
