//! A version from an upload: staged, named, bundled, stored, imported by what is to run it. What fails leaves nothing.
//!
//! Only the module can say which runtime it is for, where the deployment does not. One that has `runtime: "quickjs"` in its
//! text is asked in the lane, where nothing is allowed; it is run by Bun only after it has said that it is for that.

use crate::application::Application;
use crate::bundle::{Bundled, Bundles, Staged, Upload};
use crate::environment::Environment;
use crate::error::FunctionsError;
use crate::handlers::Handlers;
use crate::manifest::{DEFAULT_EXPORT, Manifest, ManifestError};
use crate::names;
use crate::registry::Deployment;
use crate::routing::Order;
use crate::runtime::{Pool, Runtime};
use crate::service::FunctionsService;
use crate::store::functions::FunctionRow;
use crate::store::versions::{self, VersionRow};
use serde::Deserialize;
use serde_json::Value;
use service_kit::clock::now_ms;
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// Characters of the checksum that name a version without a name.
const SHORT_CHECKSUM: usize = 12;

/// A version as it was asked for.
#[derive(Debug)]
pub(crate) struct Build {
    pub(crate) upload: Upload,
    /// The export that is called; the function's where absent.
    pub(crate) handler: Option<String>,
    /// What is to run it; where absent, what its manifest says, or the function's.
    pub(crate) runtime: Option<Runtime>,
    /// The version's name; its checksum names it where this is absent.
    pub(crate) version: Option<String>,
    pub(crate) manifest: Option<Value>,
    /// SHA-256 of the upload in hex, to be compared.
    pub(crate) checksum: Option<String>,
}

/// A version that can run.
pub(crate) struct Built {
    pub(crate) version: VersionRow,
    /// Whether it has no row yet.
    pub(crate) is_new: bool,
    /// Loaded, where it is new.
    pub(crate) ready: Option<Arc<Deployment>>,
}

/// What whoever imported a bundle tells of it.
#[derive(Deserialize)]
struct Report {
    config: Option<Value>,
    exports: Vec<String>,
}

/// Export, runtime and manifest of a version, before its code is known.
struct Declared {
    handler: String,
    /// `None` where the module says it.
    runtime: Option<Runtime>,
    manifest: Option<Manifest>,
}

impl Build {
    pub(crate) fn check(&self, bytes_max: usize) -> Result<(), FunctionsError> {
        self.version.as_deref().map_or(Ok(()), names::check_version)?;
        self.handler.as_deref().map_or(Ok(()), names::check_handler)?;
        if self.handler.is_some() && self.manifest.is_some() {
            return Err(FunctionsError::Invalid(
                "send `handler` or `manifest`: a manifest names its exports",
            ));
        }
        self.upload.check(bytes_max)?;
        let given = self.checksum.as_ref().map(|checksum| checksum.to_ascii_lowercase());
        if given.is_some_and(|checksum| checksum != hex::encode(Sha256::digest(self.upload.bytes()))) {
            return Err(FunctionsError::Invalid(
                "the upload does not have the SHA-256 that `checksum` names",
            ));
        }
        Ok(())
    }
}

impl FunctionsService {
    /// Makes a version of `row`, which need not be stored, or finds the one that is the same.
    pub(crate) async fn build(&self, row: &FunctionRow, wanted: Build) -> Result<Built, FunctionsError> {
        let declared = Declared::of(row, &wanted)?;
        let staged = self.builder.stage(wanted.upload).await?;
        let version = planned(&declared, wanted.version, &staged);
        let known = versions::find(&self.database, &row.id, &version.version).await;
        let bundles = match &known {
            Ok(None) => self.builder.bundle(&staged, declared.runtime).await,
            Ok(Some(_)) | Err(_) => Bundles::new(),
        };
        // It holds the turn of a bundler, and others wait for theirs.
        staged.remove().await;
        match known? {
            Some(known) if declared.is_same(&known, &version) => {
                Ok(Built { version: known, is_new: false, ready: None })
            }
            Some(known) => Err(FunctionsError::VersionExists { version: known.version.to_string() }),
            None => self.build_or_forget(row, (&declared, version), bundles).await,
        }
    }

