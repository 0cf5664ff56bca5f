//! The audit log: who changed what, when, and from where.

use super::api::segment;
use super::context::Context;
use super::duration;
use super::listing::Listing;
use futures_util::StreamExt;
use reqwest::Method;
use serde_json::Value;
use std::io::Write;

/// Arguments of `bunbase audit`.
#[derive(Debug, clap::Args)]
pub(crate) struct AuditArgs {
    /// Everything on this server, for instance administrators
    #[arg(long)]
    instance: bool,
    /// Changes of one account, key or token, by id
    #[arg(long)]
    actor: Option<String>,
    /// Changes of this kind, such as "POST /v1/projects/{project}/keys"
    #[arg(long)]
    action: Option<String>,
    /// Since then: so long ago (2h, 30d), or RFC 3339, such as 2026-01-31T12:00:00Z
    #[arg(long, value_name = "TIME", value_parser = duration::moment)]
    since: Option<String>,
    /// Before then
    #[arg(long, value_name = "TIME", value_parser = duration::moment)]
    until: Option<String>,
    /// At most so many
    #[arg(long, default_value_t = 50)]
    limit: usize,
    /// Go on after an earlier list
    #[arg(long)]
    cursor: Option<String>,
    /// Print every entry of the project as one JSON object a line
    #[arg(long, conflicts_with_all = ["instance", "cursor"])]
    export: bool,
}

pub(crate) async fn run(context: &Context, args: AuditArgs) -> anyhow::Result<()> {
    let mut query = Vec::new();
    let given = [
        ("actor", &args.actor),
        ("action", &args.action),
        ("since", &args.since),
        ("until", &args.until),
        ("cursor", &args.cursor),
    ];
    for (name, value) in given {
        if let Some(value) = value {
            query.push(format!("{name}={}", segment(value)?));
        }
    }
    if args.export {
        return export(context, &query.join("&")).await;
    }
    query.push(format!("limit={}", args.limit));
    let query = query.join("&");
    let answer: Value = if args.instance {
        context.developer()?.get(&format!("/v1/audit?{query}")).await?
    } else {
        let project = context.member().await?;
        project.api.get(&format!("{}?{query}", project.path("audit")?)).await?
    };
    let who = "actor/name|actor/email|actor/id|actor/kind";
    let columns = [("WHEN", "at"), ("WHO", who), ("WHAT", "summary"), ("TO", "target"), ("FROM", "address")];
    Ok(Listing { field: "entries", columns: &columns, empty: "nothing was changed" }
        .show(context.output, &answer)?)
}

async fn export(context: &Context, query: &str) -> anyhow::Result<()> {
    let project = context.member().await?;
    let path = format!("{}/export?{query}", project.path("audit")?);
    let response = project.api.send(project.api.request(Method::GET, &path)).await?;
    let mut parts = response.bytes_stream();
    while let Some(part) = parts.next().await {
        let part = part.map_err(|error| project.api.broken(error))?;
        std::io::stdout().lock().write_all(&part)?;
    }
    Ok(std::io::stdout().flush()?)
}
