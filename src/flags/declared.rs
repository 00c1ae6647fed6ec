//! The flags that the program itself asks, with what holds while nobody has set them.

use serde_json::json;

use super::{Definition, FlagKind};

/// A flag that the code asks.
#[derive(Debug, Clone, Copy)]
pub struct Flag<T> {
    pub(super) key: &'static str,
    pub(super) default: T,
    description: &'static str,
}

/// A flag that is true or false.
pub type BoolFlag = Flag<bool>;
/// A flag that is a text.
pub type StringFlag = Flag<&'static str>;
/// A flag that is a number.
pub type NumberFlag = Flag<f64>;

impl<T: Copy> Flag<T> {
    /// A flag of this key, worth `default` while nobody has set it.
    pub const fn new(key: &'static str, default: T, description: &'static str) -> Self {
        Self { key, default, description }
    }

    /// Its key.
    pub const fn key(&self) -> &'static str {
        self.key
    }
}

/// A flag that the registry knows before anybody has set it.
#[derive(Debug, Clone, Copy)]
pub struct Declared {
    /// Its key.
    pub key: &'static str,
    default: DeclaredDefault,
    description: &'static str,
}

#[derive(Debug, Clone, Copy)]
enum DeclaredDefault {
    Boolean(bool),
    String(&'static str),
    Number(f64),
}

impl BoolFlag {
    /// For the list of declared flags.
    #[must_use]
    pub const fn declare(self) -> Declared {
        Declared { key: self.key, default: DeclaredDefault::Boolean(self.default), description: self.description }
    }
}

impl StringFlag {
    /// For the list of declared flags.
    #[must_use]
    pub const fn declare(self) -> Declared {
        Declared { key: self.key, default: DeclaredDefault::String(self.default), description: self.description }
    }
}

impl NumberFlag {
    /// For the list of declared flags.
    #[must_use]
    pub const fn declare(self) -> Declared {
        Declared { key: self.key, default: DeclaredDefault::Number(self.default), description: self.description }
    }
}

impl Declared {
    /// What holds while nobody has set it.
    pub(super) fn definition(&self) -> Definition {
        let (kind, default, value) = match self.default {
            DeclaredDefault::Boolean(truth) => (FlagKind::Boolean, if truth { "on" } else { "off" }, None),
            DeclaredDefault::String(text) => (FlagKind::String, "default", Some(json!(text))),
            DeclaredDefault::Number(number) => (FlagKind::Number, "default", Some(json!(number))),
        };
        Definition {
            kind,
            description: self.description.to_owned(),
            enabled: true,
            variants: value.map(|value| (default.to_owned(), value)).into_iter().collect(),
            default: default.to_owned(),
            salt: None,
            rules: Vec::new(),
        }
        .complete()
    }

    /// The type of its values.
    #[must_use]
    pub const fn kind(&self) -> FlagKind {
        match self.default {
            DeclaredDefault::Boolean(_) => FlagKind::Boolean,
            DeclaredDefault::String(_) => FlagKind::String,
            DeclaredDefault::Number(_) => FlagKind::Number,
        }
    }
}

/// Checkout without an account.
pub const CHECKOUT_GUEST: BoolFlag =
    Flag::new("checkout.guest", true, "Buy without an account; one is made that the buyer claims by mail.");
/// Payment by PayPal.
pub const CHECKOUT_PAYPAL: BoolFlag =
    Flag::new("checkout.paypal", true, "Offer PayPal at checkout, where it is configured.");
/// Licence files.
pub const LICENSES_OFFLINE_FILES: BoolFlag =
    Flag::new("licenses.offline_files", true, "Give out signed licence files that are checked without a connection.");
/// Downloads through the program.
pub const DOWNLOADS_PROXY: BoolFlag = Flag::new(
    "downloads.proxy",
    false,
    "Pass downloads through this program instead of sending the buyer to the storage with a signed address.",
);
/// API keys.
pub const API_KEYS: BoolFlag = Flag::new("api.keys", true, "Let tenants make API keys.");
/// Tickets.
pub const SUPPORT_TICKETS: BoolFlag = Flag::new("support.tickets", true, "Let customers open support tickets.");

/// All flags that the program asks.
pub const DECLARED: &[Declared] = &[
    CHECKOUT_GUEST.declare(),
    CHECKOUT_PAYPAL.declare(),
    LICENSES_OFFLINE_FILES.declare(),
    DOWNLOADS_PROXY.declare(),
    API_KEYS.declare(),
    SUPPORT_TICKETS.declare(),
];
