//! `/api/admin/tickets` and `/api/developer/tickets`: all tickets, or those about a developer's own products.

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use serde::Deserialize;

use super::{gate::AtDesk, refusals::missing, view::DeskView};
use crate::{
    app::App,
    http::{Admin, Context, ExportQuery, Exported, Json, Kind, PageQuery, Path, Problem, Query},
    kernel::{PageRequest, TicketId},
    support::{self, Care, Category, Priority, Status, TicketChange, TicketCursor, TicketFilter, TicketSort},
};

/// Which tickets, in which order.
#[derive(Debug, Deserialize)]
pub(super) struct Filter {
    status: Option<Status>,
    priority: Option<Priority>,
    category: Option<Category>,
    /// An account, `me` or `none`.
    assignee: Option<String>,
    breached: Option<bool>,
    sort: Option<TicketSort>,
}

impl Filter {
    fn read(self, desk: &AtDesk) -> Result<TicketFilter, Problem> {
        let assignee = match self.assignee.as_deref() {
            None => Care::Any,
            Some("none") => Care::Nobody,
            Some("me") => Care::Of(desk.agent.user),
            Some(id) => Care::Of(id.parse().map_err(|_| {
                Problem::new(Kind::InvalidParameter).error("#/assignee", "expected an account (usr_…), `me` or `none`")
            })?),
        };
        let Self { status, priority, category, breached, sort, .. } = self;
        Ok(TicketFilter { status, priority, category, assignee, breached, sort })
    }
}

/// `GET …/tickets`
pub(super) async fn list(
    State(app): State<App>,
    desk: AtDesk,
    Query(filter): Query<Filter>,
    Query(page): Query<PageQuery<String>>,
) -> Result<impl IntoResponse, Problem> {
    let filter = filter.read(&desk)?;
    let page = support::list_at_desk(&app.db, &desk.agent, &filter, page.read()?).await?;
    let now = app.db.now();
    Ok(Json(page.map(|ticket| DeskView::of(ticket, &desk.agent, now))))
}

const EXPORTED: Exported = Exported {
    name: "tickets",
    columns: &[
        "id",
        "subject",
        "category",
        "status",
        "priority",
        "product.id",
        "order",
        "license",
        "tenant",
        "requester.id",
        "requester.name",
        "requester.email",
        "assignee.id",
        "breached",
        "created_at",
        "updated_at",
        "solved_at",
        "closed_at",
    ],
};

/// `GET /api/admin/tickets/export`: without what was written.
pub(super) async fn export(
    State(app): State<App>,
    admin: Admin,
    context: Context,
    desk: AtDesk,
    Query(filter): Query<Filter>,
    Query(query): Query<ExportQuery>,
) -> Result<Response, Problem> {
    let (filter, agent, shop) = (filter.read(&desk)?, desk.agent, app.clone());
    let read = move |page: PageRequest<TicketCursor>| {
        let (app, filter, agent) = (shop.clone(), filter.clone(), agent);
        async move {
            let page = support::list_at_desk(&app.db, &agent, &filter, page).await?;
            let now = app.db.now();
            Ok(page.map(|ticket| DeskView::of(ticket, &agent, now)))
        }
    };
    EXPORTED.answer(&app, (&admin, &context), query, read).await
}

/// `GET …/tickets/{ticket}`
pub(super) async fn show(
    State(app): State<App>,
    desk: AtDesk,
    Path(id): Path<TicketId>,
) -> Result<impl IntoResponse, Problem> {
    let ticket = support::find_at_desk(&app.db, &desk.agent, id).await?.ok_or_else(missing)?;
    Ok(Json(DeskView::of(ticket, &desk.agent, app.db.now())))
}

/// `PATCH …/tickets/{ticket}`
pub(super) async fn change(
    State(app): State<App>,
    desk: AtDesk,
    context: Context,
    Path(id): Path<TicketId>,
    Json(change): Json<TicketChange>,
) -> Result<impl IntoResponse, Problem> {
    let (by, targets) = (desk.caller.by(&context), app.support.policy.targets);
    let ticket =
        app.db.write(async |tx| support::change_ticket(tx, (&desk.agent, &by), id, &change, &targets).await).await?;
    Ok(Json(DeskView::of(ticket, &desk.agent, app.db.now())))
}
