//! `/api/admin/tickets` and `/api/developer/tickets`: all tickets, or those about a developer's own products.

use axum::extract::State;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{gate::AtDesk, refusals::missing, view::DeskView};
use crate::{
    app::App,
    http::{Admin, Context, ExportQuery, Exported, Json, Kind, ListFile, PageQuery, Path, Problem, Query},
    kernel::{Page, PageRequest, TicketId},
    support::{self, Care, Category, Priority, Status, TicketChange, TicketCursor, TicketFilter, TicketSort},
};

/// Which tickets, in which order.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct Filter {
    /// Those that stand so.
    status: Option<Status>,
    /// Those of this priority.
    priority: Option<Priority>,
    /// Those about this.
    category: Option<Category>,
    /// Those that this account cares for: its id, `me` or `none`.
    assignee: Option<String>,
    /// Those that wait longer than was promised, or those that do not.
    breached: Option<bool>,
    /// In which order; without a word the last opened first.
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
) -> Result<Json<Page<DeskView>>, Problem> {
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
) -> Result<ListFile, Problem> {
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
) -> Result<Json<DeskView>, Problem> {
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
) -> Result<Json<DeskView>, Problem> {
    let (by, targets) = (desk.caller.by(&context), app.support.policy.targets);
    let ticket =
        app.db.write(async |tx| support::change_ticket(tx, (&desk.agent, &by), id, &change, &targets).await).await?;
    Ok(Json(DeskView::of(ticket, &desk.agent, app.db.now())))
}
