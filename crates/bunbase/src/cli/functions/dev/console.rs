//! What the command says: lines for people, or with `--json` one object for each event.

use super::running::Live;
use crate::cli::functions::bundle::{Problem, Unsound};
use crate::cli::functions::handlers::brief;
use crate::cli::output::{Colour, Output, printable};
use run_log::{Level, StoredLine};
use serde_json::{Value, json};
use service_kit::clock::rfc3339;
use std::time::Duration;

/// Characters of an invocation's id that tell it from others at a glance: its end, which is random.
const INVOCATION_CHARACTERS: usize = 6;

pub(super) struct Console {
    output: Output,
    /// Standard output is for an answer: everything goes to standard error.
    is_aside: bool,
}

impl Console {
    pub(super) fn new(output: Output) -> Self {
        Self { output, is_aside: false }
    }

    pub(super) fn aside(output: Output) -> Self {
        Self { output, is_aside: true }
    }

    fn say(&self, value: &Value, text: impl FnOnce() -> String) -> anyhow::Result<()> {
        if self.is_aside {
            let text = if self.output.is_json() { value.to_string() } else { text() };
            self.output.progress(text);
            return Ok(());
        }
        Ok(if self.output.is_json() { self.output.line(value) } else { self.output.line(text()) }?)
    }

    pub(super) fn ready(
        &self,
        (url, keys): (&str, &str),
        project: &str,
        took: Duration,
    ) -> anyhow::Result<()> {
        let value = json!({ "event": "ready", "url": url, "project_id": project });
        self.say(&value, || {
            let url = self.output.paint(Colour::Green, url);
            let where_keys = format!("keys for other commands: {keys}");
            let where_keys = self.output.paint(Colour::Grey, &where_keys);
            format!("BunBase is ready on {url} ({} ms)  {where_keys}", took.as_millis())
        })
    }

    /// Where Studio's API is, and what opens it until the command ends.
    pub(super) fn studio(&self, url: &str, token: &str) -> anyhow::Result<()> {
        let value = json!({ "event": "studio", "url": url, "token": token });
        self.say(&value, || {
            let token = self.output.paint(Colour::Grey, format_args!("token: {token}"));
            format!("Studio's API is on {}  {token}", self.output.paint(Colour::Green, url))
        })
    }

