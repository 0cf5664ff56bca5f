//! `functions deploy`: bundle, or pack for the server to bundle; check the size, send, say what is live.

use super::bundle::{self, Bundle, Bundler, Style, Unsound};
use super::entry::{self, Source};
use crate::cli::api::segment;
use crate::cli::application::Application;
use crate::cli::context::{Context, Project};
use crate::cli::failure::{Advised, UsageError};
use crate::cli::output::{Colour, printable};
use anyhow::{Context as _, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::ValueEnum;
use functions_client::{DEPLOYMENT_BYTES_MAX, IGNORE_FILE, PackError, pack};
use indicatif::{HumanBytes, HumanDuration};
use reqwest::multipart::{Form, Part};
use reqwest::{Method, RequestBuilder};
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Name, version, manifest and settings around the code.
const ENVELOPE_BYTES: u64 = 512 * 1024;
/// Code grows by a third in base64 (RFC 4648 §4).
pub(super) const CODE_BYTES_MAX: u64 = (DEPLOYMENT_BYTES_MAX - ENVELOPE_BYTES) / 4 * 3;
/// Sending 64 MiB over a slow line, installing packages, and starting the first worker.
pub(super) const DEPLOY_TIMEOUT: Duration = Duration::from_secs(300);

/// Arguments of `bunbase functions deploy`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  bunbase functions deploy hello.ts\n  bunbase functions deploy ./shop --name shop --access public\n  bunbase functions deploy ./shop --no-promote --alias preview-7\n  bunbase functions deploy .        every function in ./functions"
)]
pub(crate) struct DeployArgs {
    /// A file, the directory of a function or an application, or a directory that holds functions/
    #[arg(default_value = ".")]
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
    /// What runs it [default: what the manifest or the module's `config` says, else bun]
    #[arg(long)]
    runtime: Option<Runtime>,
    /// Build the version only: the one before goes on taking the calls
    #[arg(long)]
    no_promote: bool,
    /// Also give the version a name of its own, such as preview-7
    #[arg(long)]
    alias: Option<String>,
    /// File with the manifest [default: what the module exports as `config`]
    #[arg(long, value_name = "FILE")]
    manifest: Option<PathBuf>,
    /// Send the directory, without what .bunbaseignore names: the server installs packages and bundles
    #[arg(long)]
    remote: bool,
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

/// What runs a function.
#[derive(Debug, Clone, Copy, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Runtime {
    /// Worker processes of Bun
    Bun,
    /// Small instances inside the server
    #[value(alias = "quickjs-ng")]
    Quickjs,
}

/// What is sent.
enum Upload {
    Code(Bundle),
    Archive(Vec<u8>),
}

impl Upload {
    fn size_bytes(&self) -> u64 {
        match self {
            Self::Code(bundle) => bundle.code.len() as u64,
            Self::Archive(bytes) => bytes.len() as u64,
        }
    }
}

/// What all functions of one command share.
struct Deploying<'a> {
    context: &'a Context,
    project: Project,
    path: String,
    /// `None` where the server bundles.
    bundler: Option<Bundler>,
    manifest: Option<Value>,
    args: &'a DeployArgs,
}

