//! Bundles a function with Bun: one file with its npm packages inside, and a map to its sources at the end.

use super::entry::Source;
use crate::cli::failure::Advised;
use anyhow::{Context as _, bail};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::Mutex;
use worker_pool::BunBinary;

const SCRIPT: &str = include_str!("bundler.js");
const BUN_VARIABLE: &str = "BUNBASE_BUN_PATH";
/// A Bun that bundles for longer is ended.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(60);

/// How code is written.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Style {
    /// Without what only people read, but for names.
    Small,
    /// As it comes.
    Plain,
}

/// Code that is ready to be sent.
#[derive(Debug, Deserialize)]
pub(crate) struct Bundle {
    /// The code, with the map at its end.
    pub(crate) code: String,
    /// The files that are in it.
    pub(crate) inputs: Vec<PathBuf>,
}

/// What is wrong with the code of a function.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
pub(crate) struct Problem {
    pub(crate) message: String,
    /// From the function's directory on.
    pub(crate) file: Option<String>,
    pub(crate) line: Option<u32>,
    pub(crate) column: Option<u32>,
    /// The line.
    pub(crate) text: Option<String>,
}

impl Problem {
    /// One without a place.
    pub(crate) fn of(message: String) -> Self {
        Self { message, ..Self::default() }
    }

    /// `file:line:column`, as far as it is known.
    pub(crate) fn place(&self) -> Option<String> {
        let numbers = self.line.zip(self.column).map(|(line, column)| format!(":{line}:{column}"));
        Some(format!("{}{}", self.file.as_deref()?, numbers.unwrap_or_default()))
    }
}

/// The code of a function cannot be bundled.
#[derive(Debug, thiserror::Error)]
#[error("{} could not be bundled:{}", .entry.display(), lines(.problems))]
pub(crate) struct Unsound {
    entry: PathBuf,
    pub(crate) problems: Vec<Problem>,
}

