//! `db import`: streams a file into a collection, batch by batch, several in flight. A failure says which
//! documents are in, and how to go on.

use super::batch::{Batch, Batches, Mode};
use super::reader::{self, ReadError};
use crate::cli::api::{Api, CallError};
use crate::cli::context::Context;
use crate::cli::failure::{Advised, UsageError};
use anyhow::{Context as _, bail};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use indicatif::{HumanCount, ProgressBar, ProgressStyle};
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs::File;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// Batches that the server works on at once: it commits them in groups.
const IN_FLIGHT_MAX: usize = 4;
/// Batches that are read ahead.
const READ_AHEAD: usize = 2;
/// Attempts where the server says that it is busy.
const ATTEMPTS_MAX: u32 = 6;
const RETRY_WAIT_MAX: Duration = Duration::from_secs(30);

/// Arguments of `bunbase db import`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  bunbase db import places places.jsonl\n  bunbase db import places places.json --upsert\n  bunbase db import places places.jsonl --upsert --skip 20000   go on after a failure"
)]
pub(crate) struct ImportArgs {
    /// Collection; it is made if it is not there
    collection: String,
    /// A JSON array of documents, or one document a line
    file: PathBuf,
    /// Put documents in place of those with the same _id
    #[arg(long)]
    upsert: bool,
    /// Leave out the first documents of the file
    #[arg(long, default_value_t = 0, value_name = "N")]
    skip: u64,
}

/// What is in, by the number of each batch's first document.
#[derive(Default)]
struct Tally {
    batches: BTreeMap<u64, (u64, bool)>,
}

/// A batch that was not taken.
struct Failed {
    error: CallError,
    lines: Vec<u64>,
}

pub(crate) async fn run(context: &Context, args: ImportArgs) -> anyhow::Result<()> {
    let (file, size) = open(&args.file)?;
    let project = context.project().await?;
    let path = format!("{}/batch", project.path("database")?);
    let started = Instant::now();
    let (sender, batches) = mpsc::channel(READ_AHEAD);
    let source = Source { file, collection: args.collection.clone(), mode: mode(&args), skip: args.skip };
    let reading = tokio::task::spawn_blocking(move || source.read(&sender));
    let loading = Loading { api: &project.api, path: &path, bar: bar(size) };
    let (tally, failed) = loading.load(batches).await;
    loading.bar.finish_and_clear();
    let read = reading.await.context("the reading of the file broke off")?;
    if let Some(failed) = failed {
        return Err(refused(&args, &tally, failed));
    }
    if let Err(error) = read {
        return Err(unreadable(&args, &tally, error));
    }
    report(context, &args, Done { documents: tally.documents(), took: started.elapsed() })
}

fn mode(args: &ImportArgs) -> Mode {
    if args.upsert { Mode::Upsert } else { Mode::Insert }
}

fn open(path: &Path) -> anyhow::Result<(File, u64)> {
    if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("csv")) {
        bail!(UsageError("a CSV file has no types; turn it into one JSON document a line first".into()));
    }
    let file = File::open(path).with_context(|| format!("could not open {}", path.display()))?;
    let size = file.metadata().with_context(|| format!("could not read {}", path.display()))?.len();
    Ok((file, size))
}

