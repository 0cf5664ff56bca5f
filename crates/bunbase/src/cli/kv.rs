//! The key-value store of a project.

use super::api::{segment, segments};
use super::context::Context;
use super::duration;
use super::listing::Listing;
use reqwest::Method;
use serde_json::{Value, json};
use std::io::{IsTerminal, Read, Write};

/// The server takes 1 MiB.
const VALUE_BYTES_MAX: u64 = 16 << 20;

/// What can be done with keys and values.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum KvCommand {
    /// Print a value
    Get {
        /// Key
        key: String,
    },
    /// Set a value
    Set {
        /// Key
        key: String,
        /// Value [default: read from standard input]
        value: Option<String>,
        /// How long it is kept [default: until it is removed]
        #[arg(long, value_name = "TIME", value_parser = duration::seconds)]
        ttl: Option<u64>,
    },
    /// Add to a number, which begins with 0
    Incr {
        /// Key
        key: String,
        /// How much
        #[arg(default_value_t = 1, allow_negative_numbers = true)]
        by: i64,
    },
    /// Remove a key
    Delete {
        /// Key
        key: String,
    },
    /// List keys
    List {
        /// Those that match; * for any text
        #[arg(default_value = "*")]
        pattern: String,
        /// At most so many
        #[arg(long, default_value_t = 100)]
        limit: usize,
        /// Go on after an earlier list
        #[arg(long)]
        cursor: Option<String>,
    },
}

pub(crate) async fn run(context: &Context, command: KvCommand) -> anyhow::Result<()> {
    let project = context.project().await?;
    let kv = project.path("kv")?;
    let output = context.output;
    match command {
        KvCommand::Get { key } => {
            let path = format!("{kv}/kv/{}", segments(&key)?);
            let response = project.api.send(project.api.request(Method::GET, &path)).await?;
            let bytes = response.bytes().await.map_err(|error| project.api.broken(error))?;
            if output.is_json() {
                let value = json!({ "key": key, "value": String::from_utf8_lossy(&bytes) });
                return Ok(output.line(format_args!("{value:#}"))?);
            }
            let mut stdout = std::io::stdout().lock();
            stdout.write_all(&bytes)?;
            if stdout.is_terminal() {
                stdout.write_all(b"\n")?;
            }
            Ok(stdout.flush()?)
        }
        KvCommand::Set { key, value, ttl } => {
            let ttl = ttl.map(|ttl| format!("?ttl={ttl}")).unwrap_or_default();
            let path = format!("{kv}/kv/{}{ttl}", segments(&key)?);
            let body = value.map_or_else(from_input, |text| Ok(text.into_bytes()))?;
            project.api.send(project.api.request(Method::PUT, &path).body(body)).await?;
            Ok(output.answer(&json!({ "set": key }), || format!("{key} is set"))?)
        }
        KvCommand::Incr { key, by } => {
            let path = format!("{kv}/incr/{}", segments(&key)?);
            let answer: Value = project.api.post(&path, &json!({ "by": by })).await?;
            Ok(output.answer(&answer, || answer["value"].to_string())?)
        }
        KvCommand::Delete { key } => {
            project.api.delete(&format!("{kv}/kv/{}", segments(&key)?)).await?;
            Ok(output.answer(&json!({ "deleted": key }), || format!("{key} is removed"))?)
        }
        KvCommand::List { pattern, limit, cursor } => {
            let mut path = format!("{kv}/keys?limit={limit}&pattern={}", segment(&pattern)?);
            if let Some(cursor) = cursor {
                path += &format!("&cursor={}", segment(&cursor)?);
            }
            let answer: Value = project.api.get(&path).await?;
            let columns =
                [("KEY", "key"), ("BYTES", "bytes"), ("VERSION", "version"), ("EXPIRES", "expires_at")];
            let empty = "there is no such key; set one with `bunbase kv set <key> <value>`";
            Ok(Listing { field: "keys", columns: &columns, empty }.show(output, &answer)?)
        }
    }
}

fn from_input() -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    std::io::stdin().lock().take(VALUE_BYTES_MAX).read_to_end(&mut bytes)?;
    Ok(bytes)
}
