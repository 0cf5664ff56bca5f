//! `typegen`: types that follow from the actions and the tables of an application. The text is made by the package.

use super::build::{Built, OfApplication};
use super::database::{Database, OfData};
use super::script::tool;
use super::{Application, discover};
use crate::cli::context::Context;
use crate::cli::functions::bundle::Style;
use anyhow::Context as _;
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

const CLIENT: &str = ".bunbase/client.ts";
/// `tsconfig.json` includes these two.
const NAMES: &str = ".bunbase/names.d.ts";
const DATABASE: &str = ".bunbase/database.d.ts";

/// Arguments of `bunbase typegen`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  bunbase typegen\n  bunbase typegen client --output ../web/src/api.ts\n  bunbase typegen db --schema app"
)]
pub(crate) struct TypegenArgs {
    #[command(flatten)]
    of: OfData,
    /// All of it where none is named
    #[command(subcommand)]
    command: Option<TypegenCommand>,
}

#[derive(Debug, Subcommand)]
enum TypegenCommand {
    /// Write a typed client for the routes of the application
    Client {
        /// The file to write [default: .bunbase/client.ts of the application]
        #[arg(long, short, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Write types of the tables
    Db {
        /// The file to write [default: .bunbase/database.d.ts of the application]
        #[arg(long, short, value_name = "FILE")]
        output: Option<PathBuf>,
        /// Of PostgreSQL
        #[arg(long, default_value = "public")]
        schema: String,
    },
}

/// Writes what is asked for.
pub(crate) async fn typegen(context: &Context, args: TypegenArgs) -> anyhow::Result<()> {
    let (client, database) = match args.command {
        None => (Some(None), Some((None, "public".to_owned()))),
        Some(TypegenCommand::Client { output }) => (Some(output), None),
        Some(TypegenCommand::Db { output, schema }) => (None, Some((output, schema))),
    };
    let mut files = Vec::new();
    if let Some(output) = client {
        let built = OfApplication::at(&args.of.dir).build(Style::Plain).await?;
        let Built { application, manifest, .. } = &built;
        let output = output.unwrap_or_else(|| application.root().join(CLIENT));
        write(application, &output, ("client", &json!({ "manifest": manifest }))).await?;
        files.push(output);
        files.push(names(application, manifest).await?);
    }
    if let Some((output, schema)) = database {
        let application = Application::expect(&args.of.dir).await?;
        let data = args.of.data(&application);
        super::migrate::up(&application, &data).await?;
        let output = output.unwrap_or_else(|| application.root().join(DATABASE));
        tables(&application, &data, (&output, &schema)).await?;
        files.push(output);
    }
    Ok(context.output.answer(&json!({ "files": files }), || {
        let line = |path: &PathBuf| format!("{} is written", path.display());
        files.iter().map(line).collect::<Vec<_>>().join("\n")
    })?)
}

/// Types names of actions, events and queues, for the code of the application itself.
async fn names(application: &Application, manifest: &Value) -> anyhow::Result<PathBuf> {
    let path = application.root().join(NAMES);
    write(application, &path, ("names", &json!({ "manifest": manifest }))).await?;
    Ok(path)
}

async fn tables(
    application: &Application,
    data: &Path,
    (output, schema): (&Path, &str),
) -> anyhow::Result<()> {
    let place = Database::of(application, data)?.place();
    write(application, output, ("database", &json!({ "database": place, "schema": schema }))).await
}

async fn write(application: &Application, path: &Path, (name, input): (&str, &Value)) -> anyhow::Result<()> {
    let text: String = tool((application.bun(), application.root()), name, input).await?;
    discover::write_changed(path, &text).with_context(|| format!("could not write {}", path.display()))
}

/// What `dev` keeps fresh: types of names after a load, types of tables after migrations.
pub(crate) async fn refresh(application: &Application, of: Fresh<'_>) -> anyhow::Result<()> {
    match of {
        Fresh::Names(manifest) => names(application, manifest).await.map(drop),
        Fresh::Tables(data) => {
            tables(application, data, (&application.root().join(DATABASE), "public")).await
        }
    }
}

/// What changed.
pub(crate) enum Fresh<'a> {
    /// The manifest.
    Names(&'a Value),
    /// The tables in a data directory.
    Tables(&'a Path),
}
