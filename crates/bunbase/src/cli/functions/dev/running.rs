//! The functions of a directory as they run: which files each consists of, and what of it takes the calls.

use super::console::Console;
use super::watch::Changes;
use crate::cli::api::{CallError, segment};
use crate::cli::application::{self, Application, Fresh};
use crate::cli::context::Project;
use crate::cli::failure::Advised;
use crate::cli::functions::bundle::{Bundler, Style};
use crate::cli::functions::deploy::{CODE_BYTES_MAX, DEPLOY_TIMEOUT, with_code};
use crate::cli::functions::entry::{self, Source};
use crate::cli::functions::handlers;
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Files that decide about every function: a change of what is imported shows in none of the others.
const SHARED: [&str; 7] = [
    "package.json",
    "bun.lock",
    "bun.lockb",
    "package-lock.json",
    "tsconfig.json",
    "bunfig.toml",
    "node_modules",
];

/// A file that is not there for so long is gone.
const GONE_AFTER: Duration = Duration::from_millis(150);

/// A function that takes calls.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Live {
    id: String,
    pub(super) name: String,
    pub(super) version: Option<String>,
    pub(super) access: String,
    pub(super) url: String,
    /// What starts it besides calls, such as `cron */5 * * * *`.
    #[serde(skip)]
    pub(super) triggers: Vec<String>,
}

impl Live {
    /// An application of actions, whose routes begin at the root here.
    pub(super) fn is_application(&self) -> bool {
        self.url.starts_with("/v1/apps/")
    }
}

#[derive(Deserialize)]
struct List {
    functions: Vec<Live>,
}

/// Names of functions by id, for their lines.
#[derive(Clone, Default)]
pub(super) struct Names(Arc<Mutex<HashMap<String, String>>>);

impl Names {
    pub(super) fn of(&self, id: &str) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    fn add(&self, live: &Live) {
        let mut names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        names.insert(live.id.clone(), live.name.clone());
    }
}

/// One function of the directory.
struct Function {
    source: Source,
    /// Known once it could be bundled.
    inputs: BTreeSet<PathBuf>,
    /// The code that was brought last.
    code: String,
    /// What is in the files does not run.
    is_failing: bool,
    live: Option<Live>,
}

/// All of them.
pub(super) struct Functions<'a> {
    project: &'a Project,
    path: PathBuf,
    /// Where the directory is one: its only function.
    application: Option<Application>,
    bundler: Bundler,
    by_name: BTreeMap<String, Function>,
    /// Those that the server has, also from the last time.
    known: BTreeSet<String>,
    names: Names,
    /// What was said last about the directory as a whole.
    trouble: Option<String>,
    stale: Stale,
}

/// Types of an application that do not follow what there is.
struct Stale {
    /// The manifest that they have to follow.
    names: Option<Value>,
    tables: bool,
}

impl<'a> Functions<'a> {
    pub(super) fn new(
        project: &'a Project,
        (path, application): (PathBuf, Option<Application>),
        bundler: Bundler,
    ) -> Self {
        let (by_name, known, names) = (BTreeMap::new(), BTreeSet::new(), Names::default());
        let stale = Stale { names: None, tables: true };
        Self { project, path, application, bundler, by_name, known, names, trouble: None, stale }
    }

    pub(super) fn names(&self) -> Names {
        self.names.clone()
    }

    /// Those that take calls.
    pub(super) fn rows(&self) -> impl Iterator<Item = &Live> {
        self.by_name.values().filter_map(|function| function.live.as_ref())
    }

    /// Applies the migrations of an application that are new.
    pub(super) async fn migrate(&mut self, data: &Path, console: &Console) -> anyhow::Result<()> {
        let Some(application) = &self.application else { return Ok(()) };
        let applied = application::up(application, data).await?;
        self.stale.tables |= !applied.is_empty();
        applied.iter().try_for_each(|name| console.migrated(name))
    }

    /// Writes the types of an application anew where they are stale.
    pub(super) async fn write_types(&mut self, data: &Path, console: &Console) -> anyhow::Result<()> {
        let Some(application) = &self.application else { return Ok(()) };
        let Stale { names, tables } =
            std::mem::replace(&mut self.stale, Stale { names: None, tables: false });
        let names = names.as_ref().map(Fresh::Names);
        for fresh in names.into_iter().chain(tables.then_some(Fresh::Tables(data))) {
            if let Err(error) = application::refresh(application, fresh).await {
                console.problem(&format!("types stay as they were: {error:#}"))?;
            }
        }
        Ok(())
    }

    /// Whether a file is about migrations.
    pub(super) fn is_migration(&self, path: &Path) -> bool {
        let directory =
            |application: &Application| application.root().join(&application.config().migrations_dir);
        self.application.as_ref().is_some_and(|application| path.starts_with(directory(application)))
    }

    /// Brings what there is to the server, and removes what is there of files that are gone.
    pub(super) async fn begin(&mut self, console: &Console) -> anyhow::Result<()> {
        let list: List = self.project.api.get(&self.project.functions_path()?).await?;
        self.known = list.functions.into_iter().map(|function| function.name).collect();
        self.bring(|_| true, Instant::now(), console).await
    }

