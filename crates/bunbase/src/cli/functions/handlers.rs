//! The handlers of a manifest as people read them: what starts each of them, in a word or two.

use serde_json::{Value, json};

/// Every path, which goes without saying.
const EVERY_PATH: &str = "/*";

/// So many triggers are named in a cell of a table.
const TRIGGERS_TOLD: usize = 4;

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

/// What `told` says in a cell of a table: many triggers are counted by their kind.
pub(super) fn brief(told: &[String]) -> String {
    if told.len() <= TRIGGERS_TOLD {
        return told.join(", ");
    }
    let mut kinds: Vec<(&str, usize)> = Vec::new();
    for line in told {
        let text = line.split_once(": ").map_or(line.as_str(), |(_, text)| text);
        let kind = text.split(' ').next().unwrap_or(text);
        match kinds.iter_mut().find(|(known, _)| *known == kind) {
            Some((_, count)) => *count += 1,
            None => kinds.push((kind, 1)),
        }
    }
    kinds.iter().map(|(kind, count)| format!("{count} {kind}")).collect::<Vec<_>>().join(", ")
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
        assert_eq!(brief(&told(&manifest)), "get: http GET,HEAD /orders/:id, get: cron @daily, rest: http");
        let many: Vec<String> = ["a: http GET /a", "a: cron @daily", "b: http GET /b", "http", "c: tool c"]
            .map(str::to_owned)
            .into();
        assert_eq!(brief(&many), "3 http, 1 cron, 1 tool");
        let first = &listed(&manifest)["handlers"][0];
        assert_eq!(
            (&first["triggers"], &first["timeout"]),
            (&"http GET,HEAD /orders/:id, cron @daily".into(), &"50 ms".into())
        );
    }
}
