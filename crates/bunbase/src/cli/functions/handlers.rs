//! The handlers of a manifest as people read them: what starts each of them, in a word or two.

use serde_json::{Value, json};

/// Every path, which goes without saying.
const EVERY_PATH: &str = "/*";

/// A list for a table: `name`, `export`, `triggers` and `timeout`.
pub(super) fn listed(manifest: &Value) -> Value {
    let listed: Vec<Value> = handlers(manifest)
        .map(|handler| {
            let triggers: Vec<String> = triggers(handler).map(text).collect();
            let timeout_ms = handler["limits"]["execution_timeout_ms"].as_u64();
            json!({
                "name": handler["name"],
                "export": handler["export"],
                "triggers": triggers.join(", "),
                "timeout": timeout_ms.map_or_else(String::new, |timeout_ms| format!("{timeout_ms} ms")),
            })
        })
        .collect();
    json!({ "handlers": listed })
}

/// A line for each trigger, with its handler where there are several; none for one handler that takes every request,
/// which its address says.
pub(super) fn told(manifest: &Value) -> Vec<String> {
    let are_several = handlers(manifest).count() > 1;
    let lines = handlers(manifest).flat_map(|handler| {
        let name = handler["name"].as_str().unwrap_or_default();
        triggers(handler)
            .map(text)
            .filter(move |text| are_several || text != "http")
            .map(move |text| if are_several { format!("{name}: {text}") } else { text })
    });
    lines.collect()
}

fn handlers(manifest: &Value) -> impl Iterator<Item = &Value> {
    manifest["handlers"].as_array().into_iter().flatten()
}

fn triggers(handler: &Value) -> impl Iterator<Item = &Value> {
    handler["triggers"].as_array().into_iter().flatten()
}

/// `cron 0 6 * * *`, `http GET,HEAD /orders/:id`.
fn text(trigger: &Value) -> String {
    let kind = trigger["kind"].as_str().unwrap_or_default();
    let methods: Vec<&str> =
        trigger["methods"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let subject = ["schedule", "topic", "collection", "queue", "path", "name"];
    let subject =
        subject.iter().find_map(|field| trigger[*field].as_str()).filter(|text| *text != EVERY_PATH);
    let parts = [kind, &methods.join(","), subject.unwrap_or_default()];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_handlers_are_named_and_a_plain_one_says_nothing() {
        let plain =
            json!({ "handlers": [{ "name": "default", "triggers": [{ "kind": "http", "path": "/*" }] }] });
        assert_eq!(told(&plain), Vec::<String>::new());
        let manifest = json!({ "handlers": [
            { "name": "get", "export": "getOrder", "limits": { "execution_timeout_ms": 50 },
              "triggers": [{ "kind": "http", "methods": ["GET", "HEAD"], "path": "/orders/:id" }, { "kind": "cron", "schedule": "@daily" }] },
            { "name": "rest", "export": "rest", "triggers": [{ "kind": "http", "path": "/*" }] },
        ] });
        assert_eq!(told(&manifest), ["get: http GET,HEAD /orders/:id", "get: cron @daily", "rest: http"]);
        let first = &listed(&manifest)["handlers"][0];
        assert_eq!(
            (&first["triggers"], &first["timeout"]),
            (&"http GET,HEAD /orders/:id, cron @daily".into(), &"50 ms".into())
        );
    }
}
