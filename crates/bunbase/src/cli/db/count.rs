//! `db count` and `db distinct`.

use super::filter::{Filter, parse_filter};
use crate::cli::api::segment;
use crate::cli::context::Context;
use crate::cli::output::printable;
use serde::Deserialize;
use serde_json::{Value, json};

/// Arguments of `bunbase db count`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  bunbase db count places '{\"country\": \"FR\"}'")]
pub(crate) struct CountArgs {
    /// Collection
    collection: String,
    /// Filter as JSON [default: every document]
    #[arg(value_parser = parse_filter)]
    filter: Option<Filter>,
}

/// Arguments of `bunbase db distinct`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  bunbase db distinct places country '{\"population\": {\"$gt\": 1000000}}'"
)]
pub(crate) struct DistinctArgs {
    /// Collection
    collection: String,
    /// Dot path
    field: String,
    /// Filter as JSON [default: every document]
    #[arg(value_parser = parse_filter)]
    filter: Option<Filter>,
}

#[derive(Deserialize)]
struct Count {
    count: u64,
}

#[derive(Deserialize)]
struct Values {
    values: Vec<Value>,
}

pub(crate) async fn count(context: &Context, args: CountArgs) -> anyhow::Result<()> {
    let collection = segment(&args.collection)?;
    let project = context.project().await?;
    let path = format!("{}/collections/{collection}/documents/count", project.path("database")?);
    let body = json!({ "query": args.filter.unwrap_or_default() });
    let Count { count } = project.api.post(&path, &body).await?;
    Ok(context.output.answer(&json!({ "count": count }), || count.to_string())?)
}

pub(crate) async fn distinct(context: &Context, args: DistinctArgs) -> anyhow::Result<()> {
    let collection = segment(&args.collection)?;
    let project = context.project().await?;
    let path = format!("{}/collections/{collection}/documents/distinct", project.path("database")?);
    let body = json!({ "field": args.field, "query": args.filter.unwrap_or_default() });
    let Values { values } = project.api.post(&path, &body).await?;
    let lines = || values.iter().map(line).collect::<Vec<_>>().join("\n");
    Ok(context.output.answer(&json!({ "values": values }), lines)?)
}

fn line(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), printable)
}
