//! `/api/admin/orders`, `/api/admin/ledger`

use axum::extract::State;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::view::{Keys, ListedView, OrderView};
use crate::{
    app::App,
    audit::Entry,
    http::{Admin, IdempotencyKey, Json, Keyed, Kind, NoContent, Once, PageQuery, Path, Problem, Query},
    kernel::{Money, OrderId, Page, PaymentId, RefundId},
    orders::{self, AnyOrders, RefundError},
    payments::ledger,
};

/// The longest reason, in characters.
const LONGEST_REASON: usize = 500;
/// The longest address that is looked for, in bytes.
const LONGEST_EMAIL: usize = 254;

/// A refund to be made.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewRefund {
    /// In minor units; everything that is left if nothing is said.
    #[schemars(range(min = 1))]
    amount: Option<i64>,
    /// Which payment; the one that settled the order if nothing is said.
    payment: Option<PaymentId>,
    /// Why; the buyer sees it.
    #[schemars(length(min = 1, max = 500))]
    reason: String,
}

/// An order as operators see it.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "AdminOrder")]
pub(super) struct AdminView {
    #[serde(flatten)]
    order: OrderView,
    /// Why an operator should look.
    attention: Option<String>,
    /// What was booked for it.
    ledger: Vec<ledger::EntryRow>,
}

/// `GET /api/admin/orders`
pub(super) async fn list(
    State(app): State<App>,
    _: Admin,
    Query(filter): Query<AnyOrders>,
    Query(page): Query<PageQuery<OrderId>>,
) -> Result<Json<Page<ListedView>>, Problem> {
    // PostgreSQL takes no NUL in a text, not even to look for it.
    if filter.email.as_ref().is_some_and(|email| email.len() > LONGEST_EMAIL || email.contains(char::is_control)) {
        return Err(Problem::new(Kind::InvalidParameter).error("#/email", "expected an address"));
    }
    let page = orders::list_any(&app.db, &filter, page.request()?).await?;
    Ok(Json(page.map(ListedView::for_operator)))
}

/// `GET /api/admin/orders/{order}`: everything, the ledger's entries too; not the keys, which are the buyer's.
pub(super) async fn show(
    State(app): State<App>,
    _: Admin,
    Path(id): Path<OrderId>,
) -> Result<Json<AdminView>, Problem> {
    let order = orders::find_any(&app.db, id).await?.ok_or_else(missing)?;
    let view = AdminView {
        order: OrderView::of(&app, &order, Keys::Hidden).await?,
        attention: order.attention,
        ledger: ledger::entries_of_order(&app.db, id).await?,
    };
    Ok(Json(view))
}

/// `POST /api/admin/orders/{order}/cancel`
pub(super) async fn cancel(
    State(app): State<App>,
    admin: Admin,
    Path(id): Path<OrderId>,
) -> Result<NoContent, Problem> {
    orders::find_any(&app.db, id).await?.ok_or_else(missing)?;
    app.db.write(async |tx| orders::cancel(tx, id, admin.actor()).await).await?;
    Ok(NoContent)
}

/// A refund that a job makes.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct RequestedRefund {
    /// Which one.
    id: RefundId,
    /// Of which order.
    order: OrderId,
    /// How much.
    amount: Money,
    /// Always `requested`: what became of it, the order tells.
    state: &'static str,
}

/// `POST /api/admin/orders/{order}/refunds`: accepted, and made by a job.
pub(super) async fn refund(
    State(app): State<App>,
    admin: Admin,
    Path(id): Path<OrderId>,
    key: IdempotencyKey,
    Json(new): Json<NewRefund>,
) -> Result<Once<RequestedRefund, 202>, Problem> {
    let reason = new.reason.trim();
    if reason.is_empty() || reason.chars().count() > LONGEST_REASON || reason.contains('\0') {
        let detail = format!("expected 1 to {LONGEST_REASON} characters");
        return Err(Problem::new(Kind::InvalidInput).error("#/reason", detail));
    }
    orders::find_any(&app.db, id).await?.ok_or_else(missing)?;
    let keyed = Keyed::new(key, format!("{} POST /api/admin/orders/{id}/refunds", admin.user), &new)?;
    if let Some(answer) = keyed.recall(&app).await? {
        return Ok(answer);
    }
    keyed
        .once(&app, async |tx| {
            let (refund, money): (_, Money) = orders::request_refund(tx, id, new.payment, new.amount, reason).await?;
            let entry = Entry::new(admin.actor(), "refund.requested", "order", id.to_string());
            tx.audit(entry.change(None, json!(money)).reason(reason));
            Ok::<_, RefundError>(RequestedRefund { id: refund, order: id, amount: money, state: "requested" })
        })
        .await
}

/// `POST /api/admin/orders/{order}/attended`: a person has looked.
pub(super) async fn attended(
    State(app): State<App>,
    admin: Admin,
    Path(id): Path<OrderId>,
) -> Result<NoContent, Problem> {
    orders::find_any(&app.db, id).await?.ok_or_else(missing)?;
    app.db
        .write(async |tx| {
            if orders::attended(tx, id).await? {
                tx.audit(Entry::new(admin.actor(), "order.attended", "order", id.to_string()));
            }
            Ok::<_, Problem>(NoContent)
        })
        .await
}

/// What the ledger's accounts hold.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "LedgerBalances")]
pub(super) struct Balances {
    /// All accounts that hold anything.
    data: Vec<ledger::Balance>,
}

/// `GET /api/admin/ledger/balances`
pub(super) async fn balances(State(app): State<App>, _: Admin) -> Result<Json<Balances>, Problem> {
    Ok(Json(Balances { data: ledger::balances(&app.db).await? }))
}

fn missing() -> Problem {
    Problem::new(Kind::NotFound).detail("there is no such order")
}

impl From<RefundError> for Problem {
    fn from(error: RefundError) -> Self {
        let text = error.to_string();
        match error {
            RefundError::NothingPaid => Self::new(Kind::Conflict).detail(text),
            RefundError::TooMuch(_) | RefundError::NotPositive => Self::new(Kind::InvalidInput).error("#/amount", text),
            RefundError::Db(error) => error.into(),
        }
    }
}
