//! Endpoints and hooks in files of the catalogue. A hook's secret is in none: one that is made by an import has a new
//! one, which its vendor learns by having it replaced.

use std::collections::HashMap;

use serde_json::{Map, Value};
use sqlx::FromRow;

use super::{
    HookFields, HookRules, create_hook,
    hook::{hook_for_import, patch_hook},
};
use crate::{
    api_keys::{self, EndpointFields, Seller, create_endpoint, patch_endpoint},
    catalog::{Beside, By, EditError, Flaw, Kept},
    db::{Db, DbError, Tx},
    fetch_all,
    kernel::{PlanId, ProductId},
};

/// What is kept beside the catalogue.
#[derive(Debug, Clone, Copy)]
pub struct BesideCatalogue<'a>(pub HookRules<'a>);

#[derive(FromRow)]
struct HookRow {
    product_id: ProductId,
    url: String,
    active: bool,
}

fn value(fields: &impl serde::Serialize) -> Value {
    // Texts, numbers and truth values always serialise.
    serde_json::to_value(fields).unwrap_or_default()
}

/// Puts what an edit found wrong below where it stands in the file.
fn below(place: &str, error: EditError) -> EditError {
    match error {
        EditError::Invalid(flaws) => {
            let moved = |flaw: Flaw| {
                let pointer = format!("{place}{}", flaw.pointer.trim_start_matches('#'));
                Flaw { pointer, ..flaw }
            };
            EditError::Invalid(flaws.into_iter().map(moved).collect())
        }
        EditError::Taken(_) | EditError::Refused(_) => EditError::flaw(place, error.to_string()),
        EditError::NotFound | EditError::Stale | EditError::Db(_) => error,
    }
}

fn object(place: &str, said: Value) -> Result<Map<String, Value>, EditError> {
    match said {
        Value::Object(fields) => Ok(fields),
        _ => Err(EditError::flaw(place, "expected an object")),
    }
}

fn parsed<T: serde::de::DeserializeOwned>(place: &str, fields: Map<String, Value>) -> Result<T, EditError> {
    crate::catalog::parsed(fields).map_err(|error| below(place, error))
}

impl Beside for BesideCatalogue<'_> {
    async fn kept(&self, db: &Db) -> Result<Kept, DbError> {
        let hooks: Vec<HookRow> =
            fetch_all!(db, sqlx::query_as("SELECT product_id, url, active FROM credential_hooks"))?;
        let mut lists: HashMap<PlanId, Vec<Value>> = HashMap::new();
        for endpoint in api_keys::all_endpoints(db).await? {
            lists.entry(endpoint.plan).or_default().push(value(&endpoint.fields));
        }
        let hook = |row: HookRow| (row.product_id, value(&HookFields { url: row.url, active: row.active }));
        Ok(Kept {
            endpoints: lists.into_iter().map(|(plan, list)| (plan, Value::Array(list))).collect(),
            hooks: hooks.into_iter().map(hook).collect(),
        })
    }

    async fn put_endpoints(&self, tx: &mut Tx, plan: PlanId, said: Value, by: &By) -> Result<bool, EditError> {
        let Value::Array(list) = said else { return Err(EditError::flaw("#/endpoints", "expected a list")) };
        let mut known = api_keys::endpoints_of(tx, plan).await?;
        let mut changed = false;
        for (number, said) in list.into_iter().enumerate() {
            let place = format!("#/endpoints/{number}");
            let fields = object(&place, said)?;
            let name = |field: &str| fields.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
            let (method, path) = (name("method"), name("path"));
            let same = known.iter().position(|it| it.fields.method == method && it.fields.path == path);
            if let Some(current) = same.map(|at| known.swap_remove(at)) {
                let put = patch_endpoint(tx, Seller::Any, (current.id, current.revision), &fields, by).await;
                changed |= put.map_err(|error| below(&place, error))?.revision != current.revision;
            } else {
                let fields: EndpointFields = parsed(&place, fields)?;
                let put = create_endpoint(tx, Seller::Any, plan, fields, by).await;
                put.map_err(|error| below(&place, error))?;
                changed = true;
            }
        }
        Ok(changed)
    }

    async fn put_hook(&self, tx: &mut Tx, product: ProductId, said: Value, by: &By) -> Result<bool, EditError> {
        const PLACE: &str = "#/hook";
        let fields = object(PLACE, said)?;
        if let Some(current) = hook_for_import(tx, product).await? {
            let put = patch_hook(tx, (Seller::Any, product, current.revision), &fields, self.0, by).await;
            return Ok(put.map_err(|error| below(PLACE, error))?.revision != current.revision);
        }
        let fields: HookFields = parsed(PLACE, fields)?;
        let put = create_hook(tx, (Seller::Any, product), (fields, None), self.0, by).await;
        put.map_err(|error| below(PLACE, error))?;
        Ok(true)
    }
}