    /// Brings what changed.
    pub(super) async fn follow(&mut self, changes: &Changes, console: &Console) -> anyhow::Result<()> {
        if changes.paths.iter().any(|path| is_shared(path)) {
            self.bundler.forget().await;
        }
        let concerns = |function: &Function| {
            function.is_failing
                || changes.paths.iter().any(|path| function.inputs.contains(path) || is_shared(path))
        };
        self.bring(concerns, changes.at, console).await
    }

    async fn bring(
        &mut self,
        concerns: impl Fn(&Function) -> bool,
        since: Instant,
        console: &Console,
    ) -> anyhow::Result<()> {
        let Some(mut sources) = self.discover(console).await? else { return Ok(()) };
        if self.gone(&sources).next().is_some() {
            // Some editors put a new file in the place of the old one: between the two there is none.
            tokio::time::sleep(GONE_AFTER).await;
            let Some(again) = self.discover(console).await? else { return Ok(()) };
            sources = again;
        }
        self.remove_others(&sources, console).await?;
        for source in sources {
            let before = self.by_name.get(&source.name);
            if before.is_none_or(|function| function.source != source || concerns(function)) {
                self.bring_one(source, since, console).await?;
            }
        }
        Ok(())
    }

    /// The functions that there are; `None` where nobody can say.
    async fn discover(&mut self, console: &Console) -> anyhow::Result<Option<Vec<Source>>> {
        let found = match &mut self.application {
            Some(application) => application.source().await.map(|source| vec![source]),
            None => entry::discover(&self.path, None),
        };
        let error = match found {
            Ok(sources) => {
                self.trouble = None;
                return Ok(Some(sources));
            }
            Err(error) => error,
        };
        let advice = error.downcast_ref::<Advised>().map(|advised| advised.next.clone());
        let text = advice.iter().fold(format!("{error:#}"), |text, next| format!("{text}: {next}"));
        if self.trouble.as_ref() != Some(&text) {
            console.problem(&text)?;
        }
        self.trouble = Some(text);
        // There is advice where there is no function.
        Ok(advice.map(|_| Vec::new()))
    }

    /// Functions of the server that have no source.
    fn gone(&self, sources: &[Source]) -> impl Iterator<Item = &String> {
        self.known.iter().filter(|name| !sources.iter().any(|source| source.name == **name))
    }

    async fn remove_others(&mut self, sources: &[Source], console: &Console) -> anyhow::Result<()> {
        let gone: Vec<_> = self.gone(sources).cloned().collect();
        for name in gone {
            let path = format!("{}/{}", self.project.functions_path()?, segment(&name)?);
            self.project.api.delete(&path).await?;
            self.known.remove(&name);
            console.removed(&name)?;
        }
        self.by_name.retain(|name, _| sources.iter().any(|source| source.name == *name));
        Ok(())
    }

    async fn bring_one(&mut self, source: Source, since: Instant, console: &Console) -> anyhow::Result<()> {
        let name = source.name.clone();
        let before = self.by_name.remove(&name);
        let mut function =
            Function { source, inputs: BTreeSet::new(), code: String::new(), is_failing: false, live: None };
        if let Some(before) = before {
            function = Function { source: function.source, ..before };
        }
        match self.deploy(&mut function).await {
            Ok(false) => {}
            Ok(true) => {
                let took = since.elapsed();
                if let Some(live) = &mut function.live {
                    let manifest = self.manifest(&name).await?;
                    live.triggers = handlers::told(&manifest);
                    console.live(live, took)?;
                    self.stale.names = Some(manifest);
                }
            }
            Err(error) if is_over(&error) => return Err(error),
            Err(error) => console.failed(&name, &error, function.live.is_some())?,
        }
        self.by_name.insert(name, function);
        Ok(())
    }

    /// Bundles and deploys; whether anything is new.
    async fn deploy(&mut self, function: &mut Function) -> anyhow::Result<bool> {
        let was_failing = std::mem::replace(&mut function.is_failing, true);
        let bundle = self.bundler.bundle(&function.source, Style::Plain, CODE_BYTES_MAX).await?;
        function.inputs = bundle.inputs.iter().cloned().collect();
        if !was_failing && function.live.is_some() && function.code == bundle.code {
            function.is_failing = false;
            return Ok(false);
        }
        let name = &function.source.name;
        let mut fields = Map::from_iter([("name".to_owned(), json!(name))]);
        if !self.known.contains(name) {
            // Whoever sets another access here keeps it.
            fields.insert("settings".to_owned(), json!({ "access": "public" }));
        }
        let api = &self.project.api;
        let request = api.request(Method::POST, &self.project.functions_path()?).timeout(DEPLOY_TIMEOUT);
        let live: Live = api.read(api.send(with_code(request, fields, &bundle)?).await?).await?;
        self.known.insert(live.name.clone());
        self.names.add(&live);
        function.code = bundle.code;
        function.live = Some(live);
        function.is_failing = false;
        Ok(true)
    }

    async fn manifest(&self, name: &str) -> anyhow::Result<Value> {
        let path = format!("{}/{}", self.project.functions_path()?, segment(name)?);
        let mut detail: Value = self.project.api.get(&path).await?;
        Ok(detail["manifest"].take())
    }
}

fn is_shared(path: &Path) -> bool {
    path.file_name().is_some_and(|name| SHARED.iter().any(|shared| name == *shared))
}

/// The server does not answer any more.
fn is_over(error: &anyhow::Error) -> bool {
    matches!(
        error.downcast_ref::<CallError>(),
        Some(CallError::Unreachable { .. } | CallError::Broken { .. })
    )
}
