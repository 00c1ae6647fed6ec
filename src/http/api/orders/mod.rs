//! `/api/orders`

use axum::{
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
};
use serde::Serialize;

use crate::{
    app::App,
    http::{Json, Kind, Path, Problem},
    kernel::OrderId,
    licenses::{self, LicenseView},
    orders::{self, NewOrder, OpenError, Order},
};

/// An order as its buyer sees it.
#[derive(Debug, Serialize)]
struct OrderView {
    #[serde(flatten)]
    order: Order,
    status: &'static str,
    pay: String,
    licenses: Vec<LicenseView>,
}

impl OrderView {
    async fn find(app: &App, id: OrderId) -> Result<Self, Problem> {
        let order = orders::find_any(&app.db, id)
            .await?
            .ok_or_else(|| Problem::new(Kind::NotFound).detail("there is no such order"))?;
        let licenses = licenses::of_order(&app.db, &app.license_keys, id).await?;
        Ok(Self { status: order.status(), pay: format!("/pay/{id}"), licenses, order })
    }
}

/// `POST /api/orders`
pub async fn create(State(app): State<App>, Json(new): Json<NewOrder>) -> Result<impl IntoResponse, Problem> {
    let id = orders::open(&app.db, new).await?;
    let view = OrderView::find(&app, id).await?;
    Ok((StatusCode::CREATED, [(header::LOCATION, format!("/api/orders/{id}"))], Json(view)))
}

/// `GET /api/orders/{order}`
pub async fn show(State(app): State<App>, Path(id): Path<OrderId>) -> Result<impl IntoResponse, Problem> {
    OrderView::find(&app, id).await.map(Json)
}

impl From<OpenError> for Problem {
    fn from(error: OpenError) -> Self {
        let pointer = match &error {
            OpenError::UnknownProduct => "#/product",
            OpenError::Email => "#/email",
            OpenError::Db(error) => return error.clone().into(),
        };
        Self::new(Kind::InvalidInput).error(pointer, error.to_string())
    }
}