    async fn build_or_forget(
        &self,
        row: &FunctionRow,
        (declared, version): (&Declared, VersionRow),
        bundles: Bundles,
    ) -> Result<Built, FunctionsError> {
        let built = self.build_new(row, (declared, &version), bundles).await;
        if built.is_err() {
            self.forget_version(row, &version).await;
        }
        built
    }

    /// The first of the bundles that is what the module says it is.
    async fn build_new(
        &self,
        row: &FunctionRow,
        (declared, version): (&Declared, &VersionRow),
        bundles: Bundles,
    ) -> Result<Built, FunctionsError> {
        for (runtime, bundle) in bundles {
            if let Some(built) = self.build_for(runtime, row, (declared, version.clone()), bundle?).await? {
                return Ok(built);
            }
        }
        let problem = "write it as `runtime: \"quickjs\"`, or name the runtime in the deployment";
        Err(ManifestError::new("config.runtime", problem).into())
    }

    /// Stores and imports a bundle; `None` where the module says that it is for another runtime.
    async fn build_for(
        &self,
        runtime: Runtime,
        row: &FunctionRow,
        (declared, mut version): (&Declared, VersionRow),
        bundled: Bundled,
    ) -> Result<Option<Built>, FunctionsError> {
        let limit_bytes = self.config.bundle_bytes_max;
        if bundled.code.len() > limit_bytes {
            return Err(FunctionsError::TooLarge { what: "bundle", limit_bytes });
        }
        version.manifest = Arc::new((*version.manifest).clone().in_runtime(runtime));
        version.size_bytes = i64::try_from(bundled.code.len()).unwrap_or(i64::MAX);
        self.bundles.write(&row.id, &version.id, bundled).await?;
        self.compile_if_large(row, &version).await;
        let environment = self.environment(&row.project, &row.id).await?;
        let mut deployment = self.load_first(row, (declared, &version), &environment).await?;
        let report = deployment.pool.as_ref().and_then(Pool::report);
        let manifest = match declared.complete(report, runtime) {
            Ok(Some(manifest)) => manifest,
            other => {
                self.executor.registry.disown(&deployment.key);
                return other.map(|_| None);
            }
        };
        version.manifest = Arc::new(manifest);
        if deployment.terms != self.terms((row, &version), true, Some(&environment))? {
            // What it says about itself was not known: only now it shows whether its handlers are there.
            self.executor.registry.disown(&deployment.key);
            deployment = self.load_as(row, &version, &environment).await?;
        }
        deployment.handlers = Handlers::of(&version.manifest, &deployment.terms.handlers, Some(&environment));
        deployment.tools = crate::tools::declared(&version.manifest);
        deployment.application = self.application(&row.project, &version.manifest);
        Ok(Some(Built { version, is_new: true, ready: Some(Arc::new(deployment)) }))
    }

    /// Imports code whose handlers only it can tell. Most often they are those of the version before: what was loaded with
    /// them can stay. Where that fails, nothing is taken for granted.
    async fn load_first(
        &self,
        row: &FunctionRow,
        (declared, version): (&Declared, &VersionRow),
        environment: &Environment,
    ) -> Result<Deployment, FunctionsError> {
        let runtime = version.manifest.runtime();
        let before = row.version.as_ref().map(|before| before.manifest.clone());
        let before = before.filter(|before| declared.manifest.is_none() && before.runtime() == runtime);
        if let Some(manifest) = before {
            let guess = VersionRow { manifest, ..version.clone() };
            if let Ok(deployment) = self.load_as(row, &guess, environment).await {
                return Ok(deployment);
            }
        }
        self.load_as(row, version, environment).await
    }

    async fn load_as(
        &self,
        row: &FunctionRow,
        version: &VersionRow,
        environment: &Environment,
    ) -> Result<Deployment, FunctionsError> {
        let terms = self.terms((row, version), true, Some(environment))?;
        self.load(&Order { row, version, terms, environment: Some(environment) }).await
    }

    /// Removes the files of a version that has no row.
    pub(crate) async fn forget_version(&self, row: &FunctionRow, version: &VersionRow) {
        if let Err(error) = self.bundles.remove_version(&row.id, &version.id).await {
            tracing::warn!(%error, function = %row.id, "remains of a failed deployment are removed at the next start");
        }
    }

