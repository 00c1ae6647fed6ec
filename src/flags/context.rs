//! What is known of whoever a flag is evaluated for.

use serde_json::Value;

/// A value that conditions compare.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Attribute<'a> {
    /// A text, a version among them.
    Text(&'a str),
    /// A number.
    Number(f64),
    /// A truth value.
    Bool(bool),
}

impl<'a> Attribute<'a> {
    /// The attribute in a JSON value; `None` for null, lists and objects, which no condition compares.
    #[must_use]
    pub fn from_json(value: &'a Value) -> Option<Self> {
        match value {
            Value::String(text) => Some(Self::Text(text)),
            Value::Number(number) => number.as_f64().map(Self::Number),
            Value::Bool(truth) => Some(Self::Bool(*truth)),
            Value::Null | Value::Array(_) | Value::Object(_) => None,
        }
    }
}

/// Whoever a flag is evaluated for; borrowed, so that making one allocates nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Context<'a> {
    pub(super) targeting_key: Option<&'a str>,
    pub(super) tenant: Option<&'a str>,
    pub(super) attributes: &'a [(&'a str, Attribute<'a>)],
}

impl<'a> Context<'a> {
    /// Nobody in particular.
    #[must_use]
    pub const fn anonymous() -> Self {
        Self { targeting_key: None, tenant: None, attributes: &[] }
    }

    /// A user, or whatever else stays the same for one subject: what splits and user lists go by.
    #[must_use]
    pub const fn user(targeting_key: &'a str) -> Self {
        Self { targeting_key: Some(targeting_key), tenant: None, attributes: &[] }
    }

    /// In this tenant.
    #[must_use]
    pub const fn tenant(mut self, tenant: &'a str) -> Self {
        self.tenant = Some(tenant);
        self
    }

    /// With these attributes.
    #[must_use]
    pub const fn attributes(mut self, attributes: &'a [(&'a str, Attribute<'a>)]) -> Self {
        self.attributes = attributes;
        self
    }

    /// An attribute by name; `targetingKey` and `tenant` are attributes too.
    pub(super) fn attribute(&self, name: &str) -> Option<Attribute<'a>> {
        match name {
            "targetingKey" => self.targeting_key.map(Attribute::Text),
            "tenant" => self.tenant.map(Attribute::Text),
            _ => self.attributes.iter().find(|(known, _)| *known == name).map(|(_, value)| *value),
        }
    }
}
