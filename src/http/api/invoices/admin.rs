//! `GET /api/admin/invoices`, `…/export`, `…/{invoice}[.html|.pdf]`

use axum::extract::State;

use super::{
    own::missing,
    view::{ListedView, Named, Paper},
};
use crate::{
    app::App,
    http::{Admin, Context, ExportQuery, Exported, Json, Kind, ListFile, PageQuery, Path, Problem, Query},
    invoices::{self, AnyInvoices, Booked},
    kernel::{InvoiceId, Page, PageRequest},
};

/// The longest address that is looked for, in bytes.
const LONGEST_EMAIL: usize = 254;
/// The longest number that is looked for.
const LONGEST_NUMBER: usize = 40;

/// `GET /api/admin/invoices`
pub(super) async fn list(
    State(app): State<App>,
    _: Admin,
    Query(filter): Query<AnyInvoices>,
    Query(page): Query<PageQuery<InvoiceId>>,
) -> Result<Json<Page<ListedView>>, Problem> {
    check(&filter)?;
    let page = invoices::list_any(&app.db, &filter, page.request()?).await?;
    Ok(Json(page.map(ListedView::of)))
}

const EXPORTED: Exported = Exported {
    name: "invoices",
    columns: &[
        "number",
        "kind",
        "issued_at",
        "order",
        "payment",
        "email",
        "country",
        "currency",
        "net",
        "tax",
        "total",
        "id",
    ],
};

/// `GET /api/admin/invoices/export`: the same as a file.
pub(super) async fn export(
    State(app): State<App>,
    admin: Admin,
    context: Context,
    Query(filter): Query<AnyInvoices>,
    Query(query): Query<ExportQuery>,
) -> Result<ListFile, Problem> {
    check(&filter)?;
    let shop = app.clone();
    let read = move |page: PageRequest<InvoiceId>| {
        let (app, filter) = (shop.clone(), filter.clone());
        async move { Ok(invoices::list_any(&app.db, &filter, page).await?.map(Booked::from)) }
    };
    EXPORTED.answer(&app, (&admin, &context), query, read).await
}

/// `GET /api/admin/invoices/{invoice}`
pub(super) async fn show(State(app): State<App>, _: Admin, Path(named): Path<Named>) -> Result<Paper, Problem> {
    let invoice = invoices::find(&app.db, named.id).await?.ok_or_else(missing)?;
    named.answer(invoice).await
}

/// PostgreSQL takes no NUL in a text, not even to look for it.
fn check(filter: &AnyInvoices) -> Result<(), Problem> {
    let texts = [("#/email", &filter.email, LONGEST_EMAIL), ("#/number", &filter.number, LONGEST_NUMBER)];
    for (pointer, text, longest) in texts {
        if text.as_ref().is_some_and(|text| text.len() > longest || text.contains(char::is_control)) {
            let detail = format!("{longest} bytes at most, without control characters");
            return Err(Problem::new(Kind::InvalidParameter).error(pointer, detail));
        }
    }
    Ok(())
}
