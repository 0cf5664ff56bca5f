//! Scripts of this program that Bun runs in the directory of an application, with the variables of its `.env`. What they
//! have to say is JSON in the last line that they print; what the code of the application prints stands before it.

use crate::cli::failure::Advised;
use anyhow::{Context as _, bail};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::ffi::OsStr;
use std::io::Write as _;
use std::path::Path;
use std::process::{Output, Stdio};
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;
use worker_pool::BunBinary;

const TOOL: &str = include_str!("tool.js");
/// Of what a script prints when it fails.
const COMPLAINT_CHARACTERS_MAX: usize = 2_000;

#[derive(Deserialize)]
#[serde(untagged)]
enum Said<T> {
    Failed { error: String },
    Done(T),
}

/// Runs a script with one argument; its own error is the inner one.
///
/// # Errors
/// Bun cannot be run.
pub(super) async fn run<T: DeserializeOwned>(
    bun: &BunBinary,
    root: &Path,
    (script, argument): (&str, &OsStr),
) -> anyhow::Result<Result<T, String>> {
    Ok(told(&output(bun, root, (script, argument), None).await?).0)
}

/// Runs a tool of the package `bunbase`, as the application has it installed. What the application's own code prints goes
/// to standard error.
///
/// # Errors
/// The tool fails, or the package has none of that name.
pub(super) async fn tool<T: DeserializeOwned>(
    (bun, root): (&BunBinary, &Path),
    name: &str,
    input: &Value,
) -> anyhow::Result<T> {
    #[derive(Deserialize)]
    struct Answer<T> {
        answer: T,
    }
    let output = output(bun, root, (TOOL, OsStr::new(name)), Some(input)).await?;
    let (said, before) = told::<Answer<T>>(&output);
    // Nobody has to read it.
    let _ = before.iter().try_for_each(|line| writeln!(std::io::stderr(), "{line}"));
    match said {
        Ok(Answer { answer }) => Ok(answer),
        Err(error) if error.contains("bunbase/cli") => bail!(Advised::new(
            format!("the package bunbase is missing, or of another version: {error}"),
            "run `bun install`; `bunbase doctor` looks at versions",
        )),
        Err(error) => bail!(error),
    }
}

async fn output(
    bun: &BunBinary,
    root: &Path,
    (script, argument): (&str, &OsStr),
    input: Option<&Value>,
) -> anyhow::Result<Output> {
    let failed = || format!("could not run {}", bun.path().display());
    let mut child = Command::new(bun.path())
        .args(["--no-install", "-e", script, "--"])
        .arg(argument)
        .current_dir(root)
        .stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .with_context(failed)?;
    if let (Some(mut stdin), Some(input)) = (child.stdin.take(), input) {
        // Where it ended before it read, its answer says why.
        let _ = stdin.write_all(input.to_string().as_bytes()).await;
    }
    child.wait_with_output().await.with_context(failed)
}

/// The answer, and what was printed besides.
fn told<T: DeserializeOwned>(output: &Output) -> (Result<T, String>, Vec<String>) {
    let (printed, complaint) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let mut lines: Vec<&str> = printed.lines().collect();
    let said = match lines.last().and_then(|line| serde_json::from_str(line).ok()) {
        Some(Said::Done(done)) => Ok(done),
        Some(Said::Failed { error }) => Err(error),
        None => {
            let complaint: String = complaint.trim().chars().take(COMPLAINT_CHARACTERS_MAX).collect();
            let nothing = format!("bun gave no answer ({})", output.status);
            return (Err(if complaint.is_empty() { nothing } else { complaint }), Vec::new());
        }
    };
    lines.pop();
    (said, lines.into_iter().chain(complaint.lines()).map(str::to_owned).collect())
}
