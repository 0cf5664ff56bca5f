//! The tools of a project by the names that its clients know them by.

use super::DeclaredTool;
use crate::registry::FunctionTools;
use crate::settings::AccessSetting;
use rmcp::model::Tool;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// A tool that is offered.
#[derive(Debug, Clone)]
pub(super) struct Offered {
    pub(super) function: Box<str>,
    pub(super) access: AccessSetting,
    /// Whether its answers stand in the envelope of applications.
    pub(super) is_application: bool,
    pub(super) handler: Arc<str>,
    /// Under the name that it is offered by.
    pub(super) tool: Tool,
}

/// The tools of `functions`. What two of them call the same has the function's name in front, whoever asks.
pub(super) fn offered(mut functions: Vec<FunctionTools>) -> BTreeMap<String, Offered> {
    functions.sort_by(|one, other| one.function.cmp(&other.function));
    let mut counts = HashMap::<String, u32>::new();
    for tool in functions.iter().flat_map(|function| &*function.tools) {
        *counts.entry(tool.tool.name.to_string()).or_default() += 1;
    }
    let mut offered = BTreeMap::new();
    for function in &functions {
        for DeclaredTool { handler, tool } in &*function.tools {
            let name = match counts.get(&*tool.name) {
                Some(2..) => format!("{}_{}", function.function, tool.name),
                _ => tool.name.to_string(),
            };
            let mut tool = tool.clone();
            tool.name = name.clone().into();
            offered.entry(name).or_insert_with(|| Offered {
                function: function.function.clone(),
                access: function.access,
                is_application: function.is_application,
                handler: handler.clone(),
                tool,
            });
        }
    }
    offered
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::Manifest;
    use crate::runtime::Runtime;
    use serde_json::json;

    fn function(name: &str, tools: &[&str]) -> FunctionTools {
        let triggers: Vec<_> =
            tools.iter().map(|tool| json!({ "kind": "tool", "name": tool, "description": "d" })).collect();
        let manifest = json!({ "version": 1, "handlers": [{ "name": "f", "triggers": triggers }] });
        let manifest = Manifest::of_field(manifest, Runtime::Bun).unwrap();
        FunctionTools {
            function: name.into(),
            access: AccessSetting::Public,
            is_application: false,
            tools: super::super::declared(&manifest),
        }
    }

    #[test]
    fn what_two_functions_call_the_same_is_told_apart() {
        let functions = vec![function("shop", &["find", "buy"]), function("files", &["find"])];
        let names: Vec<_> = offered(functions).into_keys().collect();
        assert_eq!(names, ["buy", "files_find", "shop_find"]);
    }
}
