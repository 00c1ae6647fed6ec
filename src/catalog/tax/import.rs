//! A file of rates: all of it, or nothing.

use schemars::JsonSchema;
use serde::Serialize;

use super::{
    TaxRateFields,
    edit::{change, create_tax_rate, same_key, tidy},
};
use crate::{
    catalog::{By, Counts, EditError, Flaw, Format, ImportError, ImportMode},
    db::{Db, DbError, Tx},
};

/// How many rates a file may have.
const MAX_RATES: usize = 5_000;
/// How many flaws are told at once.
const MAX_FLAWS: usize = 100;

/// What an import did, or would do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct TaxRatesImported {
    /// Whether nothing was kept: it was only tried.
    pub dry_run: bool,
    /// What became of the rates.
    pub rates: Counts,
}

/// How the transaction of an import ends without being kept.
enum Undone {
    DryRun(TaxRatesImported),
    Failed(ImportError),
}

impl From<DbError> for Undone {
    fn from(error: DbError) -> Self {
        Self::Failed(error.into())
    }
}

/// Makes and changes the rates of a file: a JSON array of them, or CSV with their fields as columns. A rate of the same
/// place, category and first day is changed; rates that the file does not name stay.
pub async fn import_tax_rates(
    db: &Db,
    format: Format,
    bytes: &[u8],
    mode: ImportMode,
    by: &By,
) -> Result<TaxRatesImported, ImportError> {
    let rates = match format {
        Format::Json => read_json(bytes)?,
        Format::Csv => read_csv(bytes)?,
    };
    if rates.len() > MAX_RATES {
        return Err(ImportError::Unreadable(format!("{MAX_RATES} rates at most; divide the file")));
    }
    let done = db
        .write(async |tx| {
            let done = keep(tx, rates, by).await.map_err(Undone::Failed)?;
            match mode {
                ImportMode::Keep => Ok(done),
                ImportMode::DryRun => Err(Undone::DryRun(done)),
            }
        })
        .await;
    match done {
        Ok(done) => Ok(done),
        Err(Undone::DryRun(done)) => Ok(TaxRatesImported { dry_run: true, ..done }),
        Err(Undone::Failed(error)) => Err(error),
    }
}

fn read_json(bytes: &[u8]) -> Result<Vec<TaxRateFields>, ImportError> {
    let json = &mut serde_json::Deserializer::from_slice(bytes);
    serde_path_to_error::deserialize(json).map_err(|error| {
        let place = error.path().to_string();
        let text: String = error.inner().to_string().chars().take(200).collect();
        let shown: String =
            place.chars().filter(|c| c.is_ascii_alphanumeric() || "[]._".contains(*c)).take(60).collect();
        ImportError::Unreadable(format!("not an array of rates: at {shown}: {text}"))
    })
}

fn read_csv(bytes: &[u8]) -> Result<Vec<TaxRateFields>, ImportError> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(bytes);
    let mut rates = Vec::new();
    for rate in reader.deserialize() {
        if rates.len() > MAX_RATES {
            break;
        }
        rates.push(rate.map_err(|error| {
            let text: String = error.to_string().chars().filter(|c| !c.is_control()).take(200).collect();
            ImportError::Unreadable(text)
        })?);
    }
    Ok(rates)
}

async fn keep(tx: &mut Tx, rates: Vec<TaxRateFields>, by: &By) -> Result<TaxRatesImported, ImportError> {
    let (mut done, mut flaws) = (TaxRatesImported::default(), Vec::new());
    for (place, mut fields) in rates.into_iter().enumerate() {
        let kept = match tidy(&mut fields) {
            Ok(()) => keep_one(tx, fields, &mut done.rates, by).await,
            Err(error) => Err(error),
        };
        match kept {
            Ok(()) => {}
            Err(EditError::Invalid(wrong)) => flaws.extend(wrong.into_iter().map(|flaw| Flaw {
                pointer: flaw.pointer.replacen('#', &format!("#/{place}"), 1),
                detail: flaw.detail,
            })),
            Err(EditError::Db(error)) => return Err(error.into()),
            Err(other) => flaws.push(Flaw { pointer: format!("#/{place}"), detail: other.to_string() }),
        }
        if flaws.len() >= MAX_FLAWS {
            break;
        }
    }
    if flaws.is_empty() { Ok(done) } else { Err(ImportError::Invalid(flaws)) }
}

async fn keep_one(tx: &mut Tx, fields: TaxRateFields, counts: &mut Counts, by: &By) -> Result<(), EditError> {
    match same_key(tx, &fields).await? {
        None => {
            create_tax_rate(tx, fields, by).await?;
            counts.created += 1;
        }
        Some(current) if current.fields == fields => counts.unchanged += 1,
        Some(current) => {
            change(tx, current, fields, by).await?;
            counts.changed += 1;
        }
    }
    Ok(())
}
