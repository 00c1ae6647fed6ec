//! Invoices as JSON, as pages, and as PDF.

use std::{borrow::Cow, fmt, str::FromStr};

use aide::{
    OperationOutput,
    generate::GenContext,
    openapi::{MediaType, Operation, Response as Described},
};
use axum::{
    http::header,
    response::{Html, IntoResponse, Response},
};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, de};
use serde_json::value::RawValue;

use crate::{
    http::{Json, Problem},
    invoices::{self, Document, HTML_POLICY, Invoice, InvoiceRow, Kind, PdfError, RenderError},
    kernel::{InvoiceId, Money, OrderId, PaymentId, Time},
};

/// In which form an invoice is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Json,
    Html,
    Pdf,
}

/// An invoice's id, and behind it perhaps the form that it is asked for in: `inv_….pdf`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Named {
    pub(super) id: InvoiceId,
    form: Form,
}

impl FromStr for Named {
    type Err = <InvoiceId as FromStr>::Err;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let forms = [(".html", Form::Html), (".pdf", Form::Pdf)];
        let found = forms.iter().find_map(|(end, form)| Some((text.strip_suffix(end)?, *form)));
        let (id, form) = found.unwrap_or((text, Form::Json));
        Ok(Self { id: id.parse()?, form })
    }
}

impl<'de> Deserialize<'de> for Named {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Named;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an invoice's id")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Named, E> {
                text.parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Visitor)
    }
}

impl JsonSchema for Named {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "InvoiceName".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "Its id; with `.html` or `.pdf` behind it, in that form.",
            "pattern": r"^inv_[0-7][0-9a-hjkmnp-tv-z]{25}(\.html|\.pdf)?$",
        })
    }
}

/// An invoice in a list.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "ListedInvoice")]
pub(super) struct ListedView {
    /// Which one.
    id: InvoiceId,
    /// What it is.
    kind: Kind,
    /// Its number, which has no gap before it.
    number: String,
    /// Of which order.
    order: OrderId,
    /// Of which payment.
    payment: PaymentId,
    /// The invoice that a credit note corrects.
    #[serde(skip_serializing_if = "Option::is_none")]
    corrects: Option<InvoiceId>,
    /// Where the buyer gets mail.
    email: String,
    /// Where the buyer is.
    country: Option<String>,
    /// Without tax.
    net: Money,
    /// The tax.
    tax: Money,
    /// Together.
    total: Money,
    /// When it was issued.
    issued_at: Time,
}

impl ListedView {
    pub(super) fn of(row: InvoiceRow) -> Self {
        let money = |amount| Money::new(amount, row.currency);
        Self {
            net: money(row.net),
            tax: money(row.tax),
            total: money(row.total),
            id: row.id,
            kind: row.kind,
            number: row.code,
            order: row.order_id,
            payment: row.payment_id,
            corrects: row.corrects_id,
            email: row.email,
            country: row.country,
            issued_at: row.issued_at,
        }
    }
}

/// An invoice with all that it says; `hash` is the SHA-256 of `document` as it is here, byte for byte.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "HashedInvoice")]
struct View {
    #[serde(flatten)]
    row: ListedView,
    /// The SHA-256 of the document, in hexadecimal.
    hash: String,
}

/// Flattening loses the bytes of what is kept as it is: the document stands beside.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Invoice", description = "An invoice, and the document that it was issued as.")]
struct Whole {
    /// What is known of it.
    invoice: View,
    /// What it says; it never changes.
    #[schemars(with = "Document")]
    document: Box<RawValue>,
}

/// An invoice in one of its forms.
pub(super) struct Paper(Response);

impl IntoResponse for Paper {
    fn into_response(self) -> Response {
        self.0
    }
}

impl OperationOutput for Paper {
    type Inner = ();

    fn inferred_responses(ctx: &mut GenContext, operation: &mut Operation) -> Vec<(Option<u16>, Described)> {
        let mut responses = Json::<Whole>::inferred_responses(ctx, operation);
        for (_, response) in &mut responses {
            for kind in ["text/html", "application/pdf"] {
                response.content.insert(kind.to_owned(), MediaType::default());
            }
        }
        responses
    }
}

impl Named {
    /// The invoice in the form that was asked for.
    pub(super) async fn answer(self, invoice: Invoice) -> Result<Paper, Problem> {
        let private = (header::CACHE_CONTROL, "no-store");
        if self.form == Form::Json {
            let document = RawValue::from_string(invoice.document).map_err(Problem::internal)?;
            let view = View { row: ListedView::of(invoice.row), hash: invoice.hash };
            return Ok(Paper(([private], Json(Whole { invoice: view, document })).into_response()));
        }
        let document: Document = serde_json::from_str(&invoice.document).map_err(Problem::internal)?;
        if self.form == Form::Html {
            let policy = (header::CONTENT_SECURITY_POLICY, HTML_POLICY.as_str());
            return Ok(Paper(([private, policy], Html(invoices::html(&document)?)).into_response()));
        }
        let name = format!("inline; filename=\"{}.pdf\"", document.number);
        let pdf = tokio::task::spawn_blocking(move || invoices::pdf(&document)).await.map_err(Problem::internal)??;
        let media = (header::CONTENT_TYPE, "application/pdf");
        Ok(Paper(([private, media], [(header::CONTENT_DISPOSITION, name)], pdf).into_response()))
    }
}

impl From<RenderError> for Problem {
    fn from(error: RenderError) -> Self {
        Self::internal(error)
    }
}

impl From<PdfError> for Problem {
    fn from(error: PdfError) -> Self {
        match error {
            PdfError::Typeface | PdfError::Unfinished(_) => Self::internal(error),
        }
    }
}
