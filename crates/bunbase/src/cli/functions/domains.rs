//! Domains that mean a function.

use crate::cli::api::segment;
use crate::cli::context::Context;
use crate::cli::listing::Listing;
use reqwest::Method;
use serde_json::{Value, json};

/// What can be done with domains.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum DomainsCommand {
    /// List the domains of the project's functions
    List,
    /// Let every request for a host be a call of a function
    Set {
        /// The host, such as shop.example
        host: String,
        /// Name of the function
        function: String,
    },
    /// Remove a domain
    Remove {
        /// The host
        host: String,
    },
}

pub(super) async fn run(context: &Context, command: DomainsCommand) -> anyhow::Result<()> {
    let project = context.project().await?;
    let (domains, output) = (project.named_path("domains")?, context.output);
    match command {
        DomainsCommand::List => {
            let answer: Value = project.api.get(&domains).await?;
            let columns = [("HOST", "host"), ("FUNCTION", "function"), ("SINCE", "created_at")];
            let empty = "there is no domain; set one with `bunbase functions domains set <host> <function>`";
            Ok(Listing { field: "domains", columns: &columns, empty }.show(output, &answer)?)
        }
        DomainsCommand::Set { host, function } => {
            let request = project.api.request(Method::PUT, &format!("{domains}/{}", segment(&host)?));
            let response = project.api.send(request.json(&json!({ "function": function }))).await?;
            let answer: Value = project.api.read(response).await?;
            Ok(output.answer(&answer, || format!("{host} is {function}"))?)
        }
        DomainsCommand::Remove { host } => {
            project.api.delete(&format!("{domains}/{}", segment(&host)?)).await?;
            Ok(output.answer(&json!({ "deleted": host }), || format!("{host} is removed"))?)
        }
    }
}