pub(crate) async fn run(context: &Context, args: DeployArgs) -> anyhow::Result<()> {
    let sources = sources(&args).await?;
    let one_only = args.remote || args.manifest.is_some() || args.alias.is_some();
    if one_only && args.path.join("functions").is_dir() {
        bail!(UsageError("--remote, --manifest and --alias go with one function: name its directory".into()));
    }
    let bundler = if args.remote { None } else { Some(Bundler::new(bundle::find_bun()?)?) };
    let manifest = args.manifest.as_deref().map(read_manifest).transpose()?;
    let project = context.project().await?;
    let path = project.functions_path()?;
    let deploying = Deploying { context, project, path, bundler, manifest, args: &args };
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

/// One for a file, a directory or an application, several for a directory that holds `functions/`.
async fn sources(args: &DeployArgs) -> anyhow::Result<Vec<Source>> {
    let root = args.path.canonicalize().ok().filter(|root| root.is_dir());
    let Some(root) = root else { return entry::discover(&args.path, args.name.as_deref()) };
    match Application::open(&root, &bundle::find_bun()?).await? {
        Some(mut application) => {
            let mut source = application.source().await?;
            source.name = args.name.clone().unwrap_or(source.name);
            Ok(vec![source])
        }
        None => entry::discover(&args.path, args.name.as_deref()),
    }
}

fn read_manifest(path: &std::path::Path) -> anyhow::Result<Value> {
    let text = std::fs::read(path).with_context(|| format!("could not read {}", path.display()))?;
    serde_json::from_slice(&text).with_context(|| format!("{} is not valid JSON", path.display()))
}

impl Deploying<'_> {
    async fn one(&self, source: &Source, place: &str) -> anyhow::Result<Value> {
        let output = self.context.output;
        let place = output.paint_err(Colour::Grey, place);
        let what = if self.bundler.is_some() { "bundling" } else { "packing" };
        output.progress(format_args!("{place} {what} {}", source.name));
        let started = Instant::now();
        let upload = self.upload(source).await?;
        let size = HumanBytes(upload.size_bytes());
        output.progress(format_args!("{place} sending {} ({size})", source.name));
        let answer = self.deploy(source, upload).await?;
        let took = HumanDuration(started.elapsed());
        let (state, colour) =
            if self.args.no_promote { ("built", Colour::Yellow) } else { ("live", Colour::Green) };
        let version = printable(text(&answer, "version"));
        let state = output.paint_err(colour, state);
        output.progress(format_args!("{place} {} {version} is {state} after {took}", source.name));
        Ok(answer)
    }

    async fn upload(&self, source: &Source) -> anyhow::Result<Upload> {
        Ok(match &self.bundler {
            Some(bundler) => {
                let bundled = bundler.bundle(source, Style::Small, CODE_BYTES_MAX).await;
                Upload::Code(bundled.map_err(|error| match error.downcast_ref::<Unsound>() {
                    Some(unsound) => unsound.advised().into(),
                    None => error,
                })?)
            }
            None => Upload::Archive(
                pack(&self.args.path, DEPLOYMENT_BYTES_MAX - ENVELOPE_BYTES).map_err(advised)?,
            ),
        })
    }

    /// The function as it is deployed, or the version where it is only built.
    async fn deploy(&self, source: &Source, upload: Upload) -> anyhow::Result<Value> {
        let one = format!("{}/{}", self.path, segment(&source.name)?);
        let answer = if self.args.no_promote {
            let registration = json!({ "name": source.name, "settings": self.settings(source) });
            let _: Value = self.project.api.post(&self.path, &registration).await?;
            let mut version = self.send(&format!("{one}/versions"), (self.fields(), upload)).await?;
            version["name"] = source.name.as_str().into();
            version
        } else {
            let mut fields = self.fields();
            fields.insert("name".to_owned(), source.name.as_str().into());
            fields.insert("settings".to_owned(), self.settings(source));
            self.send(&self.path, (fields, upload)).await?
        };
        if let Some(alias) = &self.args.alias {
            let path = format!("{one}/aliases/{}", segment(alias)?);
            let body = json!({ "version": text(&answer, "version") });
            let api = &self.project.api;
            api.send(api.request(Method::PUT, &path).json(&body)).await?;
        }
        Ok(answer)
    }

    /// Settings; what is absent stays as it is. Who may call an application is decided by its guards.
    fn settings(&self, source: &Source) -> Value {
        let of_application = (!source.parts.is_empty()).then_some(FunctionAccess::Public);
        let access = self.args.access.or(of_application);
        access.map_or_else(|| json!({}), |access| json!({ "access": access }))
    }

    fn fields(&self) -> Map<String, Value> {
        let mut fields = Map::new();
        if let Some(version) = &self.args.version {
            fields.insert("version".to_owned(), version.as_str().into());
        }
        if let Some(runtime) = self.args.runtime {
            fields.insert("runtime".to_owned(), json!(runtime));
        }
        if let Some(manifest) = &self.manifest {
            fields.insert("manifest".to_owned(), manifest.clone());
        }
        fields
    }

    async fn send(
        &self,
        path: &str,
        (fields, upload): (Map<String, Value>, Upload),
    ) -> anyhow::Result<Value> {
        let api = &self.project.api;
        let request = api.request(Method::POST, path).timeout(DEPLOY_TIMEOUT);
        let request = match upload {
            Upload::Code(bundle) => with_code(request, fields, &bundle)?,
            Upload::Archive(bytes) => with_archive(request, fields, bytes),
        };
        Ok(api.read(api.send(request).await?).await?)
    }
}

