//! `/api/account/notifications`: in which language the owner of an account is written to, and about what.

use std::collections::BTreeMap;

use axum::extract::State;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    accounts::Scope,
    app::App,
    http::{Caller, Context, Json, Kind, Problem},
    notifications::{self, PreferenceChange, Preferences, Topic, is_language, languages},
};

/// How the owner of an account is written to.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "NotificationPreferences")]
pub(super) struct View {
    #[serde(flatten)]
    own: Preferences,
    /// The languages that there are.
    languages: Vec<LanguageView>,
}

/// A language that there is.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Language")]
struct LanguageView {
    /// Its code.
    code: &'static str,
    /// What it is called, in itself.
    name: &'static str,
}

/// What changes.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "NotificationChange")]
pub(super) struct Change {
    /// The code of the language of mails to you; what it is stays if nothing is said.
    language: Option<String>,
    /// Whether mails of each topic shall come; what is not named stays.
    #[serde(default)]
    topics: BTreeMap<Topic, bool>,
}

/// `GET /api/account/notifications`
pub(super) async fn show(State(app): State<App>, caller: Caller) -> Result<Json<View>, Problem> {
    caller.require(Scope::AccountRead)?;
    own(&app, &caller).await.map(Json)
}

/// `PATCH /api/account/notifications`
pub(super) async fn change(
    State(app): State<App>,
    caller: Caller,
    context: Context,
    Json(change): Json<Change>,
) -> Result<Json<View>, Problem> {
    caller.require(Scope::AccountWrite)?;
    if change.language.as_deref().is_some_and(|code| !is_language(code)) {
        let known: Vec<_> = languages().iter().map(notifications::Language::code).collect();
        let detail = format!("expected one of {}", known.join(", "));
        return Err(Problem::new(Kind::InvalidInput).error("#/language", detail));
    }
    for (topic, wanted) in &change.topics {
        if !topic.is_optional() && !wanted {
            let detail = "mails about this always come";
            return Err(Problem::new(Kind::InvalidInput).error(format!("#/topics/{topic}"), detail));
        }
    }
    let change = PreferenceChange { language: change.language, topics: change.topics.into_iter().collect() };
    let entry = caller.by(&context).did("user.notifications_changed", "user", caller.user);
    app.db.write(async |tx| notifications::change_preferences(tx, caller.user, &change, entry).await).await?;
    own(&app, &caller).await.map(Json)
}

async fn own(app: &App, caller: &Caller) -> Result<View, Problem> {
    let view =
        |language: &'static notifications::Language| LanguageView { code: language.code(), name: language.name() };
    let own = notifications::preferences(&app.db, caller.user).await?;
    Ok(View { own, languages: languages().iter().map(view).collect() })
}
