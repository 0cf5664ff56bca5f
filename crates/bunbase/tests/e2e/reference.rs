//! The reference of functions in `docs/functions` has what the server declares: routes, who may, codes.

use crate::authorisation::TABLE;
use crate::server::{Data, Server};
use serde_json::{Map, Value};
use std::collections::BTreeSet;

const API: &str = include_str!("../../../../docs/functions/api.md");
const TROUBLESHOOTING: &str = include_str!("../../../../docs/functions/troubleshooting.md");

/// Codes that a route answers without declaring them.
const EVERYWHERE: [&str; 8] = [
    "headers_too_large",
    "internal",
    "invalid_json",
    "method_not_allowed",
    "project_not_found",
    "request_timeout",
    "shutting_down",
    "unsupported_media_type",
];

type Item = Map<String, Value>;

/// The operations of a path that are functions', with their methods; those for any method once.
fn operations(item: &Item) -> Vec<(String, &Value)> {
    let own = item.iter().filter(|(_, operation)| operation["tags"][0] == "functions");
    let mut own: Vec<_> = own.map(|(method, one)| (method.to_ascii_uppercase(), one)).collect();
    if own.len() == 5 && own.iter().all(|(_, one)| one["summary"] == own[0].1["summary"]) {
        own.truncate(1);
        own[0].0 = "ANY".to_owned();
    }
    own
}

fn items(paths: &Item) -> impl Iterator<Item = (&String, (String, &Value))> {
    let of_path =
        |(path, item)| operations(Value::as_object(item).unwrap()).into_iter().map(move |one| (path, one));
    paths.iter().flat_map(of_path)
}

/// Whether the same is declared for keys, without the project in the path.
fn has_twin(paths: &Item, path: &str, operation: &Value) -> bool {
    let twin = path.strip_prefix("/v1/projects/{project}").and_then(|rest| paths.get(&format!("/v1{rest}")));
    let twin = twin.and_then(Value::as_object).map(operations).unwrap_or_default();
    twin.iter().any(|(_, other)| action(other).is_some() && other["summary"] == operation["summary"])
}

/// What the caller has to be allowed to do; for calls the function's `access` decides.
fn action(operation: &Value) -> Option<&str> {
    let access = &operation["x-bunbase-access"];
    access["project"].as_str().or(access["key"].as_str())
}

/// The name of a JSON body's schema.
fn schema(content: &Value) -> Option<String> {
    let named = content["application/json"]["schema"]["$ref"].as_str()?;
    named.rsplit('/').next().map(|name| format!("`{name}`"))
}

fn input(operation: &Value) -> String {
    let body = schema(&operation["requestBody"]["content"]);
    let body = body.map(|name| format!(" Body: {name}.")).unwrap_or_default();
    let parameters = operation["parameters"].as_array().into_iter().flatten();
    let query = parameters.filter(|one| one["in"] == "query").map(|one| one["name"].as_str().unwrap());
    let query: Vec<_> = query.map(|name| format!("`{name}`")).collect();
    if query.is_empty() { body } else { format!("{body} Query: {}.", query.join(", ")) }
}

fn answer((status, response): (&String, &Value)) -> String {
    match schema(&response["content"]) {
        _ if status == "default" => "the handler's".to_owned(),
        None => status.clone(),
        Some(name) if name == "`Error`" => format!("{status} {}", response["description"].as_str().unwrap()),
        Some(name) => format!("{status} {name}"),
    }
}

fn row(path: &str, (method, operation): (String, &Value)) -> String {
    let who = action(operation).unwrap_or("access");
    let responses = operation["responses"].as_object().unwrap().iter();
    let answers: Vec<_> = responses.filter(|(status, _)| *status != "401").map(answer).collect();
    let summary = operation["summary"].as_str().unwrap();
    format!("| `{method} {path}` | `{who}` | {summary}.{} | {} |", input(operation), answers.join("; "))
}

/// Schemas that have pages of their own.
const ELSEWHERE: [&str; 4] = ["Manifest", "FunctionSettings", "SettingsPatch", "SettingsView"];

