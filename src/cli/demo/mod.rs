//! `mintreu demo`: an empty directory becomes a shop with goods on its shelves, in which somebody signs up and buys a
//! licence before your eyes; then it stays open.

mod buyer;
mod mailbox;
mod walk;

use std::process::ExitCode;

use super::{Failure, open, serve};
use crate::{
    accounts::{self, AccountError, By, Email, Name, NewAccount, NewPassword, Role},
    app::App,
    audit::Actor,
    catalog::seed,
    config::{Config, MailKind, Profile},
};

/// Who runs the demonstration shop.
const OPERATOR: &str = "operator@demo.example";

/// Starts the server, fills the shop, walks through a purchase, and goes on serving unless told to leave.
pub(super) async fn run(mut config: Config, leave: bool) -> Result<ExitCode, Failure> {
    refuse_unfit(&config)?;
    // What happens is printed here; the log tells only what is wrong.
    if config.telemetry.log_filter.as_str() == "info" {
        config.telemetry.log_filter = "warn".parse().map_err(Failure::usage)?;
    }
    let walked = config.clone();
    let next = if leave { serve::Then::Leave } else { serve::Then::Stay };
    serve::run_with(config, next, async move |app| {
        let goods = seed::believable(&app.db).await.map_err(Failure::failed)?;
        let operator = operator(app).await?;
        walk::walk(app, &walked, &goods).await?;
        tell_where(app, &walked, operator.as_deref());
        Ok(())
    })
    .await
}

/// A shop that takes real money is no place to play in.
fn refuse_unfit(config: &Config) -> Result<(), Failure> {
    if config.profile == Profile::Production {
        return Err(Failure::usage("profile: the demonstration is not for production; start it in an empty directory"));
    }
    if !config.payments.sandbox.enabled {
        return Err(Failure::usage("payments.sandbox.enabled: the demonstration pays in the sandbox; switch it on"));
    }
    if config.mail.kind != MailKind::File {
        return Err(Failure::usage("mail.kind: the demonstration reads the mails it gets; set it to \"file\""));
    }
    Ok(())
}

/// The operator's account, made the first time; then its password, which is not known any more later.
async fn operator(app: &App) -> Result<Option<String>, Failure> {
    let password = format!("demo-{}", app.db.ids().next_uuid().simple());
    let email: Email = OPERATOR.parse().map_err(Failure::failed)?;
    let new = NewAccount {
        name: "Olga Operator".parse::<Name>().map_err(Failure::failed)?,
        password: NewPassword::choose(password.clone(), &email).map_err(Failure::failed)?,
        email,
        role: Role::Admin,
    };
    let by = By::actor(Actor::system("demo"));
    match accounts::create_account(&app.db, &open::passwords(&app.keys), new, &by).await {
        Ok(_) => Ok(Some(password)),
        Err(AccountError::Taken) => Ok(None),
        Err(error) => Err(Failure::failed(error)),
    }
}

fn tell_where(app: &App, config: &Config, password: Option<&str>) {
    let url = &app.shop.public_url;
    println!("\nThe shop is open. Look around:");
    println!("  products     {url}/api/products");
    println!("  one of them  {url}/api/products/ink-desktop");
    if let Some(listen) = config.metrics.listen {
        println!("  metrics      http://{listen}/metrics");
    }
    println!("  mails        {}", config.mail.file.path.display());
    match password {
        Some(password) => println!("  operator     {OPERATOR}  password {password}"),
        None => println!("  operator     {OPERATOR}  (the password was shown when this shop was first opened)"),
    }
    println!("Ctrl-C closes it; what was sold stays sold.");
}
