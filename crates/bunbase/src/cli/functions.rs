//! Functions: write one to start from, deploy, list, call, watch, remove.

mod bundle;
mod deploy;
mod entry;
mod init;
mod invoke;
mod logs;

use super::api::segment;
use super::context::Context;
use super::output::printable;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// What can be done with functions.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum FunctionsCommand {
    /// Write a function to start from
    Init(init::InitArgs),
    /// Bundle a file, a directory, or all of a directory's functions/, and put it on the server
    Deploy(deploy::DeployArgs),
    /// List the project's functions
    List,
    /// Call a function
    Invoke(invoke::InvokeArgs),
    /// Show what a function logged
    Logs(logs::LogsArgs),
    /// Remove a function with all of its versions
    Delete {
        /// Name of the function
        name: String,
    },
}

#[derive(Deserialize)]
struct FunctionList {
    functions: Vec<FunctionInfo>,
}

/// A function as the server tells it: what the table shows, and the rest as it came.
#[derive(Debug, Deserialize, Serialize)]
struct FunctionInfo {
    name: String,
    version: String,
    runtime: String,
    access: String,
    updated_at: String,
    #[serde(flatten)]
    more: Map<String, Value>,
}

pub(crate) async fn run(context: &Context, command: FunctionsCommand) -> anyhow::Result<()> {
    match command {
        FunctionsCommand::Init(args) => init::run(context, &args),
        FunctionsCommand::Deploy(args) => deploy::run(context, args).await,
        FunctionsCommand::List => list(context).await,
        FunctionsCommand::Invoke(args) => invoke::run(context, args).await,
        FunctionsCommand::Logs(args) => logs::run(context, args).await,
        FunctionsCommand::Delete { name } => delete(context, &name).await,
    }
}

async fn list(context: &Context) -> anyhow::Result<()> {
    let project = context.project().await?;
    let list: FunctionList = project.api.get(&project.functions_path()?).await?;
    Ok(context.output.answer(&json!({ "functions": list.functions }), || {
        if list.functions.is_empty() {
            return "there is no function yet; make one with `bunbase functions init <directory>`".to_owned();
        }
        let rows = list.functions.into_iter().map(row).collect();
        context.output.table(["NAME", "VERSION", "RUNTIME", "ACCESS", "UPDATED"], rows)
    })?)
}

fn row(function: FunctionInfo) -> [String; 5] {
    let FunctionInfo { name, version, runtime, access, updated_at, more: _ } = function;
    [name, version, runtime, access, updated_at].map(|text| printable(&text))
}

async fn delete(context: &Context, name: &str) -> anyhow::Result<()> {
    let name_segment = segment(name)?;
    let project = context.project().await?;
    project.api.delete(&format!("{}/{name_segment}", project.functions_path()?)).await?;
    Ok(context.output.answer(&json!({ "deleted": name }), || format!("{name} is removed"))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_table_does_not_show_is_kept_for_scripts() {
        let value = json!({
            "name": "hello", "version": "v2", "runtime": "bun", "access": "key", "updated_at": "today", "id": "fun_1",
        });
        let function: FunctionInfo = serde_json::from_value(value.clone()).unwrap();
        assert_eq!(serde_json::to_value(&function).unwrap(), value);
        assert_eq!(row(function), ["hello", "v2", "bun", "key", "today"]);
    }
}
