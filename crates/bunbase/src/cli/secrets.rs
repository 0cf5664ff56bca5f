//! Named secrets of a project. A value is read from standard input, never from an argument.

use super::api::segment;
use super::context::Context;
use super::failure::UsageError;
use super::listing::Listing;
use anyhow::{Context as _, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;
use serde_json::{Value, json};
use std::io::{IsTerminal, Read, Write};

/// The server takes 64 KiB.
const VALUE_BYTES_MAX: u64 = 1 << 20;

/// What can be done with secrets.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum SecretsCommand {
    /// List the names of the secrets
    List,
    /// Write a secret: the value is asked for, or read from standard input as it is
    #[command(after_help = "Example:\n  printf %s \"$STRIPE_KEY\" | bunbase secrets set stripe-key")]
    Set {
        /// Name
        name: String,
    },
    /// Print what a secret holds
    Get {
        /// Name
        name: String,
        /// An earlier version
        #[arg(long)]
        version: Option<u32>,
    },
    /// Remove a secret with all its versions
    Delete {
        /// Name
        name: String,
    },
}

pub(crate) async fn run(context: &Context, command: SecretsCommand) -> anyhow::Result<()> {
    let project = context.project().await?;
    let secrets = project.path("kms/secrets")?;
    let output = context.output;
    match command {
        SecretsCommand::List => {
            let answer: Value = project.api.get(&secrets).await?;
            let columns = [("NAME", "name"), ("VERSION", "version"), ("CHANGED", "updated_at")];
            let empty = "there is no secret; write one with `bunbase secrets set <name>`";
            Ok(Listing { field: "secrets", columns: &columns, empty }.show(output, &answer)?)
        }
        SecretsCommand::Set { name } => {
            let path = format!("{secrets}/{}", segment(&name)?);
            let body = json!({ "value_b64": STANDARD.encode(value()?) });
            let response = project.api.send(project.api.request(Method::PUT, &path).json(&body)).await?;
            let answer: Value = project.api.read(response).await?;
            Ok(output.answer(&answer, || format!("{name} is written, version {}", answer["version"]))?)
        }
        SecretsCommand::Get { name, version } => {
            let version = version.map(|version| format!("?version={version}")).unwrap_or_default();
            let answer: Value = project.api.get(&format!("{secrets}/{}{version}", segment(&name)?)).await?;
            if output.is_json() {
                return Ok(output.line(format_args!("{answer:#}"))?);
            }
            let bytes = STANDARD.decode(answer["value_b64"].as_str().unwrap_or_default())?;
            let mut stdout = std::io::stdout().lock();
            stdout.write_all(&bytes)?;
            if stdout.is_terminal() {
                stdout.write_all(b"\n")?;
            }
            Ok(stdout.flush()?)
        }
        SecretsCommand::Delete { name } => {
            project.api.delete(&format!("{secrets}/{}", segment(&name)?)).await?;
            Ok(output.answer(&json!({ "deleted": name }), || format!("{name} is removed"))?)
        }
    }
}

fn value() -> anyhow::Result<Vec<u8>> {
    if std::io::stdin().is_terminal() {
        let typed = dialoguer::Password::new().with_prompt("Value").report(false).interact();
        return Ok(typed.context("nothing was typed")?.into_bytes());
    }
    let mut bytes = Vec::new();
    std::io::stdin().lock().take(VALUE_BYTES_MAX).read_to_end(&mut bytes)?;
    if bytes.is_empty() {
        bail!(UsageError("standard input holds no value".into()));
    }
    Ok(bytes)
}
