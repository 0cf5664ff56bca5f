//! Versions of a function: list, promote, roll back, share calls, aliases.

use crate::cli::api::segment;
use crate::cli::context::{Context, Project};
use crate::cli::failure::UsageError;
use crate::cli::listing::Listing;
use crate::cli::output::printable;
use reqwest::Method;
use serde_json::{Value, json};

/// Arguments of `bunbase functions traffic`.
#[derive(Debug, clap::Args)]
pub(crate) struct TrafficArgs {
    /// Name of the function
    name: String,
    /// Versions with their weights, as version=weight
    #[arg(required = true, num_args = 1..=2, value_name = "VERSION=WEIGHT", value_parser = parse_share)]
    versions: Vec<(String, u32)>,
}

/// What can be done with aliases.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum AliasCommand {
    /// List the aliases of a function
    List {
        /// Name of the function
        name: String,
    },
    /// Give a version an address of its own
    Set {
        /// Name of the function
        name: String,
        /// The alias, such as preview-7
        alias: String,
        /// Name of the version
        version: String,
    },
    /// Remove an alias; its version stays
    Remove {
        /// Name of the function
        name: String,
        /// The alias
        alias: String,
    },
}

fn parse_share(text: &str) -> Result<(String, u32), String> {
    let wrong = || format!("{text:?} is not version=weight, such as v1=90");
    let (version, weight) =
        text.rsplit_once('=').filter(|(version, _)| !version.is_empty()).ok_or_else(wrong)?;
    Ok((version.to_owned(), weight.parse().map_err(|_| wrong())?))
}

/// Path of one function.
pub(super) fn path_of(project: &Project, name: &str) -> anyhow::Result<String> {
    Ok(format!("{}/{}", project.functions_path()?, segment(name)?))
}

pub(super) async fn list(context: &Context, name: &str) -> anyhow::Result<()> {
    let project = context.project().await?;
    let answer: Value = project.api.get(&format!("{}/versions", path_of(&project, name)?)).await?;
    let columns = [
        ("VERSION", "version"),
        ("STATUS", "status"),
        ("WEIGHT", "weight"),
        ("ALIASES", "aliases"),
        ("BUILT", "built_at"),
        ("DEPLOYED", "deployed_at"),
    ];
    let empty = "there is no version yet; make one with `bunbase functions deploy`";
    Ok(Listing { field: "versions", columns: &columns, empty }.show(context.output, &answer)?)
}

pub(super) async fn promote(context: &Context, name: &str, version: &str) -> anyhow::Result<()> {
    let project = context.project().await?;
    let path = format!("{}/versions/{}/deploy", path_of(&project, name)?, segment(version)?);
    let response = project.api.send(project.api.request(Method::POST, &path)).await?;
    tell(context, name, &project.api.read(response).await?)
}

pub(super) async fn rollback(context: &Context, name: &str, version: Option<String>) -> anyhow::Result<()> {
    let project = context.project().await?;
    let path = format!("{}/rollback", path_of(&project, name)?);
    tell(context, name, &project.api.post(&path, &json!({ "version": version })).await?)
}

fn tell(context: &Context, name: &str, answer: &Value) -> anyhow::Result<()> {
    let version = printable(answer["version"].as_str().unwrap_or_default());
    Ok(context.output.answer(answer, || format!("{version} of {name} takes the calls"))?)
}

pub(super) async fn share(context: &Context, args: TrafficArgs) -> anyhow::Result<()> {
    let project = context.project().await?;
    let path = format!("{}/traffic", path_of(&project, &args.name)?);
    let versions: Vec<Value> = args
        .versions
        .iter()
        .map(|(version, weight)| json!({ "version": version, "weight": weight }))
        .collect();
    let request = project.api.request(Method::PUT, &path).json(&json!({ "versions": versions }));
    let answer: Value = project.api.read(project.api.send(request).await?).await?;
    let shares: Vec<String> =
        args.versions.iter().map(|(version, weight)| format!("{version}={weight}")).collect();
    Ok(context.output.answer(&answer, || format!("calls of {} go to {}", args.name, shares.join(" ")))?)
}

pub(super) async fn alias(context: &Context, command: AliasCommand) -> anyhow::Result<()> {
    let project = context.project().await?;
    let output = context.output;
    let one = |name: &str, alias: &str| -> anyhow::Result<String> {
        Ok(format!("{}/aliases/{}", path_of(&project, name)?, segment(alias)?))
    };
    match command {
        AliasCommand::List { name } => {
            let answer: Value = project.api.get(&format!("{}/aliases", path_of(&project, &name)?)).await?;
            let columns = [("ALIAS", "alias"), ("VERSION", "version"), ("CHANGED", "updated_at")];
            let empty = "there is no alias; make one with `bunbase functions alias set`";
            Ok(Listing { field: "aliases", columns: &columns, empty }.show(output, &answer)?)
        }
        AliasCommand::Set { name, alias, version } => {
            if alias.contains('@') {
                return Err(UsageError("name the alias without @".to_owned()).into());
            }
            let request = project.api.request(Method::PUT, &one(&name, &alias)?);
            let response = project.api.send(request.json(&json!({ "version": version }))).await?;
            let answer: Value = project.api.read(response).await?;
            Ok(output.answer(&answer, || format!("{name}@{alias} is {version}"))?)
        }
        AliasCommand::Remove { name, alias } => {
            project.api.delete(&one(&name, &alias)?).await?;
            Ok(output.answer(&json!({ "deleted": alias }), || format!("{name}@{alias} is removed"))?)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_version_and_weight() {
        assert_eq!(parse_share("v=1=90").unwrap(), ("v=1".to_owned(), 90));
        for text in ["v1", "=1", "v1=", "v1=-1", "v1=x"] {
            assert!(parse_share(text).is_err(), "{text}");
        }
    }
}
