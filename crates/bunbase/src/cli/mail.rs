//! Mail that a server without a mail server captured: for development.

use super::api::segment;
use super::context::Context;
use super::listing::Listing;
use super::output::printable;
use serde_json::Value;

const MAIL: &str = "/v1/instance/mail";

/// Arguments of `bunbase mail`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Answered on the server's own machine only.")]
pub(crate) struct MailArgs {
    /// Id of a message, or `last` [default: list them]
    message: Option<String>,
}

pub(crate) async fn run(context: &Context, args: MailArgs) -> anyhow::Result<()> {
    let api = context.nobody()?;
    let Some(wanted) = args.message else {
        let answer: Value = api.get(MAIL).await?;
        let columns = [("SENT", "at"), ("TO", "to"), ("SUBJECT", "subject"), ("ID", "id")];
        let empty = "no mail was captured";
        return Ok(Listing { field: "messages", columns: &columns, empty }.show(context.output, &answer)?);
    };
    let id = if wanted == "last" {
        let answer: Value = api.get(MAIL).await?;
        let last = answer["messages"][0]["id"].as_str().map(str::to_owned);
        last.ok_or_else(|| anyhow::anyhow!("no mail was captured"))?
    } else {
        wanted
    };
    let message: Value = api.get(&format!("{MAIL}/{}", segment(&id)?)).await?;
    Ok(context.output.answer(&message, || {
        let field = |name: &str| printable(message[name].as_str().unwrap_or_default());
        format!(
            "To: {}\nSubject: {}\nDate: {}\n\n{}",
            field("to"),
            field("subject"),
            field("at"),
            field("text")
        )
    })?)
}
