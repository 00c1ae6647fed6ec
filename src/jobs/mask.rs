//! Arguments of jobs without what looks like a secret. Jobs hold identifiers and no secrets: this is for the one that should
//! not have been written so.

use serde_json::Value;

/// What names hold that nobody should read.
const SECRET: &[&str] =
    &["secret", "password", "token", "authorization", "api_key", "license_key", "signature", "cookie"];

/// The same with what looks like a secret left out; none if it is no JSON.
pub(super) fn masked(payload: &str) -> Option<String> {
    let mut payload = serde_json::from_str(payload).ok()?;
    mask(&mut payload);
    Some(payload.to_string())
}

fn mask(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let name = name.to_ascii_lowercase();
                if SECRET.iter().any(|secret| name.contains(secret)) && !value.is_null() {
                    *value = Value::from("***");
                } else {
                    mask(value);
                }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(mask),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_like_a_secret_is_left_out_however_deep_it_lies() {
        let mut payload = serde_json::json!({
            "order": "ord_1", "access_token": "t", "list": [{ "License_Key": "k", "name": "n" }],
            "hook": { "secret": { "a": 1 }, "password": null }, "keys": 3,
        });
        mask(&mut payload);
        let left = serde_json::json!({
            "order": "ord_1", "access_token": "***", "list": [{ "License_Key": "***", "name": "n" }],
            "hook": { "secret": "***", "password": null }, "keys": 3,
        });
        assert_eq!(payload, left);
    }
}
