//! Who runs the demonstration shop.

use serde_json::json;

use super::{Failure, client::Client};
use crate::{
    accounts::{self, AccountError, By, Email, Name, NewAccount, NewPassword, Role},
    app::App,
    audit::Actor,
    cli::open,
    kernel::seal::to_hex,
};

/// The account.
pub(super) const OPERATOR: &str = "operator@demo.example";

/// The operator's password: of the installation's key, so that it is the same whenever this shop is opened.
pub(super) fn password(app: &App) -> String {
    let keys = app.keys.derive("demo-operator");
    let (_, key) = keys.current();
    format!("demo-{}", &to_hex(&key.mac(&[OPERATOR.as_bytes()]))[..20])
}

/// The operator, signed in; the account is made the first time.
pub(super) async fn sign_in(app: &App, url: &str) -> Result<Client, Failure> {
    let password = password(app);
    let email: Email = OPERATOR.parse().map_err(Failure::failed)?;
    let new = NewAccount {
        name: "Olga Operator".parse::<Name>().map_err(Failure::failed)?,
        password: NewPassword::choose(password.clone(), &email).map_err(Failure::failed)?,
        email,
        role: Role::Admin,
    };
    let by = By::actor(Actor::system("demo"));
    match accounts::create_account(&app.db, &open::passwords(&app.keys), new, &by).await {
        Ok(_) | Err(AccountError::Taken) => {}
        Err(error) => return Err(Failure::failed(error)),
    }
    let mut operator = Client::new(url);
    let shown = json!({ "email": OPERATOR, "password": password });
    operator.post("/api/login", &shown).await.map_err(|_| {
        Failure::failed(format!(
            "{OPERATOR} cannot sign in with the demonstration's password, which was changed: start it in an empty \
             directory, or open this shop with `mintreu serve`"
        ))
    })?;
    Ok(operator)
}
