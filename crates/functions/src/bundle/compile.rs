//! Makes bytecode from a stored bundle: `bun build --bytecode` in a child process, under the limits of the
//! bundlers. What comes out behaves like the bundle, or there is nothing.

use super::build::Builder;
use super::bytecode::Bytecode;
use super::files::BundleFiles;
use super::source_map;
use crate::error::FunctionsError;
use std::io;
use std::path::Path;
use std::process::Stdio;
use tokio::io::AsyncReadExt;

/// Bytecode needs CommonJS, and that is sloppy unless it says otherwise: a module never is.
const STRICT: &str = "\"use strict\";";
/// What modules use in place of `require`.
const MODULE_REQUIRE: &str = "import.meta.require=require";
/// Bytes that are kept of what the compiler says.
const WORDS_BYTES_MAX: u64 = 4 << 10;

impl Builder {
    /// The bytecode of a bundle, or why it cannot have any.
    pub(crate) async fn compile(&self, bundle: &Path) -> Result<Bytecode, FunctionsError> {
        let code = tokio::fs::read(bundle).await.map_err(FunctionsError::Builder)?;
        if asks_for_its_place(&code) {
            return Ok(Bytecode::unsuitable("it uses import.meta"));
        }
        drop(code);
        let place = self.place().await?;
        let compiled = tokio::time::timeout(place.timeout, self.compile_in(&place.path, bundle)).await;
        let timeout = place.timeout;
        place.remove().await;
        match compiled {
            Ok(compiled) => compiled.map_err(FunctionsError::Builder),
            Err(_) => Ok(Bytecode::unsuitable(format!("it was not compiled within {timeout:?}"))),
        }
    }

    async fn compile_in(&self, place: &Path, bundle: &Path) -> io::Result<Bytecode> {
        tokio::fs::create_dir(place).await?;
        let mut child = self
            .bun(place)
            // Nothing beside the bundle is read, and nothing of it runs.
            .args(["build", "--no-macros", "--external", "*"])
            .args(["--target=bun", "--format=cjs", "--bytecode"])
            .args(["--banner", STRICT, "--define", MODULE_REQUIRE])
            .arg("--sourcemap=external")
            .args(["--outdir", ".", "--entry-naming", Bytecode::CODE])
            .arg(bundle)
            .stderr(Stdio::piped())
            .spawn()?;
        let mut words = Vec::new();
        if let Some(output) = child.stderr.take() {
            output.take(WORDS_BYTES_MAX).read_to_end(&mut words).await?;
        }
        let status = child.wait().await?;
        let bytecode = place.join(Bytecode::BYTECODE);
        if !status.success() || !bytecode.is_file() {
            return Ok(Bytecode::unsuitable(String::from_utf8_lossy(&words).trim()));
        }
        let code = tokio::fs::read(place.join(Bytecode::CODE)).await?;
        let map = match tokio::fs::read(BundleFiles::map_of(bundle)).await {
            Ok(map) => source_map::composed(&tokio::fs::read(place.join(Bytecode::MAP)).await?, &map),
            Err(_) => None,
        };
        Ok(Bytecode::Made { code, bytecode: tokio::fs::read(bytecode).await?, map })
    }
}

/// Whether the code uses `import.meta` for more than `require`: the compiler would put in its own place.
fn asks_for_its_place(code: &[u8]) -> bool {
    let code = String::from_utf8_lossy(code);
    code.match_indices("import.meta").any(|(at, found)| !code[at + found.len()..].starts_with(".require"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::{ArchiveLimits, BuildLimits};
    use std::time::Duration;
    use worker_pool::BunBinary;

    #[tokio::test]
    async fn nothing_of_a_bundle_runs_and_nothing_beside_it_is_read() {
        let directory = tempfile::tempdir().unwrap();
        let bun =
            BunBinary::find(std::env::var_os("BUNBASE_BUN_PATH").as_deref().map(Path::new), &[]).unwrap();
        let archive = ArchiveLimits { bytes_max: 1 << 20, entries_max: 10 };
        let timeout = Duration::from_secs(20);
        let limits = BuildLimits { builds_max: 1, timeout, install_timeout: None, archive };
        let builder = Builder::open(bun, &directory.path().join("builds"), limits).unwrap();
        let (bundle, beside) = (directory.path().join("bundle.js"), directory.path().join("beside.js"));
        std::fs::write(&beside, "export const secret = () => 'from beside'").unwrap();
        let import = "import { secret } from './beside.js'";
        std::fs::write(&bundle, format!("{import}; export default () => secret()")).unwrap();
        let Bytecode::Made { code, .. } = builder.compile(&bundle).await.unwrap() else { panic!("not made") };
        assert!(!String::from_utf8(code).unwrap().contains("from beside"));
        std::fs::write(&bundle, format!("{import} with {{ type: 'macro' }}; export default () => secret()"))
            .unwrap();
        let refused = builder.compile(&bundle).await.unwrap();
        assert!(refused.to_string().contains("Macros are disabled"), "{refused}");
        assert_eq!(std::fs::read_dir(directory.path().join("builds")).unwrap().count(), 0);
    }

    #[test]
    fn only_the_require_of_a_module_can_be_replaced() {
        assert!(!asks_for_its_place(b"var r = import.meta.require; r('fs')"));
        assert!(asks_for_its_place(b"var r = import.meta.require; import.meta.url"));
        assert!(asks_for_its_place(b"const { dir } = import.meta"));
    }
}
