//! Reads typed sections from layered values.
//!
//! A value from a file has a type and must have the right one; a text from the environment is parsed as what is wanted.

use std::{collections::BTreeMap, fmt};

use serde::{
    Deserialize, Deserializer, de,
    de::{IntoDeserializer, Visitor, value},
    forward_to_deserialize_any,
};

use super::layers::{Layers, Leaf, Raw};

/// Reads a `T` from the values in effect, or says which key is wrong and why.
pub(super) fn read<'de, T: Deserialize<'de>>(layers: &Layers) -> Result<T, (String, String)> {
    let mut root = BTreeMap::new();
    for (key, leaf) in layers.effective() {
        plant(&mut root, key, leaf);
    }
    serde_path_to_error::deserialize(Node::Section(root)).map_err(|error| {
        // An item of a list is told by its list's key: that is what layers know and people look for.
        let key = error.path().to_string().split('[').next().unwrap_or_default().to_owned();
        (key, error.into_inner().0)
    })
}

enum Node {
    Section(BTreeMap<String, Node>),
    Value(Raw),
}

fn plant(section: &mut BTreeMap<String, Node>, key: &str, leaf: &Leaf) {
    match key.split_once('.') {
        None => {
            section.insert(key.to_owned(), Node::Value(leaf.raw.clone()));
        }
        Some((name, rest)) => {
            let inner = section.entry(name.to_owned()).or_insert_with(|| Node::Section(BTreeMap::new()));
            if let Node::Section(inner) = inner {
                plant(inner, rest, leaf);
            }
        }
    }
}

/// What is wrong with a value, in words for people.
#[derive(Debug)]
pub(super) struct Error(String);

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Error {}

impl de::Error for Error {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self(message.to_string())
    }

    /// The value itself is not told: it may be a secret.
    fn invalid_type(found: de::Unexpected<'_>, wanted: &dyn de::Expected) -> Self {
        let found = match found {
            de::Unexpected::Bool(_) => "true or false",
            de::Unexpected::Unsigned(_) | de::Unexpected::Signed(_) => "a whole number",
            de::Unexpected::Float(_) => "a number with a fraction",
            de::Unexpected::Str(_) => "a text",
            de::Unexpected::Seq => "a list",
            de::Unexpected::Map => "a section",
            _ => "something else",
        };
        Self(format!("is {found} where {} is wanted", wording(&wanted.to_string())))
    }

    /// Of whole numbers only: everything else has a parser with words of its own.
    fn invalid_value(found: de::Unexpected<'_>, wanted: &dyn de::Expected) -> Self {
        let found = match found {
            de::Unexpected::Signed(number) => number.to_string(),
            de::Unexpected::Unsigned(number) => number.to_string(),
            _ => "this".to_owned(),
        };
        Self(format!("{found} is out of range: wanted is {}", wording(&wanted.to_string())))
    }

    fn unknown_variant(found: &str, allowed: &'static [&'static str]) -> Self {
        let allowed: Vec<String> = allowed.iter().map(|name| format!("{name:?}")).collect();
        Self(format!("{found:?} is not one of {}", allowed.join(", ")))
    }
}

fn wording(type_name: &str) -> &str {
    match type_name {
        "u32" => "a whole number from 0 to 4294967295",
        "u64" | "usize" => "a whole number, not negative",
        "f64" => "a number",
        "a boolean" => "true or false",
        "a string" => "a text in quotes",
        "a sequence" => "a list",
        other if other.starts_with("struct") => "a section",
        other => other,
    }
}

impl<'de> Deserializer<'de> for Node {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self {
            Self::Section(entries) => visitor.visit_map(value::MapDeserializer::new(entries.into_iter())),
            Self::Value(Raw::Text(text)) => visitor.visit_string(text),
            Self::Value(Raw::Toml(value)) => match value {
                toml::Value::String(text) => visitor.visit_string(text),
                toml::Value::Integer(number) => visitor.visit_i64(number),
                toml::Value::Float(number) => visitor.visit_f64(number),
                toml::Value::Boolean(flag) => visitor.visit_bool(flag),
                toml::Value::Array(items) => list(items.into_iter().map(Raw::Toml), visitor),
                toml::Value::Table(_) => Err(de::Error::invalid_type(de::Unexpected::Map, &visitor)),
                toml::Value::Datetime(_) => Err(de::Error::invalid_type(de::Unexpected::Other("a date"), &visitor)),
            },
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self {
            Self::Value(Raw::Text(text)) => match text.trim().parse() {
                Ok(flag) => visitor.visit_bool(flag),
                Err(_) => Err(Error(format!("{text:?} is neither true nor false"))),
            },
            other => other.deserialize_any(visitor),
        }
    }

    fn deserialize_i64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self {
            Self::Value(Raw::Text(text)) => match text.trim().parse() {
                Ok(number) => visitor.visit_i64(number),
                Err(_) => Err(Error(format!("{text:?} is not a whole number"))),
            },
            other => other.deserialize_any(visitor),
        }
    }

    fn deserialize_u32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_i64(visitor)
    }

    fn deserialize_u64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_i64(visitor)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self {
            Self::Value(Raw::Text(text)) => match text.trim().parse() {
                Ok(number) => visitor.visit_f64(number),
                Err(_) => Err(Error(format!("{text:?} is not a number"))),
            },
            other => other.deserialize_any(visitor),
        }
    }

    /// A list; a single text stands for a list of one, the empty text for none, and commas separate the items of an environment variable.
    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self {
            Self::Value(Raw::Text(text)) => {
                let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
                list(items.map(|item| Raw::Text(item.to_owned())), visitor)
            }
            Self::Value(Raw::Toml(toml::Value::String(text))) => {
                list(Some(text).filter(|text| !text.is_empty()).into_iter().map(Raw::Text), visitor)
            }
            other => other.deserialize_any(visitor),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        if let Self::Value(Raw::Text(text) | Raw::Toml(toml::Value::String(text))) = self {
            return visitor.visit_enum(text.into_deserializer());
        }
        let allowed: Vec<String> = variants.iter().map(|name| format!("{name:?}")).collect();
        Err(Error(format!("must be one of the texts {}", allowed.join(", "))))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self)
    }

    forward_to_deserialize_any! {
        i8 i16 i32 u8 u16 f32 char str string bytes byte_buf unit unit_struct tuple tuple_struct map struct identifier
        ignored_any
    }
}

fn list<'de, V: Visitor<'de>>(items: impl Iterator<Item = Raw>, visitor: V) -> Result<V::Value, Error> {
    visitor.visit_seq(value::SeqDeserializer::new(items.map(Node::Value)))
}

impl IntoDeserializer<'_, Error> for Node {
    type Deserializer = Self;
    fn into_deserializer(self) -> Self {
        self
    }
}
