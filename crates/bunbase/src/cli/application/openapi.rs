//! `openapi`: the document of an application, without a server.

use super::build::OfApplication;
use crate::cli::context::Context;
use crate::cli::functions::bundle::Style;
use actions::spec::Private;
use actions::tables::{ApplicationDatabase, TableDirectory, Tables};
use anyhow::Context as _;
use clap::Args;
use serde_json::{Value, json};
use service_kit::clock::Clock;
use service_kit::ids::ProjectId;
use std::path::PathBuf;
use std::sync::Arc;

/// Arguments of `bunbase openapi`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  bunbase openapi > openapi.json\n  bunbase openapi --output openapi.json --server https://api.example.com"
)]
pub(crate) struct OpenApiArgs {
    #[command(flatten)]
    of: OfApplication,
    /// Write it to a file in place of standard output
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Where the application answers
    #[arg(long, value_name = "URL", default_value = "/")]
    server: String,
}

/// Prints or writes the OpenAPI 3.1 document.
pub(crate) async fn openapi(context: &Context, args: &OpenApiArgs) -> anyhow::Result<()> {
    let built = args.of.build(Style::Plain).await?;
    let document = document(built.manifest, &args.server)?;
    let Some(path) = &args.output else {
        return Ok(context.output.line(format_args!("{document:#}"))?);
    };
    std::fs::write(path, format!("{document:#}\n"))
        .with_context(|| format!("could not write {}", path.display()))?;
    let value = json!({ "files": [path] });
    Ok(context.output.answer(&value, || format!("{} is written", path.display()))?)
}

fn document(mut manifest: Value, server: &str) -> anyhow::Result<Value> {
    let Private { sessions, .. } = Private::take_from(&mut manifest)?;
    // Nothing is looked up: what is described are schemas.
    let nowhere = (&Tables::new(PathBuf::new()), &ProjectId::generate());
    let directory = Arc::new(TableDirectory::new(ApplicationDatabase::new(nowhere, None, None)?));
    let application = actions::Application::load(&manifest, &sessions, (directory, None), Clock::system())?;
    Ok(application.openapi(server))
}
