//! Tools: what handlers offer to clients of the Model Context Protocol. A call of a tool is a call of its handler,
//! through the one executor.

mod answer;
mod catalogue;
mod server;

pub(crate) use server::{REQUEST_BYTES_MAX, Scope, serve};

use crate::manifest::{Handler, Manifest, ToolTrigger, Trigger};
use rmcp::model::{JsonObject, Tool};
use serde_json::{Value, json};
use std::sync::Arc;

/// A tool of a version.
#[derive(Debug)]
pub(crate) struct DeclaredTool {
    handler: Arc<str>,
    tool: Tool,
}

/// The tools of a manifest.
pub(crate) fn declared(manifest: &Manifest) -> Arc<[DeclaredTool]> {
    let of_handler = |handler: &Handler| {
        let tools = handler.triggers.iter().filter_map(|trigger| match trigger {
            Trigger::Tool(tool) => Some(declare(handler, tool)),
            _ => None,
        });
        tools.collect::<Vec<_>>()
    };
    manifest.handlers.iter().flat_map(of_handler).collect()
}

fn declare(handler: &Handler, trigger: &ToolTrigger) -> DeclaredTool {
    let (name, description) = (trigger.name.clone(), trigger.description.clone());
    // What actions declare is for TypeBox.
    let told = |schema: &Option<JsonObject>| match (schema, &handler.action) {
        (Some(schema), Some(_)) => Some(actions::published(schema)),
        _ => schema.clone(),
    };
    let mut tool = Tool::new(name, description, arguments(told(&handler.input).as_ref()));
    // The protocol knows answers that are objects only.
    tool.output_schema = told(&handler.output).filter(is_object).map(Arc::new);
    let hints = trigger.annotations.as_ref().and_then(|hints| serde_json::from_value(json!(hints)).ok());
    tool.annotations = hints;
    DeclaredTool { handler: handler.name.as_str().into(), tool }
}

/// The schema of a tool's arguments, which are an object whatever else they are.
fn arguments(input: Option<&JsonObject>) -> Arc<JsonObject> {
    let mut object = JsonObject::from_iter([("type".to_owned(), json!("object"))]);
    match input {
        Some(input) if is_object(input) => return Arc::new(input.clone()),
        Some(input) => drop(object.insert("allOf".to_owned(), json!([input]))),
        None => {}
    }
    Arc::new(object)
}

fn is_object(schema: &JsonObject) -> bool {
    schema.get("type").and_then(Value::as_str) == Some("object")
}