    /// Gives up a deployment that was loaded and that nothing calls.
    pub(crate) fn release(&self, built: &Built) {
        if let Some(ready) = &built.ready {
            self.executor.registry.disown(&ready.key);
        }
    }
}

impl Declared {
    fn of(row: &FunctionRow, wanted: &Build) -> Result<Self, FunctionsError> {
        let registered = Some(row.runtime).filter(|runtime| *runtime != Runtime::Bun);
        let runtime = wanted.runtime.or(registered);
        let Some(field) = &wanted.manifest else {
            let handler = wanted.handler.clone().unwrap_or_else(|| row.handler.clone());
            return Ok(Self { handler, runtime, manifest: None });
        };
        let mut field = field.clone();
        Application::check(&mut field)?;
        let manifest = Manifest::of_field(field, runtime.unwrap_or_default())?;
        if wanted.runtime.is_some_and(|wanted| wanted != manifest.runtime()) {
            return Err(FunctionsError::Invalid("`runtime` and the `runtime` of the manifest differ"));
        }
        let handler = manifest.called().map_or_else(String::new, |called| called.export.clone());
        Ok(Self { handler, runtime: Some(manifest.runtime()), manifest: Some(manifest) })
    }

    /// The manifest, with what the module says about itself to the runtime that imported it; `None` where it says
    /// that it is for another one.
    fn complete(
        &self,
        report: Option<&bytes::Bytes>,
        runtime: Runtime,
    ) -> Result<Option<Manifest>, FunctionsError> {
        let report: Report = report
            .and_then(|text| serde_json::from_slice(text).ok())
            .unwrap_or(Report { config: None, exports: Vec::new() });
        let named = report.config.as_ref().and_then(Manifest::named_runtime);
        if self.runtime.is_none() && named.unwrap_or_default() != runtime {
            return Ok(None);
        }
        Ok(Some(match (&self.manifest, report.config) {
            (Some(manifest), _) => {
                manifest.check_exports(&report.exports)?;
                manifest.clone()
            }
            (None, Some(mut config)) => {
                Application::check(&mut config)?;
                let manifest = Manifest::of_module(config, &self.handler, runtime)?;
                manifest.check_exports(&report.exports)?;
                manifest
            }
            (None, None) => Manifest::plain(&self.handler).in_runtime(runtime),
        }))
    }

    fn is_same(&self, known: &VersionRow, wanted: &VersionRow) -> bool {
        let same_code = known.checksum == wanted.checksum && known.form == wanted.form;
        let same_manifest = self.manifest.as_ref().is_none_or(|manifest| *manifest == *known.manifest);
        let same_runtime = self.runtime.is_none_or(|runtime| runtime == known.manifest.runtime());
        same_code && known.handler == wanted.handler && same_manifest && same_runtime
    }

    /// A part of a version's name, where the code alone does not tell versions apart.
    fn mark(&self) -> Option<String> {
        let text = match &self.manifest {
            Some(manifest) => manifest.to_text(),
            None if self.runtime == Some(Runtime::QuickJs) => format!("quickjs {}", self.handler),
            None if self.handler == DEFAULT_EXPORT => return None,
            None => self.handler.clone(),
        };
        Some(hex::encode(&Sha256::digest(text)[..3]))
    }
}

/// The version as it will be, without its size and with no manifest of its own.
fn planned(declared: &Declared, name: Option<String>, staged: &Staged<'_>) -> VersionRow {
    let checksum = staged.checksum().to_owned();
    let version = name.unwrap_or_else(|| {
        let short = &checksum[..SHORT_CHECKSUM.min(checksum.len())];
        declared.mark().map_or_else(|| short.to_owned(), |mark| format!("{short}-{mark}"))
    });
    let manifest = declared.manifest.clone().unwrap_or_else(|| Manifest::plain(&declared.handler));
    VersionRow {
        id: format!("ver_{}", uuid::Uuid::now_v7().simple()),
        version: version.into(),
        handler: declared.handler.clone(),
        checksum,
        form: staged.form().to_owned(),
        size_bytes: 0,
        created_at: now_ms(),
        manifest: Arc::new(manifest),
    }
}
