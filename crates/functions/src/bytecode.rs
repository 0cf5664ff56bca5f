//! Bytecode for the functions that start faster with it: made in a deployment before its import, and after a
//! start for those that have none for this Bun. Nothing depends on it: without it the bundle is loaded.

use crate::bundle::BYTECODE_FROM_BYTES;
use crate::error::FunctionsError;
use crate::runtime::Runtime;
use crate::service::FunctionsService;
use crate::store::functions::{self, FunctionRow};
use crate::store::versions::VersionRow;
use std::sync::Arc;

impl FunctionsService {
    /// Makes the bytecode of a large bundle, where that was not tried before. The project's lock is held.
    pub(crate) async fn compile_if_large(&self, row: &FunctionRow, version: &VersionRow) {
        if !self.config.makes_bytecode || !takes_bytecode(version) {
            return;
        }
        if let Err(error) = self.compile(row, version).await {
            tracing::debug!(error = &error as &dyn std::error::Error, function = %row.id, "no bytecode was made");
        }
    }

    async fn compile(&self, row: &FunctionRow, version: &VersionRow) -> Result<(), FunctionsError> {
        let (function, version_id, bun) = (&row.id, version.id.as_str(), self.builder.bun_version());
        if self.bundles.was_compiled(function, version_id, bun) {
            return Ok(());
        }
        let compiled = self.builder.compile(&self.bundles.path(function, version_id)).await?;
        tracing::debug!(%function, version = %version.version, %compiled, "bundle was compiled");
        self.bundles.write_bytecode((function, version_id), bun, compiled).await
    }

    /// Compiles what an earlier Bun had compiled, one after the other, beside the calls. Workers that start
    /// later have it.
    pub(crate) fn compile_in_background(self: &Arc<Self>, rows: Vec<FunctionRow>) {
        let service = self.clone();
        self.background.spawn(async move {
            for row in rows.iter().filter(|row| row.version.as_ref().is_some_and(takes_bytecode)) {
                if service.background.is_closed() {
                    return;
                }
                service.compile_if_active(row).await;
            }
        });
    }

    async fn compile_if_active(&self, row: &FunctionRow) {
        let Ok(_turn) = self.locks.enter(&row.project).await else { return };
        let now = functions::find(&self.database, &row.project, &row.name).await;
        let active = now.ok().flatten().and_then(|now| now.version);
        let was_active = row.version.as_ref().map(|version| version.id.as_str());
        if let Some(active) = active.filter(|active| Some(active.id.as_str()) == was_active) {
            self.compile_if_large(row, &active).await;
        }
    }
}

/// Whether a version can have bytecode of Bun, and starts faster with it.
pub(crate) fn takes_bytecode(version: &VersionRow) -> bool {
    version.manifest.runtime() == Runtime::Bun && version.size_bytes > BYTECODE_FROM_BYTES
}
