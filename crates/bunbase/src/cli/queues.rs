//! Queues, jobs and dead letters of a project.

use super::api::segment;
use super::context::{Context, Project};
use super::duration;
use super::listing::Listing;
use anyhow::Context as _;
use reqwest::Method;
use serde_json::{Map, Value, json};

/// What can be done with queues.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum QueuesCommand {
    /// List queues and what stands in them
    List,
    /// List jobs that have not ended
    Jobs {
        /// Queue
        queue: String,
        /// Those in one state
        #[arg(long, value_parser = ["ready", "delayed", "held", "running"])]
        state: Option<String>,
        #[command(flatten)]
        page: PageArgs,
    },
    /// Enqueue a job
    Enqueue(EnqueueArgs),
    /// List dead letters: jobs that have no attempts left
    Dead {
        /// Queue
        queue: String,
        #[command(flatten)]
        page: PageArgs,
    },
    /// Put a dead letter back, or all of a queue
    Replay {
        /// Queue
        queue: String,
        /// Job [default: all]
        job: Option<String>,
    },
    /// Begin no more jobs of a queue
    Pause {
        /// Queue
        queue: String,
    },
    /// Take jobs of a queue again
    Resume {
        /// Queue
        queue: String,
    },
}

/// Which part of a list.
#[derive(Debug, clap::Args)]
pub(crate) struct PageArgs {
    /// At most so many
    #[arg(long, default_value_t = 50)]
    pub(crate) limit: usize,
    /// Go on after an earlier list
    #[arg(long)]
    pub(crate) cursor: Option<String>,
}

/// A job to be enqueued.
#[derive(Debug, clap::Args)]
pub(crate) struct EnqueueArgs {
    /// Queue
    queue: String,
    /// JSON
    #[arg(default_value = "null")]
    payload: String,
    /// How long it waits
    #[arg(long, value_name = "TIME", value_parser = duration::seconds)]
    delay: Option<u64>,
    /// Higher ones are run first
    #[arg(long, allow_negative_numbers = true)]
    priority: Option<i32>,
    /// One job with this key waits or runs at a time
    #[arg(long, value_name = "KEY")]
    unique: Option<String>,
    /// Attempts in all
    #[arg(long, value_name = "COUNT")]
    attempts: Option<u32>,
}

impl PageArgs {
    /// The query of a list.
    pub(crate) fn query(&self) -> anyhow::Result<String> {
        let cursor = self.cursor.as_deref().map(segment).transpose()?;
        Ok(format!(
            "?limit={}{}",
            self.limit,
            cursor.map(|cursor| format!("&cursor={cursor}")).unwrap_or_default()
        ))
    }
}

impl EnqueueArgs {
    fn body(&self) -> anyhow::Result<Value> {
        let payload: Value = serde_json::from_str(&self.payload)
            .with_context(|| format!("`{}` is not JSON: quote texts, as '\"hello\"'", self.payload))?;
        let named = [
            ("delay_ms", self.delay.map(|seconds| json!(seconds * 1_000))),
            ("priority", self.priority.map(Value::from)),
            ("unique_key", self.unique.clone().map(Value::from)),
            ("attempts_max", self.attempts.map(Value::from)),
        ];
        let options: Map<_, _> =
            named.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect();
        Ok(json!({ "payload": payload, "options": options }))
    }
}

