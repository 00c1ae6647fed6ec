//! A licence of an API, with an endpoint, a key and a credential.

use mintreu::{
    db::{Db, DbError},
    execute,
    kernel::LicenseId,
};

/// Makes the licence one of an API, with an endpoint, a key and a credential, and says what stands for them.
pub(super) async fn furnish(db: &Db, license: &str) -> Vec<(&'static str, String)> {
    let license: LicenseId = license.parse().expect("a licence");
    let ids = [db.ids().next_uuid(), db.ids().next_uuid(), db.ids().next_uuid()];
    let [endpoint, key, credential] = ids;
    let now = db.now();
    for text in [
        "UPDATE products SET type = 'api' WHERE id = (SELECT product_id FROM licenses WHERE id = $1)",
        "INSERT INTO api_endpoints (id, plan_id, method, path, scope, description, position, revision, created_at, updated_at)
         SELECT $2, plan_id, 'GET', '/v1/lamps', 'lamps:read', '', 0, 1, $5, $5 FROM licenses WHERE id = $1",
        "INSERT INTO api_keys (id, license_id, name, secret_hash, hint, revision, created_at, updated_at)
         VALUES ($3, $1, 'first', '00', '0000', 1, $5, $5)",
        "INSERT INTO api_credentials (id, license_id, product_id, state, epoch, rate_limits, usage_stats, barred, revision,
                                      created_at, updated_at)
         SELECT $4, id, product_id, 'revoked', 1, '{}', '{}', 1 = 1, 1, $5, $5 FROM licenses WHERE id = $1",
    ] {
        // Each statement names all parameters, so that each has a type.
        let text = match db.dialect().pick("sqlite", "postgres") {
            "sqlite" => text.to_owned(),
            _ => format!("WITH given AS (SELECT $1::uuid, $2::uuid, $3::uuid, $4::uuid, $5::timestamptz) {text}"),
        };
        let done = db.write(async |tx| {
            execute!(
                tx,
                sqlx::query(sqlx::AssertSqlSafe(text.clone()))
                    .bind(license)
                    .bind(endpoint)
                    .bind(key)
                    .bind(credential)
                    .bind(now)
            )
        });
        let done: Result<u64, DbError> = done.await;
        assert_eq!(done.expect("furnished"), 1, "{text}");
    }
    let plan: mintreu::kernel::PlanId =
        mintreu::fetch_one!(db, sqlx::query_scalar("SELECT plan_id FROM licenses WHERE id = $1").bind(license))
            .expect("a plan");
    let product: mintreu::kernel::ProductId =
        mintreu::fetch_one!(db, sqlx::query_scalar("SELECT product_id FROM licenses WHERE id = $1").bind(license))
            .expect("a product");
    let endpoint = mintreu::api_keys::EndpointId::from_uuid(endpoint).to_string();
    let key = mintreu::api_keys::ApiKeyId::from_uuid(key).to_string();
    let credential = mintreu::credentials::CredentialId::from_uuid(credential).to_string();
    vec![
        ("/api/licenses/{license}/keys/{key}", key.clone()),
        ("/api/admin/keys/{key}", key.clone()),
        ("/api/developer/keys/{key}", key),
        ("/api/admin/endpoints/{id}", endpoint.clone()),
        ("/api/developer/endpoints/{id}", endpoint),
        ("/api/licenses/{license}/credentials/{credential}", credential.clone()),
        ("/api/admin/credentials/{credential}", credential.clone()),
        ("/api/developer/credentials/{credential}", credential),
        ("/api/developer/plans/{id}", plan.to_string()),
        ("/api/developer/products/{id}", product.to_string()),
    ]
}
