//! `/api/admin/products/{product}/plans` and `/api/admin/plans`: how a product is sold, and for how much.

use axum::extract::State;

use super::{by, managed::managed, missing};
use crate::{
    app::App,
    catalog::{self, Plan, PlanFields},
    http::{Admin, Context, FirstRevision, IdempotencyKey, Json, Once, Path, Problem, once, tag},
    kernel::{Page, PlanId, ProductId},
};

fn tag_of(plan: &Plan) -> String {
    tag(plan.revision, &[])
}

/// `GET /api/admin/products/{product}/plans`: all of them, which are few.
pub(super) async fn list(
    State(app): State<App>,
    _: Admin,
    Path(product): Path<ProductId>,
) -> Result<Json<Page<Plan>>, Problem> {
    catalog::product(&app.db, product).await?.ok_or_else(missing)?;
    Ok(Json(Page::whole(catalog::plans(&app.db, product).await?)))
}

/// `POST /api/admin/products/{product}/plans`
pub(super) async fn create(
    State(app): State<App>,
    admin: Admin,
    context: Context,
    Path(product): Path<ProductId>,
    key: IdempotencyKey,
    Json(fields): Json<PlanFields>,
) -> Result<FirstRevision<Once<Plan>>, Problem> {
    let by = by(&admin, &context);
    let scope = format!("{} POST /api/admin/products/{product}/plans", admin.user);
    let body = fields.clone();
    let answer = once(&app, key, scope, &body, async |tx| catalog::create_plan(tx, product, fields, &by).await);
    Ok(FirstRevision(answer.await?))
}

managed!(PlanId => Plan, PlanFields: catalog::plan, catalog::patch_plan, catalog::delete_plan);
