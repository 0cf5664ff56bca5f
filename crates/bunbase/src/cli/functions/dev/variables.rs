//! Variables out of `.env` and `.env.local`: while a directory is run, they are those of the project. Read by Bun, so that
//! quotes and references mean what they mean there. In production those of this process come before them, without what is
//! about the process itself.

use super::console::Console;
use super::place::Mode;
use crate::cli::api::segment;
use crate::cli::context::Project;
use anyhow::Context as _;
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tokio::process::Command;
use worker_pool::BunBinary;

/// The later wins.
const FILES: [&str; 2] = [".env", ".env.local"];
const PRINT: &str = "process.stdout.write(JSON.stringify(process.env))";

/// Whether variables are in the file.
pub(super) fn is_file(path: &Path) -> bool {
    path.file_name().is_some_and(|name| FILES.iter().any(|file| name == *file))
}

/// What is about the process that runs here, its shell or this program.
fn is_for_the_application(name: &str) -> bool {
    const OTHERS: [&str; 14] = [
        "PATH", "HOME", "PWD", "OLDPWD", "SHELL", "SHLVL", "TERM", "LANG", "USER", "LOGNAME", "HOSTNAME",
        "TMPDIR", "NO_COLOR", "_",
    ];
    let is_ours = ["BUNBASE_", "LC_", "XDG_"].iter().any(|prefix| name.starts_with(prefix));
    !is_ours && !OTHERS.contains(&name)
}

/// What the server was told.
pub(super) struct Variables<'a> {
    project: &'a Project,
    root: PathBuf,
    mode: Mode,
    bun: BunBinary,
    /// `None` before the first look: the server may have those of the last time.
    known: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
struct Listed {
    variables: Vec<Named>,
}

#[derive(Deserialize)]
struct Named {
    key: String,
}

impl<'a> Variables<'a> {
    pub(super) fn new(project: &'a Project, (root, mode): (&Path, Mode), bun: BunBinary) -> Self {
        Self { project, root: root.to_owned(), mode, bun, known: None }
    }

    /// Brings what the files say to the server.
    pub(super) async fn follow(&mut self, console: &Console) -> anyhow::Result<()> {
        let mut wanted = self.read().await?;
        if self.mode == Mode::Production {
            wanted.insert("NODE_ENV".to_owned(), "production".to_owned());
            wanted.extend(std::env::vars().filter(|(name, _)| is_for_the_application(name)));
        }
        let mut names: BTreeSet<String> = wanted.keys().cloned().collect();
        match &self.known {
            Some(known) => names.extend(known.keys().cloned()),
            None => {
                let listed: Listed = self.project.api.get(&self.project.named_path("env")?).await?;
                names.extend(listed.variables.into_iter().map(|variable| variable.key));
            }
        }
        for name in names {
            let before = self.known.as_ref().and_then(|known| known.get(&name));
            let after = wanted.get(&name);
            if self.known.is_some() && before == after {
                continue;
            }
            if let Err(error) = self.put(&name, after).await {
                console.problem(&format!("the variable {name} stays as it was: {error:#}"))?;
            }
        }
        let is_new = self.known.as_ref().is_some_and(|known| *known != wanted) || self.known.is_none();
        let count = wanted.len();
        self.known = Some(wanted);
        if is_new && count > 0 { console.variables(count) } else { Ok(()) }
    }

    async fn put(&self, name: &str, value: Option<&String>) -> anyhow::Result<()> {
        let path = format!("{}/{}", self.project.named_path("env")?, segment(name)?);
        let api = &self.project.api;
        let request = match value {
            Some(value) => api.request(Method::PUT, &path).json(&json!({ "value": value })),
            None => api.request(Method::DELETE, &path),
        };
        let _: Value = api.read(api.send(request).await?).await?;
        Ok(())
    }

    async fn read(&self) -> anyhow::Result<BTreeMap<String, String>> {
        let files = FILES.iter().filter(|file| self.root.join(file).is_file());
        let arguments: Vec<String> = files.map(|file| format!("--env-file={file}")).collect();
        if arguments.is_empty() {
            return Ok(BTreeMap::new());
        }
        let printed = Command::new(self.bun.path())
            .args(arguments)
            .args(["-e", PRINT])
            .current_dir(&self.root)
            .env_clear()
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
            .with_context(|| format!("could not run {}", self.bun.path().display()))?;
        serde_json::from_slice(&printed.stdout).context("the variables in .env could not be read")
    }
}
