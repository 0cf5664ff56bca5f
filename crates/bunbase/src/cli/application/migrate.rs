//! `migrate`: the tables of an application. Before its own migrations come those of the framework.

use super::Application;
use super::database::{Database, OfData};
use crate::cli::context::Context;
use crate::cli::failure::UsageError;
use crate::cli::output::printable;
use actions::tables::framework_up;
use anyhow::bail;
use clap::{Args, Subcommand};
use serde_json::json;
use service_kit::clock::rfc3339;
use sql::confined::ConfinedFile;
use sql::scripts::{ScriptDatabase, Scripts};
use std::path::Path;
use std::sync::Arc;

/// Arguments of `bunbase migrate`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  bunbase migrate               apply what is new\n  bunbase migrate new add_tags\n  bunbase migrate down 1"
)]
pub(crate) struct MigrateArgs {
    #[command(flatten)]
    of: OfData,
    #[command(subcommand)]
    command: Option<MigrateCommand>,
}

#[derive(Debug, Subcommand)]
enum MigrateCommand {
    /// Apply what is new
    Up,
    /// Take back the newest
    Down {
        /// How many
        #[arg(default_value_t = 1)]
        steps: usize,
    },
    /// Show what is applied
    Status,
    /// Write the two files of a migration
    New {
        /// Its name
        name: String,
    },
    /// Drop every table, and apply all migrations again
    Reset {
        /// Do it: all data is lost
        #[arg(long)]
        yes: bool,
    },
}

/// The migrations of an application, and the database that has them.
struct Migrations {
    scripts: Arc<Scripts>,
    database: ScriptDatabase,
}

pub(crate) async fn migrate(context: &Context, args: MigrateArgs) -> anyhow::Result<()> {
    let application = Application::expect(&args.of.dir).await?;
    let directory = application.root().join(&application.config().migrations_dir);
    if let Some(MigrateCommand::New { name }) = &args.command {
        let written = Scripts::create(&directory, name)?;
        return Ok(context.output.answer(&json!({ "files": written }), || {
            written.iter().map(|path| format!("{} is written", path.display())).collect::<Vec<_>>().join("\n")
        })?);
    }
    let data = args.of.data(&application);
    let database = open(&application, &data).await?;
    let mut migrations = Migrations { scripts: Arc::new(Scripts::read(&directory)?), database };
    match args.command.unwrap_or(MigrateCommand::Up) {
        MigrateCommand::Up => report(context, "applied", &migrations.up().await?),
        MigrateCommand::Down { steps } => report(context, "taken back", &migrations.down(steps).await?),
        MigrateCommand::Status => migrations.status(context).await,
        MigrateCommand::Reset { yes: false } => {
            bail!(UsageError("this drops every table: say --yes where that is meant".to_owned()))
        }
        MigrateCommand::Reset { yes: true } => {
            migrations.database.drop_everything().await?;
            report(context, "applied", &migrations.up().await?)
        }
        MigrateCommand::New { .. } => Ok(()),
    }
}

/// Applies what is new of an application whose project has its database in `data`; answers their names.
///
/// # Errors
/// The first that could not be applied; those before it are.
pub(crate) async fn up(application: &Application, data: &Path) -> anyhow::Result<Vec<String>> {
    let directory = application.root().join(&application.config().migrations_dir);
    let scripts = Arc::new(Scripts::read(&directory)?);
    Migrations { scripts, database: open(application, data).await? }.up().await
}

async fn open(application: &Application, data: &Path) -> anyhow::Result<ScriptDatabase> {
    Ok(match Database::of(application, data)? {
        Database::Postgres(url) => ScriptDatabase::postgres(&url, None).await?,
        Database::Sqlite(path) => ScriptDatabase::Sqlite(ConfinedFile::new(path)),
    })
}

impl Migrations {
    async fn up(&mut self) -> anyhow::Result<Vec<String>> {
        framework_up(&mut self.database).await?;
        let mut applied = Vec::new();
        self.database.up(&self.scripts, |name| applied.push(name.to_owned())).await?;
        Ok(applied)
    }

    async fn down(&mut self, steps: usize) -> anyhow::Result<Vec<String>> {
        let mut gone = Vec::new();
        self.database.down(&self.scripts, steps, |name| gone.push(name.to_owned())).await?;
        Ok(gone)
    }

    async fn status(&mut self, context: &Context) -> anyhow::Result<()> {
        let listed = self.database.status(&self.scripts).await?;
        let value: Vec<_> = listed
            .iter()
            .map(|each| json!({ "name": each.name, "applied_at": each.applied_at.map(rfc3339), "has_down": each.has_down }))
            .collect();
        Ok(context.output.answer(&json!({ "migrations": value }), || {
            let row = |each: &sql::scripts::ScriptStatus| {
                let applied = each.applied_at.map_or_else(|| "pending".to_owned(), rfc3339);
                [printable(&each.name), applied, if each.has_down { "yes" } else { "no" }.to_owned()]
            };
            context.output.table(["MIGRATION", "APPLIED", "DOWN"], listed.iter().map(row).collect())
        })?)
    }
}

fn report(context: &Context, what: &str, names: &[String]) -> anyhow::Result<()> {
    Ok(context.output.answer(&json!({ "migrations": names }), || {
        if names.is_empty() {
            return "nothing is to be done".to_owned();
        }
        names.iter().map(|name| format!("{name} is {what}")).collect::<Vec<_>>().join("\n")
    })?)
}
