//! `db update` and `db delete`: writes to what a filter matches.

use super::filter::{Filter, parse_filter};
use crate::cli::api::segment;
use crate::cli::context::Context;
use crate::cli::failure::UsageError;
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// Arguments of `bunbase db update`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  bunbase db update places '{\"country\": \"FR\"}' '{\"$inc\": {\"visits\": 1}}' --many\n  bunbase db update places '{\"_id\": \"x\"}' '{\"name\": \"Roma\"}' --upsert\n  bunbase db update orders '{}' '{\"$set\": {\"lines.$[l].open\": false}}' --array-filters '[{\"l.open\": true}]'"
)]
pub(crate) struct UpdateArgs {
    /// Collection
    collection: String,
    /// Which documents, as JSON; `{}` matches every one
    #[arg(value_parser = parse_filter)]
    filter: Filter,
    /// Update operators, or fields to set, as JSON
    #[arg(value_parser = parse_update)]
    update: Filter,
    /// All that match, not only the first
    #[arg(long)]
    many: bool,
    /// Create a document where none matches
    #[arg(long)]
    upsert: bool,
    /// What each `$[name]` stands for: a JSON list of filters
    #[arg(long, value_name = "JSON", value_parser = parse_list)]
    array_filters: Option<ListOfFilters>,
}

/// Arguments of `bunbase db delete`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  bunbase db delete places '{\"population\": {\"$lt\": 10}}' --many")]
pub(crate) struct DeleteArgs {
    /// Collection
    collection: String,
    /// Which documents, as JSON; `{}` matches every one
    #[arg(value_parser = parse_filter)]
    filter: Filter,
    /// All that match, not only the first
    #[arg(long)]
    many: bool,
}

/// A list of filters.
#[derive(Debug, Clone)]
pub(crate) struct ListOfFilters(Vec<Map<String, Value>>);

#[derive(Deserialize)]
struct Updated {
    matched: u64,
    modified: u64,
    upserted_id: Option<String>,
}

#[derive(Deserialize)]
struct Deleted {
    deleted: u64,
}

pub(crate) async fn update(context: &Context, args: UpdateArgs) -> anyhow::Result<()> {
    let collection = segment(&args.collection)?;
    let project = context.project().await?;
    let path = format!("{}/collections/{collection}/documents/update", project.path("database")?);
    let mut body = json!({
        "query": args.filter, "update": args.update, "many": args.many, "upsert": args.upsert,
    });
    if let Some(ListOfFilters(filters)) = args.array_filters {
        body["array_filters"] = json!(filters);
    }
    let Updated { matched, modified, upserted_id } = project.api.post(&path, &body).await?;
    let value = json!({ "matched": matched, "modified": modified, "upserted_id": upserted_id });
    Ok(context.output.answer(&value, || match upserted_id {
        Some(id) => format!("none matched; {id} was created"),
        None => format!("{matched} matched, {modified} changed"),
    })?)
}

pub(crate) async fn delete(context: &Context, args: DeleteArgs) -> anyhow::Result<()> {
    let collection = segment(&args.collection)?;
    let project = context.project().await?;
    let path = format!("{}/collections/{collection}/documents/delete", project.path("database")?);
    let body = json!({ "query": args.filter, "many": args.many });
    let Deleted { deleted } = project.api.post(&path, &body).await?;
    Ok(context.output.answer(&json!({ "deleted": deleted }), || format!("{deleted} removed"))?)
}

fn parse_update(text: &str) -> Result<Filter, UsageError> {
    serde_json::from_str(text).map(Filter).map_err(|error| {
        UsageError(format!("an update is a JSON object, such as '{{\"$inc\": {{\"n\": 1}}}}' ({error})"))
    })
}

fn parse_list(text: &str) -> Result<ListOfFilters, UsageError> {
    serde_json::from_str(text).map(ListOfFilters).map_err(|error| {
        UsageError(format!("array filters are a JSON list, such as '[{{\"l.open\": true}}]' ({error})"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_update_is_an_object_and_array_filters_a_list() {
        assert!(parse_update("{\"$inc\": {\"n\": 1}}").is_ok() && parse_update("[]").is_err());
        assert!(
            parse_list("[{\"l\": 1}]").is_ok() && parse_list("{}").is_err() && parse_list("[1]").is_err()
        );
    }
}
