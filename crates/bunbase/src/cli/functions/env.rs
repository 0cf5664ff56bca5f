//! Variables of functions. A value is asked for or read from standard input, never an argument: those end up in the
//! shell's history, and other users of the machine can see them.

use super::versions::path_of;
use crate::cli::api::segment;
use crate::cli::context::{Context, Project};
use crate::cli::failure::UsageError;
use crate::cli::listing::Listing;
use crate::cli::output::printable;
use anyhow::{Context as _, bail};
use reqwest::Method;
use serde_json::{Value, json};
use std::io::{IsTerminal, Read};

/// More than the server takes.
const VALUE_BYTES_MAX: u64 = 1 << 20;

/// What can be done with variables.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum EnvCommand {
    /// List the names of variables
    List {
        #[command(flatten)]
        of: Whose,
    },
    /// Set a variable: its value is asked for, or read from standard input without its last line break
    #[command(
        after_help = "Examples:\n  printf %s \"$STRIPE_KEY\" | bunbase functions env set STRIPE_KEY=- --function shop\n  bunbase functions env set STRIPE_KEY --secret stripe-key"
    )]
    Set {
        /// Name, also as NAME=-
        key: String,
        /// Take what the secret of this name holds (`bunbase secrets`)
        #[arg(long, value_name = "NAME")]
        secret: Option<String>,
        #[command(flatten)]
        of: Whose,
    },
    /// Remove a variable
    Unset {
        /// Name
        key: String,
        #[command(flatten)]
        of: Whose,
    },
}

/// Whose variables.
#[derive(Debug, clap::Args)]
pub(crate) struct Whose {
    /// Of this function [default: of all functions of the project]
    #[arg(long, short, value_name = "NAME")]
    function: Option<String>,
}

impl Whose {
    fn path(&self, project: &Project) -> anyhow::Result<String> {
        match &self.function {
            Some(name) => Ok(format!("{}/env", path_of(project, name)?)),
            None => project.named_path("env"),
        }
    }
}

pub(super) async fn run(context: &Context, command: EnvCommand) -> anyhow::Result<()> {
    let project = context.project().await?;
    match command {
        EnvCommand::List { of } => {
            let answer: Value = project.api.get(&of.path(&project)?).await?;
            let columns =
                [("NAME", "key"), ("SECRET", "secret"), ("VERSION", "version"), ("CHANGED", "updated_at")];
            let empty = "there is no variable; set one with `bunbase functions env set <name>`";
            Ok(Listing { field: "variables", columns: &columns, empty }.show(context.output, &answer)?)
        }
        EnvCommand::Set { key, secret, of } => {
            let key = name(&key)?;
            let path = format!("{}/{}", of.path(&project)?, segment(key)?);
            let body = match secret {
                Some(secret) => json!({ "secret": secret }),
                None => json!({ "value": value()? }),
            };
            change(context, &project, (project.api.request(Method::PUT, &path).json(&body), key)).await
        }
        EnvCommand::Unset { key, of } => {
            let path = format!("{}/{}", of.path(&project)?, segment(&key)?);
            change(context, &project, (project.api.request(Method::DELETE, &path), &key)).await
        }
    }
}

async fn change(
    context: &Context,
    project: &Project,
    (request, key): (reqwest::RequestBuilder, &str),
) -> anyhow::Result<()> {
    let answer: Value = project.api.read(project.api.send(request).await?).await?;
    Ok(context.output.answer(&answer, || {
        let done = match answer["variable"]["version"].as_i64() {
            Some(version) => format!("{key} is set, version {version}"),
            None => format!("{key} is removed"),
        };
        let unchanged = answer["unchanged"].as_array().map(Vec::as_slice).unwrap_or_default();
        let told = unchanged.iter().map(|each| {
            let text = |field: &str| printable(each[field].as_str().unwrap_or_default());
            format!("\n{} goes on as it was: {}", text("function"), text("reason"))
        });
        told.fold(done, |text, line| text + &line)
    })?)
}

/// The name in `NAME` or `NAME=-`.
fn name(text: &str) -> Result<&str, UsageError> {
    match text.split_once('=') {
        None => Ok(text),
        Some((name, "-")) => Ok(name),
        Some((name, _)) => Err(UsageError(format!(
            "a value is no argument: run `bunbase functions env set {name}` and type it, or pipe it into `{name}=-`"
        ))),
    }
}

fn value() -> anyhow::Result<String> {
    if std::io::stdin().is_terminal() {
        let typed = dialoguer::Password::new().with_prompt("Value").report(false).interact();
        return typed.context("nothing was typed");
    }
    let mut text = String::new();
    let read = std::io::stdin().lock().take(VALUE_BYTES_MAX).read_to_string(&mut text);
    if read.is_err() {
        bail!(UsageError("standard input holds no text".into()));
    }
    let text = text.strip_suffix('\n').unwrap_or(&text);
    Ok(text.strip_suffix('\r').unwrap_or(text).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_in_the_arguments_is_refused_without_being_repeated() {
        assert_eq!((name("A").unwrap(), name("A=-").unwrap()), ("A", "A"));
        let error = name("A=s3cret").unwrap_err().to_string();
        assert!(!error.contains("s3cret") && error.contains("A=-"), "{error}");
    }
}
