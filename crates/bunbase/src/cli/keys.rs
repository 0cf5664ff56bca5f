//! Keys of a project: list, make, rotate, revoke.

use super::api::segment;
use super::context::Context;
use super::duration;
use super::listing::Listing;
use super::output::{Colour, printable};
use clap::ValueEnum;
use serde_json::{Value, json};

/// What can be done with keys.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum KeysCommand {
    /// List the keys of the project
    List,
    /// Make a key and show it once
    Create {
        /// What it is for
        name: String,
        /// Public keys stand in browsers, secret ones on servers
        #[arg(long, default_value = "secret")]
        kind: Kind,
    },
    /// Give a key a new text, and show that once
    Rotate {
        /// Its id (key_…)
        key: String,
        /// How long the old text still works
        #[arg(long, value_name = "TIME", value_parser = duration::seconds, default_value = "0s")]
        grace: u64,
    },
    /// Revoke a key, at once
    Revoke {
        /// Its id (key_…)
        key: String,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Kind {
    Public,
    Secret,
}

pub(crate) async fn run(context: &Context, command: KeysCommand) -> anyhow::Result<()> {
    let project = context.member().await?;
    let keys = project.path("keys")?;
    match command {
        KeysCommand::List => {
            let answer: Value = project.api.get(&keys).await?;
            let columns = [
                ("NAME", "name"),
                ("KIND", "kind"),
                ("ENDS IN", "last_characters"),
                ("ID", "id"),
                ("MADE", "created_at"),
            ];
            let empty = "there is no key; make one with `bunbase keys create <name>`";
            Ok(Listing { field: "keys", columns: &columns, empty }.show(context.output, &answer)?)
        }
        KeysCommand::Create { name, kind } => {
            let kind = if matches!(kind, Kind::Public) { "public" } else { "secret" };
            let body = json!({ "name": name, "kind": kind });
            shown_once(context, &project.api.post(&keys, &body).await?)
        }
        KeysCommand::Rotate { key, grace } => {
            let path = format!("{keys}/{}/rotate", segment(&key)?);
            shown_once(context, &project.api.post(&path, &json!({ "grace_seconds": grace })).await?)
        }
        KeysCommand::Revoke { key } => {
            project.api.delete(&format!("{keys}/{}", segment(&key)?)).await?;
            Ok(context.output.answer(&json!({ "revoked": key }), || format!("{key} is revoked"))?)
        }
    }
}

fn shown_once(context: &Context, answer: &Value) -> anyhow::Result<()> {
    let output = context.output;
    Ok(output.answer(answer, || {
        let key = answer["key"].as_str().or(answer["secret"].as_str()).unwrap_or_default();
        let warning = output.paint(Colour::Yellow, "keep it now: it is not shown again");
        format!("{}\n{warning}", output.paint(Colour::Green, printable(key)))
    })?)
}
