//! `/api/admin/mail-templates`: every letter, as its reader would see it.

use aide::{
    OperationOutput,
    generate::GenContext,
    openapi::{MediaType, Operation, Response as Described},
};
use axum::{
    extract::State,
    http::{HeaderName, header},
    response::{Html, IntoResponse, Response},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::letterhead;
use crate::{
    app::App,
    http::{Admin, Json, Kind, Path, Problem, Query},
    notifications::{Language, Sample, Template, Topic, is_language, language, languages},
};

/// A letter that there is.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "ListedMailTemplate")]
struct TemplateView {
    /// Which letter.
    template: Template,
    /// What it is about.
    topic: Topic,
    /// Whether people can decline it.
    optional: bool,
}

/// How to look at it.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct Look {
    /// In which language.
    language: Option<String>,
    /// As what; JSON if nothing is said.
    format: Option<Format>,
    /// Which of its variants, from 0.
    variant: Option<usize>,
}

/// As what a letter is shown.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "MailFormat")]
enum Format {
    /// Everything of it.
    Json,
    /// Its page.
    Html,
    /// Its text.
    Text,
}

/// A letter as its reader would see it.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "MailPreview")]
pub(super) struct Preview {
    /// Which letter.
    template: Template,
    /// What it is about.
    topic: Topic,
    /// In which language.
    language: &'static str,
    /// Which of its variants, from 0.
    variant: usize,
    /// How many variants it has.
    variants: usize,
    /// Its subject.
    subject: String,
    /// Its text.
    text: String,
    /// Its page.
    html: String,
}

/// The letters that there are.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "MailTemplates")]
pub(super) struct Templates {
    /// All of them.
    data: Vec<TemplateView>,
    /// The codes of the languages that they are written in.
    languages: Vec<&'static str>,
}

/// A letter in the form that was asked for.
#[derive(Debug)]
pub(super) struct Shown(Response);

impl IntoResponse for Shown {
    fn into_response(self) -> Response {
        self.0
    }
}

impl OperationOutput for Shown {
    type Inner = Preview;

    fn inferred_responses(ctx: &mut GenContext, operation: &mut Operation) -> Vec<(Option<u16>, Described)> {
        let mut responses = Json::<Preview>::inferred_responses(ctx, operation);
        for (_, response) in &mut responses {
            for kind in ["text/html", "text/plain"] {
                response.content.insert(kind.to_owned(), MediaType::default());
            }
        }
        responses
    }
}

/// `GET /api/admin/mail-templates`
pub(super) async fn list(_: Admin) -> Json<Templates> {
    let view = |template: &Template| TemplateView {
        template: *template,
        topic: template.topic(),
        optional: template.topic().is_optional(),
    };
    let data = Template::ALL.iter().map(view).collect();
    Json(Templates { data, languages: languages().iter().map(Language::code).collect() })
}

/// `GET /api/admin/mail-templates/{template}`: with something in it that is nobody's.
pub(super) async fn show(
    State(app): State<App>,
    _: Admin,
    Path(template): Path<Template>,
    Query(look): Query<Look>,
) -> Result<Shown, Problem> {
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
    Ok(Shown(match format {
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
    }))
}
