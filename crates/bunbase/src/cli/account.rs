//! The developer's account: first set-up, signing in and out, who is signed in.

use super::api::{Api, CallError};
use super::context::Context;
use super::failure::Advised;
use super::output::{Colour, printable};
use super::password::{PasswordArgs, Purpose, or_ask};
use anyhow::{Context as _, bail};
use http::header;
use ports::access::SESSION_COOKIE;
use reqwest::{Method, Response};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};

/// Arguments of `bunbase setup`.
#[derive(Debug, clap::Args)]
pub(crate) struct SetupArgs {
    /// E-mail of the account
    #[arg(long)]
    email: Option<String>,
    /// Name of the person
    #[arg(long)]
    name: Option<String>,
    #[command(flatten)]
    password: PasswordArgs,
}

/// Arguments of `bunbase login`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example for scripts:\n  bunbase login --email me@example.com --password-stdin < password.txt"
)]
pub(crate) struct LoginArgs {
    /// E-mail of the account
    #[arg(long)]
    email: Option<String>,
    #[command(flatten)]
    password: PasswordArgs,
}

#[derive(Deserialize)]
struct InstanceStatus {
    setup_complete: bool,
}

/// The account as the server tells it.
#[derive(Debug, Deserialize)]
struct Account {
    id: String,
    email: String,
    name: String,
}

#[derive(Deserialize)]
struct AccountAnswer {
    user: Account,
}

pub(crate) async fn setup(mut context: Context, args: SetupArgs) -> anyhow::Result<()> {
    let api = context.nobody()?;
    if api.get::<InstanceStatus>("/v1/instance/status").await?.setup_complete {
        bail!(Advised::new("this installation is set up already", "run `bunbase login`"));
    }
    let email = or_ask(args.email, "--email", "E-mail")?;
    let name = or_ask(args.name.or_else(|| local_part(&email)), "--name", "Name")?;
    let password = args.password.read(Purpose::Choose)?;
    let body = json!({ "email": email, "name": name, "password": password.expose_secret() });
    let account = open_session(&mut context, &api, Opening { path: "/v1/setup", body: &body }).await?;
    said_hello(&context, &account, "the installation is set up; signed in")
}

pub(crate) async fn login(mut context: Context, args: LoginArgs) -> anyhow::Result<()> {
    let email = or_ask(args.email, "--email", "E-mail")?;
    let password = args.password.read(Purpose::SignIn)?;
    let api = context.nobody()?;
    let body = json!({ "email": email, "password": password.expose_secret() });
    let account = open_session(&mut context, &api, Opening { path: "/v1/auth/login", body: &body }).await?;
    said_hello(&context, &account, "signed in")
}

pub(crate) async fn logout(mut context: Context) -> anyhow::Result<()> {
    if !context.is_signed_in() {
        return Ok(context.output.answer(&json!({ "signed_in": false }), || "nobody is signed in".into())?);
    }
    let api = context.developer()?;
    let told = api.send(api.request(Method::POST, "/v1/auth/logout")).await;
    context.forget_session()?;
    match told {
        Ok(_) => {}
        Err(CallError::Refused(refusal)) if refusal.status == 401 => {}
        Err(error) => {
            bail!(anyhow::Error::from(error).context("signed out here, but the server could not be told"))
        }
    }
    Ok(context.output.answer(&json!({ "signed_in": false }), || "signed out".into())?)
}

pub(crate) async fn whoami(context: &Context) -> anyhow::Result<()> {
    let api = context.developer()?;
    let account = api.get::<AccountAnswer>("/v1/auth/me").await?.user;
    let project = context.active_project();
    let value = json!({
        "user": { "id": account.id, "email": account.email, "name": account.name },
        "url": api.base(),
        "project_id": project,
    });
    Ok(context.output.answer(&value, || {
        let email = context.output.paint(Colour::Green, printable(&account.email));
        let project = project.unwrap_or("none in use");
        format!("{email} ({})\n  server   {}\n  project  {project}", printable(&account.name), api.base())
    })?)
}

struct Opening<'a> {
    path: &'a str,
    body: &'a Value,
}

/// Makes the first account of an installation, and gives its session.
pub(crate) async fn set_up(api: &Api, person: &Value) -> anyhow::Result<SecretString> {
    let response = api.send(api.request(Method::POST, "/v1/setup").json(person)).await?;
    session_of(&response).context("the server opened no session")
}

/// Opens a session and remembers it.
async fn open_session(context: &mut Context, api: &Api, opening: Opening<'_>) -> anyhow::Result<Account> {
    let response = api.send(api.request(Method::POST, opening.path).json(opening.body)).await?;
    let token = session_of(&response);
    let account = api.read::<AccountAnswer>(response).await?.user;
    match token {
        Some(token) => context.remember_session(token)?,
        None => bail!("the server opened no session"),
    }
    Ok(account)
}

fn session_of(response: &Response) -> Option<SecretString> {
    let cookies = response.headers().get_all(header::SET_COOKIE);
    cookies.iter().filter_map(|value| value.to_str().ok()).find_map(session_cookie)
}

/// The session in a `Set-Cookie` header (RFC 6265 §4.1).
fn session_cookie(header: &str) -> Option<SecretString> {
    let (name, value) = header.split(';').next()?.trim().split_once('=')?;
    (name == SESSION_COOKIE && !value.is_empty()).then(|| SecretString::from(value))
}

fn local_part(email: &str) -> Option<String> {
    email.split_once('@').map(|(name, _)| name.to_owned()).filter(|name| !name.is_empty())
}

fn said_hello(context: &Context, account: &Account, what: &str) -> anyhow::Result<()> {
    let value = json!({ "user": { "id": account.id, "email": account.email, "name": account.name } });
    Ok(context.output.answer(&value, || {
        let email = context.output.paint(Colour::Green, printable(&account.email));
        format!("{what} as {email}")
    })?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_session_is_taken_from_its_cookie_only() {
        let token = session_cookie("session_token=abc; HttpOnly; Path=/").unwrap();
        assert_eq!(token.expose_secret(), "abc");
        for other in ["tenant_session_token=abc", "session_token=; Max-Age=0", "session_token"] {
            assert!(session_cookie(other).is_none(), "{other}");
        }
    }
}