    /// Everything that takes calls, at the start.
    pub(super) fn table<'a>(
        &self,
        url: &str,
        functions: impl Iterator<Item = &'a Live>,
    ) -> anyhow::Result<()> {
        let rows: Vec<_> = functions
            .map(|live| {
                let address =
                    if live.is_application() { url.to_owned() } else { format!("{url}{}", live.url) };
                [live.name.clone(), live.access.clone(), address, brief(&live.triggers)]
            })
            .collect();
        if self.output.is_json() || self.is_aside || rows.is_empty() {
            return Ok(());
        }
        let rows = rows.into_iter().map(|row| row.map(|cell| printable(&cell))).collect();
        Ok(self.output.line(self.output.table(["FUNCTION", "ACCESS", "ADDRESS", "TRIGGERS"], rows))?)
    }

    /// A function takes calls with new code.
    pub(super) fn live(&self, live: &Live, took: Duration) -> anyhow::Result<()> {
        let Live { name, version, access, url, triggers, .. } = live;
        let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        let value = json!({
            "event": "live", "function": name, "version": version, "access": access, "url": url,
            "triggers": triggers, "took_ms": took_ms,
        });
        self.say(&value, || {
            let state = self.output.paint(Colour::Green, "live");
            format!("{state}  {} ({took_ms} ms)", printable(name))
        })
    }

    pub(super) fn removed(&self, name: &str) -> anyhow::Result<()> {
        let value = json!({ "event": "removed", "function": name });
        self.say(&value, || format!("{}  {}", self.output.paint(Colour::Yellow, "gone"), printable(name)))
    }

    /// What is in the files of a function does not run.
    pub(super) fn failed(&self, name: &str, error: &anyhow::Error, serves: bool) -> anyhow::Result<()> {
        let problems = match error.downcast_ref::<Unsound>() {
            Some(unsound) => unsound.problems.clone(),
            None => vec![Problem::of(format!("{error:#}"))],
        };
        let told: Vec<_> = problems.iter().map(|problem| json!(problem)).collect();
        let value =
            json!({ "event": "failed", "function": name, "errors": told, "serves_last_good": serves });
        self.say(&value, || {
            let rest =
                if serves { ": the version before goes on serving" } else { ": it takes no calls yet" };
            let failed = self.output.paint(Colour::Red, "failed");
            let head = format!("{failed}  {}{rest}", printable(name));
            problems.iter().fold(head, |text, problem| format!("{text}\n{}", self.problem_text(problem)))
        })
    }

    /// Place and reason, and under them the line with a mark.
    fn problem_text(&self, problem: &Problem) -> String {
        let reason = printable(&problem.message);
        let Some(place) = problem.place() else { return format!("  {reason}") };
        let mut text = format!("  {}: {reason}", self.output.paint(Colour::Cyan, printable(&place)));
        if let (Some(line), Some(column)) = (&problem.text, problem.column) {
            let before: String = line.chars().take(column.saturating_sub(1) as usize).collect();
            // Tabs stay, so that the mark stands under its character.
            let blank: String = before.chars().map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
            text += &format!("\n    {}\n    {blank}{}", printable(line), self.output.paint(Colour::Red, "^"));
        }
        text
    }

    /// Something else is wrong; the rest goes on.
    pub(super) fn problem(&self, message: &str) -> anyhow::Result<()> {
        let value = json!({ "event": "problem", "message": message });
        self.say(&value, || format!("{}  {}", self.output.paint(Colour::Red, "problem"), printable(message)))
    }

    /// A migration was applied.
    pub(super) fn migrated(&self, name: &str) -> anyhow::Result<()> {
        let value = json!({ "event": "migrated", "migration": name });
        self.say(&value, || format!("{}  {}", self.output.paint(Colour::Green, "migrated"), printable(name)))
    }

    /// The variables are those of the files.
    pub(super) fn variables(&self, count: usize) -> anyhow::Result<()> {
        let value = json!({ "event": "variables", "count": count });
        self.say(&value, || format!("{}  {count} set", self.output.paint(Colour::Green, "variables")))
    }

    /// A line of a function.
    pub(super) fn log(&self, name: &str, line: &StoredLine) -> anyhow::Result<()> {
        let at = rfc3339(line.at_ms);
        let value = json!({
            "event": "log", "function": name, "version": line.version, "at": at,
            "level": line.level.as_str(), "message": line.message, "invocation_id": line.invocation_id,
        });
        self.say(&value, || {
            let colour = match line.level {
                Level::Error => Colour::Red,
                Level::Warn => Colour::Yellow,
                Level::Info => Colour::Cyan,
                Level::Debug => Colour::Grey,
            };
            let time = self.output.paint(Colour::Grey, time_of_day(line.at_ms));
            let level = self.output.paint(colour, format_args!("{:<5}", line.level.as_str()));
            let call = self.output.paint(Colour::Grey, end_of(line.invocation_id.as_deref()));
            let message = printable(line.message.trim_end_matches('\n'));
            format!("{time} {level} {} {call} {message}", printable(name))
        })
    }

    pub(super) fn stopped(&self) -> anyhow::Result<()> {
        self.say(&json!({ "event": "stopped" }), || "stopped".to_owned())
    }
}

/// The time within the day (UTC) in a fixed width.
fn time_of_day(epoch_ms: i64) -> String {
    let ms = epoch_ms.rem_euclid(24 * 60 * 60 * 1_000);
    let (hours, minutes, seconds) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1_000 % 60);
    format!("{hours:02}:{minutes:02}:{seconds:02}.{:03}", ms % 1_000)
}

fn end_of(invocation: Option<&str>) -> &str {
    let id = invocation.unwrap_or("-");
    id.get(id.len().saturating_sub(INVOCATION_CHARACTERS)..).unwrap_or(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistake_is_shown_under_its_line() {
        let problem = Problem {
            message: "Unexpected ;".to_owned(),
            file: Some("a.ts".to_owned()),
            line: Some(3),
            column: Some(4),
            text: Some("\tlet;".to_owned()),
        };
        let console = Console::new(Output::new(false, true));
        assert_eq!(console.problem_text(&problem), "  a.ts:3:4: Unexpected ;\n    \tlet;\n    \t  ^");
    }

    #[test]
    fn a_call_is_told_by_the_end_of_its_id() {
        assert_eq!((end_of(Some("inv_0123456789")), end_of(None)), ("456789", "-"));
    }
}
