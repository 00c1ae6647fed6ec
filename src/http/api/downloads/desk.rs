//! Who manages sources: operators all of them, at `/api/admin`, and vendors those of their own products, at
//! `/api/developer`.

use aide::{OperationInput, generate::GenContext, openapi::Operation};
use axum::{extract::FromRequestParts, http::request::Parts};

use crate::{
    accounts::Scope,
    app::App,
    catalog::By,
    downloads::Editor,
    http::{Admin, Caller, Context, Problem, Vendor, openapi::signed_in},
};

/// Whose desk a route is.
#[derive(Debug, Clone, Copy)]
pub(super) enum Side {
    Operators,
    Vendors,
}

/// Somebody who manages sources, at their desk; anyone else gets 403.
#[derive(Debug, Clone)]
pub(super) struct AtDesk {
    pub(super) caller: Caller,
    pub(super) editor: Editor,
}

/// At which desk, the route says.
impl OperationInput for AtDesk {
    fn operation_input(_: &mut GenContext, operation: &mut Operation) {
        signed_in(operation, &[]);
    }
}

impl FromRequestParts<App> for AtDesk {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let side = parts.extensions.get::<Side>().copied();
        let (caller, developer) = match side.ok_or_else(|| Problem::internal("the route is at no desk"))? {
            Side::Operators => (Admin::from_request_parts(parts, app).await?.0, None),
            Side::Vendors => {
                let Vendor { caller, developer } = Vendor::from_request_parts(parts, app).await?;
                caller.require(if parts.method.is_safe() { Scope::ProductsRead } else { Scope::ProductsWrite })?;
                (caller, Some(developer))
            }
        };
        let context = Context::from_request_parts(parts, app).await?;
        let by = By { actor: caller.actor(), request_id: Some(context.request_id().to_owned()) };
        Ok(Self { caller, editor: Editor { by, developer } })
    }
}
