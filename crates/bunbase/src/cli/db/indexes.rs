//! `db indexes`: list, create and drop indexes of a collection, or of all that match a pattern.

use super::filter::{Filter, parse_filter};
use super::query::{SortList, parse_sort};
use crate::cli::api::segment;
use crate::cli::context::Context;
use crate::cli::output::{Output, printable};
use serde_json::{Value, json};

/// What can be done with indexes.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum IndexesCommand {
    /// The indexes of a collection or a pattern, and how far they are
    List(ListArgs),
    /// Declare an index; it is built in the background
    Create(Box<CreateArgs>),
    /// Drop an index
    Drop(DropArgs),
}

/// Arguments of `bunbase db indexes list`.
#[derive(Debug, clap::Args)]
pub(crate) struct ListArgs {
    /// Collection, or a pattern such as `users/*/posts`
    collection: String,
}

/// Arguments of `bunbase db indexes create`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  bunbase db indexes create places country,-population\n  bunbase db indexes create users email --unique --sparse\n  bunbase db indexes create sessions seen_at --expire-after 3600\n  bunbase db indexes create orders at --partial '{\"open\": true}'\n  bunbase db indexes create 'users/*/posts' -- -at"
)]
pub(crate) struct CreateArgs {
    /// Collection, or a pattern such as `users/*/posts`
    collection: String,
    /// Fields by commas, a minus before those that fall: `country,-population`
    #[arg(allow_hyphen_values = true, value_parser = parse_sort)]
    fields: SortList,
    /// Its name [default: made of the fields]
    #[arg(long)]
    name: Option<String>,
    /// Two documents may not share a key
    #[arg(long)]
    unique: bool,
    /// Documents without any of the fields have no entry
    #[arg(long)]
    sparse: bool,
    /// Only documents that match this filter have entries
    #[arg(long, value_name = "JSON", value_parser = parse_filter)]
    partial: Option<Filter>,
    /// Remove documents so many seconds after the date in the field
    #[arg(long, value_name = "SECONDS")]
    expire_after: Option<u64>,
}

/// Arguments of `bunbase db indexes drop`.
#[derive(Debug, clap::Args)]
pub(crate) struct DropArgs {
    /// Collection, or a pattern
    collection: String,
    /// Its name, as in the list
    name: String,
}

pub(crate) async fn run(context: &Context, command: IndexesCommand) -> anyhow::Result<()> {
    match command {
        IndexesCommand::List(args) => list(context, args).await,
        IndexesCommand::Create(args) => create(context, *args).await,
        IndexesCommand::Drop(args) => remove(context, args).await,
    }
}

async fn list(context: &Context, args: ListArgs) -> anyhow::Result<()> {
    let project = context.project().await?;
    let path = format!("{}/indexes?collection={}", project.path("database")?, segment(&args.collection)?);
    let found: Value = project.api.get(&path).await?;
    Ok(context.output.answer(&found, || text(context.output, &found))?)
}

async fn create(context: &Context, args: CreateArgs) -> anyhow::Result<()> {
    let project = context.project().await?;
    let mut body = json!({
        "collection": args.collection,
        "fields": args.fields,
        "unique": args.unique,
        "sparse": args.sparse,
    });
    let more = [
        ("name", args.name.map(Value::from)),
        ("partial", args.partial.map(|filter| Value::Object(filter.0))),
        ("expire_after_seconds", args.expire_after.map(Value::from)),
    ];
    for (field, value) in more {
        if let Some(value) = value {
            body[field] = value;
        }
    }
    let made: Value = project.api.post(&format!("{}/indexes", project.path("database")?), &body).await?;
    let name = printable(made["name"].as_str().unwrap_or_default());
    Ok(context
        .output
        .answer(&made, || format!("{name} is being built: bunbase db indexes list shows how far"))?)
}

async fn remove(context: &Context, args: DropArgs) -> anyhow::Result<()> {
    let project = context.project().await?;
    let (collection, name) = (segment(&args.collection)?, segment(&args.name)?);
    let path = format!("{}/indexes?collection={collection}&name={name}", project.path("database")?);
    project.api.delete(&path).await?;
    let value = json!({ "dropped": args.name });
    Ok(context.output.answer(&value, || format!("{} was dropped", args.name))?)
}

fn text(output: Output, found: &Value) -> String {
    let indexes = found["indexes"].as_array().map(Vec::as_slice).unwrap_or_default();
    if indexes.is_empty() {
        return "no indexes; make one with: bunbase db indexes create COLLECTION FIELDS".to_owned();
    }
    output.table(["NAME", "FIELDS", "OPTIONS", "STATE"], indexes.iter().map(row).collect())
}

fn row(index: &Value) -> [String; 4] {
    let fields = index["fields"].as_array().map(Vec::as_slice).unwrap_or_default();
    let field = |field: &Value| {
        let path = field["path"].as_str().unwrap_or_default();
        if field["order"] == -1 { format!("-{path}") } else { path.to_owned() }
    };
    let fields: Vec<_> = fields.iter().map(field).collect();
    let state = match index["state"].as_str().unwrap_or_default() {
        "building" => format!("building, {} documents done", index["documents_done"]),
        "failed" => format!("failed: {}", index["reason"].as_str().unwrap_or_default()),
        other => other.to_owned(),
    };
    let name = index["name"].as_str().unwrap_or_default();
    [printable(name), printable(&fields.join(",")), options(index), printable(&state)]
}

fn options(index: &Value) -> String {
    let mut options = Vec::new();
    for option in ["unique", "sparse"] {
        if index[option] == true {
            options.push(option.to_owned());
        }
    }
    if let Some(filter) = index.get("partial") {
        options.push(format!("partial {filter}"));
    }
    if let Some(seconds) = index["expire_after_seconds"].as_u64() {
        options.push(format!("expires after {seconds} s"));
    }
    printable(&options.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_shows_options_and_state() {
        let found = json!({ "indexes": [
            { "name": "a_1_b_-1", "fields": [{ "path": "a", "order": 1 }, { "path": "b", "order": -1 }],
                "unique": true, "sparse": true, "partial": { "open": true }, "state": "ready" },
            { "name": "t", "fields": [{ "path": "at", "order": 1 }], "unique": false, "sparse": false,
                "expire_after_seconds": 60, "state": "building", "documents_done": 5 },
        ] });
        let text = text(Output::new(false, true), &found);
        for part in
            ["a,-b", "unique, sparse, partial {\"open\":true}", "expires after 60 s", "5 documents done"]
        {
            assert!(text.contains(part), "{part} in {text}");
        }
    }
}
