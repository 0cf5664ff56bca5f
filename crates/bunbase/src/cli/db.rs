//! Documents: load them from a file, query them.

mod batch;
mod import;
mod query;
mod reader;

use super::context::Context;

/// What can be done with documents.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum DbCommand {
    /// Load documents from a file: a JSON array, or one JSON document a line
    Import(import::ImportArgs),
    /// Find documents
    Query(query::QueryArgs),
}

pub(crate) async fn run(context: &Context, command: DbCommand) -> anyhow::Result<()> {
    match command {
        DbCommand::Import(args) => import::run(context, args).await,
        DbCommand::Query(args) => query::run(context, args).await,
    }
}
