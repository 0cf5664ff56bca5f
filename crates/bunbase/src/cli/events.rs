//! Events of a project: publish one, or follow topics as they happen.

use super::api::segment;
use super::context::Context;
use super::output::{Colour, printable};
use super::stream::{self, ServerEvent};
use reqwest::Method;
use serde_json::Value;

/// What can be done with events.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum EventsCommand {
    /// Publish an event
    Publish {
        /// Topic, such as orders.created
        topic: String,
        /// JSON; other text is sent as a JSON string
        data: String,
    },
    /// Show events as they are published, until Ctrl-C
    Tail {
        /// Topic or pattern: * for one segment, > for all that follows
        #[arg(default_value = ">")]
        topic: String,
        /// Begin with this offset of a durable topic
        #[arg(long)]
        from: Option<u64>,
    },
}

pub(crate) async fn run(context: &Context, command: EventsCommand) -> anyhow::Result<()> {
    let project = context.project().await?;
    let events = project.path("events")?;
    match command {
        EventsCommand::Publish { topic, data } => {
            let data = serde_json::from_str(&data).unwrap_or(Value::String(data));
            let path = format!("{events}/{}", segment(&topic)?);
            let response = project.api.send(project.api.request(Method::POST, &path).json(&data)).await?;
            let answer: Value = project.api.read(response).await?;
            Ok(context.output.answer(&answer, || match answer["offset"].as_u64() {
                Some(offset) => format!("published to {}, offset {offset}", printable(&topic)),
                None => format!("published to {}", printable(&topic)),
            })?)
        }
        EventsCommand::Tail { topic, from } => {
            let from = from.map(|offset| format!("?from={offset}")).unwrap_or_default();
            let path = format!("{events}/{}/subscribe{from}", segment(&topic)?);
            stream::follow(&project.api, &path, None, |event| show(context, &event)).await
        }
    }
}

fn show(context: &Context, event: &ServerEvent) -> anyhow::Result<()> {
    let output = context.output;
    let value: Value = serde_json::from_str(&event.data).unwrap_or_default();
    match event.name.as_str() {
        "message" if output.is_json() => output.line(&value)?,
        "message" => {
            let data = if value["data"].is_null() { &value["data_base64"] } else { &value["data"] };
            let time =
                output.paint(Colour::Grey, printable(value["published_at"].as_str().unwrap_or_default()));
            let topic = output.paint(Colour::Cyan, printable(value["topic"].as_str().unwrap_or_default()));
            output.line(format_args!("{time} {topic} {}", printable(&data.to_string())))?;
        }
        "missed" => output.progress(format_args!("{} events were missed: this is too slow", value["count"])),
        "resync" => output.progress("the log does not reach back that far: it goes on from the oldest event"),
        "connected" if !output.is_json() => output.progress("listening; end with Ctrl-C"),
        _ => {}
    }
    Ok(())
}
