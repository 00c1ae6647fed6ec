//! Bearer secrets of our own making: 256 random bits, so that a plain hash keeps them safe.

use crate::kernel::seal::{self, Random};

/// What a session's token begins with.
pub const SESSION_TOKEN_PREFIX: &str = "mts_";
/// What a personal access token begins with: scanners for leaked secrets look for it.
pub const ACCESS_TOKEN_PREFIX: &str = "mtp_";

/// What the database keeps of a token.
#[must_use]
pub fn token_hash(token: &str) -> String {
    seal::to_hex(&seal::hmac_sha256(b"mintreu token", token.as_bytes()))
}

/// A new token.
pub(super) fn new_token(prefix: &str, random: &Random) -> String {
    format!("{prefix}{}", seal::to_hex(&random.bytes::<32>()))
}
