use crate::Application;
use crate::memory::Memory;
use crate::spec::SessionSecrets;
use serde_json::{Value, json};
use service_kit::clock::Clock;
use std::collections::HashSet;
use std::sync::Arc;

fn document(handlers: &Value) -> Value {
    let manifest =
        json!({"handlers": handlers, "application": {"name": "shop", "openapi": {"version": "2"}}});
    let secrets = SessionSecrets::default();
    let application =
        Application::load(&manifest, &secrets, (Arc::new(Memory::default()), None), Clock::system());
    let first = application.unwrap().openapi("/");
    let again = Application::load(&manifest, &secrets, (Arc::new(Memory::default()), None), Clock::system());
    assert_eq!(first.to_string(), again.unwrap().openapi("/").to_string());
    first
}

fn update() -> Value {
    json!({
        "name": "tasks.update",
        "triggers": [
            {"kind": "http", "methods": ["PUT"], "path": "/orgs/:org/tasks/:id"},
            {"kind": "http", "methods": ["GET", "HEAD"], "path": "/tasks/:id"},
            {"kind": "cron", "schedule": "* * * * *"},
            {"kind": "webhook", "path": "/hooks/in"},
        ],
        "guards": [{"name": "parallel", "options": {"guards": [{"name": "inOrg"}]}},
            {"name": "rateLimit", "options": {"limit": 1, "windowMs": 1000}}],
        "input": {"type": "object", "required": ["id", "title", "token"], "properties": {
            "id": {"type": "integer"}, "title": {"type": "string"}, "token": {"type": "string"},
            "at": {"type": "Date"}, "pair": {"type": "array", "items": [{"type": "string"}], "additionalItems": false,
                "minItems": 1, "maxItems": 1}}},
        "output": {"type": "object", "required": ["ok", "etag"],
            "properties": {"ok": {"type": "boolean"}, "etag": {"type": "string"}}},
        "action": {"module": "tasks", "description": "Changes a task.",
            "input_fields": {"token": {"in": "header", "name": "x-token"}},
            "output_fields": {"etag": {"in": "header", "name": "etag"}}},
    })
}

fn named(operation: &Value) -> Vec<String> {
    let parameters = operation["parameters"].as_array().unwrap();
    let name = |parameter: &Value| {
        let text = |field: &str| parameter[field].as_str().unwrap().to_owned();
        format!("{} {} {}", text("in"), text("name"), parameter["required"])
    };
    parameters.iter().map(name).collect()
}

#[test]
fn the_document_says_what_is_on_the_wire() {
    let document = document(&json!([update()]));
    let put = &document["paths"]["/orgs/{org}/tasks/{id}"]["put"];
    assert_eq!(put["operationId"], "tasks.update");
    assert_eq!(named(put), ["path org true", "path id true", "header x-token true"]);
    assert_eq!(put["parameters"][1]["schema"], json!({"type": "integer"}));
    let body = &put["requestBody"]["content"]["application/json"]["schema"];
    assert_eq!(body["required"], json!(["title"]));
    assert_eq!(body["properties"]["at"], json!({"type": "string", "format": "date-time"}));
    assert_eq!(body["properties"]["pair"]["prefixItems"], json!([{"type": "string"}]));
    assert!(put["requestBody"]["content"].get("multipart/form-data").is_some());
    let success = &put["responses"]["200"];
    let data = &success["content"]["application/json"]["schema"]["properties"]["data"];
    assert_eq!(data["required"], json!(["ok"]));
    assert!(success["headers"].get("etag").is_some());
    let statuses: Vec<_> = put["responses"].as_object().unwrap().keys().cloned().collect();
    assert_eq!(statuses, ["200", "2XX", "400", "401", "403", "404", "413", "415", "429", "500", "default"]);
    assert_eq!(put["security"][1], json!({"bearer": []}));

    let get = &document["paths"]["/tasks/{id}"];
    assert!(get.get("head").is_none());
    assert_eq!(get["get"]["operationId"], "tasks.update.get");
    let mut parameters = named(&get["get"]);
    parameters.sort();
    assert_eq!(parameters[2..], ["query at false", "query pair false", "query title true"]);
    assert!(get["get"].get("requestBody").is_none());
    assert!(document["paths"]["/hooks/in"]["post"]["requestBody"]["content"].get("*/*").is_some());
    assert_eq!(document["info"], json!({"title": "shop", "version": "2"}));
}

#[test]
fn references_parameters_and_names_hold_together() {
    let handlers = json!([update(), {"name": "free", "triggers": [{"kind": "http", "path": "/files/*"}]}]);
    let document = document(&handlers);
    let mut names = HashSet::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for operation in methods.as_object().unwrap().values() {
            assert!(names.insert(operation["operationId"].as_str().unwrap().to_owned()), "{operation}");
            let in_path = path.matches('{').count();
            let declared = operation.get("parameters").map(|_| named(operation)).unwrap_or_default();
            assert_eq!(declared.iter().filter(|name| name.starts_with("path")).count(), in_path, "{path}");
            for response in operation["responses"].as_object().unwrap().values() {
                if let Some(to) = response.get("$ref").and_then(Value::as_str) {
                    assert!(document.pointer(to.trim_start_matches('#')).is_some(), "{to}");
                }
            }
        }
    }
    assert_eq!(names.len(), 8);
    assert!(document["paths"]["/files/{rest}"]["get"].get("security").is_none());
}

#[test]
fn files_come_in_forms_alone() {
    let file = json!({"type": "object", "required": ["filename", "data"], "properties": {
        "filename": {"type": "string"}, "data": {"type": "Uint8Array"}}});
    let upload = json!({
        "name": "upload",
        "triggers": [{"kind": "http", "methods": ["POST"], "path": "/albums/:album"}],
        "input": {"type": "object", "required": ["album", "caption", "images"], "properties": {
            "album": {"type": "string"}, "caption": {"type": "string"}, "cover": file,
            "images": {"type": "array", "items": file}}},
    });
    let document = document(&json!([upload]));
    let body = &document["paths"]["/albums/{album}"]["post"]["requestBody"];
    let binary = json!({"type": "string", "format": "binary"});
    let form = json!({"type": "object", "required": ["caption", "images"], "properties": {
        "caption": {"type": "string"}, "cover": binary, "images": {"type": "array", "items": binary}}});
    assert_eq!(*body, json!({"required": true, "content": {"multipart/form-data": {"schema": form}}}));
}
