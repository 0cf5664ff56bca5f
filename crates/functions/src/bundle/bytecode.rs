//! Bytecode beside large bundles: `bytecode-{version of Bun}/bundle.cjs` and `bundle.cjs.jsc` in the directory of
//! the function version, with a map to the sources where the bundle has one. Another Bun does not find it and takes `bundle.js`. An empty directory says that this
//! bundle cannot have any. A directory is complete under its name or not there at all.

use super::files::{BundleFiles, absent, blocking, entries, name, sync_up, write_synced};
use crate::error::FunctionsError;
use service_kit::ids::FunctionId;
use std::io;
use std::path::{Path, PathBuf};

/// A smaller bundle starts faster from source.
pub(crate) const BYTECODE_FROM_BYTES: i64 = 256 << 10;

const PREFIX: &str = "bytecode-";

/// What became of a compilation.
#[derive(Debug)]
pub(crate) enum Bytecode {
    /// A CommonJS bundle and the bytecode that belongs to it.
    Made { code: Vec<u8>, bytecode: Vec<u8>, map: Option<Vec<u8>> },
    /// The bundle can only be loaded as it is.
    Unsuitable { reason: String },
}

impl std::fmt::Display for Bytecode {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Made { bytecode, .. } => write!(formatter, "{} bytes of bytecode", bytecode.len()),
            Self::Unsuitable { reason } => write!(formatter, "no bytecode: {reason}"),
        }
    }
}

impl Bytecode {
    pub(super) const CODE: &str = "bundle.cjs";
    pub(super) const BYTECODE: &str = "bundle.cjs.jsc";
    pub(super) const MAP: &str = "bundle.cjs.map";

    pub(super) fn unsuitable(reason: impl Into<String>) -> Self {
        Self::Unsuitable { reason: reason.into() }
    }
}

impl BundleFiles {
    /// Where the bytecode of a version is for this Bun, if there is any.
    pub(crate) fn bytecode_path(&self, function: &FunctionId, version_id: &str, bun: &str) -> PathBuf {
        self.bytecode_directory(function, version_id, bun).join(Bytecode::CODE)
    }

    /// Whether it is known if the version can have bytecode for this Bun.
    pub(crate) fn was_compiled(&self, function: &FunctionId, version_id: &str, bun: &str) -> bool {
        self.bytecode_directory(function, version_id, bun).is_dir()
    }

    fn bytecode_directory(&self, function: &FunctionId, version_id: &str, bun: &str) -> PathBuf {
        self.version_directory(function, version_id).join(format!("{PREFIX}{bun}"))
    }

    /// Writes what was compiled in place of that for other Buns; it is on disk when this returns.
    pub(crate) async fn write_bytecode(
        &self,
        (function, version_id): (&FunctionId, &str),
        bun: &str,
        compiled: Bytecode,
    ) -> Result<(), FunctionsError> {
        let target = self.bytecode_directory(function, version_id, bun);
        let files = self.clone();
        blocking(move || files.write_bytecode_now(&target, &compiled)).await
    }

    fn write_bytecode_now(&self, target: &Path, compiled: &Bytecode) -> io::Result<()> {
        let version = target.parent().unwrap_or(self.directory());
        for entry in entries(version)? {
            if name(&entry).starts_with(PREFIX) {
                std::fs::remove_dir_all(entry)?;
            }
        }
        let unfinished = version.join("bytecode.unfinished");
        absent(std::fs::remove_dir_all(&unfinished))?;
        // Not with its parents: a version that was removed meanwhile does not come back.
        std::fs::create_dir(&unfinished)?;
        if let Bytecode::Made { code, bytecode, map } = compiled {
            write_synced(&unfinished.join(Bytecode::CODE), code)?;
            write_synced(&unfinished.join(Bytecode::BYTECODE), bytecode)?;
            if let Some(map) = map {
                write_synced(&unfinished.join(Bytecode::MAP), map)?;
            }
        }
        std::fs::File::open(&unfinished)?.sync_all()?;
        std::fs::rename(&unfinished, target)?;
        sync_up(version, self.directory())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made() -> Bytecode {
        Bytecode::Made { code: b"code".to_vec(), bytecode: b"bytecode".to_vec(), map: None }
    }

    #[tokio::test]
    async fn bytecode_is_there_for_one_bun_and_goes_with_its_version() {
        let directory = tempfile::tempdir().unwrap();
        let files = BundleFiles::open(directory.path()).unwrap();
        let function = FunctionId::generate();
        let bundled = crate::bundle::Bundled { code: b"export {}".to_vec(), map: None };
        files.write(&function, "ver_1", bundled).await.unwrap();
        assert!(!files.was_compiled(&function, "ver_1", "1.4.5"));
        files.write_bytecode((&function, "ver_1"), "1.4.5", made()).await.unwrap();
        assert!(files.bytecode_path(&function, "ver_1", "1.4.5").is_file());
        assert!(!files.bytecode_path(&function, "ver_1", "1.4.6").exists());
        let none = Bytecode::unsuitable("no");
        files.write_bytecode((&function, "ver_1"), "1.4.6", none).await.unwrap();
        assert!(files.was_compiled(&function, "ver_1", "1.4.6"));
        assert!(!files.bytecode_path(&function, "ver_1", "1.4.6").exists());
        assert!(!files.was_compiled(&function, "ver_1", "1.4.5"));
        assert!(files.path(&function, "ver_1").is_file());
        files.sweep(&[]).unwrap();
        assert_eq!(entries(directory.path()).unwrap(), Vec::<PathBuf>::new());
        files.write_bytecode((&function, "ver_1"), "1.4.5", made()).await.unwrap_err();
    }
}
