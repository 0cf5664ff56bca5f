//! A deployment: check, bundle, store, import in a real worker, switch. Until the switch the version before
//! takes the calls, and after a failure it goes on as if nothing had been.

use crate::announce::Announced;
use crate::error::FunctionsError;
use crate::names;
use crate::registry::{Deployment, Owner};
use crate::service::FunctionsService;
use crate::settings::{AccessSetting, Overrides, SettingsPatch};
use crate::store::functions::{self, FunctionRow};
use crate::store::versions::{self, VersionRow};
use serde_json::json;
use service_kit::clock::now_ms;
use service_kit::ids::{FunctionId, ProjectId};
use sha2::{Digest, Sha256};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio_util::task::TaskTracker;
use worker_pool::{LoadError, VersionSpec};

/// The only runtime so far.
pub(crate) const RUNTIME: &str = "bun";
/// Characters of the checksum that name a version without a name.
const SHORT_CHECKSUM: usize = 12;
/// Lines of a stack that a developer gets.
const STACK_LINES_MAX: usize = 8;
/// Bytes of a text that came out of a bundle, in an error.
const TEXT_BYTES_MAX: usize = 4 << 10;

/// What the upload is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// One source file, to be bundled here.
    Source,
    /// A bundle, to be stored as it is.
    Bundle,
}

impl Form {
    fn as_str(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Bundle => "bundle",
        }
    }
}

/// A deployment as it was asked for.
#[derive(Debug)]
pub(crate) struct Deploy {
    pub(crate) name: String,
    pub(crate) handler: String,
    /// The version's name; its checksum names it where this is absent.
    pub(crate) version: Option<String>,
    pub(crate) code: Vec<u8>,
    pub(crate) form: Form,
    pub(crate) settings: SettingsPatch,
}

/// What became of it.
#[derive(Debug)]
pub(crate) enum Deployed {
    /// A new version takes calls.
    New(FunctionRow),
    /// The version was there before; it takes calls.
    Known(FunctionRow),
}

impl FunctionsService {
    /// Deploys, to the end even if the caller goes away.
    pub(crate) async fn deploy(
        self: &Arc<Self>,
        project: ProjectId,
        wanted: Deploy,
    ) -> Result<Deployed, FunctionsError> {
        self.check(&wanted)?;
        let service = self.clone();
        self.background.spawn(async move { service.deploy_now(project, wanted).await }).await?
    }

    fn check(&self, wanted: &Deploy) -> Result<(), FunctionsError> {
        names::check_function(&wanted.name)?;
        names::check_handler(&wanted.handler)?;
        wanted.version.as_deref().map_or(Ok(()), names::check_version)?;
        wanted.settings.check()?;
        if wanted.code.is_empty() {
            return Err(FunctionsError::Invalid("`bundle` is empty: send the base64 of the source"));
        }
        self.fits("upload", &wanted.code)
    }

    fn fits(&self, what: &'static str, code: &[u8]) -> Result<(), FunctionsError> {
        let limit_bytes = self.config.bundle_bytes_max;
        if code.len() > limit_bytes { Err(FunctionsError::TooLarge { what, limit_bytes }) } else { Ok(()) }
    }

    async fn deploy_now(
        self: &Arc<Self>,
        project: ProjectId,
        wanted: Deploy,
    ) -> Result<Deployed, FunctionsError> {
        let _turn = self.locks.enter(&project).await?;
        let before = functions::find(&self.database, &project, &wanted.name).await?;
        if before.is_none() {
            let limit = self.config.functions_max;
            if functions::count(&self.database, &project).await? >= limit {
                return Err(FunctionsError::TooMany { limit });
            }
        }
        let mut row = planned(&project, before.as_ref(), &wanted);
        match versions::find(&self.database, &row.id, &row.version.version).await? {
            Some(known) if same_code(&known, &row.version) => {
                row.version = known;
                let row = self.activate(before, row).await?;
                self.announce(&row, Announced::Activated).await;
                Ok(Deployed::Known(row))
            }
            Some(known) => Err(FunctionsError::VersionExists { version: known.version.to_string() }),
            None => {
                let row = self.deploy_new(before, row, wanted).await?;
                self.announce(&row, Announced::Deployed).await;
                Ok(Deployed::New(row))
            }
        }
    }

    async fn deploy_new(
        self: &Arc<Self>,
        before: Option<FunctionRow>,
        mut row: FunctionRow,
        wanted: Deploy,
    ) -> Result<FunctionRow, FunctionsError> {
        let code = match wanted.form {
            Form::Bundle => wanted.code,
            Form::Source => self.builder.build(wanted.code).await?,
        };
        self.fits("bundle", &code)?;
        row.version.size_bytes = i64::try_from(code.len()).unwrap_or(i64::MAX);
        let is_new = before.is_none();
        let (function, version_id) = (row.id.clone(), row.version.id.clone());
        let result = match self.bundles.write(&function, &version_id, code).await {
            Ok(_) => self.activate(before, row.clone()).await,
            Err(error) => Err(error),
        };
        if result.is_err() {
            self.forget(&row, is_new).await;
        }
        result
    }

    /// Imports the version of `row`, stores the row and switches.
    pub(crate) async fn activate(
        self: &Arc<Self>,
        before: Option<FunctionRow>,
        row: FunctionRow,
    ) -> Result<FunctionRow, FunctionsError> {
        let is_active = before
            .as_ref()
            .is_some_and(|before| before.version.id == row.version.id && before.settings == row.settings);
        let registry = &self.executor.registry;
        if is_active {
            functions::save(&self.database, &row).await?;
            registry.set_access(&row.project, &row.name, row.access);
            return Ok(row);
        }
        self.compile_if_large(&row).await;
        let deployment = self.load(&row).await?;
        if let Err(error) = functions::save(&self.database, &row).await {
            self.retire(deployment);
            return Err(error);
        }
        if let Some(replaced) = registry.switch(&row.project, &row.name, row.access, deployment) {
            self.retire(replaced);
        }
        tracing::info!(function = %row.id, version = %row.version.version, "version is active");
        if let Err(error) = self.prune(&row.id).await {
            tracing::warn!(%error, function = %row.id, "old versions could not be removed");
        }
        Ok(row)
    }

