//! Which files are functions, and what they are called.

use crate::cli::failure::{Advised, UsageError};
use anyhow::{Context as _, bail};
use functions::ENTRY_FILES;
use serde::Deserialize;
use std::fs;
use std::path::{Path, PathBuf};

const EXTENSIONS: [&str; 7] = ["ts", "tsx", "mts", "js", "jsx", "mjs", "cjs"];
/// More functions than that in one directory are taken for a mistake.
const FUNCTIONS_MAX: usize = 1_000;

/// One function to be deployed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Source {
    /// What it is called on the server.
    pub(crate) name: String,
    /// The file that exports the handler.
    pub(crate) entry: PathBuf,
    /// The directory that stacks and errors tell paths from.
    pub(crate) root: PathBuf,
    /// What an application consists of besides its entry, from the root on.
    pub(crate) parts: Vec<PathBuf>,
}

#[derive(Deserialize, Default)]
struct PackageJson {
    name: Option<String>,
    main: Option<String>,
    module: Option<String>,
}

/// The functions at `path`: one for a file or a directory, several for a directory that holds `functions/`.
pub(crate) fn discover(path: &Path, name: Option<&str>) -> anyhow::Result<Vec<Source>> {
    if !path.exists() {
        bail!(UsageError(format!("there is nothing at {}", path.display())));
    }
    let several = path.join("functions");
    if several.is_dir() {
        if name.is_some() {
            bail!(UsageError(format!(
                "--name goes with one function; {} may hold several",
                several.display()
            )));
        }
        return each_in(path, &several);
    }
    let mut source = if path.is_dir() { of_directory(path)? } else { of_file(path)? };
    if let Some(name) = name {
        source.name = name.to_owned();
    }
    Ok(vec![source])
}

/// `functions/*.ts` and `functions/*/`, in the order of their names.
fn each_in(root: &Path, directory: &Path) -> anyhow::Result<Vec<Source>> {
    let root = root.canonicalize().with_context(|| format!("could not read {}", root.display()))?;
    let mut paths = Vec::new();
    for found in fs::read_dir(directory).with_context(|| format!("could not read {}", directory.display()))? {
        paths.push(found?.path());
        if paths.len() > FUNCTIONS_MAX {
            bail!("{} holds more than {FUNCTIONS_MAX} functions", directory.display());
        }
    }
    paths.sort();
    let mut sources = Vec::new();
    for path in paths.into_iter().filter(|path| is_public(path)) {
        if path.is_dir() {
            if let Some(entry) = entry_of(&path, &package_json(&path)?) {
                sources.push(Source { name: file_name(&path), entry, root: root.clone(), parts: Vec::new() });
            }
        } else if is_code(&path) {
            sources.push(Source { root: root.clone(), ..of_file(&path)? });
        }
    }
    if sources.is_empty() {
        bail!(Advised::new(
            format!("{} holds no functions", directory.display()),
            "put one file for each function there, such as functions/hello.ts",
        ));
    }
    Ok(sources)
}

fn of_file(path: &Path) -> anyhow::Result<Source> {
    if !is_code(path) {
        bail!(UsageError(format!("{} is neither TypeScript nor JavaScript", path.display())));
    }
    let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let entry = path.canonicalize().with_context(|| format!("could not read {}", path.display()))?;
    let name = match stem.as_str() {
        "index" | "handler" => entry.parent().map(package_directory_name).unwrap_or(stem),
        _ => stem,
    };
    let root = entry.parent().unwrap_or(Path::new("/")).to_owned();
    Ok(Source { name, entry, root, parts: Vec::new() })
}

fn of_directory(path: &Path) -> anyhow::Result<Source> {
    let directory = path.canonicalize().with_context(|| format!("could not read {}", path.display()))?;
    let package = package_json(&directory)?;
    let Some(entry) = entry_of(&directory, &package) else {
        bail!(Advised::new(
            format!("{} has no file to start from", path.display()),
            "name it in package.json as \"main\", or call it src/index.ts, index.ts or handler.ts",
        ));
    };
    let named =
        package.name.as_deref().and_then(|name| name.rsplit('/').next()).filter(|name| !name.is_empty());
    let name = named.map_or_else(|| file_name(&directory), str::to_owned);
    Ok(Source { name, entry, root: directory, parts: Vec::new() })
}

