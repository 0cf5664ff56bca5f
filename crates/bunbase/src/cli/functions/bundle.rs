//! Bundles a function with `bun build`: one minified file with its npm packages inside.

use crate::cli::failure::Advised;
use anyhow::{Context as _, bail};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tokio::io::AsyncReadExt;
use tokio::process::{Child, Command};
use worker_pool::BunBinary;

/// The client that the server provides where the function's own packages do not have it.
const PROVIDED_PACKAGE: &str = "bunbase-js";
/// What Bun prints beyond this is not read.
const MESSAGES_BYTES_MAX: u64 = 64 * 1024;
const BUN_VARIABLE: &str = "BUNBASE_BUN_PATH";

/// Code that is ready to be sent.
#[derive(Debug)]
pub(crate) struct Bundle {
    /// The code.
    pub(crate) code: Vec<u8>,
    /// Whether nothing is left to import; else the server bundles once more and adds `bunbase-js`.
    pub(crate) is_complete: bool,
}

/// The Bun to bundle with: named by `BUNBASE_BUN_PATH`, beside or above this program, above the current
/// directory, or on `PATH`.
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

/// Bundles what `entry` exports. `bytes_max` bounds what is read of the result.
pub(crate) async fn bundle(bun: &BunBinary, entry: &Path, bytes_max: u64) -> anyhow::Result<Bundle> {
    let directory = entry.parent().unwrap_or(Path::new("/"));
    let has_package =
        directory.ancestors().any(|above| above.join("node_modules").join(PROVIDED_PACKAGE).exists());
    let mut command = Command::new(bun.path());
    command.arg("build").arg(entry).args(["--target", "bun", "--minify"]).current_dir(directory);
    if !has_package {
        command.args(["--external", PROVIDED_PACKAGE, "--external", &format!("{PROVIDED_PACKAGE}/*")]);
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().with_context(|| format!("could not run {}", bun.path().display()))?;
    let (code, messages) = read_both(&mut child, bytes_max).await?;
    if code.len() as u64 > bytes_max {
        bail!("the bundle is larger than the {} MiB that a deployment may have", bytes_max / (1024 * 1024));
    }
    if !child.wait().await.context("could not wait for bun")?.success() {
        bail!(Advised::new(
            format!("{} could not be bundled:\n{}", entry.display(), messages.trim()),
            "mend the code; packages that are missing are installed with `npm install` or `bun install`",
        ));
    }
    let is_complete = has_package || !mentions_provided_package(&code);
    Ok(Bundle { code, is_complete })
}

async fn read_both(child: &mut Child, bytes_max: u64) -> anyhow::Result<(Vec<u8>, String)> {
    let (Some(stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) else {
        bail!("bun has no output to read");
    };
    let (mut code, mut messages) = (Vec::new(), Vec::new());
    let mut drain = tokio::io::sink();
    let read_messages = async {
        let mut stderr = stderr;
        (&mut stderr).take(MESSAGES_BYTES_MAX).read_to_end(&mut messages).await?;
        tokio::io::copy(&mut stderr, &mut drain).await
    };
    let mut limited = stdout.take(bytes_max + 1);
    let read_code = limited.read_to_end(&mut code);
    let (code_read, messages_read) = tokio::join!(read_code, read_messages);
    code_read.and(messages_read.map(|_| 0)).context("could not read what bun printed")?;
    Ok((code, String::from_utf8_lossy(&messages).into_owned()))
}

/// An import that was left in place names the package in quotes; where other text does, the server only
/// bundles what is bundled already.
fn mentions_provided_package(code: &[u8]) -> bool {
    ['"', '\'', '`'].into_iter().any(|quote| {
        let needle = format!("{quote}{PROVIDED_PACKAGE}");
        code.windows(needle.len()).any(|window| window == needle.as_bytes())
    })
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
        bundle(&find_bun().unwrap(), &root.path().join(files[0].0), BYTES_MAX).await
    }

    #[tokio::test]
    async fn imports_are_bundled_in() {
        let package = ("node_modules/left/package.json", r#"{"name": "left", "main": "i.js"}"#);
        let code = ("node_modules/left/i.js", "export const left = 'from a package';");
        let entry =
            ("a.ts", "import { left } from 'left'; export default () => new Response(left as string);");
        let bundle = bundled(&[entry, package, code]).await.unwrap();
        let text = String::from_utf8(bundle.code).unwrap();
        assert!(bundle.is_complete && text.contains("from a package") && !text.contains("import"), "{text}");
    }

    #[tokio::test]
    async fn the_client_is_left_to_the_server_where_it_is_not_installed() {
        let entry = ("a.ts", "import { bunbase } from 'bunbase-js/function'; export default () => bunbase;");
        let bundle = bundled(&[entry]).await.unwrap();
        assert!(!bundle.is_complete);
        assert!(String::from_utf8(bundle.code).unwrap().contains("bunbase-js/function"));
    }

    #[tokio::test]
    async fn code_that_does_not_parse_is_shown_with_its_place() {
        let error = bundled(&[("a.ts", "export default (((")]).await.unwrap_err();
        assert!(error.to_string().contains("a.ts:1"), "{error}");
        let error = bundled(&[("a.ts", "import 'no-such-package';")]).await.unwrap_err();
        assert!(error.downcast_ref::<Advised>().unwrap().next.contains("npm install"));
    }
}
