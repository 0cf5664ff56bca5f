//! `build` and `routes`: the application bundled and imported once, and what it declares.

use super::{Application, script};
use crate::cli::context::Context;
use crate::cli::failure::Advised;
use crate::cli::functions::bundle::{Bundle, Bundler, Style, Unsound};
use crate::cli::output::printable;
use actions::spec::Private;
use anyhow::{Context as _, bail};
use clap::Args;
use indicatif::HumanBytes;
use serde::Deserialize;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use worker_pool::BunBinary;

const SCRIPT: &str = include_str!("manifest.js");
/// As much as a deployment may have.
const CODE_BYTES_MAX: u64 = 32 << 20;
const DIRECTORY: &str = ".bunbase/build";

/// Which application.
#[derive(Debug, Args)]
pub(crate) struct OfApplication {
    /// The directory of the application
    #[arg(default_value = ".")]
    path: PathBuf,
}

#[derive(Deserialize)]
struct Imported {
    manifest: Value,
}

/// An application that was bundled and imported.
pub(super) struct Built {
    pub(super) application: Application,
    bundle: Bundle,
    pub(super) manifest: Value,
}

impl OfApplication {
    pub(super) fn at(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    /// Bundles and imports it.
    pub(super) async fn build(&self, style: Style) -> anyhow::Result<Built> {
        let mut application = Application::expect(&self.path).await?;
        let source = application.source().await?;
        let bundle = Bundler::new(application.bun().clone())?
            .bundle(&source, style, CODE_BYTES_MAX)
            .await
            .map_err(advised)?;
        let manifest = import(application.bun(), application.root(), &bundle.code).await?;
        Ok(Built { application, bundle, manifest })
    }
}

fn advised(error: anyhow::Error) -> anyhow::Error {
    match error.downcast_ref::<Unsound>() {
        Some(unsound) => unsound.advised().into(),
        None => error,
    }
}

/// What a bundle declares when it is imported, with the variables of `.env`.
async fn import(bun: &BunBinary, root: &Path, code: &str) -> anyhow::Result<Value> {
    let directory =
        tempfile::Builder::new().prefix("bunbase-").tempdir().context("no temporary directory")?;
    let file = directory.path().join("bundle.js");
    std::fs::write(&file, code).with_context(|| format!("could not write {}", file.display()))?;
    let error = match script::run(bun, root, (SCRIPT, file.as_os_str())).await? {
        Ok(Imported { manifest }) => return Ok(manifest),
        Err(error) => error,
    };
    bail!(Advised::new(format!("the application could not be loaded: {error}"), "mend what is named"))
}

/// Writes `.bunbase/build/`: the bundle that `deploy` would send, and its manifest without what is private.
pub(crate) async fn build(context: &Context, args: &OfApplication) -> anyhow::Result<()> {
    let mut built = args.build(Style::Small).await?;
    Private::take_from(&mut built.manifest)?;
    let directory = built.application.root().join(DIRECTORY);
    std::fs::create_dir_all(&directory)
        .and_then(|()| std::fs::write(directory.join("bundle.js"), &built.bundle.code))
        .and_then(|()| std::fs::write(directory.join("manifest.json"), format!("{:#}\n", built.manifest)))
        .with_context(|| format!("could not write to {}", directory.display()))?;
    let (actions, bytes) = (handlers(&built.manifest).count(), built.bundle.code.len() as u64);
    let value = json!({ "directory": directory, "actions": actions, "bytes": bytes });
    Ok(context
        .output
        .answer(&value, || format!("{actions} actions, {} in {}", HumanBytes(bytes), directory.display()))?)
}

/// Lists what starts each action.
pub(crate) async fn routes(context: &Context, args: &OfApplication) -> anyhow::Result<()> {
    let built = args.build(Style::Plain).await?;
    let rows: Vec<[String; 4]> = handlers(&built.manifest)
        .flat_map(|handler| {
            let triggers = handler["triggers"].as_array().into_iter().flatten();
            triggers.map(|trigger| row(handler, trigger))
        })
        .collect();
    let listed: Vec<Value> = rows
        .iter()
        .map(|[kind, subject, action, guards]| {
            json!({ "trigger": kind, "subject": subject, "action": action, "guards": guards })
        })
        .collect();
    Ok(context.output.answer(&json!({ "routes": listed }), || {
        let rows = rows.into_iter().map(|row| row.map(|cell| printable(&cell))).collect();
        context.output.table(["TRIGGER", "SUBJECT", "ACTION", "GUARDS"], rows)
    })?)
}

fn handlers(manifest: &Value) -> impl Iterator<Item = &Value> {
    manifest["handlers"].as_array().into_iter().flatten()
}

fn row(handler: &Value, trigger: &Value) -> [String; 4] {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let subject = ["path", "schedule", "topic", "queue", "name"];
    let subject = subject.iter().find_map(|field| trigger[*field].as_str()).unwrap_or_default().to_owned();
    let methods: Vec<String> = trigger["methods"].as_array().into_iter().flatten().map(text).collect();
    let kind = if methods.is_empty() { text(&trigger["kind"]) } else { methods.join(",") };
    let guards = handler["guards"].as_array().into_iter().flatten();
    let guards: Vec<String> = guards.map(|guard| text(&guard["name"])).collect();
    [kind, subject, text(&handler["name"]), guards.join(", ")]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_says_what_starts_an_action_and_what_stands_before_it() {
        let handler =
            json!({ "name": "tasks.create", "guards": [{ "name": "authenticated" }, { "name": "custom" }] });
        let http = json!({ "kind": "http", "methods": ["POST"], "path": "/api/tasks" });
        assert_eq!(row(&handler, &http), ["POST", "/api/tasks", "tasks.create", "authenticated, custom"]);
        let cron = json!({ "kind": "cron", "schedule": "@daily" });
        assert_eq!(row(&handler, &cron)[..2], ["cron", "@daily"]);
    }
}
