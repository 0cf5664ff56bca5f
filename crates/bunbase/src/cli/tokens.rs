//! API tokens of one's own account: for the command line elsewhere, and for CI.

use super::api::segment;
use super::context::Context;
use super::duration;
use super::listing::Listing;
use super::output::{Colour, printable};
use serde_json::{Value, json};

const TOKENS: &str = "/v1/auth/tokens";

/// What can be done with API tokens.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum TokensCommand {
    /// List your tokens
    List,
    /// Make a token and show it once
    #[command(
        after_help = "Scopes are an area with a level: functions:write, documents:read, *:read, or * for \
        everything.\nUse the token as BUNBASE_TOKEN."
    )]
    Create {
        /// What it is for
        name: String,
        /// What it may be used for; give several times
        #[arg(long = "scope", required = true)]
        scopes: Vec<String>,
        /// How long it works
        #[arg(long, value_name = "TIME", value_parser = duration::seconds, default_value = "30d")]
        ttl: u64,
    },
    /// Revoke a token, at once
    Revoke {
        /// Its id (tok_…)
        token: String,
    },
}

pub(crate) async fn run(context: &Context, command: TokensCommand) -> anyhow::Result<()> {
    let api = context.developer()?;
    let output = context.output;
    match command {
        TokensCommand::List => {
            let answer: Value = api.get(TOKENS).await?;
            let columns = [
                ("NAME", "name"),
                ("SCOPES", "scopes"),
                ("EXPIRES", "expires_at"),
                ("LAST USED", "last_used_at"),
                ("ID", "id"),
            ];
            let empty = "there is no token; make one with `bunbase tokens create <name> --scope <scope>`";
            Ok(Listing { field: "tokens", columns: &columns, empty }.show(output, &answer)?)
        }
        TokensCommand::Create { name, scopes, ttl } => {
            let body = json!({ "name": name, "scopes": scopes, "ttl": ttl });
            let answer: Value = api.post(TOKENS, &body).await?;
            Ok(output.answer(&answer, || {
                let token =
                    output.paint(Colour::Green, printable(answer["token"].as_str().unwrap_or_default()));
                let warning = output.paint(Colour::Yellow, "keep it now: it is not shown again");
                format!("{token}\n{warning}")
            })?)
        }
        TokensCommand::Revoke { token } => {
            api.delete(&format!("{TOKENS}/{}", segment(&token)?)).await?;
            Ok(output.answer(&json!({ "revoked": token }), || format!("{token} is revoked"))?)
        }
    }
}