pub(crate) async fn run(context: &Context, command: QueuesCommand) -> anyhow::Result<()> {
    let project = context.project().await?;
    let queues = project.path("queues")?;
    let output = context.output;
    let at = |queue: &str| anyhow::Ok(format!("{queues}/{}", segment(queue)?));
    match command {
        QueuesCommand::List => Ok(QUEUES.show(output, &project.api.get(&queues).await?)?),
        QueuesCommand::Jobs { queue, state, page } => {
            let state = state.map(|state| format!("&state={state}")).unwrap_or_default();
            let path = format!("{}/jobs{}{state}", at(&queue)?, page.query()?);
            Ok(JOBS.show(output, &project.api.get(&path).await?)?)
        }
        QueuesCommand::Enqueue(args) => {
            let path = format!("{}/jobs", at(&args.queue)?);
            let job: Value = project.api.post(&path, &args.body()?).await?;
            let id = job["id"].as_str().unwrap_or_default();
            let existed = if job["existed"] == true { " was there already" } else { " is enqueued" };
            Ok(output.answer(&job, || format!("{id}{existed}"))?)
        }
        QueuesCommand::Dead { queue, page } => {
            let path = format!("{}/dead{}", at(&queue)?, page.query()?);
            Ok(DEAD.show(output, &project.api.get(&path).await?)?)
        }
        QueuesCommand::Replay { queue, job } => replay(context, &project, (&at(&queue)?, job)).await,
        QueuesCommand::Pause { queue } => {
            project.api.send(project.api.request(Method::POST, &format!("{}/pause", at(&queue)?))).await?;
            Ok(output.answer(&json!({ "paused": queue }), || format!("{queue} is paused"))?)
        }
        QueuesCommand::Resume { queue } => {
            project.api.send(project.api.request(Method::POST, &format!("{}/resume", at(&queue)?))).await?;
            Ok(output.answer(&json!({ "resumed": queue }), || format!("{queue} goes on"))?)
        }
    }
}

async fn replay(
    context: &Context,
    project: &Project,
    (queue, job): (&str, Option<String>),
) -> anyhow::Result<()> {
    let Some(job) = job else {
        let answer: Value = project.api.post(&format!("{queue}/dead/replay"), &json!({})).await?;
        return Ok(context.output.answer(&answer, || format!("{} jobs wait again", answer["count"]))?);
    };
    let path = format!("{queue}/dead/{}/replay", segment(&job)?);
    project.api.send(project.api.request(Method::POST, &path)).await?;
    Ok(context.output.answer(&json!({ "replayed": job }), || format!("{job} waits again"))?)
}

const QUEUES: Listing<'static> = Listing {
    field: "queues",
    columns: &[
        ("QUEUE", "name"),
        ("CONSUMER", "consumer"),
        ("READY", "ready"),
        ("DELAYED", "delayed"),
        ("RUNNING", "running"),
        ("DEAD", "dead"),
        ("PAUSED", "paused"),
    ],
    empty: "no queue has anything; enqueue a job with `bunbase queues enqueue <queue> <json>`",
};

const JOBS: Listing<'static> = Listing {
    field: "jobs",
    columns: &[
        ("JOB", "id"),
        ("STATE", "state"),
        ("ATTEMPT", "attempt"),
        ("RUNS AT", "run_at"),
        ("LAST ERROR", "last_error"),
    ],
    empty: "no job waits or runs there; `bunbase queues dead <queue>` lists those that failed",
};

const DEAD: Listing<'static> = Listing {
    field: "jobs",
    columns: &[("JOB", "id"), ("ATTEMPTS", "attempts"), ("FAILED", "failed_at"), ("ERROR", "error")],
    empty: "there are no dead letters",
};

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Arguments {
        #[command(flatten)]
        job: EnqueueArgs,
    }

    fn body(arguments: &[&str]) -> anyhow::Result<Value> {
        Arguments::try_parse_from([&["enqueue"][..], arguments].concat())?.job.body()
    }

    #[test]
    fn options_are_sent_where_they_are_given() {
        assert_eq!(body(&["mail"]).unwrap(), json!({ "payload": null, "options": {} }));
        let wanted = json!({ "payload": { "a": 1 }, "options": { "delay_ms": 60_000, "priority": -1 } });
        assert_eq!(body(&["mail", r#"{"a":1}"#, "--delay", "1m", "--priority", "-1"]).unwrap(), wanted);
        assert!(body(&["mail", "hello"]).unwrap_err().to_string().contains("is not JSON"));
    }
}
