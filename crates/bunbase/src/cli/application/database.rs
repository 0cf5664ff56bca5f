//! Where the tables of an application are, for whoever works on them beside a running server.

use super::Application;
use crate::cli::failure::Advised;
use crate::cli::functions::{Mode, kept};
use actions::tables::Tables;
use anyhow::{Context as _, bail};
use clap::Args;
use serde_json::{Value, json};
use service_kit::ids::ProjectId;
use std::path::{Path, PathBuf};

/// Whose data.
#[derive(Debug, Args)]
pub(super) struct OfData {
    /// The directory of the application
    #[arg(long, default_value = ".", global = true)]
    pub(super) dir: PathBuf,
    /// The data of `bunbase start` in place of those of `bunbase dev`
    #[arg(long, global = true)]
    production: bool,
}

/// PostgreSQL where the configuration or `DATABASE_URL` names it, else the file of the project.
pub(super) enum Database {
    Postgres(String),
    Sqlite(PathBuf),
}

impl OfData {
    /// The data directory of an application.
    pub(super) fn data(&self, application: &Application) -> PathBuf {
        application.root().join(self.mode().data())
    }

    pub(super) fn mode(&self) -> Mode {
        if self.production { Mode::Production } else { Mode::Dev }
    }
}

impl Database {
    /// That of an application whose project has its data in `data`.
    ///
    /// # Errors
    /// There is none yet.
    pub(super) fn of(application: &Application, data: &Path) -> anyhow::Result<Self> {
        if let Some(url) = &application.config().database_url {
            return Ok(Self::Postgres(url.clone()));
        }
        let project = kept(data).unwrap_or_default().remove("BUNBASE_PROJECT");
        let Some(project) = project.and_then(|id| ProjectId::parse(&id).ok()) else {
            bail!(Advised::new(
                "there is no database yet",
                "run `bunbase dev` once: it makes one, and applies migrations"
            ));
        };
        let path = Tables::path(&data.join("projects"), &project);
        if let Some(directory) = path.parent() {
            std::fs::create_dir_all(directory)
                .with_context(|| format!("could not write {}", directory.display()))?;
        }
        Ok(Self::Sqlite(path))
    }

    /// As the tools of the package take it.
    pub(super) fn place(&self) -> Value {
        match self {
            Self::Postgres(url) => json!({ "postgres": url }),
            Self::Sqlite(path) => json!({ "sqlite": path }),
        }
    }
}
