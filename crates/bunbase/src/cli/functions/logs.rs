//! `functions logs`: the newest lines of a function, and with `-f` those that follow, each once.

use crate::cli::api::segment;
use crate::cli::context::Context;
use crate::cli::duration;
use crate::cli::failure::UsageError;
use crate::cli::output::{Colour, Output, printable};
use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::time::Duration;

const POLL_INTERVAL: Duration = Duration::from_millis(500);

/// Arguments of `bunbase functions logs`.
#[derive(Debug, clap::Args)]
pub(crate) struct LogsArgs {
    /// Name of the function
    name: String,
    /// Go on showing lines as they are written, until Ctrl-C
    #[arg(short, long)]
    follow: bool,
    /// Lines of this severity and above
    #[arg(long)]
    level: Option<Level>,
    /// Lines of this call only
    #[arg(long, value_name = "INVOCATION_ID")]
    invocation: Option<String>,
    /// Lines of this version only
    #[arg(long)]
    version: Option<String>,
    /// Lines whose message has this in it
    #[arg(long)]
    text: Option<String>,
    /// Lines with this value in this field, such as user.id=7
    #[arg(long = "field", value_name = "NAME=VALUE", value_parser = parse_field)]
    fields: Vec<(String, String)>,
    /// Lines since then: so long ago (15m, 2h), or RFC 3339, such as 2026-01-31T12:00:00Z
    #[arg(long, value_name = "TIME", value_parser = duration::moment)]
    since: Option<String>,
    /// Lines before then
    #[arg(long, value_name = "TIME", value_parser = duration::moment, conflicts_with = "follow")]
    until: Option<String>,
    /// At most so many of the newest lines
    #[arg(long, default_value_t = 100)]
    limit: usize,
}

fn parse_field(text: &str) -> Result<(String, String), String> {
    let field = text.split_once('=').filter(|(name, _)| !name.is_empty());
    let (name, value) = field.ok_or_else(|| format!("{text:?} is not name=value, such as user.id=7"))?;
    Ok((name.to_owned(), value.to_owned()))
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Level {
    Debug,
    Info,
    Warn,
    Error,
}

impl Level {
    fn as_str(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

#[derive(Deserialize)]
struct LogPage {
    logs: Vec<LogLine>,
    /// Asks for what comes after these lines.
    next: Option<i64>,
}

#[derive(Debug, Deserialize, Serialize)]
struct LogLine {
    at: String,
    level: String,
    message: String,
    #[serde(default)]
    fields: Option<serde_json::Map<String, serde_json::Value>>,
    invocation_id: Option<String>,
    version: String,
}

pub(crate) async fn run(context: &Context, args: LogsArgs) -> anyhow::Result<()> {
    let project = context.project().await?;
    let path = format!("{}/{}/logs", project.functions_path()?, segment(&args.name)?);
    let page: LogPage = project.api.get(&with_query(&path, &args, None)?).await?;
    if !args.follow {
        return show(context.output, &page);
    }
    let mut cursor = show_and_move(context.output, &page)?;
    loop {
        tokio::time::sleep(POLL_INTERVAL).await;
        let page: LogPage = project.api.get(&with_query(&path, &args, cursor)?).await?;
        cursor = show_and_move(context.output, &page)?.or(cursor);
    }
}

fn with_query(path: &str, args: &LogsArgs, after: Option<i64>) -> Result<String, UsageError> {
    let after = after.map(|cursor| cursor.to_string());
    let mut text = format!("{path}?limit={}", args.limit);
    let optional = [
        ("level", args.level.map(Level::as_str)),
        ("invocation_id", args.invocation.as_deref()),
        ("version", args.version.as_deref()),
        ("text", args.text.as_deref()),
        ("since", args.since.as_deref()),
        ("until", args.until.as_deref()),
        ("after", after.as_deref()),
    ];
    for (name, value) in optional {
        if let Some(value) = value {
            text += &format!("&{name}={}", segment(value)?);
        }
    }
    for (name, value) in &args.fields {
        text += &format!("&fields.{}={}", segment(name)?, segment(value)?);
    }
    Ok(text)
}

fn show(output: Output, page: &LogPage) -> anyhow::Result<()> {
    let value = json!({ "logs": page.logs });
    Ok(output.answer(&value, || match page.logs.as_slice() {
        [] => "nothing was logged".to_owned(),
        lines => lines.iter().map(|line| text(output, line)).collect::<Vec<_>>().join("\n"),
    })?)
}

/// Prints each line, as one JSON object for scripts, and gives the cursor behind them.
fn show_and_move(output: Output, page: &LogPage) -> anyhow::Result<Option<i64>> {
    for line in &page.logs {
        let shown = if output.is_json() { serde_json::to_string(line)? } else { text(output, line) };
        output.line(shown)?;
    }
    Ok(page.next)
}

fn text(output: Output, line: &LogLine) -> String {
    let colour = match line.level.as_str() {
        "error" => Colour::Red,
        "warn" => Colour::Yellow,
        "debug" => Colour::Grey,
        _ => Colour::Cyan,
    };
    let time = output.paint(Colour::Grey, printable(&line.at));
    let level = output.paint(colour, format_args!("{:<5}", printable(&line.level)));
    format!("{time} {level} {}", printable(line.message.trim_end_matches('\n')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_time_level_and_message_and_no_foreign_escapes() {
        let line: LogLine = serde_json::from_value::<LogLine>(json!({
            "at": "2026-01-31T12:00:00Z", "level": "warn", "message": "low\u{1b}[2J\n", "invocation_id": null, "version": "v1"
        }))
        .unwrap();
        let shown = text(Output::new(false, true), &line);
        assert_eq!(shown, "2026-01-31T12:00:00Z warn  low\u{fffd}[2J");
    }
}
