//! `seed`: fills the tables of an application. What a seed is, and that each runs once, is the package's business.

use super::Application;
use super::database::{Database, OfData};
use super::script::tool;
use crate::cli::context::Context;
use crate::cli::failure::Advised;
use crate::cli::output::printable;
use anyhow::bail;
use clap::Args;
use serde::Deserialize;
use serde_json::json;

/// Arguments of `bunbase seed`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  bunbase seed                 run the seeds that have not run yet\n  bunbase seed demo --force    run one again"
)]
pub(crate) struct SeedArgs {
    /// Names of the only seeds to run
    names: Vec<String>,
    /// Run those that have run before, too
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    of: OfData,
}

#[derive(Deserialize)]
struct Report {
    ran: Vec<String>,
    skipped: Vec<String>,
}

/// Runs seeds in their order, each in a transaction of its own.
pub(crate) async fn seed(context: &Context, args: SeedArgs) -> anyhow::Result<()> {
    let application = Application::expect(&args.of.dir).await?;
    let named = application.config().seeds_dir.clone();
    let directory = application.root().join(&named);
    if !directory.is_dir() {
        bail!(Advised::new(
            format!("there is no directory {}", directory.display()),
            "a seed is a file in it that exports default seed({ name, run }); `database.seeds.directory` names another",
        ));
    }
    let data = args.of.data(&application);
    super::migrate::up(&application, &data).await?;
    let mut input = json!({
        "database": Database::of(&application, &data)?.place(),
        "directory": directory,
        "force": args.force,
    });
    if !args.names.is_empty() {
        input["only"] = json!(args.names);
    }
    let Report { ran, skipped } = tool((application.bun(), application.root()), "seed", &input).await?;
    Ok(context.output.answer(&json!({ "ran": ran, "skipped": skipped }), || {
        let line = |name: &String, what: &str| format!("{} {what}", printable(name));
        let ran = ran.iter().map(|name| line(name, "ran"));
        let lines: Vec<_> = ran.chain(skipped.iter().map(|name| line(name, "had run before"))).collect();
        if lines.is_empty() { format!("{} holds no seeds", named.display()) } else { lines.join("\n") }
    })?)
}
