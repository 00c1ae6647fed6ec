//! `GET /api/admin/invoices`, `…/export`, `…/{invoice}[.html|.pdf]`

use axum::{extract::State, http::header, response::IntoResponse};

use super::{
    own::missing,
    view::{ListedView, Named, Paper},
};
use crate::{
    app::App,
    audit::Entry,
    http::{Admin, File, Json, Kind, PageQuery, Path, Problem, Query},
    invoices::{self, AnyInvoices, ExportError},
    kernel::{InvoiceId, Page},
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

/// `GET /api/admin/invoices/export`: the same as CSV, all of it. It holds many people's data: the trail says who took it.
pub(super) async fn export(
    State(app): State<App>,
    admin: Admin,
    Query(filter): Query<AnyInvoices>,
) -> Result<File, Problem> {
    check(&filter)?;
    let table = invoices::export(&app.db, &filter).await?;
    app.db
        .write(async |tx| {
            tx.audit(Entry::new(admin.actor(), "invoices.exported", "invoices", "all"));
            Ok::<_, Problem>(())
        })
        .await?;
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8; header=present"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"invoices.csv\""),
        (header::CACHE_CONTROL, "no-store"),
    ];
    Ok(File((headers, table).into_response()))
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

impl From<ExportError> for Problem {
    fn from(error: ExportError) -> Self {
        match error {
            ExportError::TooMany => Self::new(Kind::InvalidParameter).error("#/from", error.to_string()),
            ExportError::Write(error) => Self::internal(error),
            ExportError::Db(error) => error.into(),
        }
    }
}
