//! Stocking the shop: what its operator does through the API, once. Whatever is there already stays as it is.

use serde_json::{Value, json};

use super::{
    Failure,
    client::Client,
    goods::{WARES, Ware},
    tell::Teller,
    walk::{list, text},
};
use crate::kernel::Checksum;

/// The API that is sold, and what its plans let their keys call.
pub(super) const API: &str = "postal-check-api";
const ENDPOINTS: [(&str, &str, &str, &str); 2] = [
    ("POST", "/v1/check", "addresses:check", "Checks and tidies one address."),
    ("GET", "/v1/countries", "", "Lists the countries that are known."),
];

/// Rates of tax: country, percent.
const RATES: [(&str, &str); 6] = [("AT", "20"), ("DE", "19"), ("ES", "21"), ("FR", "20"), ("GB", "20"), ("IT", "22")];

/// Articles: slug, title, category, body.
const ARTICLES: [(&str, &str, &str, &str); 3] = [
    (
        "move-a-licence",
        "How do I move my licence to another machine?",
        "licences",
        "Deactivate it where it is active, and activate it on the new machine with the same key.\n\nIf the old machine \
         is gone, open **Licences** in your account and end the activation there: it is free again at once.",
    ),
    (
        "download-again",
        "Can I download my files again?",
        "downloads",
        "As often as you like, as long as your licence is active. Every link is good for a quarter of an hour; ask for \
         another whenever you need one. If a download broke off, go on with the same link: that is not counted.",
    ),
    (
        "rotate-an-api-key",
        "My API key got out. What now?",
        "api",
        "Rotate it: the new secret works at once, and you choose how long the old one does. Revoke it instead if it is \
         being misused; nothing can bring a revoked key back.",
    ),
];

/// The answer that is given often.
pub(super) const ANSWER: (&str, &str) = (
    "Moving a licence",
    "Hello {{customer.name}},\n\nend the old activation in your account, then activate {{product.title}} on the new \
     machine with the same key. If anything is in the way, just answer this message.\n\n{{agent.name}}, {{shop.name}}",
);

/// A file as the shop has it.
pub(super) struct Stocked {
    pub(super) slug: &'static str,
    pub(super) plan: &'static str,
    pub(super) file_name: &'static str,
    pub(super) sha256: String,
}

/// Puts everything into the shop that is not in it yet.
pub(super) async fn fill(operator: &mut Client, teller: &mut Teller) -> Result<Vec<Stocked>, Failure> {
    let mut files = Vec::new();
    for ware in &WARES {
        files.push(stock(operator, ware, teller).await?);
    }
    let (endpoints, rates) = (add_endpoints(operator).await?, add_rates(operator).await?);
    let (articles, answers) = (add_articles(operator).await?, add_answer(operator).await?);
    let made = endpoints + rates + articles + answers;
    let came = if made == 0 {
        "there already: rates of tax, articles, a canned answer, endpoints".to_owned()
    } else {
        format!("{rates} rates of tax, {articles} articles, {answers} canned answer, {endpoints} endpoints")
    };
    teller.timed("POST /api/admin/…", came);
    Ok(files)
}

/// The file of a product: made on the spot and uploaded, unless it was.
async fn stock(operator: &mut Client, ware: &Ware, teller: &mut Teller) -> Result<Stocked, Failure> {
    let product = operator.get(&format!("/api/products/{}", ware.slug)).await?;
    let desk = format!("/api/admin/products/{}", text(&product["id"])?);
    let known = operator.get(&format!("{desk}/sources")).await?;
    let known = list(&known["data"]).iter().find(|source| source["file_name"] == ware.file_name);
    let (done, source) = match known {
        Some(source) => ("there already", source.clone()),
        None => ("PUT …/products/{id}/files", upload(operator, ware, &desk).await?),
    };
    let sha256 = text(&source["checksum"])?.to_owned();
    let size = source["file_size"].as_i64().unwrap_or_default();
    teller.timed(done, format!("{:<22} {size:>6} B  SHA-256 {}…", ware.file_name, &sha256[..16.min(sha256.len())]));
    Ok(Stocked { slug: ware.slug, plan: ware.plan, file_name: ware.file_name, sha256 })
}

async fn upload(operator: &mut Client, ware: &Ware, desk: &str) -> Result<Value, Failure> {
    let file = ware.pack().map_err(Failure::failed)?;
    let mut checksum = Checksum::new();
    checksum.update(&file);
    let sha256 = checksum.finish();
    let name = ware.name.replace(' ', "%20");
    let path =
        format!("{desk}/files?file_name={}&version={}&name={name}&is_primary=true", ware.file_name, ware.version);
    let source = operator.put(&path, file).await?;
    if source["checksum"] != sha256 {
        return Err(Failure::failed(format!("{} was stored with another SHA-256 than {sha256}", ware.file_name)));
    }
    Ok(source)
}

/// What the keys of the API may call, in each of its plans.
async fn add_endpoints(operator: &mut Client) -> Result<usize, Failure> {
    let product = operator.get(&format!("/api/products/{API}")).await?;
    let mut made = 0;
    for plan in list(&product["plans"]) {
        let path = format!("/api/admin/plans/{}/endpoints", text(&plan["id"])?);
        if !list(&operator.get(&path).await?["data"]).is_empty() {
            continue;
        }
        for (position, (method, pattern, scope, description)) in ENDPOINTS.iter().enumerate() {
            let new = json!({ "method": method, "path": pattern, "scope": scope, "description": description,
                              "position": position });
            operator.post(&path, &new).await?;
            made += 1;
        }
    }
    Ok(made)
}

async fn add_rates(operator: &mut Client) -> Result<usize, Failure> {
    let rate = |(country, percent): &(&str, &str)| json!({ "country": country, "name": "VAT", "percent": percent, "valid_from": "2020-01-01" });
    let rates: Vec<Value> = RATES.iter().map(rate).collect();
    let done = operator.post("/api/admin/tax-rates/import", &Value::from(rates)).await?;
    let created = done["rates"]["created"].as_u64().unwrap_or_default();
    Ok(usize::try_from(created).unwrap_or_default())
}

async fn add_articles(operator: &mut Client) -> Result<usize, Failure> {
    let known = operator.get("/api/admin/articles?limit=100").await?;
    let mut made = 0;
    for (slug, title, category, body) in ARTICLES {
        if list(&known["data"]).iter().any(|article| article["slug"] == slug) {
            continue;
        }
        let new = json!({ "slug": slug, "title": title, "category": category, "body": body, "status": "published" });
        operator.post("/api/admin/articles", &new).await?;
        made += 1;
    }
    Ok(made)
}

async fn add_answer(operator: &mut Client) -> Result<usize, Failure> {
    if answer(operator).await?.is_some() {
        return Ok(0);
    }
    let (title, body) = ANSWER;
    operator.post("/api/admin/canned-answers", &json!({ "title": title, "body": body })).await?;
    Ok(1)
}

/// The canned answer's identifier.
pub(super) async fn answer(operator: &mut Client) -> Result<Option<String>, Failure> {
    let known = operator.get("/api/admin/canned-answers?limit=100").await?;
    let found = list(&known["data"]).iter().find(|answer| answer["title"] == ANSWER.0);
    Ok(found.and_then(|answer| answer["id"].as_str()).map(str::to_owned))
}
