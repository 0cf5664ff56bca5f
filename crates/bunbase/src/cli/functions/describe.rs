//! `functions describe`: what holds for a function and where it comes from, what takes its calls, what became of it.

use super::handlers;
use super::versions::path_of;
use crate::cli::context::Context;
use crate::cli::listing::Listing;
use crate::cli::output::{Output, printable};
use serde_json::{Value, json};

/// Changes that people are shown; scripts get all.
const CHANGES_SHOWN: usize = 10;

pub(super) async fn run(context: &Context, name: &str) -> anyhow::Result<()> {
    let project = context.project().await?;
    let answer: Value = project.api.get(&path_of(&project, name)?).await?;
    Ok(context.output.answer(&answer, || text(context.output, &answer))?)
}

fn text(output: Output, function: &Value) -> String {
    let fields = [
        "name",
        "id",
        "status",
        "version",
        "runtime",
        "handler",
        "access",
        "url",
        "registered_at",
        "built_at",
        "deployed_at",
    ];
    let head: Vec<String> = fields
        .iter()
        .filter_map(|field| {
            Some(format!("{:<15}{}", field.replace('_', " "), printable(function[*field].as_str()?)))
        })
        .collect();
    let part = |title: &str, field: &str, columns: &[(&'static str, &'static str)], entries: &Value| {
        let listing = Listing { field, columns, empty: "-" };
        format!("{title}\n{}", listing.text(output, entries))
    };
    let changes: Vec<&Value> =
        function["changes"].as_array().into_iter().flatten().take(CHANGES_SHOWN).collect();
    let parts = [
        head.join("\n"),
        part("CALLS GO TO", "traffic", &[("VERSION", "version"), ("WEIGHT", "weight")], function),
        part(
            "HANDLERS",
            "handlers",
            &[("HANDLER", "name"), ("EXPORT", "export"), ("STARTED BY", "triggers"), ("TIMEOUT", "timeout")],
            &handlers::listed(&function["manifest"]),
        ),
        part("ALIASES", "aliases", &[("ALIAS", "alias"), ("VERSION", "version")], function),
        part(
            "SETTINGS",
            "settings",
            &[("SETTING", "name"), ("VALUE", "value"), ("FROM", "from")],
            &settings(function),
        ),
        part(
            "CHANGES",
            "changes",
            &[("STATE", "state"), ("VERSION", "version"), ("AT", "at")],
            &json!({ "changes": changes }),
        ),
    ];
    parts.join("\n\n")
}

/// The settings as a list.
fn settings(function: &Value) -> Value {
    let named = function["settings_from"].as_object().into_iter().flatten();
    let list: Vec<Value> = named
        .map(|(name, setting)| json!({ "name": name, "value": setting["value"], "from": setting["from"] }))
        .collect();
    json!({ "settings": list })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_see_states_settings_and_where_they_come_from() {
        let function = json!({
            "name": "f", "status": "deployed", "version": "v2", "runtime": "quickjs", "deployed_at": "today", "aliases": [],
            "traffic": [{ "version": "v2", "weight": 1 }],
            "settings_from": { "max_workers": { "value": 3, "from": "manifest" } },
            "changes": [{ "state": "deployed", "version": "v2", "at": "today" }],
            "manifest": { "handlers": [{ "name": "tidy", "export": "sweep", "triggers": [{ "kind": "queue", "queue": "dust" }] }] },
        });
        let shown = text(Output::new(false, true), &function);
        for part in [
            "deployed at    today",
            "runtime        quickjs",
            "max_workers",
            "manifest",
            "CALLS GO TO",
            "sweep",
            "queue dust",
            "CHANGES",
        ] {
            assert!(shown.contains(part), "{part} in {shown}");
        }
    }
}
