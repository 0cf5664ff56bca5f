//! `functions runs` and `functions metrics`: the calls of a function one by one, and in figures.

use super::versions::path_of;
use crate::cli::api::segment;
use crate::cli::context::Context;
use crate::cli::duration;
use crate::cli::failure::UsageError;
use crate::cli::listing::Listing;
use crate::cli::output::{Output, printable};
use clap::ValueEnum;
use serde_json::Value;
use std::time::Duration;

/// Arguments of `bunbase functions runs`.
#[derive(Debug, clap::Args)]
pub(crate) struct RunsArgs {
    /// Name of the function
    name: String,
    /// Calls that ended so
    #[arg(long)]
    status: Option<Status>,
    /// Calls that were made so: http, function, cron, event, queue, …
    #[arg(long)]
    trigger: Option<String>,
    /// Calls since then: so long ago (15m, 2h), or RFC 3339, such as 2026-01-31T12:00:00Z
    #[arg(long, value_name = "TIME", value_parser = duration::moment)]
    since: Option<String>,
    /// Calls before then
    #[arg(long, value_name = "TIME", value_parser = duration::moment)]
    until: Option<String>,
    /// At most so many of the newest calls
    #[arg(long, default_value_t = 50)]
    limit: usize,
    /// Go on where the list before ended
    #[arg(long)]
    cursor: Option<String>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Status {
    Ok,
    Error,
    Cancelled,
}

/// Arguments of `bunbase functions metrics`.
#[derive(Debug, clap::Args)]
pub(crate) struct MetricsArgs {
    /// Name of the function
    name: String,
    /// How far back
    #[arg(long, default_value = "24h", value_parser = ["1h", "24h", "7d"])]
    window: String,
}

pub(super) async fn list(context: &Context, args: &RunsArgs) -> anyhow::Result<()> {
    let project = context.project().await?;
    let path = format!("{}/runs{}", path_of(&project, &args.name)?, query(args)?);
    let answer: Value = project.api.get(&path).await?;
    let columns = [
        ("STARTED", "started_at"),
        ("STATUS", "status"),
        ("HTTP", "http_status"),
        ("TOOK µs", "duration_us"),
        ("TRIGGER", "trigger"),
        ("VERSION", "version"),
        ("ERROR", "error/code"),
        ("INVOCATION", "id"),
    ];
    let empty = "there are no such calls; make one with `bunbase functions invoke`";
    Ok(Listing { field: "runs", columns: &columns, empty }.show(context.output, &answer)?)
}

fn query(args: &RunsArgs) -> Result<String, UsageError> {
    let status = args.status.and_then(|status| status.to_possible_value());
    let optional = [
        ("status", status.as_ref().map(clap::builder::PossibleValue::get_name)),
        ("trigger", args.trigger.as_deref()),
        ("since", args.since.as_deref()),
        ("until", args.until.as_deref()),
        ("cursor", args.cursor.as_deref()),
    ];
    let mut text = format!("?limit={}", args.limit);
    for (name, value) in optional {
        if let Some(value) = value {
            text += &format!("&{name}={}", segment(value)?);
        }
    }
    Ok(text)
}

pub(super) async fn metrics(context: &Context, args: &MetricsArgs) -> anyhow::Result<()> {
    let project = context.project().await?;
    let path = format!("{}/metrics?window={}", path_of(&project, &args.name)?, args.window);
    let chart: Value = project.api.get(&path).await?;
    Ok(context.output.answer(&chart, || text(context.output, &chart))?)
}

/// What was, what failed, and what is now.
fn text(output: Output, chart: &Value) -> String {
    let codes = chart["total"]["errors_by_code"].as_object();
    let codes = codes.into_iter().flatten().map(|(code, count)| format!("{} {count}", printable(code)));
    let codes: Vec<String> = codes.collect();
    let mut parts = vec![window_table(output, chart)];
    if !codes.is_empty() {
        parts.push(format!("errors: {}", codes.join(", ")));
    }
    parts.extend(now_table(output, chart));
    parts.join("\n\n")
}

/// A row for all versions together, and one for each that was called.
fn window_table(output: Output, chart: &Value) -> String {
    let header = ["VERSION", "CALLS", "ERRORS", "CANCELLED", "COLD", "P50", "P95", "P99", "MAX"];
    let versions = chart["versions"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut rows = vec![row("all", &chart["total"])];
    rows.extend(versions.iter().map(|of| row(of["version"].as_str().unwrap_or_default(), of)));
    output.table(header, rows)
}

/// A row for each version that takes calls.
fn now_table(output: Output, chart: &Value) -> Option<String> {
    let header = ["NOW", "WORKERS", "IN FLIGHT", "WAITING", "MEMORY", "CPU"];
    let row = |of: &Value| {
        let number = |field: &str| of[field].as_u64().unwrap_or_default();
        [
            printable(of["version"].as_str().unwrap_or_default()),
            number("workers").to_string(),
            number("in_flight").to_string(),
            number("queued").to_string(),
            format!("{:.1} MiB", number("memory_bytes") as f64 / f64::from(1 << 20)),
            format!("{:.2} s", number("cpu_us") as f64 / 1e6),
        ]
    };
    let rows: Vec<_> = chart["now"].as_array()?.iter().map(row).collect();
    (!rows.is_empty()).then(|| output.table(header, rows))
}

fn row(name: &str, figures: &Value) -> [String; 9] {
    let count = |field: &str| figures[field].to_string();
    let time = |field: &str| {
        let micros = figures["duration"][field].as_u64().unwrap_or_default();
        format!("{:?}", Duration::from_micros(micros))
    };
    [
        printable(name),
        count("calls"),
        count("errors"),
        count("cancelled"),
        count("cold_starts"),
        time("p50_us"),
        time("p95_us"),
        time("p99_us"),
        time("max_us"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn figures_have_a_row_for_all_and_one_for_each_version() {
        let duration = json!({ "p50_us": 1_500, "p95_us": 2_000, "p99_us": 3_000, "max_us": 2_500_000 });
        let figures = json!({ "calls": 7, "errors": 2, "cancelled": 0, "cold_starts": 1, "duration": duration,
            "errors_by_code": { "timeout": 2 } });
        let mut of_version = figures.clone();
        of_version["version"] = "v1".into();
        let now = json!({ "version": "v2", "workers": 3, "in_flight": 40, "queued": 0,
            "memory_bytes": 52_428_800, "cpu_us": 1_230_000 });
        let chart = json!({ "total": figures, "versions": [of_version], "now": [now] });
        let shown = text(Output::new(false, true), &chart);
        for part in ["all", "v1", "1.5ms", "2.5s", "errors: timeout 2", "v2", "40", "50.0 MiB", "1.23 s"] {
            assert!(shown.contains(part), "{part} in {shown}");
        }
    }
}
