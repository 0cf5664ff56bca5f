//! Bundles a function with Bun: one file with its npm packages inside, and a map to its sources at the end.

use super::entry::Source;
use crate::cli::failure::Advised;
use anyhow::{Context as _, bail};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tempfile::TempDir;
use tokio::io::AsyncReadExt;
use tokio::process::Command;
use worker_pool::BunBinary;

const SCRIPT: &str = include_str!("bundler.js");
const BUN_VARIABLE: &str = "BUNBASE_BUN_PATH";

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
        let bundler = Self { bun, directory };
        std::fs::write(bundler.script(), SCRIPT)
            .and_then(|()| functions::write_sdk(&bundler.sdk()))
            .with_context(|| format!("could not write to {}", bundler.directory.path().display()))?;
        Ok(bundler)
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
        // JSON needs more than the code itself, but seldom twice as much.
        let answer = self.run(source, style, bytes_max.saturating_mul(2)).await?;
        match serde_json::from_slice(&answer).context("bun gave no answer")? {
            Answer::Done(bundle) if bundle.code.len() as u64 > bytes_max => {
                bail!("the bundle is larger than the {} MiB that a deployment may have", bytes_max >> 20)
            }
            Answer::Done(bundle) => Ok(bundle),
            Answer::Failed { errors: problems } => bail!(Unsound { entry: source.entry.clone(), problems }),
        }
    }

    async fn run(&self, source: &Source, style: Style, bytes_max: u64) -> anyhow::Result<Vec<u8>> {
        let style = match style {
            Style::Small => "small",
            Style::Plain => "plain",
        };
        let mut child = Command::new(self.bun.path())
            .args(["--no-install", "--no-env-file"])
            .arg(self.script())
            .arg(&source.entry)
            .arg(style)
            .arg(self.sdk())
            .current_dir(&source.root)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("could not run {}", self.bun.path().display()))?;
        let mut answer = Vec::new();
        if let Some(output) = child.stdout.take() {
            output
                .take(bytes_max)
                .read_to_end(&mut answer)
                .await
                .context("could not read what bun printed")?;
        }
        // What is left to print has no reader: then it ends, too.
        child.wait().await.context("could not wait for bun")?;
        Ok(answer)
    }
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
    async fn code_that_does_not_parse_is_shown_with_its_place() {
        let error = bundled(&[("a.ts", "export default (((")]).await.unwrap_err();
        assert!(error.to_string().contains("a.ts:1:"), "{error}");
        let error = bundled(&[("a.ts", "let a = 1;\n import 'no-such-package';")]).await.unwrap_err();
        let Unsound { problems, .. } = error.downcast_ref().unwrap();
        assert_eq!(problems[0].place().unwrap(), "a.ts:2:9");
        assert!(problems[0].message.contains("no-such-package"));
    }
}
