//! What lets a guest look after an order without an account: a token that only this installation can make.

use crate::kernel::{
    OrderId,
    seal::{self, Keyring},
};

const PURPOSE: &str = "guest orders";

/// The token of an order, given once, when it is opened.
#[must_use]
pub fn guest_token(keys: &Keyring, order: OrderId) -> String {
    let keys = keys.derive(PURPOSE);
    let (id, key) = keys.current();
    format!("{id}.{}", seal::to_hex(&key.mac(&[order.uuid().as_bytes()])))
}

/// Whether a token is the order's.
#[must_use]
pub fn is_guest_token(keys: &Keyring, order: OrderId, token: &str) -> bool {
    let Some((id, mac)) = token.split_once('.') else { return false };
    let expected = |key: &seal::SubKey| seal::to_hex(&key.mac(&[order.uuid().as_bytes()]));
    keys.derive(PURPOSE).named(id).any(|key| seal::same(expected(key).as_bytes(), mac.as_bytes()))
}
