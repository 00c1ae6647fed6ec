//! `/api/admin/ledger`: where every cent came from and where it went.

use axum::extract::State;
use schemars::JsonSchema;
use serde::Serialize;

use super::whole;
use crate::{
    app::App,
    http::{Admin, Context, ExportQuery, Exported, Json, Kind, ListFile, PageQuery, Path, Problem, Query, sought},
    kernel::{Page, PageFrom, PageRequest},
    payments::ledger::{
        self, Balance, BookedTransaction, EntryFilter, LedgerEntryId, LedgerTransactionId, ListedEntry,
        TransactionFilter, TransactionRow, TrialRow,
    },
};

/// `GET /api/admin/ledger/balances`: every account in every currency; debits are positive.
pub(super) async fn balances(State(app): State<App>, _: Admin) -> Result<Json<Page<Balance>>, Problem> {
    Ok(Json(whole(ledger::balances(&app.db).await?)))
}

/// Whether the books balance.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "TrialBalance")]
pub(super) struct Trial {
    /// Whether they do, as a whole and each transaction for itself.
    balanced: bool,
    /// What was debited and credited in each.
    currencies: Vec<TrialRow>,
    /// Transactions that do not sum to zero, a hundred at most: somebody changed them by hand.
    unbalanced: Vec<TransactionRow>,
}

/// `GET /api/admin/ledger/trial-balance`: reads all entries.
pub(super) async fn trial_balance(State(app): State<App>, _: Admin) -> Result<Json<Trial>, Problem> {
    let (currencies, unbalanced) = (ledger::trial_balance(&app.db).await?, ledger::verify(&app.db).await?);
    let balanced = unbalanced.is_empty() && currencies.iter().all(|row| row.debits == row.credits);
    Ok(Json(Trial { balanced, currencies, unbalanced }))
}

fn check(filter: &EntryFilter) -> Result<(), Problem> {
    sought("#/account", filter.account.as_deref())?;
    sought("#/kind", filter.kind.as_deref())?;
    Ok(())
}

/// `GET /api/admin/ledger/entries`
pub(super) async fn entries(
    State(app): State<App>,
    _: Admin,
    Query(filter): Query<EntryFilter>,
    Query(page): Query<PageQuery<LedgerEntryId>>,
) -> Result<Json<Page<ListedEntry>>, Problem> {
    check(&filter)?;
    Ok(Json(ledger::entries(&app.db, &filter, page.request()?).await?))
}

const EXPORTED: Exported = Exported {
    name: "ledger",
    columns: &[
        "id",
        "transaction_id",
        "kind",
        "cause",
        "order_id",
        "account",
        "developer_id",
        "amount",
        "currency",
        "available_at",
        "created_at",
    ],
};

/// `GET /api/admin/ledger/entries/export`
pub(super) async fn export(
    State(app): State<App>,
    admin: Admin,
    context: Context,
    Query(filter): Query<EntryFilter>,
    Query(query): Query<ExportQuery>,
) -> Result<ListFile, Problem> {
    check(&filter)?;
    let shop = app.clone();
    let read = move |page: PageRequest<LedgerEntryId>| {
        let (app, filter) = (shop.clone(), filter.clone());
        async move { Ok(ledger::entries(&app.db, &filter, page).await?) }
    };
    EXPORTED.answer(&app, (&admin, &context), query, read).await
}

/// `GET /api/admin/ledger/transactions`
pub(super) async fn transactions(
    State(app): State<App>,
    _: Admin,
    Query(filter): Query<TransactionFilter>,
    Query(page): Query<PageQuery<LedgerTransactionId>>,
) -> Result<Json<Page<BookedTransaction>>, Problem> {
    sought("#/kind", filter.kind.as_deref())?;
    sought("#/cause", filter.cause.as_deref())?;
    Ok(Json(ledger::transactions(&app.db, &filter, page.request()?).await?))
}

/// A transaction with its entries, which sum to zero.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "LedgerTransactionInFull")]
pub(super) struct Whole {
    #[serde(flatten)]
    transaction: BookedTransaction,
    /// Its entries.
    entries: Vec<ListedEntry>,
}

/// The most entries of a transaction that are shown: one for each account and vendor.
const MOST: i64 = 1_000;

/// `GET /api/admin/ledger/transactions/{transaction}`
pub(super) async fn transaction(
    State(app): State<App>,
    _: Admin,
    Path(id): Path<LedgerTransactionId>,
) -> Result<Json<Whole>, Problem> {
    let missing = || Problem::new(Kind::NotFound).detail("there is no such transaction");
    let transaction = ledger::transaction(&app.db, id).await?.ok_or_else(missing)?;
    let filter = EntryFilter { transaction: Some(id), ..EntryFilter::default() };
    let page = PageRequest { limit: MOST, from: PageFrom::Start };
    Ok(Json(Whole { transaction, entries: ledger::entries(&app.db, &filter, page).await?.data }))
}