pub(super) fn with_code(
    request: RequestBuilder,
    mut fields: Map<String, Value>,
    bundle: &Bundle,
) -> anyhow::Result<RequestBuilder> {
    fields.insert("bundle".to_owned(), STANDARD.encode(&bundle.code).into());
    fields.insert("bundled".to_owned(), true.into());
    let body = serde_json::to_vec(&fields)?;
    if body.len() as u64 > DEPLOYMENT_BYTES_MAX {
        bail!(
            "it has {} to send, and a deployment may have {}",
            HumanBytes(body.len() as u64),
            HumanBytes(DEPLOYMENT_BYTES_MAX)
        );
    }
    Ok(request.header(http::header::CONTENT_TYPE, "application/json").body(body))
}

/// What to do where a directory cannot be sent.
fn advised(error: PackError) -> anyhow::Error {
    match error {
        PackError::NoDirectory(_) => {
            UsageError(format!("{error}: only directories are bundled on the server")).into()
        }
        PackError::TooLarge { .. } => {
            let next = format!("name what is not needed in {IGNORE_FILE}, or leave out --remote");
            Advised::new(error.to_string(), next).into()
        }
        PackError::Walk(_) | PackError::Read { .. } => error.into(),
    }
}

/// Text as it is, everything else as JSON.
fn with_archive(request: RequestBuilder, fields: Map<String, Value>, bytes: Vec<u8>) -> RequestBuilder {
    let form = fields.into_iter().fold(Form::new(), |form, (name, value)| match value {
        Value::String(text) => form.text(name, text),
        other => form.text(name, other.to_string()),
    });
    request.multipart(form.part("archive", Part::bytes(bytes).file_name("function.tar.gz")))
}

/// A field of the function that was answered.
fn text<'a>(function: &'a Value, field: &str) -> &'a str {
    function.get(field).and_then(Value::as_str).unwrap_or_default()
}

fn summary(deploying: &Deploying<'_>, deployed: &[Value]) -> String {
    let alias = deploying.args.alias.as_deref().map(|alias| format!("@{alias}"));
    let row = |function: &Value| {
        let name = text(function, "name");
        let url = function.get("url").and_then(Value::as_str).map(str::to_owned);
        let url = match (url, &alias) {
            (Some(url), _) => url,
            (None, Some(alias)) => format!("/v1/functions/{name}{alias}"),
            (None, None) => return [name, text(function, "version"), "built", "-"].map(printable),
        };
        let address = deploying.project.api.address_of(&url);
        let access = function.get("access").and_then(Value::as_str).unwrap_or("built");
        [name, text(function, "version"), access, &address].map(printable)
    };
    let rows = deployed.iter().map(row).collect();
    deploying.context.output.table(["FUNCTION", "VERSION", "ACCESS", "ADDRESS"], rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_code_fits_into_a_deployment() {
        assert!(CODE_BYTES_MAX.div_ceil(3) * 4 + ENVELOPE_BYTES <= DEPLOYMENT_BYTES_MAX);
    }
}
