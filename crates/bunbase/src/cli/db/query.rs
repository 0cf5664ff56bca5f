//! `db query`: documents that match a filter, one page as a table, or all of them one a line.

use super::filter::{Filter, parse_filter};
use crate::cli::api::{Api, segment};
use crate::cli::context::Context;
use crate::cli::failure::UsageError;
use crate::cli::output::{Output, printable};
use anyhow::bail;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// Documents asked for at a time with `--all`.
const PAGE_DOCUMENTS: u32 = 500;
/// What fits beside each other on a screen.
const COLUMNS_MAX: usize = 8;
const CELL_CHARACTERS_MAX: usize = 40;

/// Arguments of `bunbase db query`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  bunbase db query places '{\"country\": \"FR\"}' --sort -population --limit 5\n  bunbase db query places '{\"population\": {\"$gte\": 1000000}}' --fields name,population\n  bunbase db query places --all > places.jsonl"
)]
pub(crate) struct QueryArgs {
    /// Collection
    collection: String,
    /// Filter as JSON [default: every document]
    #[arg(value_parser = parse_filter)]
    filter: Option<Filter>,
    /// Fields to sort by, a minus before those that fall: `-population,name`
    #[arg(long, allow_hyphen_values = true, value_parser = parse_sort)]
    sort: Option<SortList>,
    /// At most so many documents
    #[arg(long, default_value_t = 20, conflicts_with = "all")]
    limit: u32,
    /// Fields to show, by commas
    #[arg(long, value_delimiter = ',')]
    fields: Vec<String>,
    /// Every document, one JSON object a line
    #[arg(long)]
    all: bool,
}

/// One field of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct SortField {
    path: String,
    order: i8,
}

/// An order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(crate) struct SortList(Vec<SortField>);

#[derive(Serialize)]
struct QueryBody<'a> {
    query: &'a Filter,
    #[serde(skip_serializing_if = "Option::is_none")]
    sort: Option<&'a SortList>,
    limit: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<&'a str>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    fields: &'a [String],
}

#[derive(Deserialize)]
struct Page {
    documents: Vec<Value>,
    #[serde(default)]
    next_cursor: Option<String>,
}

pub(crate) async fn run(context: &Context, args: QueryArgs) -> anyhow::Result<()> {
    let collection = segment(&args.collection)?;
    let project = context.project().await?;
    let path = format!("{}/collections/{collection}/documents/query", project.path("database")?);
    let filter = args.filter.unwrap_or_default();
    let body = QueryBody {
        query: &filter,
        sort: args.sort.as_ref(),
        limit: if args.all { PAGE_DOCUMENTS } else { args.limit },
        cursor: None,
        fields: &args.fields,
    };
    if args.all {
        return print_all(context.output, &project.api, &path, body).await;
    }
    let page: Page = project.api.post(&path, &body).await?;
    show(context.output, &page)
}

async fn print_all(output: Output, api: &Api, path: &str, body: QueryBody<'_>) -> anyhow::Result<()> {
    let mut cursor: Option<String> = None;
    loop {
        let body = QueryBody { cursor: cursor.as_deref(), ..body };
        let page: Page = api.post(path, &body).await?;
        for document in &page.documents {
            output.line(document)?;
        }
        match page.next_cursor {
            None => return Ok(()),
            Some(next) if cursor.as_ref() == Some(&next) => bail!("the server gave the same cursor twice"),
            Some(next) => cursor = Some(next),
        }
    }
}

fn show(output: Output, page: &Page) -> anyhow::Result<()> {
    let value = json!({ "documents": page.documents, "next_cursor": page.next_cursor });
    output.answer(&value, || match page.documents.as_slice() {
        [] => "no document matches".to_owned(),
        documents => table(output, documents),
    })?;
    if page.next_cursor.is_some() {
        output.progress("there are more: raise --limit, or take --all");
    }
    Ok(())
}

fn table(output: Output, documents: &[Value]) -> String {
    let mut columns: Vec<&str> = Vec::new();
    for name in documents.iter().filter_map(Value::as_object).flat_map(Map::keys) {
        if !columns.contains(&name.as_str()) {
            columns.push(name);
        }
    }
    columns.sort_by_key(|name| *name != "_id");
    columns.truncate(COLUMNS_MAX);
    let row = |document: &Value| columns.iter().map(|name| cell(document.get(name))).collect();
    output.wide_table(&columns, documents.iter().map(row).collect())
}

fn cell(value: Option<&Value>) -> String {
    let text = match value {
        None => return String::new(),
        Some(Value::String(text)) => text.replace(['\n', '\t'], " "),
        Some(other) => other.to_string(),
    };
    let text = printable(&text);
    match text.char_indices().nth(CELL_CHARACTERS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

pub(super) fn parse_sort(text: &str) -> Result<SortList, UsageError> {
    let field = |part: &str| {
        let (path, order) = part.strip_prefix('-').map_or((part, 1), |path| (path, -1));
        (!path.is_empty()).then(|| SortField { path: path.to_owned(), order })
    };
    let fields: Option<Vec<SortField>> = text.split(',').map(|part| field(part.trim())).collect();
    fields.map(SortList).ok_or_else(|| UsageError("name fields by commas, such as -population,name".into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minus_sorts_downwards() {
        let sort = serde_json::to_value(parse_sort("-population,address.city").unwrap()).unwrap();
        assert_eq!(sort, json!([{"path": "population", "order": -1}, {"path": "address.city", "order": 1}]));
        assert!(parse_sort("a,,b").is_err() && parse_sort("-").is_err());
    }

    #[test]
    fn tables_begin_with_the_id_and_cut_long_text() {
        let documents = [json!({"a": 1, "_id": "x"}), json!({"b": "y".repeat(100), "_id": "z"})];
        let table = table(Output::new(false, true), &documents);
        let header: Vec<_> = table.lines().next().unwrap().split_whitespace().collect();
        assert_eq!(header, ["_id", "a", "b"]);
        assert!(table.contains('…'));
    }
}
