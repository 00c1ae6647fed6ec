//! `/api/admin/mail-templates`: every letter, as its reader would see it.

use axum::{
    extract::State,
    http::{HeaderName, header},
    response::{Html, IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::letterhead;
use crate::{
    app::App,
    http::{Admin, Json, Kind, Path, Problem, Query},
    notifications::{Language, Sample, Template, Topic, is_language, language, languages},
};

#[derive(Debug, Serialize)]
struct TemplateView {
    template: Template,
    topic: Topic,
    optional: bool,
}

/// How to look at it.
#[derive(Debug, Deserialize)]
pub(super) struct Look {
    language: Option<String>,
    format: Option<Format>,
    variant: Option<usize>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Format {
    Json,
    Html,
    Text,
}

#[derive(Debug, Serialize)]
struct Preview {
    template: Template,
    topic: Topic,
    language: &'static str,
    variant: usize,
    variants: usize,
    subject: String,
    text: String,
    html: String,
}

/// `GET /api/admin/mail-templates`
pub(super) async fn list(_: Admin) -> impl IntoResponse {
    let view = |template: &Template| TemplateView {
        template: *template,
        topic: template.topic(),
        optional: template.topic().is_optional(),
    };
    let data: Vec<_> = Template::ALL.iter().map(view).collect();
    let languages: Vec<_> = languages().iter().map(Language::code).collect();
    Json(json!({ "data": data, "languages": languages }))
}

/// `GET /api/admin/mail-templates/{template}`: with something in it that is nobody's.
pub(super) async fn show(
    State(app): State<App>,
    _: Admin,
    Path(template): Path<Template>,
    Query(look): Query<Look>,
) -> Result<Response, Problem> {
    let invalid = |pointer: &str, detail: String| Problem::new(Kind::InvalidParameter).error(pointer, detail);
    if look.language.as_deref().is_some_and(|code| !is_language(code)) {
        return Err(invalid("#/language", "there is no such language".to_owned()));
    }
    let language = language(look.language.as_deref()).ok_or_else(|| Problem::internal("no language can be read"))?;
    let letters = Sample::at(app.db.now()).letters(template);
    let variant = look.variant.unwrap_or_default();
    let last = letters.len().saturating_sub(1);
    let words = letters.get(variant).ok_or_else(|| invalid("#/variant", format!("expected 0 to {last}")))?;
    let letter = letterhead(&app).letter(language, "reader@example.com", &**words).map_err(Problem::internal)?;
    let format = look.format.unwrap_or(Format::Json);
    Ok(match format {
        Format::Json => Json(Preview {
            template,
            topic: template.topic(),
            language: language.code(),
            variant,
            variants: letters.len(),
            subject: letter.subject,
            text: letter.text,
            html: letter.html,
        })
        .into_response(),
        Format::Text => letter.text.into_response(),
        Format::Html => {
            let policy = "sandbox; default-src 'none'; style-src 'unsafe-inline'";
            let headers: [(HeaderName, &str); 1] = [(header::CONTENT_SECURITY_POLICY, policy)];
            (headers, Html(letter.html)).into_response()
        }
    })
}
