//! End users of a project: list, make, change, remove, and how they sign in.

use super::api::segment;
use super::context::{Context, Project};
use super::failure::UsageError;
use super::listing::Listing;
use super::output::printable;
use super::password::{PasswordArgs, Purpose};
use anyhow::Context as _;
use reqwest::Method;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

/// What can be done about the sign-in of end users.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum AuthCommand {
    /// The end users of the project
    #[command(subcommand)]
    Users(UsersCommand),
    /// How they sign in
    #[command(subcommand)]
    Config(ConfigCommand),
}

/// What can be done with end users.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum UsersCommand {
    /// List end users
    List {
        /// Those whose e-mail begins with this
        #[arg(long)]
        email: Option<String>,
        /// At most so many
        #[arg(long, default_value_t = 50)]
        limit: usize,
        /// Go on after an earlier list
        #[arg(long)]
        cursor: Option<String>,
    },
    /// Show one
    Get {
        /// Its id (eus_…)
        user: String,
    },
    /// Make an end user
    Create {
        /// E-mail
        email: String,
        #[command(flatten)]
        password: PasswordArgs,
    },
    /// Keep a user from signing in; open sessions end
    Disable {
        /// Its id (eus_…)
        user: String,
    },
    /// Let a user sign in again
    Enable {
        /// Its id (eus_…)
        user: String,
    },
    /// Set the custom claims that rules see in request.auth.claims
    Claims {
        /// Its id (eus_…)
        user: String,
        /// A JSON object
        claims: String,
    },
    /// End all sessions of a user
    SignOut {
        /// Its id (eus_…)
        user: String,
    },
    /// Remove a user
    Delete {
        /// Its id (eus_…)
        user: String,
    },
}

/// What can be done with the configuration.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum ConfigCommand {
    /// Show it
    Get,
    /// Change fields of it
    Set {
        /// A JSON object with the fields to change
        changes: String,
    },
}

pub(crate) async fn run(context: &Context, command: AuthCommand) -> anyhow::Result<()> {
    let project = context.project().await?;
    match command {
        AuthCommand::Users(command) => users(context, &project, command).await,
        AuthCommand::Config(command) => config(context, &project, command).await,
    }
}

async fn users(context: &Context, project: &Project, command: UsersCommand) -> anyhow::Result<()> {
    let users = project.path("auth/users")?;
    let one = |user: &str| Ok::<_, UsageError>(format!("{users}/{}", segment(user)?));
    let patch = |user: &str, body: Value| {
        Ok::<_, UsageError>(project.api.request(Method::PATCH, &one(user)?).json(&body))
    };
    let output = context.output;
    match command {
        UsersCommand::List { email, limit, cursor } => {
            let mut path = format!("{users}?limit={limit}");
            for (name, value) in [("email", email), ("cursor", cursor)] {
                if let Some(value) = value {
                    path += &format!("&{name}={}", segment(&value)?);
                }
            }
            let answer: Value = project.api.get(&path).await?;
            let columns = [
                ("E-MAIL", "email"),
                ("VERIFIED", "email_verified"),
                ("DISABLED", "disabled"),
                ("SINCE", "created_at"),
                ("ID", "id"),
            ];
            let empty = "nobody has signed up yet; make a user with `bunbase auth users create <e-mail>`";
            Ok(Listing { field: "users", columns: &columns, empty }.show(output, &answer)?)
        }
        UsersCommand::Get { user } => {
            let answer: Value = project.api.get(&one(&user)?).await?;
            Ok(output.answer(&answer, || format!("{answer:#}"))?)
        }
        UsersCommand::Create { email, password } => {
            let password = password.read(Purpose::Choose)?;
            let body = json!({ "email": email, "password": password.expose_secret() });
            let answer: Value = project.api.post(&users, &body).await?;
            Ok(output.answer(&answer, || format!("{} is made", printable(&email)))?)
        }
        UsersCommand::Disable { user } => {
            project.api.send(patch(&user, json!({ "disabled": true }))?).await?;
            said(context, &user, "is disabled")
        }
        UsersCommand::Enable { user } => {
            project.api.send(patch(&user, json!({ "disabled": false }))?).await?;
            said(context, &user, "is enabled")
        }
        UsersCommand::Claims { user, claims } => {
            let body = json!({ "claims": object(&claims)? });
            let path = format!("{}/claims", one(&user)?);
            project.api.send(project.api.request(Method::PUT, &path).json(&body)).await?;
            said(context, &user, "has these claims from the next token on")
        }
        UsersCommand::SignOut { user } => {
            project.api.delete(&format!("{}/sessions", one(&user)?)).await?;
            said(context, &user, "is signed out everywhere")
        }
        UsersCommand::Delete { user } => {
            project.api.delete(&one(&user)?).await?;
            said(context, &user, "is removed")
        }
    }
}

async fn config(context: &Context, project: &Project, command: ConfigCommand) -> anyhow::Result<()> {
    let path = project.path("auth/config")?;
    let answer: Value = match command {
        ConfigCommand::Get => project.api.get(&path).await?,
        ConfigCommand::Set { changes } => {
            let mut config = project.api.get::<Value>(&path).await?["config"].take();
            for (name, value) in object(&changes)? {
                config[name] = value;
            }
            let request = project.api.request(Method::PUT, &path).json(&config);
            project.api.read(project.api.send(request).await?).await?
        }
    };
    Ok(context.output.answer(&answer, || format!("{answer:#}"))?)
}

fn said(context: &Context, user: &str, what: &str) -> anyhow::Result<()> {
    Ok(context.output.answer(&json!({ "user": user }), || format!("{} {what}", printable(user)))?)
}

fn object(text: &str) -> anyhow::Result<serde_json::Map<String, Value>> {
    serde_json::from_str(text)
        .map_err(|error| UsageError(format!("this is no JSON object: {error}")))
        .context("the last argument cannot be read")
}
