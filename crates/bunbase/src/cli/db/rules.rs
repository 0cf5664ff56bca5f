//! `db rules check`: may this user do this, and which rule says so.

use super::filter::{Filter, parse_filter};
use crate::cli::api::segment;
use crate::cli::context::Context;
use crate::cli::output::printable;
use serde_json::{Value, json};

/// What can be done with rules.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum RulesCommand {
    /// Ask the rules of a collection, without doing anything
    Check(CheckArgs),
}

/// What a rule is about.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Operation {
    Read,
    List,
    Create,
    Update,
    Delete,
}

impl Operation {
    fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::List => "list",
            Self::Create => "create",
            Self::Update => "update",
            Self::Delete => "delete",
        }
    }
}

/// Arguments of `bunbase db rules check`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  bunbase db rules check notes read --resource '{\"owner\": \"eus_…\"}' --uid eus_…\n  bunbase db rules check notes create --request-resource '{\"stars\": 9}'"
)]
pub(crate) struct CheckArgs {
    /// Collection
    collection: String,
    /// What is to be done
    operation: Operation,
    /// The end user who asks [default: nobody]
    #[arg(long)]
    uid: Option<String>,
    /// The user's claims, as JSON
    #[arg(long, value_name = "JSON", requires = "uid", value_parser = parse_filter)]
    claims: Option<Filter>,
    /// The document as it is, as JSON
    #[arg(long, value_name = "JSON", value_parser = parse_filter)]
    resource: Option<Filter>,
    /// The document as it would be, as JSON
    #[arg(long, value_name = "JSON", value_parser = parse_filter)]
    request_resource: Option<Filter>,
}

pub(crate) async fn run(context: &Context, command: RulesCommand) -> anyhow::Result<()> {
    let RulesCommand::Check(args) = command;
    let collection = segment(&args.collection)?;
    let project = context.project().await?;
    let path = format!("{}/collections/{collection}/rules/check", project.path("database")?);
    let auth = args.uid.map(|uid| json!({ "uid": uid, "claims": args.claims.unwrap_or_default() }));
    let mut body = json!({ "op": args.operation.as_str(), "auth": auth });
    for (field, document) in [("resource", args.resource), ("request_resource", args.request_resource)] {
        if let Some(Filter(document)) = document {
            body[field] = Value::Object(document);
        }
    }
    let verdict: Value = project.api.post(&path, &body).await?;
    Ok(context.output.answer(&verdict, || text(&verdict))?)
}

fn text(verdict: &Value) -> String {
    let field = |name: &str| verdict[name].as_str().map(printable);
    let answer = if verdict["allowed"] == true { "allowed" } else { "denied" };
    let by = match field("rule") {
        Some(rule) => format!("by the rule `{rule}`"),
        None => "no rule says anything about it".to_owned(),
    };
    let parts = [Some(format!("{answer}: {by}")), field("expression"), field("reason")];
    parts.into_iter().flatten().collect::<Vec<_>>().join("\n  ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_says_which_rule_decided() {
        let verdict = json!({ "allowed": false, "rule": "write", "reason": "no such field" });
        assert_eq!(text(&verdict), "denied: by the rule `write`\n  no such field");
        assert!(text(&json!({ "allowed": false, "rule": null })).contains("no rule"));
    }
}
