//! What rooms right of this one keep of plans and products, as far as it is said in files of the catalogue: the endpoints
//! of a plan's API in its field `endpoints`, and the hook that makes a product's credentials in its field `hook`.

use std::collections::HashMap;

use serde_json::Value;

use crate::{
    catalog::{By, EditError},
    db::{Db, DbError, Tx},
    kernel::{PlanId, ProductId},
};

/// What is kept of all plans and products.
#[derive(Debug, Default)]
pub struct Kept {
    /// A list for each plan that has endpoints.
    pub endpoints: HashMap<PlanId, Value>,
    /// An object for each product that has a hook; never its secret.
    pub hooks: HashMap<ProductId, Value>,
}

/// Where it is kept.
pub trait Beside: Sync {
    /// All of it.
    fn kept(&self, db: &Db) -> impl Future<Output = Result<Kept, DbError>> + Send;

    /// Makes and changes what a list says of a plan's endpoints; those that it does not name stay. Whether anything is
    /// other than it was. Flaws begin with `#/endpoints`.
    fn put_endpoints(
        &self,
        tx: &mut Tx,
        plan: PlanId,
        said: Value,
        by: &By,
    ) -> impl Future<Output = Result<bool, EditError>> + Send;

    /// Makes or changes a product's hook, likewise. Flaws begin with `#/hook`.
    fn put_hook(
        &self,
        tx: &mut Tx,
        product: ProductId,
        said: Value,
        by: &By,
    ) -> impl Future<Output = Result<bool, EditError>> + Send;
}

/// The catalogue by itself.
#[derive(Debug, Clone, Copy)]
pub struct Alone;

impl Beside for Alone {
    async fn kept(&self, _: &Db) -> Result<Kept, DbError> {
        Ok(Kept::default())
    }

    async fn put_endpoints(&self, _: &mut Tx, _: PlanId, _: Value, _: &By) -> Result<bool, EditError> {
        Err(EditError::flaw("#/endpoints", "endpoints are not taken here"))
    }

    async fn put_hook(&self, _: &mut Tx, _: ProductId, _: Value, _: &By) -> Result<bool, EditError> {
        Err(EditError::flaw("#/hook", "hooks are not taken here"))
    }
}
