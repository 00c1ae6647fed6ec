mod changing;
mod defining;
mod evaluating;
mod following;

use serde_json::{Value, json};

use super::*;
use crate::{audit::Actor, db::Db};

fn define(json: &Value) -> Definition {
    Definition::parse(&json.to_string()).unwrap_or_else(|flaws| panic!("{flaws:?}"))
}

fn compile(json: &Value) -> CompiledFlag {
    CompiledFlag::compile("test.flag", &define(json)).unwrap_or_else(|flaws| panic!("{flaws:?}"))
}

fn by(reason: &str) -> ChangedBy {
    ChangedBy::new(Actor::operator("usr_op"), reason).expect("a reason")
}

async fn registry(db: &Db) -> Registry {
    Registry::load(db.clone(), RegistryOptions::default()).await.expect("loads")
}

/// A boolean flag that `percent` of all subjects get.
fn share(percent: f64) -> Value {
    json!({"type": "boolean", "default": "off", "rules": [
        {"split": [{"variant": "on", "percent": percent}, {"variant": "off", "percent": 100.0 - percent}]}]})
}