fn lines(problems: &[Problem]) -> String {
    let line = |problem: &Problem| match problem.place() {
        Some(place) => format!("\n  {place}: {}", problem.message),
        None => format!("\n  {}", problem.message),
    };
    problems.iter().map(line).collect()
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Answer {
    Done(Bundle),
    Failed { errors: Vec<Problem> },
}

/// A Bun with what it needs to bundle functions.
#[derive(Debug)]
pub(crate) struct Bundler {
    bun: BunBinary,
    directory: TempDir,
    stays: bool,
    process: Mutex<Option<Process>>,
}

/// The Bun to bundle with: named by `BUNBASE_BUN_PATH`, beside or above this program, above the current
/// directory, the one that runs this program, or on `PATH`.
pub(crate) fn find_bun() -> anyhow::Result<BunBinary> {
    let named = std::env::var_os(BUN_VARIABLE).filter(|path| !path.is_empty()).map(PathBuf::from);
    BunBinary::find(named.as_deref(), &near_this_program()).map_err(|error| {
        Advised::new(error.to_string(), "functions are bundled here, and that takes Bun").into()
    })
}

/// Directories that may hold `bun`: that of this program, and npm's platform packages above it.
fn near_this_program() -> Vec<PathBuf> {
    let Some(program) = std::env::current_exe().ok().and_then(|path| path.canonicalize().ok()) else {
        return Vec::new();
    };
    let mut near: Vec<PathBuf> = program.parent().map(Path::to_owned).into_iter().collect();
    for directory in program.ancestors().skip(1) {
        let packages = std::fs::read_dir(directory.join("node_modules/@oven")).into_iter().flatten();
        let mut native: Vec<PathBuf> = packages.flatten().map(|package| package.path().join("bin")).collect();
        native.sort();
        near.extend(native);
    }
    near
}

impl Bundler {
    pub(crate) fn new(bun: BunBinary) -> anyhow::Result<Self> {
        let directory =
            tempfile::Builder::new().prefix("bunbase-").tempdir().context("no temporary directory")?;
        let bundler = Self { bun, directory, stays: false, process: Mutex::default() };
        std::fs::write(bundler.script(), SCRIPT)
            .and_then(|()| functions::write_sdk(&bundler.sdk()))
            .with_context(|| format!("could not write to {}", bundler.directory.path().display()))?;
        Ok(bundler)
    }

    /// One whose Bun waits for the next function: that takes half the time, and some 100 MiB.
    pub(crate) fn staying(bun: BunBinary) -> anyhow::Result<Self> {
        Ok(Self { stays: true, ..Self::new(bun)? })
    }

    fn script(&self) -> PathBuf {
        self.directory.path().join("bundler.js")
    }

    fn sdk(&self) -> PathBuf {
        self.directory.path().join("node_modules/bunbase-js")
    }

    /// Bundles what the entry of a function exports. `bytes_max` bounds the code with its map.
    ///
    /// # Errors
    /// [`Unsound`] where the code is wrong.
    pub(crate) async fn bundle(
        &self,
        source: &Source,
        style: Style,
        bytes_max: u64,
    ) -> anyhow::Result<Bundle> {
        let style = match style {
            Style::Small => "small",
            Style::Plain => "plain",
        };
        let order = json!({ "root": source.root, "entry": source.entry, "style": style });
        match self.run(&order, bytes_max).await? {
            Answer::Done(bundle) if bundle.code.len() as u64 > bytes_max => bail!(too_large(bytes_max)),
            Answer::Done(bundle) => Ok(bundle),
            Answer::Failed { errors: problems } => bail!(Unsound { entry: source.entry.clone(), problems }),
        }
    }

    async fn run(&self, order: &Value, bytes_max: u64) -> anyhow::Result<Answer> {
        let mut waiting = self.process.lock().await;
        // Bun remembers which packages there are, and which not: that one fails says nothing if it is not the first.
        if let Some(mut process) = waiting.take()
            && let Ok(answer @ Answer::Done(_)) = process.ask(order, bytes_max).await
        {
            *waiting = Some(process);
            return Ok(answer);
        }
        let mut process = self.start()?;
        let answer = process.ask(order, bytes_max).await?;
        *waiting = Some(process).filter(|_| self.stays && matches!(answer, Answer::Done(_)));
        Ok(answer)
    }

    /// What is remembered of packages and settings holds no longer.
    pub(crate) async fn forget(&self) {
        drop(self.process.lock().await.take());
    }

    fn start(&self) -> anyhow::Result<Process> {
        let mut child = Command::new(self.bun.path())
            .args(["--no-install", "--no-env-file"])
            .arg(self.script())
            .arg(self.sdk())
            .current_dir(self.directory.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("could not run {}", self.bun.path().display()))?;
        let pipes = child.stdin.take().zip(child.stdout.take());
        let (orders, answers) = pipes.context("bun has no pipes")?;
        Ok(Process { _child: child, orders, answers: BufReader::new(answers) })
    }
}

/// A running Bun; ended with this.
#[derive(Debug)]
struct Process {
    _child: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Process {
    async fn ask(&mut self, order: &Value, bytes_max: u64) -> anyhow::Result<Answer> {
        tokio::time::timeout(ANSWER_TIME_MAX, self.answer(order, bytes_max)).await.unwrap_or_else(|_| {
            bail!(
                "bun has not bundled it within {} seconds: does a macro wait for something?",
                ANSWER_TIME_MAX.as_secs()
            )
        })
    }

    async fn answer(&mut self, order: &Value, bytes_max: u64) -> anyhow::Result<Answer> {
        self.orders.write_all(format!("{order}\n").as_bytes()).await.context("bun takes no more")?;
        // JSON needs more than the code itself, but seldom twice as much.
        let bytes_max_json = bytes_max.saturating_mul(2);
        let mut answer = Vec::new();
        let mut answers = (&mut self.answers).take(bytes_max_json);
        answers.read_until(b'\n', &mut answer).await.context("could not read what bun printed")?;
        if answer.len() as u64 == bytes_max_json {
            bail!(too_large(bytes_max));
        }
        serde_json::from_slice(&answer).context("bun gave no answer")
    }
}

fn too_large(bytes_max: u64) -> String {
    format!("the bundle is larger than the {} MiB that a deployment may have", bytes_max >> 20)
}

impl Unsound {
    /// For those who have to mend it before anything else happens.
    pub(crate) fn advised(&self) -> Advised {
        Advised::new(
            self.to_string(),
            "mend the code; packages that are missing are installed with `npm install` or `bun install`",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BYTES_MAX: u64 = 1024 * 1024;

    async fn bundled(files: &[(&str, &str)]) -> anyhow::Result<Bundle> {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let source = crate::cli::functions::entry::discover(&root.path().join(files[0].0), None)?.remove(0);
        Bundler::new(find_bun()?)?.bundle(&source, Style::Small, BYTES_MAX).await
    }

    #[tokio::test]
    async fn imports_are_bundled_in_and_known() {
        let package = ("node_modules/left/package.json", r#"{"name": "left", "main": "i.js"}"#);
        let code = ("node_modules/left/i.js", "export const left = 'from a package';");
        let entry =
            ("a.ts", "import { left } from 'left'; export default () => new Response(left as string);");
        let Bundle { code, inputs } = bundled(&[entry, package, code]).await.unwrap();
        assert!(code.starts_with("// @bun\n") && code.contains("from a package"), "{code}");
        assert!(!code.contains("import"), "{code}");
        assert_eq!(inputs.len(), 2);
        assert!(inputs.iter().all(|input| input.is_absolute()), "{inputs:?}");
    }

    #[tokio::test]
    async fn the_client_is_there_without_being_installed() {
        let entry = ("a.ts", "import { bunbase } from 'bunbase-js/function'; export default () => bunbase;");
        let code = bundled(&[entry]).await.unwrap().code;
        assert!(!code.contains("from\"bunbase-js") && code.contains("class BunbaseError"), "{code}");
    }

    #[tokio::test]
    async fn one_that_stays_sees_what_came_and_what_went() {
        let bundler = Bundler::staying(find_bun().unwrap()).unwrap();
        let root = tempfile::tempdir().unwrap();
        let entry = root.path().join("a.ts");
        let bundled = async |code: &str| {
            std::fs::write(&entry, code).unwrap();
            let source = crate::cli::functions::entry::discover(&entry, None).unwrap().remove(0);
            bundler.bundle(&source, Style::Plain, BYTES_MAX).await
        };
        let code = bundled("export default () => new Response('first');").await.unwrap().code;
        assert!(code.contains("first"), "{code}");
        let of_package = "import { left } from 'left'; export default () => new Response(left);";
        let error = bundled(of_package).await.unwrap_err();
        assert!(error.to_string().contains("left"), "{error}");
        let package = root.path().join("node_modules/left");
        std::fs::create_dir_all(&package).unwrap();
        std::fs::write(package.join("package.json"), r#"{"name": "left", "main": "i.js"}"#).unwrap();
        std::fs::write(package.join("i.js"), "export const left = 'it came';").unwrap();
        let code = bundled(of_package).await.unwrap().code;
        assert!(code.contains("it came"), "{code}");
        std::fs::write(package.join("package.json"), r#"{"name": "left", "main": "j.js"}"#).unwrap();
        std::fs::write(package.join("j.js"), "export const left = 'it moved';").unwrap();
        bundler.forget().await;
        let code = bundled(of_package).await.unwrap().code;
        assert!(code.contains("it moved"), "{code}");
        std::fs::remove_dir_all(root.path().join("node_modules")).unwrap();
        assert!(bundled(of_package).await.is_err());
        // Another directory, of which other paths are told.
        let other = tempfile::tempdir().unwrap();
        std::fs::write(other.path().join("b.ts"), "export default (((").unwrap();
        let source =
            crate::cli::functions::entry::discover(&other.path().join("b.ts"), None).unwrap().remove(0);
        let error = bundler.bundle(&source, Style::Plain, BYTES_MAX).await.unwrap_err();
        assert!(error.to_string().contains("\n  b.ts:1:"), "{error}");
    }

    #[tokio::test]
    async fn code_that_does_not_parse_is_shown_with_its_place() {
        let error = bundled(&[("a.ts", "export default (((")]).await.unwrap_err();
        assert!(error.to_string().contains("a.ts:1:"), "{error}");
        let error = bundled(&[("a.ts", "let a = 1;\n import 'no-such-package';")]).await.unwrap_err();
        let Unsound { problems, .. } = error.downcast_ref().unwrap();
        assert_eq!(problems[0].place().unwrap(), "a.ts:2:9");
        assert!(problems[0].message.contains("no-such-package"));
    }
}
