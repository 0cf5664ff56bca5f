//! The OpenAPI 3.1 document of an application: what is on the wire, from what the manifest says. The same manifest
//! gives the same text. `HEAD`, which goes with every `GET`, is not listed.

mod operation;
mod schemas;

use crate::application::Application;
use crate::input::takes_body;
use crate::spec::{HandlerSpec, TriggerSpec};
use http::Method;
use operation::Operation;
pub use schemas::published;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, HashSet};

/// Methods of a trigger that takes any.
const ALL_METHODS: [&str; 5] = ["GET", "POST", "PUT", "PATCH", "DELETE"];
/// What the parameter of `*` is called.
const REST: &str = "rest";

impl Application {
    /// The document, for an application whose paths begin at `server`, such as `/` or `/v1/apps/prj_1`.
    pub fn openapi(&self, server: &str) -> Value {
        let mut paths = BTreeMap::<String, Map<String, Value>>::new();
        let mut names = HashSet::new();
        for handler in self.handlers.iter().filter(|handler| !handler.spec.internal) {
            for (index, trigger) in handler.spec.triggers.iter().enumerate() {
                for method in methods(trigger) {
                    let operation = Operation { handler: &handler.spec, trigger, index, method: &method };
                    let name = unique(&handler.spec.name, &method, index, &mut names);
                    let path = paths.entry(template(&trigger.path)).or_default();
                    path.insert(method.as_str().to_ascii_lowercase(), operation.describe(name));
                }
            }
        }
        let title = self.spec.openapi.title.as_ref().or(self.spec.name.as_ref());
        json!({
            "openapi": "3.1.0",
            "info": {
                "title": title.map_or("BunBase application", String::as_str),
                "version": self.spec.openapi.version.as_deref().unwrap_or("1.0.0"),
            },
            "servers": [{ "url": server }],
            "paths": paths,
            "components": {
                "schemas": { "Error": schemas::error() },
                "responses": schemas::responses(),
                "securitySchemes": {
                    "session": { "type": "apiKey", "in": "cookie", "name": self.spec.auth.cookie.name },
                    "bearer": { "type": "http", "scheme": "bearer" },
                    "apiKey": { "type": "apiKey", "in": "header", "name": "x-api-key" },
                },
            },
        })
    }
}

fn methods(trigger: &TriggerSpec) -> Vec<Method> {
    let written: Vec<&str> = match trigger.kind.as_str() {
        "http" if trigger.methods.is_empty() => ALL_METHODS.to_vec(),
        "http" => trigger.methods.iter().map(String::as_str).collect(),
        "webhook" => vec!["POST"],
        _ => Vec::new(),
    };
    let is_listed = |method: &Method| *method != Method::HEAD && *method != Method::OPTIONS;
    written.into_iter().filter_map(|method| method.parse().ok()).filter(is_listed).collect()
}

/// `/tasks/:id/*` as `/tasks/{id}/{rest}`.
fn template(path: &str) -> String {
    let segment = |segment: &str| match segment.strip_prefix(':') {
        Some(name) => format!("{{{name}}}"),
        None if segment == "*" => format!("{{{REST}}}"),
        None => segment.to_owned(),
    };
    path.split('/').map(segment).collect::<Vec<_>>().join("/")
}

/// The name of the action, where that is still free.
fn unique(name: &str, method: &Method, index: usize, names: &mut HashSet<String>) -> String {
    let with_method = format!("{name}.{}", method.as_str().to_ascii_lowercase());
    let candidates = [name.to_owned(), with_method.clone(), format!("{with_method}.{index}")];
    let free = candidates.into_iter().find(|candidate| !names.contains(candidate)).unwrap_or(with_method);
    names.insert(free.clone());
    free
}

/// Whether the input of a trigger is made by a function in Bun.
fn is_mapped(handler: &HandlerSpec, index: usize) -> bool {
    handler.action.mapped.contains(&index)
}

#[cfg(test)]
mod tests;
