//! What the API's description says of the answers that were got: whatever a journey asks, its answer must be described.

use reqwest::{Method, Response, header};
use serde_json::Value;

/// Pages and what belongs to them: not of the API.
pub(crate) const PAGES: [&str; 8] = [
    "/api/docs",
    "/api/docs/{file}",
    "/api/openapi.json",
    "/docs/problems",
    "/docs/problems/{name}",
    "/sandbox/pay/{session}",
    "/sandbox/style.css",
    "/unsubscribe/{token}",
];

/// The served document.
pub(crate) struct Told(Value);

impl Told {
    pub(crate) const fn of(document: Value) -> Self {
        Self(document)
    }

    pub(crate) const fn document(&self) -> &Value {
        &self.0
    }

    /// The operation that a request asked for, with its template.
    fn operation(&self, method: &Method, path: &str) -> Option<(&str, &Value)> {
        let paths = self.0["paths"].as_object().expect("paths");
        let fits = |template: &str| {
            let (parts, asked): (Vec<_>, Vec<_>) = (template.split('/').collect(), path.split('/').collect());
            parts.len() == asked.len()
                && parts.iter().zip(asked).all(|(part, asked)| {
                    // A parameter is never nothing.
                    (part.starts_with('{') && !asked.is_empty()) || *part == asked
                })
        };
        let mut found: Vec<_> = paths.iter().filter(|(template, _)| fits(template)).collect();
        // `…/import` before `…/{id}`.
        found.sort_by_key(|(template, _)| template.matches('{').count());
        let (template, item) = found.first()?;
        Some((template.as_str(), item.get(method.as_str().to_ascii_lowercase())?))
    }

    /// What a reference leads to.
    pub(crate) fn resolved<'a>(&'a self, value: &'a Value) -> &'a Value {
        match value["$ref"].as_str() {
            Some(reference) => self.0.pointer(reference.trim_start_matches('#')).expect("a reference leads somewhere"),
            None => value,
        }
    }

    /// Fails unless the answer's status and content type are described.
    pub(crate) fn describes(&self, told: &str, method: &Method, answer: &Response) {
        let Some((template, operation)) = self.operation(method, answer.url().path()) else { return };
        let status = answer.status().as_u16();
        let described = operation["responses"].get(status.to_string());
        let response = described.unwrap_or_else(|| panic!("{told}: {method} {template} does not tell of {status}"));
        let Some(content) = self.resolved(response)["content"].as_object() else { return };
        let kind = answer.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let essence = kind.split(';').next().unwrap_or_default().trim();
        assert!(
            content.contains_key(essence) || content.contains_key("*/*"),
            "{told}: {method} {template} answers {status} with `{kind}`, and tells of {:?}",
            content.keys().collect::<Vec<_>>()
        );
    }
}
