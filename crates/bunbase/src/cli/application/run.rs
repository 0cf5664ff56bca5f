//! `run`: one action, once, as its developer. In the server that runs the application here, else in one for this call.

use super::Application;
use super::database::OfData;
use crate::cli::api::{Api, CallError, Credential, parse_refusal, segment};
use crate::cli::context::Context;
use crate::cli::failure::{Advised, AlreadySaid, UsageError};
use crate::cli::functions::{Mode, kept, read_body, serve_once};
use crate::cli::output::Output;
use crate::data_dir::DataDir;
use anyhow::{Context as _, bail};
use clap::Args;
use reqwest::Method;
use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;

/// The action's own deadline is the server's business; this is for a server that is silent.
const TIMEOUT: Duration = Duration::from_secs(15 * 60);

/// Arguments of `bunbase run`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  bunbase run health\n  bunbase run auth.signup --input '{\"email\": \"ada@example.com\", \"password\": \"correct horse\"}'\n  bunbase run import --input @rows.json --json\n  bunbase run notes.create-note --as ada@example.com --input '{\"title\": \"First\"}'"
)]
pub(crate) struct RunArgs {
    /// Its name, after that of its module: auth.signup
    action: String,
    /// What goes in: JSON, @file, or - for standard input [default: {}]
    #[arg(long, short, value_name = "JSON", allow_hyphen_values = true)]
    input: Option<String>,
    /// The user as whom it runs, by id or e-mail address [default: the developer, who is not in `users`]
    #[arg(long = "as", value_name = "USER")]
    runs_as: Option<String>,
    #[command(flatten)]
    of: OfData,
}

/// A call that is to be made.
pub(crate) struct Wanted {
    path: String,
    body: Value,
    output: Output,
}

/// Runs an action and prints what it gave.
pub(crate) async fn run(context: &Context, args: RunArgs) -> anyhow::Result<()> {
    let input = match args.input.as_deref().map(read_body).transpose()? {
        None => json!({}),
        Some(text) => serde_json::from_slice(&text)
            .map_err(|error| UsageError(format!("the input is no JSON: {error}")))?,
    };
    let application = Application::expect(&args.of.dir).await?;
    let Some(studio) = &application.config().studio_api else {
        bail!(Advised::new("actions are run through Studio, which is off", "set `studio.enabled` to true"));
    };
    let path = format!("{studio}/actions/{}/run", segment(&args.action)?);
    let mut body = json!({ "input": input });
    if let Some(user) = &args.runs_as {
        body["as"] = json!(user);
    }
    let wanted = Wanted { path, body, output: context.output };
    let data = args.of.data(&application);
    match (DataDir::is_in_use(&data), args.of.mode()) {
        (true, Mode::Dev) => wanted.ask(&data).await,
        (true, Mode::Production) => bail!(Advised::new(
            "`bunbase start` runs this application",
            "an administrator runs actions through Studio's API there",
        )),
        (false, mode) => Box::pin(serve_once(context, application, mode, &wanted)).await,
    }
}

impl Wanted {
    /// Makes the call at the server of a data directory, and prints what it came to.
    pub(crate) async fn ask(&self, data: &Path) -> anyhow::Result<()> {
        let mut kept = kept(data)?;
        let mut value =
            |name: &str| kept.remove(name).with_context(|| format!("{} has no {name}", data.display()));
        let (url, token) = (value("BUNBASE_URL")?, value("BUNBASE_STUDIO_TOKEN")?);
        let api = Api::new(&url, Credential::Token(token.into()))?;
        let request = api.request(Method::POST, &self.path).json(&self.body);
        let answer: Value = api.read(api.send(request.timeout(TIMEOUT)).await?).await?;
        self.tell(&answer["data"])
    }

    fn tell(&self, outcome: &Value) -> anyhow::Result<()> {
        if outcome["status"] == "success" {
            return Ok(self.output.answer(outcome, || format!("{:#}", outcome["output"]))?);
        }
        if self.output.is_json() {
            self.output.line(format_args!("{outcome:#}"))?;
            bail!(AlreadySaid);
        }
        let message = outcome["error"]["message"].as_str().unwrap_or_default();
        // As both databases say it.
        if self.body.get("as").is_none() && message.to_ascii_lowercase().contains("foreign key") {
            bail!(Advised::new(
                message,
                "the action ran as the developer, who is not in `users`: name a user who is, with --as EMAIL",
            ));
        }
        match parse_refusal(500, outcome.to_string().as_bytes()) {
            Some(refusal) => bail!(CallError::Refused(Box::new(refusal))),
            None => bail!("the action failed"),
        }
    }
}