fn bar(size: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{wide_bar} {percent:>3}%  {msg}  {eta} left");
    let bar = ProgressBar::new(size);
    match style {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

struct Source {
    file: File,
    collection: String,
    mode: Mode,
    skip: u64,
}

impl Source {
    /// Reads the file into batches until nobody wants them any more. What stands before damage is sent.
    fn read(self, sender: &mpsc::Sender<Batch>) -> Result<(), ReadError> {
        let mut batches = Batches::new(&self.collection, self.mode, self.skip);
        let mut number = 0_u64;
        let mut damage = None;
        let read = reader::read(self.file, &mut |record| {
            number += 1;
            if number <= self.skip {
                return ControlFlow::Continue(());
            }
            match batches.add(&record) {
                Ok(None) => ControlFlow::Continue(()),
                Ok(Some(batch)) => match sender.blocking_send(batch) {
                    Ok(()) => ControlFlow::Continue(()),
                    Err(_) => ControlFlow::Break(()),
                },
                Err(error) => {
                    damage = Some(ReadError::Json { line: record.line, reason: error.to_string() });
                    ControlFlow::Break(())
                }
            }
        });
        if let Some(batch) = batches.take() {
            // Where nobody takes it any more, the import failed already.
            let _ = sender.blocking_send(batch);
        }
        damage.map_or(read, Err)
    }
}

struct Loading<'a> {
    api: &'a Api,
    path: &'a str,
    bar: ProgressBar,
}

impl Loading<'_> {
    /// Sends what comes; after the first failure only what is on its way is waited for.
    async fn load(&self, mut batches: mpsc::Receiver<Batch>) -> (Tally, Option<Failed>) {
        let (mut tally, mut failed) = (Tally::default(), None);
        let mut sending = FuturesUnordered::new();
        let mut is_open = true;
        let started = Instant::now();
        loop {
            tokio::select! {
                batch = batches.recv(), if is_open && sending.len() < IN_FLIGHT_MAX => match batch {
                    Some(batch) => sending.push(self.send(batch)),
                    None => is_open = false,
                },
                Some(sent) = sending.next() => match sent {
                    Ok(batch) => self.progress(tally.add(&batch), &batch, started),
                    Err(error) => {
                        failed.get_or_insert(error);
                        is_open = false;
                        batches.close();
                    }
                },
                else => return (tally, failed),
            }
        }
    }

    async fn send(&self, mut batch: Batch) -> Result<Batch, Failed> {
        let body = bytes::Bytes::from(std::mem::take(&mut batch.body));
        for attempt in 1.. {
            let request = self.api.request(Method::POST, self.path);
            let request = request.header(http::header::CONTENT_TYPE, "application/json").body(body.clone());
            match self.api.send(request).await {
                Ok(_) => break,
                Err(error) => match wait_before_retry(&error).filter(|_| attempt < ATTEMPTS_MAX) {
                    Some(wait) => tokio::time::sleep(wait).await,
                    None => return Err(Failed { error, lines: batch.lines }),
                },
            }
        }
        Ok(batch)
    }

    fn progress(&self, documents: u64, batch: &Batch, started: Instant) {
        let done = Done { documents, took: started.elapsed() };
        self.bar.set_position(self.bar.position().max(batch.bytes_read));
        self.bar.set_message(format!(
            "{} documents, {}/s",
            HumanCount(documents),
            HumanCount(done.per_second())
        ));
    }
}

/// A server that names a time to come back took nothing of the batch.
fn wait_before_retry(error: &CallError) -> Option<Duration> {
    match error {
        CallError::Refused(refusal) if matches!(refusal.status, 429 | 503) => {
            refusal.retry_after.map(|wait| wait.min(RETRY_WAIT_MAX))
        }
        _ => None,
    }
}

impl Tally {
    /// Counts a batch, and gives the number of documents that are in.
    fn add(&mut self, batch: &Batch) -> u64 {
        self.batches.insert(batch.first, (batch.lines.len() as u64, batch.has_ids));
        self.documents()
    }

    fn documents(&self) -> u64 {
        self.batches.values().map(|(count, _)| count).sum()
    }

    /// Up to where everything is in, and the batches behind a gap.
    fn unbroken(&self, first: u64) -> (u64, Vec<(u64, bool)>) {
        let mut end = first;
        let mut behind = Vec::new();
        for (start, (count, has_ids)) in &self.batches {
            if *start == end { end += count } else { behind.push((*count, *has_ids)) }
        }
        (end, behind)
    }
}

#[derive(Clone, Copy)]
struct Done {
    documents: u64,
    took: Duration,
}

impl Done {
    fn per_second(&self) -> u64 {
        (self.documents as f64 / self.took.as_secs_f64().max(0.001)) as u64
    }
}

fn report(context: &Context, args: &ImportArgs, done: Done) -> anyhow::Result<()> {
    let (documents, rate) = (done.documents, done.per_second());
    let seconds = done.took.as_secs_f64();
    let value = json!({
        "collection": args.collection,
        "imported": documents,
        "skipped": args.skip,
        "seconds": seconds,
        "per_second": rate,
    });
    Ok(context.output.answer(&value, || {
        let (documents, rate) = (HumanCount(documents), HumanCount(rate));
        format!("{documents} documents are in {} after {seconds:.1} s ({rate}/s)", args.collection)
    })?)
}