fn package_json(directory: &Path) -> anyhow::Result<PackageJson> {
    let path = directory.join("package.json");
    if !path.is_file() {
        return Ok(PackageJson::default());
    }
    let text = fs::read(&path).with_context(|| format!("could not read {}", path.display()))?;
    serde_json::from_slice(&text).with_context(|| format!("{} is not valid", path.display()))
}

fn entry_of(directory: &Path, package: &PackageJson) -> Option<PathBuf> {
    let named = [package.main.as_deref(), package.module.as_deref()];
    let mut candidates = named.into_iter().flatten().chain(ENTRY_FILES);
    candidates.find_map(|file| {
        let path = directory.join(file);
        if path.is_file() { path.canonicalize().ok() } else { None }
    })
}

/// `src/index.ts` is the function of the directory above `src`.
fn package_directory_name(directory: &Path) -> String {
    match directory.parent() {
        Some(above) if directory.ends_with("src") => file_name(above),
        Some(_) | None => file_name(directory),
    }
}

fn file_name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// Tests, type declarations, and what starts with `_` or `.` are no functions.
fn is_public(path: &Path) -> bool {
    let name = file_name(path);
    let is_part = [".test.", ".spec.", ".d."].iter().any(|mark| name.contains(mark));
    !is_part && !name.starts_with(['.', '_']) && name != "node_modules"
}

fn is_code(path: &Path) -> bool {
    path.is_file()
        && path.extension().is_some_and(|extension| EXTENSIONS.iter().any(|known| extension == *known))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        root
    }

    fn names(sources: &[Source]) -> Vec<&str> {
        sources.iter().map(|source| source.name.as_str()).collect()
    }

    #[test]
    fn a_file_is_called_by_its_stem_and_an_index_by_its_directory() {
        let root =
            tree(&[("hello.ts", ""), ("shop/src/index.ts", ""), ("cart/handler.js", ""), ("a.txt", "")]);
        let name = |path: &str| discover(&root.path().join(path), None).unwrap().remove(0).name;
        assert_eq!(name("hello.ts"), "hello");
        assert_eq!(name("shop/src/index.ts"), "shop");
        assert_eq!(name("cart/handler.js"), "cart");
        assert!(discover(&root.path().join("a.txt"), None).unwrap_err().is::<UsageError>());
        assert!(discover(&root.path().join("none.ts"), None).unwrap_err().is::<UsageError>());
    }

    #[test]
    fn package_json_comes_before_convention() {
        let package = r#"{"name": "@me/greeter", "main": "lib/start.ts"}"#;
        let root = tree(&[("p/package.json", package), ("p/lib/start.ts", ""), ("p/index.ts", "")]);
        let source = discover(&root.path().join("p"), None).unwrap().remove(0);
        assert_eq!(source.name, "greeter");
        assert!(source.entry.ends_with("p/lib/start.ts"));
        let renamed = discover(&root.path().join("p"), Some("hi")).unwrap().remove(0);
        assert_eq!(renamed.name, "hi");
    }

    #[test]
    fn a_directory_without_an_entry_is_told_what_to_do() {
        let root = tree(&[("p/readme.md", "")]);
        let error = discover(&root.path().join("p"), None).unwrap_err();
        assert!(error.downcast_ref::<Advised>().unwrap().next.contains("src/index.ts"));
    }

    #[test]
    fn functions_hold_files_and_directories_but_no_tests() {
        let root = tree(&[
            ("functions/b.ts", ""),
            ("functions/b.test.ts", ""),
            ("functions/_shared.ts", ""),
            ("functions/types.d.ts", ""),
            ("functions/a/index.ts", ""),
            ("functions/empty/notes.md", ""),
            ("package.json", "{}"),
        ]);
        assert_eq!(names(&discover(root.path(), None).unwrap()), ["a", "b"]);
        assert!(discover(root.path(), Some("x")).unwrap_err().is::<UsageError>());
    }
}
