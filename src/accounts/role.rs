//! What people, and the tokens they make, may do.

use std::{borrow::Cow, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Serialize, Serializer};

use crate::text_enum;

text_enum! {
    /// What somebody is to the shop.
    pub enum Role {
        /// Buys.
        Customer = "customer",
        /// Sells.
        Developer = "developer",
        /// Recommends.
        Affiliate = "affiliate",
        /// Runs the installation.
        Admin = "admin",
    }
}

text_enum! {
    /// What a personal access token may be used for. A session may do all that its person may.
    pub enum Scope {
        /// See the account.
        AccountRead = "account:read",
        /// Change the account's particulars. What proves who one is, is changed with a session only.
        AccountWrite = "account:write",
        /// See orders, subscriptions and payments.
        OrdersRead = "orders:read",
        /// Order, cancel.
        OrdersWrite = "orders:write",
        /// See licences and their keys.
        LicensesRead = "licenses:read",
        /// Change licences.
        LicensesWrite = "licenses:write",
        /// See tickets.
        SupportRead = "support:read",
        /// Open tickets, write on them, and answer them where one may.
        SupportWrite = "support:write",
        /// For developers: see what they sell, and where its files come from.
        ProductsRead = "products:read",
        /// For developers: upload files of what they sell, and change where they come from.
        ProductsWrite = "products:write",
        /// See API keys and credentials, without what is secret; of vendors, those of what they sell.
        KeysRead = "keys:read",
        /// Make and revoke API keys, have credentials replaced; of vendors, manage those of what they sell.
        KeysWrite = "keys:write",
        /// Have API keys of what one sells verified.
        KeysVerify = "keys:verify",
        /// See credentials' keys and secrets.
        CredentialsRead = "credentials:read",
        /// Everything that an operator may; of use only to one.
        Admin = "admin",
    }
}

/// A set of scopes, stored as their names separated by spaces.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Scopes(Vec<Scope>);

impl Scopes {
    /// These, each once.
    #[must_use]
    pub fn new(scopes: impl IntoIterator<Item = Scope>) -> Self {
        let mut scopes: Vec<_> = scopes.into_iter().collect();
        scopes.sort_unstable();
        scopes.dedup();
        Self(scopes)
    }

    /// As stored; names that this program does not know grant nothing.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        Self(text.split(' ').filter_map(|name| name.parse().ok()).collect())
    }

    /// Whether `scope` is among them.
    #[must_use]
    pub fn contains(&self, scope: Scope) -> bool {
        self.0.contains(&scope)
    }

    /// Those in it.
    pub fn iter(&self) -> impl Iterator<Item = Scope> + '_ {
        self.0.iter().copied()
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.0.iter().map(|scope| scope.as_str()).collect();
        f.write_str(&names.join(" "))
    }
}

impl From<String> for Scopes {
    fn from(text: String) -> Self {
        Self::parse(&text)
    }
}

impl JsonSchema for Scopes {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Scopes".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Vec::<Scope>::json_schema(generator)
    }
}

impl Serialize for Scopes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}