fn unreadable(args: &ImportArgs, tally: &Tally, error: ReadError) -> anyhow::Error {
    let next = format!("mend the file, then {}", how_to_go_on(args, tally));
    anyhow::Error::from(error).context(Advised::new(format!("{} is not all in", args.file.display()), next))
}

fn refused(args: &ImportArgs, tally: &Tally, failed: Failed) -> anyhow::Error {
    let place = match (line_of(&failed), failed.lines.first(), failed.lines.last()) {
        (Some(line), _, _) => format!("line {line}"),
        (None, Some(first), Some(last)) if first != last => format!("lines {first} to {last}"),
        (None, first, _) => format!("line {}", first.copied().unwrap_or(1)),
    };
    let conflict = matches!(&failed.error, CallError::Refused(refusal) if refusal.code == "document_exists");
    let mut next = how_to_go_on(args, tally);
    if conflict && !args.upsert {
        next += "; --upsert puts documents in place of those that are there";
    }
    anyhow::Error::from(failed.error)
        .context(Advised::new(format!("{} at {place}", args.file.display()), next))
}

/// The line of the operation that the server names in `details.index`.
fn line_of(failed: &Failed) -> Option<u64> {
    let CallError::Refused(refusal) = &failed.error else { return None };
    let index = refusal.details.as_ref()?.get("index").and_then(Value::as_u64)?;
    failed.lines.get(usize::try_from(index).ok()?).copied()
}

fn how_to_go_on(args: &ImportArgs, tally: &Tally) -> String {
    let (end, behind) = tally.unbroken(args.skip);
    let more: u64 = behind.iter().map(|(count, _)| count).sum();
    let upsert = if args.upsert || more > 0 { " --upsert" } else { "" };
    let command = format!(
        "go on with `bunbase db import {} {} --skip {end}{upsert}`",
        args.collection,
        args.file.display()
    );
    let mut text = format!("the first {end} documents are in; {command}");
    if more > 0 {
        text += &format!(" ({more} after them are in as well)");
    }
    if behind.iter().any(|(_, has_ids)| !has_ids) {
        text += "; those without _id would be there twice";
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::api::parse_refusal;

    fn args() -> ImportArgs {
        ImportArgs { collection: "c".into(), file: "f.jsonl".into(), upsert: false, skip: 0 }
    }

    fn batch(first: u64, count: u64) -> Batch {
        Batch {
            first,
            lines: (first + 1..=first + count).collect(),
            has_ids: true,
            bytes_read: 0,
            body: Vec::new(),
        }
    }

    #[test]
    fn after_a_gap_the_way_on_is_to_replace() {
        let mut tally = Tally::default();
        tally.add(&batch(0, 500));
        assert!(how_to_go_on(&args(), &tally).contains("--skip 500`"));
        assert_eq!(tally.add(&batch(1000, 500)), 1000);
        let text = how_to_go_on(&args(), &tally);
        assert!(text.contains("--skip 500 --upsert") && text.contains("500 after them"), "{text}");
    }

    #[test]
    fn the_servers_index_becomes_a_line_of_the_file() {
        let body = br#"{"error":{"code":"document_exists","message":"taken","details":{"index":2}}}"#;
        let error = CallError::Refused(Box::new(parse_refusal(409, body).unwrap()));
        let failed = Failed { error, lines: vec![10, 12, 15] };
        let error = refused(&args(), &Tally::default(), failed);
        assert_eq!(error.to_string(), "f.jsonl at line 15");
        assert!(error.downcast_ref::<Advised>().unwrap().next.contains("--upsert"));
    }

    #[test]
    fn only_a_busy_server_that_says_when_is_asked_again() {
        let error = |status, seconds| {
            let body = br#"{"error":{"code":"overloaded","message":"busy"}}"#;
            let refusal = parse_refusal(status, body).unwrap();
            let retry_after = Some(Duration::from_secs(seconds));
            CallError::Refused(Box::new(crate::cli::api::Refusal { retry_after, ..refusal }))
        };
        assert_eq!(wait_before_retry(&error(503, 1)), Some(Duration::from_secs(1)));
        assert_eq!(wait_before_retry(&error(429, 600)), Some(RETRY_WAIT_MAX));
        assert_eq!(wait_before_retry(&error(409, 1)), None);
    }
}