    /// Removes what a failed deployment left.
    async fn forget(&self, row: &FunctionRow, is_new: bool) {
        let mut removed = self.bundles.remove_version(&row.id, &row.version.id).await;
        if is_new {
            let logs = self.logs.purge_function(&row.project, &row.id).await;
            removed = removed.and(logs.map_err(FunctionsError::from));
            removed = removed.and(self.bundles.remove_function(&row.id).await);
        }
        if let Err(error) = removed {
            tracing::warn!(%error, function = %row.id, "remains of a failed deployment are removed at the next start");
        }
    }

    async fn prune(&self, function: &FunctionId) -> Result<(), FunctionsError> {
        // The version that was just replaced may still need its file for a worker that starts late.
        let kept = self.config.versions_max.max(2);
        for version_id in versions::beyond(&self.database, function, kept).await? {
            versions::delete(&self.database, &version_id).await?;
            self.bundles.remove_version(function, &version_id).await?;
        }
        Ok(())
    }

    /// Makes a version callable without a worker.
    pub(crate) fn register(&self, row: &FunctionRow) -> Arc<Deployment> {
        let spec = self.spec(row);
        let key = spec.key.clone();
        Arc::new(Deployment { key, pool: self.pool.register(spec), calls: TaskTracker::new() })
    }

    async fn load(&self, row: &FunctionRow) -> Result<Arc<Deployment>, FunctionsError> {
        let spec = self.spec(row);
        let key = spec.key.clone();
        match self.pool.load(spec).await {
            Ok(pool) => Ok(Arc::new(Deployment { key, pool, calls: TaskTracker::new() })),
            Err(error) => {
                self.executor.registry.disown(&key);
                Err(refuse(error))
            }
        }
    }

    fn spec(&self, row: &FunctionRow) -> VersionSpec {
        let load = self.loads.fetch_add(1, Ordering::Relaxed);
        let key: Arc<str> = format!("{}.{load}", row.version.id).into();
        let version = row.version.version.clone();
        let owner = Owner { project: row.project.clone(), function: row.id.clone(), version };
        self.executor.registry.own(key.clone(), owner);
        VersionSpec {
            key,
            project: row.project.as_str().into(),
            bundle_path: self.bundles.path(&row.id, &row.version.id),
            bytecode_path: self.bytecode_path(row),
            handler: row.version.handler.clone(),
            env: Vec::new(),
            settings: row.settings.effective(&self.config).for_pool(&self.config),
        }
    }
}

/// The function as it will be, with a version that is not stored yet.
fn planned(project: &ProjectId, before: Option<&FunctionRow>, wanted: &Deploy) -> FunctionRow {
    let now = now_ms();
    let checksum = hex::encode(Sha256::digest(&wanted.code));
    let version = wanted.version.clone().unwrap_or_else(|| default_version(&checksum, &wanted.handler));
    FunctionRow {
        id: before.map_or_else(FunctionId::generate, |before| before.id.clone()),
        project: project.clone(),
        name: wanted.name.clone(),
        runtime: RUNTIME.to_owned(),
        access: wanted
            .settings
            .access
            .unwrap_or_else(|| before.map_or_else(AccessSetting::default, |before| before.access)),
        settings: before
            .map_or_else(Overrides::default, |before| before.settings.clone())
            .patched(&wanted.settings),
        status: "deployed".to_owned(),
        created_at: before.map_or(now, |before| before.created_at),
        updated_at: now,
        version: VersionRow {
            id: format!("ver_{}", uuid::Uuid::now_v7().simple()),
            version: version.into(),
            handler: wanted.handler.clone(),
            checksum,
            form: wanted.form.as_str().to_owned(),
            size_bytes: 0,
            created_at: now,
        },
    }
}

fn default_version(checksum: &str, handler: &str) -> String {
    let short = &checksum[..SHORT_CHECKSUM.min(checksum.len())];
    if handler == "default" { short.to_owned() } else { format!("{short}-{}", short_hash(handler)) }
}

/// A handler's name may hold characters that a version's name may not.
fn short_hash(text: &str) -> String {
    hex::encode(&Sha256::digest(text)[..3])
}

fn same_code(known: &VersionRow, wanted: &VersionRow) -> bool {
    known.checksum == wanted.checksum && known.handler == wanted.handler && known.form == wanted.form
}

fn refuse(error: LoadError) -> FunctionsError {
    let reason = error.code();
    match error {
        LoadError::Start(source) => FunctionsError::Worker(source),
        LoadError::Import { message, stack } => {
            let lines: Vec<&str> = stack.lines().take(STACK_LINES_MAX).collect();
            FunctionsError::Bundle {
                message: format!("the bundle could not be imported: {}", cut(&message)),
                details: json!({ "reason": reason, "stack": cut(&lines.join("\n")) }),
            }
        }
        other @ (LoadError::MissingHandler { .. } | LoadError::Timeout(_) | LoadError::Crashed { .. }) => {
            FunctionsError::Bundle { message: cut(&other.to_string()), details: json!({ "reason": reason }) }
        }
    }
}

fn cut(text: &str) -> String {
    text.chars().take(TEXT_BYTES_MAX / 4).collect()
}
