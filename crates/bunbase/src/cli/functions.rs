//! Functions: write one to start from, deploy, choose versions, set variables, list, call, watch, remove.

pub(crate) mod bundle;
mod deploy;
mod describe;
mod dev;
mod domains;
pub(crate) mod entry;
mod env;
mod handlers;
mod init;
mod invoke;
mod logs;
mod runs;
mod versions;

pub(crate) use deploy::DeployArgs;
pub(crate) use dev::{DevArgs, Mode, StartArgs, kept, serve_once, start};
pub(crate) use invoke::read_body;

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
    /// Run a directory here: each save takes the next call
    Dev(dev::DevArgs),
    /// Bundle a file, a directory, or all of a directory's functions/, and put it on the server
    Deploy(deploy::DeployArgs),
    /// List the project's functions
    List,
    /// Show what holds for a function, and what became of it
    Describe {
        /// Name of the function
        name: String,
    },
    /// List the versions of a function
    Versions {
        /// Name of the function
        name: String,
    },
    /// Let a version that is built take all calls
    Promote {
        /// Name of the function
        name: String,
        /// Name of the version
        version: String,
    },
    /// Go back to an earlier version
    Rollback {
        /// Name of the function
        name: String,
        /// Name of the version [default: the one that was active before]
        version: Option<String>,
    },
    /// Share the calls between two versions by weight
    #[command(after_help = "Example:\n  bunbase functions traffic shop v1=90 v2=10")]
    Traffic(versions::TrafficArgs),
    /// Names under which single versions can be called
    #[command(subcommand)]
    Alias(versions::AliasCommand),
    /// Variables of a function, or of all functions of the project
    #[command(subcommand)]
    Env(env::EnvCommand),
    /// Domains that mean a function
    #[command(subcommand)]
    Domains(domains::DomainsCommand),
    /// Call a function
    Invoke(invoke::InvokeArgs),
    /// Show what a function logged
    Logs(logs::LogsArgs),
    /// List the calls of a function that have ended
    Runs(runs::RunsArgs),
    /// Show how many calls there were, how they ended and how long they took
    Metrics(runs::MetricsArgs),
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
    version: Option<String>,
    runtime: String,
    access: String,
    updated_at: String,
    #[serde(flatten)]
    more: Map<String, Value>,
}

pub(crate) async fn run(context: &Context, command: FunctionsCommand) -> anyhow::Result<()> {
    match command {
        FunctionsCommand::Init(args) => init::run(context, &args),
        FunctionsCommand::Dev(args) => Box::pin(dev::run(context, args)).await,
        FunctionsCommand::Deploy(args) => deploy::run(context, args).await,
        FunctionsCommand::List => list(context).await,
        FunctionsCommand::Describe { name } => describe::run(context, &name).await,
        FunctionsCommand::Versions { name } => versions::list(context, &name).await,
        FunctionsCommand::Promote { name, version } => versions::promote(context, &name, &version).await,
        FunctionsCommand::Rollback { name, version } => versions::rollback(context, &name, version).await,
        FunctionsCommand::Traffic(args) => versions::share(context, args).await,
        FunctionsCommand::Alias(command) => versions::alias(context, command).await,
        FunctionsCommand::Env(command) => env::run(context, command).await,
        FunctionsCommand::Domains(command) => domains::run(context, command).await,
        FunctionsCommand::Invoke(args) => invoke::run(context, args).await,
        FunctionsCommand::Logs(args) => logs::run(context, args).await,
        FunctionsCommand::Runs(args) => runs::list(context, &args).await,
        FunctionsCommand::Metrics(args) => runs::metrics(context, &args).await,
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
    let version = version.unwrap_or_else(|| "-".to_owned());
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
