//! `/api/admin/orders`

use axum::extract::State;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::view::{Keys, ListedView, OrderView};
use crate::{
    app::App,
    audit::Entry,
    http::{
        Admin, Because, Context, ExportQuery, Exported, IdempotencyKey, Json, Keyed, Kind, ListFile, NoContent, Once,
        PageQuery, Path, Problem, Promised, Query, reason,
    },
    kernel::{Money, OrderId, Page, PageRequest, PaymentId, RefundId},
    orders::{self, AnyOrders, RefundError},
    payments::ledger,
};

/// The longest address that is looked for, in bytes.
const LONGEST_EMAIL: usize = 254;

/// A refund to be made.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(transform = crate::http::because::must_be_given)]
pub(super) struct NewRefund {
    /// In minor units; everything that is left if nothing is said.
    #[schemars(range(min = 1))]
    amount: Option<i64>,
    /// Which payment; the one that settled the order if nothing is said.
    payment: Option<PaymentId>,
    /// Why; the buyer sees it.
    #[serde(default)]
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

/// PostgreSQL takes no NUL in a text, not even to look for it.
fn check(filter: &AnyOrders) -> Result<(), Problem> {
    if filter.email.as_ref().is_some_and(|email| email.len() > LONGEST_EMAIL || email.contains(char::is_control)) {
        return Err(Problem::new(Kind::InvalidParameter).error("#/email", "expected an address"));
    }
    Ok(())
}

/// `GET /api/admin/orders`
pub(super) async fn list(
    State(app): State<App>,
    _: Admin,
    Query(filter): Query<AnyOrders>,
    Query(page): Query<PageQuery<OrderId>>,
) -> Result<Json<Page<ListedView>>, Problem> {
    check(&filter)?;
    let page = orders::list_any(&app.db, &filter, page.request()?).await?;
    Ok(Json(page.map(ListedView::for_operator)))
}

const EXPORTED: Exported = Exported {
    name: "orders",
    columns: &[
        "id",
        "status",
        "email",
        "provider",
        "total.amount",
        "total.currency",
        "refunded.amount",
        "created_at",
        "paid_at",
        "attention",
    ],
};

/// `GET /api/admin/orders/export`
pub(super) async fn export(
    State(app): State<App>,
    admin: Admin,
    context: Context,
    Query(filter): Query<AnyOrders>,
    Query(query): Query<ExportQuery>,
) -> Result<ListFile, Problem> {
    check(&filter)?;
    let shop = app.clone();
    let read = move |page: PageRequest<OrderId>| {
        let (app, filter) = (shop.clone(), filter.clone());
        async move { Ok(orders::list_any(&app.db, &filter, page).await?.map(ListedView::for_operator)) }
    };
    EXPORTED.answer(&app, (&admin, &context), query, read).await
}

/// `GET /api/admin/orders/{order}`: everything, the ledger's entries too; not the keys, which are the buyer's.
pub(super) async fn show(
    State(app): State<App>,
    _: Admin,
    Path(id): Path<OrderId>,
) -> Result<Json<AdminView>, Problem> {
    let whole = orders::find_any_whole(&app.db, id).await?.ok_or_else(missing)?;
    let view = AdminView {
        attention: whole.order.attention.clone(),
        order: OrderView::of(&app, whole, Keys::Hidden).await?,
        ledger: ledger::entries_of_order(&app.db, id).await?,
    };
    Ok(Json(view))
}

/// `POST /api/admin/orders/{order}/cancel`
pub(super) async fn cancel(
    State(app): State<App>,
    admin: Admin,
    context: Context,
    Path(id): Path<OrderId>,
    Json(why): Json<Because>,
) -> Result<NoContent, Problem> {
    let (why, by) = (why.reason()?, (admin.actor(), Some(context.request_id().to_owned())));
    orders::find_any(&app.db, id).await?.ok_or_else(missing)?;
    app.db.write(async |tx| orders::cancel_because(tx, id, why, by).await).await?;
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

/// `POST /api/admin/orders/{order}/reconcile`: has the provider asked what became of its payments.
pub(super) async fn reconcile(
    State(app): State<App>,
    admin: Admin,
    context: Context,
    Path(id): Path<OrderId>,
    Json(why): Json<Because>,
) -> Result<Promised, Problem> {
    let entry = because(&admin, &context, ("order.reconcile_asked", id), why.reason()?);
    orders::find_any(&app.db, id).await?.ok_or_else(missing)?;
    app.db
        .write(async |tx| {
            orders::nominate(tx, id).await?;
            tx.audit(entry);
            Ok::<_, Problem>(Promised)
        })
        .await
}

/// `POST /api/admin/orders/{order}/fulfil`: has what was paid for given once more, where that died on its way.
pub(super) async fn fulfil(
    State(app): State<App>,
    admin: Admin,
    context: Context,
    Path(id): Path<OrderId>,
    Json(why): Json<Because>,
) -> Result<Promised, Problem> {
    let entry = because(&admin, &context, ("order.fulfilment_asked", id), why.reason()?);
    orders::find_any(&app.db, id).await?.ok_or_else(missing)?;
    let owed = app
        .db
        .write(async |tx| {
            let owed = orders::give_owed(tx, id).await?;
            if owed {
                tx.audit(entry);
            }
            Ok::<_, Problem>(owed)
        })
        .await?;
    if owed {
        return Ok(Promised);
    }
    Err(Problem::new(Kind::Conflict).detail("nothing is owed: the order is not paid, or has given all that it gives"))
}

fn because(admin: &Admin, context: &Context, (action, id): (&'static str, OrderId), why: &str) -> Entry {
    let entry = Entry::new(admin.actor(), action, "order", id.to_string());
    entry.reason(why).request(context.request_id().to_owned())
}

/// `POST /api/admin/orders/{order}/refunds`: accepted, and made by a job.
pub(super) async fn refund(
    State(app): State<App>,
    admin: Admin,
    Path(id): Path<OrderId>,
    key: IdempotencyKey,
    Json(new): Json<NewRefund>,
) -> Result<Once<RequestedRefund, 202>, Problem> {
    let reason = reason(&new.reason)?;
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

/// `POST /api/admin/orders/{order}/attended`: a person has looked, and says what they found.
pub(super) async fn attended(
    State(app): State<App>,
    admin: Admin,
    context: Context,
    Path(id): Path<OrderId>,
    Json(why): Json<Because>,
) -> Result<NoContent, Problem> {
    let entry = because(&admin, &context, ("order.attended", id), why.reason()?);
    orders::find_any(&app.db, id).await?.ok_or_else(missing)?;
    app.db
        .write(async |tx| {
            if orders::attended(tx, id).await? {
                tx.audit(entry);
            }
            Ok::<_, Problem>(NoContent)
        })
        .await
}

pub(super) fn missing() -> Problem {
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
