//! `db explain`: how a query is answered.

use super::filter::{Filter, parse_filter};
use super::query::{SortList, parse_sort};
use crate::cli::api::segment;
use crate::cli::context::Context;
use crate::cli::output::Output;
use serde_json::{Value, json};

/// Arguments of `bunbase db explain`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  bunbase db explain places '{\"country\": \"FR\"}' --sort -population")]
pub(crate) struct ExplainArgs {
    /// Collection
    collection: String,
    /// Filter as JSON [default: every document]
    #[arg(value_parser = parse_filter)]
    filter: Option<Filter>,
    /// Fields to sort by, a minus before those that fall: `-population,name`
    #[arg(long, allow_hyphen_values = true, value_parser = parse_sort)]
    sort: Option<SortList>,
    /// Documents of the page that is run
    #[arg(long, default_value_t = 20)]
    limit: u32,
}

pub(crate) async fn run(context: &Context, args: ExplainArgs) -> anyhow::Result<()> {
    let collection = segment(&args.collection)?;
    let project = context.project().await?;
    let path = format!("{}/collections/{collection}/documents/explain", project.path("database")?);
    let body = json!({ "query": args.filter.unwrap_or_default(), "sort": args.sort, "limit": args.limit });
    let explained: Value = project.api.post(&path, &body).await?;
    Ok(context.output.answer(&explained, || text(context.output, &explained))?)
}

fn text(output: Output, explained: &Value) -> String {
    let number = |field: &str| explained[field].to_string();
    let rejected = explained["rejected"].as_array().map(Vec::as_slice).unwrap_or_default();
    let plans = std::iter::once(("ran", &explained["plan"])).chain(rejected.iter().map(|plan| ("", plan)));
    let rows = plans.map(|(ran, plan)| row(ran, plan)).collect();
    let table = output.table(["", "INDEX", "BOUND", "ORDERED", "COVERED", "EXPECTED", "COST"], rows);
    format!(
        "{table}\n\n{} returned, {} keys and {} documents examined in {} ms",
        number("returned"),
        number("keys_examined"),
        number("documents_examined"),
        number("time_ms"),
    )
}

fn row(ran: &str, plan: &Value) -> [String; 7] {
    let index = plan["index"].as_str().unwrap_or("(scan)").to_owned();
    let yes_no = |field: &str| if plan[field] == true { "yes" } else { "no" }.to_owned();
    let cost = plan["estimated_cost"].as_f64().unwrap_or_default();
    [
        ran.to_owned(),
        index,
        plan["bound_fields"].to_string(),
        yes_no("ordered"),
        yes_no("covered"),
        plan["estimated_examined"].to_string(),
        format!("{cost:.1}"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_plan_that_ran_stands_first() {
        let plan = |index: Value| {
            json!({ "index": index, "bound_fields": 1, "ordered": true, "covered": false,
                "estimated_examined": 5, "estimated_cost": 12.5 })
        };
        let explained = json!({ "plan": plan(json!("country_1")), "rejected": [plan(Value::Null)],
            "returned": 2, "keys_examined": 5, "documents_examined": 5, "time_ms": 0.4 });
        let text = text(Output::new(false, true), &explained);
        let lines: Vec<_> = text.lines().collect();
        assert!(lines[1].contains("ran") && lines[1].contains("country_1"), "{text}");
        assert!(lines[2].contains("(scan)"), "{text}");
        assert!(text.ends_with("2 returned, 5 keys and 5 documents examined in 0.4 ms"), "{text}");
    }
}
