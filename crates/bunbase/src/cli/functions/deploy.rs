//! `functions deploy`: bundle, check the size, send, say what is live.

use super::bundle::{self, Bundle};
use super::entry::{self, Source};
use crate::cli::context::{Context, Project};
use crate::cli::output::{Colour, printable};
use anyhow::{Context as _, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::ValueEnum;
use indicatif::{HumanBytes, HumanDuration};
use reqwest::Method;
use serde::Serialize;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::{Duration, Instant};
use worker_pool::BunBinary;

/// What the server takes for one deployment.
const DEPLOYMENT_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Name, version and settings around the code.
const ENVELOPE_BYTES: u64 = 4 * 1024;
/// Code grows by a third in base64 (RFC 4648 §4).
const CODE_BYTES_MAX: u64 = (DEPLOYMENT_BYTES_MAX - ENVELOPE_BYTES) / 4 * 3;
/// Sending 64 MiB over a slow line, and starting the first worker.
const DEPLOY_TIMEOUT: Duration = Duration::from_secs(300);

/// Arguments of `bunbase functions deploy`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  bunbase functions deploy hello.ts\n  bunbase functions deploy ./shop --name shop --access public\n  bunbase functions deploy .        every function in ./functions"
)]
pub(crate) struct DeployArgs {
    /// A file, the directory of a function, or a directory that holds functions/
    path: PathBuf,
    /// Name of the function [default: from package.json, the file or the directory]
    #[arg(long)]
    name: Option<String>,
    /// Name of the version [default: chosen by the server]
    #[arg(long)]
    version: Option<String>,
    /// Who may call it [default: what it was, at first `key`]
    #[arg(long)]
    access: Option<FunctionAccess>,
}

/// Who may call a function.
#[derive(Debug, Clone, Copy, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum FunctionAccess {
    /// Whoever holds a secret key
    Secret,
    /// Whoever holds a key of the project
    Key,
    /// Everybody
    Public,
}

/// The body of a deployment.
#[derive(Serialize)]
struct Deployment<'a> {
    name: &'a str,
    runtime: &'static str,
    handler: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<&'a str>,
    bundle: String,
    bundled: bool,
    settings: Settings,
}

/// Settings; what is absent stays as it is.
#[derive(Serialize)]
struct Settings {
    #[serde(skip_serializing_if = "Option::is_none")]
    access: Option<FunctionAccess>,
}

/// What all functions of one command share.
struct Deploying<'a> {
    context: &'a Context,
    project: Project,
    path: String,
    bun: BunBinary,
    args: &'a DeployArgs,
}

pub(crate) async fn run(context: &Context, args: DeployArgs) -> anyhow::Result<()> {
    let sources = entry::discover(&args.path, args.name.as_deref())?;
    let bun = bundle::find_bun()?;
    let project = context.project().await?;
    let path = project.functions_path()?;
    let deploying = Deploying { context, project, path, bun, args: &args };
    let mut deployed = Vec::with_capacity(sources.len());
    for (index, source) in sources.iter().enumerate() {
        let place = format!("[{}/{}]", index + 1, sources.len());
        let answer = deploying.one(source, &place).await.with_context(|| {
            let before = if deployed.is_empty() {
                String::new()
            } else {
                format!(" ({} before it are deployed)", deployed.len())
            };
            format!("deploying {}{before}", source.name)
        })?;
        deployed.push(answer);
    }
    Ok(context.output.answer(&json!({ "deployed": deployed }), || summary(&deploying, &deployed))?)
}

impl Deploying<'_> {
    async fn one(&self, source: &Source, place: &str) -> anyhow::Result<Value> {
        let output = self.context.output;
        output.progress(format_args!("{} bundling {}", output.paint_err(Colour::Grey, place), source.name));
        let started = Instant::now();
        let bundle = bundle::bundle(&self.bun, &source.entry, CODE_BYTES_MAX).await?;
        let size = HumanBytes(bundle.code.len() as u64);
        output.progress(format_args!(
            "{} sending {} ({size})",
            output.paint_err(Colour::Grey, place),
            source.name
        ));
        let answer = self.send(&self.deployment(source, &bundle)).await?;
        let took = HumanDuration(started.elapsed());
        let live = output.paint_err(Colour::Green, "live");
        let version = printable(text(&answer, "version"));
        output.progress(format_args!(
            "{} {} {version} is {live} after {took}",
            output.paint_err(Colour::Grey, place),
            source.name
        ));
        Ok(answer)
    }

    fn deployment<'a>(&'a self, source: &'a Source, bundle: &Bundle) -> Deployment<'a> {
        Deployment {
            name: &source.name,
            runtime: "bun",
            handler: "default",
            version: self.args.version.as_deref(),
            bundle: STANDARD.encode(&bundle.code),
            bundled: bundle.is_complete,
            settings: Settings { access: self.args.access },
        }
    }

    async fn send(&self, deployment: &Deployment<'_>) -> anyhow::Result<Value> {
        let body = serde_json::to_vec(deployment)?;
        if body.len() as u64 > DEPLOYMENT_BYTES_MAX {
            bail!(
                "it has {} to send, and a deployment may have {}",
                HumanBytes(body.len() as u64),
                HumanBytes(DEPLOYMENT_BYTES_MAX)
            );
        }
        let api = &self.project.api;
        let request = api.request(Method::POST, &self.path).timeout(DEPLOY_TIMEOUT);
        let request = request.header(http::header::CONTENT_TYPE, "application/json").body(body);
        Ok(api.read(api.send(request).await?).await?)
    }
}

/// A field of the function that was answered.
fn text<'a>(function: &'a Value, field: &str) -> &'a str {
    function.get(field).and_then(Value::as_str).unwrap_or_default()
}

fn summary(deploying: &Deploying<'_>, deployed: &[Value]) -> String {
    let row = |function: &Value| {
        let address = format!("{}{}", deploying.project.api.base(), text(function, "url"));
        [text(function, "name"), text(function, "version"), text(function, "access"), &address].map(printable)
    };
    let rows = deployed.iter().map(row).collect();
    deploying.context.output.table(["FUNCTION", "VERSION", "ACCESS", "ADDRESS"], rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_said_is_not_sent() {
        let deployment = Deployment {
            name: "hello",
            runtime: "bun",
            handler: "default",
            version: None,
            bundle: STANDARD.encode("x"),
            bundled: true,
            settings: Settings { access: Some(FunctionAccess::Public) },
        };
        let value = serde_json::to_value(&deployment).unwrap();
        assert_eq!(
            value,
            json!({"name": "hello", "runtime": "bun", "handler": "default", "bundle": "eA==", "bundled": true, "settings": {"access": "public"}})
        );
    }

    #[test]
    fn the_largest_code_fits_into_a_deployment() {
        assert!(CODE_BYTES_MAX.div_ceil(3) * 4 + ENVELOPE_BYTES <= DEPLOYMENT_BYTES_MAX);
    }
}