/// The names of schemas that something refers to.
fn referred(value: &Value) -> Vec<&str> {
    match value {
        Value::Object(fields) => {
            let own = fields.get("$ref").and_then(Value::as_str).and_then(|path| path.rsplit('/').next());
            own.into_iter().chain(fields.values().flat_map(referred)).collect()
        }
        Value::Array(items) => items.iter().flat_map(referred).collect(),
        _ => Vec::new(),
    }
}

/// The fields of a schema, those that may be missing with a `?`, with the schemas that they hold.
fn fields(schema: &Value) -> Vec<String> {
    if let Some(parts) = schema["allOf"].as_array() {
        let part = |part: &Value| match part["$ref"].as_str() {
            Some(_) => vec![format!("all of `{}`", referred(part)[0])],
            None => fields(part),
        };
        return parts.iter().flat_map(part).collect();
    }
    let required =
        |name: &str| schema["required"].as_array().is_some_and(|all| all.iter().any(|one| one == name));
    let field = |(name, value): (&String, &Value)| {
        let held = referred(value).first().map(|held| format!(" (`{held}`)")).unwrap_or_default();
        format!("`{name}`{}{held}", if required(name) { "" } else { "?" })
    };
    schema["properties"].as_object().into_iter().flatten().map(field).collect()
}

/// Every schema of functions that has fields, as the page shows it.
fn shapes(paths: &Item, schemas: &Value) -> BTreeSet<String> {
    let mut open: Vec<_> = items(paths).flat_map(|(_, (_, operation))| referred(operation)).collect();
    let mut seen = BTreeSet::from(["Error"]);
    let mut rows = BTreeSet::new();
    while let Some(name) = open.pop() {
        let is_new = seen.insert(name) && !ELSEWHERE.contains(&name);
        let fields = fields(&schemas[name]);
        if is_new && !fields.is_empty() {
            rows.insert(format!("| `{name}` | {} |", fields.join(", ")));
            open.extend(referred(&schemas[name]));
        }
    }
    rows
}

/// Every code that a route of functions answers.
fn codes(paths: &Item) -> BTreeSet<&str> {
    let responses = items(paths).flat_map(|(_, (_, operation))| operation["responses"].as_object().unwrap());
    let errors = responses.filter(|(status, _)| status.starts_with(['4', '5']));
    let declared = errors.flat_map(|(_, response)| response["description"].as_str().unwrap().split(", "));
    declared.chain(EVERYWHERE).collect()
}

/// Whether a row of the page says who may do something.
fn is_of_an_action(line: &str) -> bool {
    TABLE.iter().any(|(action, _)| line.starts_with(&format!("| `{action}` |")))
}

#[tokio::test]
async fn the_pages_have_every_route_action_and_code_of_functions() {
    let data = Data::new();
    let server = Server::start(&data).await;
    let document = server.client().get("/openapi.json").await.expect(200);
    let paths = document["paths"].as_object().unwrap();
    let own = items(paths).filter(|(path, (_, operation))| !has_twin(paths, path, operation));
    let mut wanted: BTreeSet<_> = own.map(|(path, found)| row(path, found)).collect();
    wanted.append(&mut shapes(paths, &document["components"]["schemas"]));
    let shown = API.lines().filter(|line| line.starts_with("| `") && !is_of_an_action(line));
    let shown: BTreeSet<_> = shown.map(str::to_owned).collect();
    let (missing, extra) = (&wanted - &shown, &shown - &wanted);
    assert!(
        missing.is_empty() && extra.is_empty(),
        "docs/functions/api.md lacks {missing:#?} and has {extra:#?}"
    );
    let actions: BTreeSet<_> = items(paths).filter_map(|(_, (_, operation))| action(operation)).collect();
    for (action, may) in TABLE.iter().filter(|(action, _)| actions.contains(action)) {
        let cells = may.map(|yes| if yes { "yes" } else { "no" }).join(" | ");
        let row = format!("| `{action}` | {cells} |");
        assert!(API.contains(&row), "docs/functions/api.md lacks: {row}");
    }
    for code in codes(paths) {
        let is_there = TROUBLESHOOTING.contains(&format!("\n| `{code}` | "));
        assert!(is_there, "docs/functions/troubleshooting.md lacks `{code}`");
    }
    server.stop().await;
}
