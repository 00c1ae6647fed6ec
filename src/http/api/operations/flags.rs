//! `/api/admin/flags`: what is chosen for whom.

use axum::extract::State;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::whole;
use crate::{
    app::App,
    audit::{self, AuditEntryId, Record},
    flags::{ChangeError, ChangedBy, Definition, Expected, FlagView, Flaw},
    http::{
        Admin, Because, Conditional, Context, IfMatch, IfNoneMatch, Json, Kind, PageQuery, Path, Problem, Query,
        Tagged, reason, sought, tag,
    },
    kernel::Page,
};

/// A flag that nobody has set is at version 0.
fn tag_of(flag: &FlagView) -> String {
    tag(flag.version.unwrap_or(0), &[])
}

fn missing() -> Problem {
    Problem::new(Kind::NotFound).detail("there is no such flag: `GET /api/admin/flags` names those there are")
}

/// `GET /api/admin/flags`
pub(super) async fn list(State(app): State<App>, _: Admin) -> Json<Page<FlagView>> {
    Json(whole(app.flags.list()))
}

/// `GET /api/admin/flags/{flag}`
pub(super) async fn show(
    State(app): State<App>,
    _: Admin,
    Path(key): Path<String>,
    known: IfNoneMatch,
) -> Result<Conditional<FlagView>, Problem> {
    let flag = app.flags.get(&key).ok_or_else(missing)?;
    Ok(known.answer(tag_of(&flag), flag))
}

/// What a flag is set to: `true` or `false` for everybody, or a whole definition.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "FlagSetting", transform = crate::http::because::must_be_given)]
pub(super) struct Setting {
    /// What it is for everybody; not together with a definition.
    value: Option<bool>,
    /// A whole definition.
    #[schemars(with = "Option<Definition>")]
    definition: Option<Value>,
    /// Why: it is kept in the audit trail.
    #[serde(default)]
    #[schemars(length(min = 1, max = 500))]
    reason: String,
}

impl Setting {
    fn definition(&self, now: Option<&FlagView>) -> Result<Definition, Problem> {
        let refused = |pointer: &str, detail: &str| Problem::new(Kind::InvalidInput).error(pointer, detail.to_owned());
        match (self.value, &self.definition) {
            (None, Some(definition)) => Definition::parse(&definition.to_string()).map_err(|flaws| flawed(&flaws)),
            (Some(truth), None) => Definition::for_everybody(truth, now.map(|flag| &flag.definition))
                .ok_or_else(|| refused("#/value", "this flag is not a boolean one: give a `definition`")),
            (None, None) => Err(refused("#/definition", "give a `definition`, or `value`: true or false")),
            (Some(_), Some(_)) => Err(refused("#/value", "not together with a `definition`")),
        }
    }
}

fn flawed(flaws: &[Flaw]) -> Problem {
    flaws.iter().fold(Problem::new(Kind::InvalidInput), |problem, flaw| {
        // Where a text ends before its time there is no place to point at.
        let place = if flaw.pointer == "/?" { "" } else { &flaw.pointer };
        problem.error(format!("#/definition{place}"), flaw.detail.clone())
    })
}

fn by(admin: &Admin, context: &Context, why: &str) -> Result<ChangedBy, Problem> {
    let by = ChangedBy::new(admin.actor(), why)
        .map_err(|error| Problem::new(Kind::InvalidInput).error("#/reason", error.to_string()))?;
    Ok(by.request(context.request_id().to_owned()))
}

/// `PUT /api/admin/flags/{flag}`: made if it is new, with `If-Match: "0"`.
pub(super) async fn set(
    State(app): State<App>,
    admin: Admin,
    context: Context,
    Path(key): Path<String>,
    IfMatch(version): IfMatch,
    Json(setting): Json<Setting>,
) -> Result<Tagged<Option<FlagView>>, Problem> {
    let by = by(&admin, &context, reason(&setting.reason)?)?;
    let now = app.flags.get(&key);
    if now.is_none() && version != 0 {
        return Err(missing());
    }
    let definition = setting.definition(now.as_ref())?;
    let expected = if version == 0 { Expected::Absent } else { Expected::Version(version) };
    app.flags.set(&key, &definition, expected, &by).await?;
    Ok(show_after(&app, &key))
}

/// `POST /api/admin/flags/{flag}/clear`: a flag of the program is worth its default again, another one is gone.
pub(super) async fn clear(
    State(app): State<App>,
    admin: Admin,
    context: Context,
    Path(key): Path<String>,
    IfMatch(version): IfMatch,
    Json(why): Json<Because>,
) -> Result<Tagged<Option<FlagView>>, Problem> {
    let by = by(&admin, &context, why.reason()?)?;
    sought("#/flag", Some(&key))?;
    app.flags.remove(&key, Expected::Version(version), &by).await?;
    Ok(show_after(&app, &key))
}

fn show_after(app: &App, key: &str) -> Tagged<Option<FlagView>> {
    let flag = app.flags.get(key);
    let tag = flag.as_ref().map_or_else(|| tag(0, &[]), tag_of);
    Tagged(tag, flag)
}

/// `GET /api/admin/flags/{flag}/history`: its changes in the trail, the last first.
pub(super) async fn history(
    State(app): State<App>,
    _: Admin,
    Path(key): Path<String>,
    Query(page): Query<PageQuery<AuditEntryId>>,
) -> Result<Json<Page<Record>>, Problem> {
    let changes = changes_of(&app, ("flag", &key), page).await?;
    // What is gone has a history as long as the trail has it.
    if changes.0.data.is_empty() && app.flags.get(&key).is_none() {
        return Err(missing());
    }
    Ok(changes)
}

/// What the trail says of changes of a thing.
pub(super) async fn changes_of(
    app: &App,
    (object_type, object_id): (&str, &str),
    page: PageQuery<AuditEntryId>,
) -> Result<Json<Page<Record>>, Problem> {
    sought("#/flag", Some(object_id))?;
    let filter = audit::Filter {
        object_type: Some(object_type.to_owned()),
        object_id: Some(object_id.to_owned()),
        ..audit::Filter::default()
    };
    Ok(Json(audit::list_page(&app.db, &app.keys, audit::Disclosure::Opened, &filter, page.request()?).await?))
}

impl From<ChangeError> for Problem {
    fn from(error: ChangeError) -> Self {
        match error {
            ChangeError::Invalid { flaws, .. } => flawed(&flaws),
            ChangeError::Conflict { .. } => Self::new(Kind::PreconditionFailed).detail(error.to_string()),
            ChangeError::NotSet(_) => Self::new(Kind::NotFound).detail("nobody has set this flag"),
            ChangeError::Db(error) => error.into(),
        }
    }
}
