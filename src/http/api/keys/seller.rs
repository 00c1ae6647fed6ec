//! Who sells: operators everything, vendors what is theirs. What is somebody else's is not there.

use aide::{OperationInput, generate::GenContext, openapi::Operation};
use axum::{extract::FromRequestParts, http::request::Parts};

use crate::{
    accounts::Scope,
    api_keys::Seller,
    app::App,
    catalog::By,
    http::{
        Admin, Caller, Context, Problem,
        openapi::{audience, signed_in},
    },
};

/// Somebody who manages what is sold.
pub(in crate::http::api) trait Sells:
    FromRequestParts<App, Rejection = Problem> + OperationInput + Send + Sync + 'static
{
    /// Whose products are meant.
    fn seller(&self) -> Seller;
    /// Who it is.
    fn caller(&self) -> &Caller;
}

impl Sells for Admin {
    fn seller(&self) -> Seller {
        Seller::Any
    }

    fn caller(&self) -> &Caller {
        &self.0
    }
}

/// A vendor who looks.
#[derive(Debug, Clone)]
pub(in crate::http::api) struct Reads(Caller);

/// A vendor who changes something.
#[derive(Debug, Clone)]
pub(in crate::http::api) struct Writes(Caller);

macro_rules! vendor {
    ($who:ident, $scope:expr) => {
        impl FromRequestParts<App> for $who {
            type Rejection = Problem;

            async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
                let caller = <Caller as FromRequestParts<App>>::from_request_parts(parts, app).await?;
                caller.require($scope)?;
                Ok(Self(caller))
            }
        }

        impl OperationInput for $who {
            fn operation_input(_: &mut GenContext, operation: &mut Operation) {
                signed_in(operation, &[$scope]);
                audience(operation, "whoever sells the product");
            }
        }

        impl Sells for $who {
            fn seller(&self) -> Seller {
                Seller::Vendor(self.0.user)
            }

            fn caller(&self) -> &Caller {
                &self.0
            }
        }
    };
}
vendor!(Reads, Scope::KeysRead);
vendor!(Writes, Scope::KeysWrite);

/// As edits of the catalogue name them.
pub(in crate::http::api) fn by(who: &impl Sells, context: &Context) -> By {
    By { actor: who.caller().actor(), request_id: Some(context.request_id().to_owned()) }
}
