//! Documents: load them from a file, query and change them; their indexes and rules.

mod batch;
mod count;
mod explain;
mod filter;
mod import;
mod indexes;
mod modify;
mod query;
mod reader;
mod rules;

use super::context::Context;

/// What can be done with documents.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum DbCommand {
    /// Load documents from a file: a JSON array, or one JSON document a line
    Import(import::ImportArgs),
    /// Find documents
    Query(query::QueryArgs),
    /// Count documents
    Count(count::CountArgs),
    /// The different values of a field
    Distinct(count::DistinctArgs),
    /// Say how a query is answered
    Explain(explain::ExplainArgs),
    /// Change documents that match
    Update(modify::UpdateArgs),
    /// Remove documents that match
    Delete(modify::DeleteArgs),
    /// Indexes
    #[command(subcommand)]
    Indexes(indexes::IndexesCommand),
    /// Rules
    #[command(subcommand)]
    Rules(rules::RulesCommand),
}

pub(crate) async fn run(context: &Context, command: DbCommand) -> anyhow::Result<()> {
    match command {
        DbCommand::Import(args) => import::run(context, args).await,
        DbCommand::Query(args) => query::run(context, args).await,
        DbCommand::Count(args) => count::count(context, args).await,
        DbCommand::Distinct(args) => count::distinct(context, args).await,
        DbCommand::Explain(args) => explain::run(context, args).await,
        DbCommand::Update(args) => modify::update(context, args).await,
        DbCommand::Delete(args) => modify::delete(context, args).await,
        DbCommand::Indexes(command) => indexes::run(context, command).await,
        DbCommand::Rules(command) => rules::run(context, command).await,
    }
}
