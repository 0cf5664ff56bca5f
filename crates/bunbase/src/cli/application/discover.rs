//! The files of an application: modules first (`_module.ts`), then actions on their own, and migrations; and the module
//! that imports them all, which is what is bundled.

use super::config::{Config, ConfigFile};
use crate::cli::failure::Advised;
use crate::cli::functions::entry::Source;
use anyhow::{Context as _, bail};
use serde::Deserialize;
use serde_json::json;
use sql::scripts::Scripts;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

const MODULE: &str = "_module.ts";
/// What this program writes, which git does not take.
const OWN: &str = ".bunbase";
/// Beside the data of development, which is not looked at either.
const ENTRY: &str = ".bunbase/application.ts";
const DEFAULT_NAME: &str = "app";
/// More files than that are taken for a mistake.
const FILES_MAX: usize = 5_000;
const NAME_CHARACTERS_MAX: usize = 63;

/// Files by what they hold, from the root on.
#[derive(Debug, Default, PartialEq, Eq)]
struct Files {
    modules: Vec<PathBuf>,
    actions: Vec<PathBuf>,
}

/// The application as a function: its entry is written where it changed.
///
/// # Errors
/// There is nothing in it, or files cannot be read or written.
pub(super) fn source(file: &ConfigFile, config: &Config) -> anyhow::Result<Source> {
    let files = files(&file.root, &config.actions_dir)?;
    if files.modules.is_empty() && files.actions.is_empty() {
        bail!(Advised::new(
            format!("{} holds no actions", file.root.join(&config.actions_dir).display()),
            "make one with `bunbase generate action hello`",
        ));
    }
    let migrations = Scripts::read(&file.root.join(&config.migrations_dir))?;
    let entry = file.root.join(ENTRY);
    write_changed(&entry, &text(file, &files, (&config.migrations_dir, &migrations)))
        .with_context(|| format!("could not write {}", entry.display()))?;
    let parts = files.modules.into_iter().chain(files.actions).collect();
    Ok(Source { name: name(&file.root)?, entry, root: file.root.clone(), parts })
}

fn files(root: &Path, actions_dir: &Path) -> anyhow::Result<Files> {
    let top = root.join(actions_dir);
    if !top.is_dir() {
        bail!(Advised::new(
            format!("there is no directory {}", top.display()),
            "`actionsDir` in the configuration says where actions are; `src` where it says nothing",
        ));
    }
    let mut found = Files::default();
    walk(root, &top, false, &mut found)?;
    found.modules.sort();
    found.actions.sort();
    Ok(found)
}

/// A module names its actions itself, so that no file below it stands alone.
fn walk(root: &Path, directory: &Path, in_module: bool, found: &mut Files) -> anyhow::Result<()> {
    let entries = fs::read_dir(directory).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let entries = entries.with_context(|| format!("could not read {}", directory.display()))?;
    let is_module = entries.iter().any(|entry| entry.file_name() == MODULE);
    for entry in entries {
        let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
        if name.starts_with('.') || name == "node_modules" {
            continue;
        }
        if path.is_dir() {
            walk(root, &path, in_module || is_module, found)?;
            continue;
        }
        let from_root = path.strip_prefix(root).unwrap_or(&path).to_owned();
        if name == MODULE {
            found.modules.push(from_root);
        } else if !in_module && !is_module && is_action(&path, &name)? {
            found.actions.push(from_root);
        }
        if found.modules.len() + found.actions.len() > FILES_MAX {
            bail!("{} holds more than {FILES_MAX} modules and actions", root.display());
        }
    }
    Ok(())
}

/// Whether a file may export an action: what has no word of one is not imported for it.
fn is_action(path: &Path, name: &str) -> anyhow::Result<bool> {
    let is_part = [".test.", ".spec.", ".d."].iter().any(|mark| name.contains(mark));
    let is_code = path.extension().is_some_and(|extension| extension == "ts" || extension == "tsx");
    if !is_code || is_part || name.starts_with('_') || name.starts_with("bunbase.") {
        return Ok(false);
    }
    let text = fs::read_to_string(path).with_context(|| format!("could not read {}", path.display()))?;
    let exports = ["export default", "export const action", "as default", "as action"];
    Ok(text.contains("action") && exports.iter().any(|export| text.contains(export)))
}

fn text(file: &ConfigFile, files: &Files, (directory, migrations): (&Path, &Scripts)) -> String {
    let mut imports = String::new();
    let mut list = |paths: &[PathBuf], prefix: &str| {
        let mut list = String::new();
        for (index, path) in paths.iter().enumerate() {
            let shown = path.display().to_string();
            let _ = writeln!(imports, "import * as {prefix}{index} from {};", json!(format!("../{shown}")));
            let _ = write!(list, "[{}, {prefix}{index}], ", json!(shown));
        }
        list
    };
    let (modules, actions) = (list(&files.modules, "m"), list(&files.actions, "a"));
    let mut scripts = String::new();
    for (index, name) in migrations.names().enumerate() {
        let path = json!(format!("../{}", directory.join(format!("{name}.sql")).display()));
        let _ = writeln!(imports, "import s{index} from {path} with {{ type: \"text\" }};");
        let _ = write!(scripts, "{{ name: {}, sql: s{index} }}, ", json!(name));
    }
    let config = json!(format!("../{}", file.file));
    format!(
        "// Written by bunbase: what the application consists of.\n\
         import {{ application }} from \"bunbase/runtime\";\n\
         import settings from {config};\n\
         {imports}\n\
         const app = application({{ config: settings, modules: [{modules}], actions: [{actions}],\n\
         \x20 migrations: [{scripts}] }});\n\
         export const config = app.manifest;\n\
         export const handlers = app.handlers;\n"
    )
}

/// Writes a generated file where its text is new: what watches it is not woken for nothing.
pub(super) fn write_changed(path: &Path, text: &str) -> std::io::Result<()> {
    if fs::read_to_string(path).is_ok_and(|before| before == text) {
        return Ok(());
    }
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory)?;
        if directory.ends_with(OWN) {
            fs::write(directory.join(".gitignore"), "*\n")?;
        }
    }
    fs::write(path, text)
}

/// From `package.json`, or the directory.
fn name(root: &Path) -> anyhow::Result<String> {
    #[derive(Deserialize)]
    struct Package {
        name: Option<String>,
    }
    let path = root.join("package.json");
    let named = match fs::read(&path) {
        Ok(text) => {
            let package: Package =
                serde_json::from_slice(&text).with_context(|| format!("{} is not valid", path.display()))?;
            package.name
        }
        Err(_) => None,
    };
    let directory = || root.file_name().map(|name| name.to_string_lossy().into_owned());
    let name = named.or_else(directory).unwrap_or_default();
    Ok(plain(name.rsplit('/').next().unwrap_or_default()))
}

/// As functions may be called.
fn plain(name: &str) -> String {
    let fits = |character: char| {
        if character.is_ascii_alphanumeric() { character.to_ascii_lowercase() } else { '-' }
    };
    let name: String = name.chars().map(fits).take(NAME_CHARACTERS_MAX).collect();
    let name = name.trim_matches('-');
    if name.is_empty() { DEFAULT_NAME.to_owned() } else { name.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::super::config::RunsBuffer;
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

    fn config() -> Config {
        let directory = |name: &str| PathBuf::from(name);
        Config {
            port: 3000,
            hostname: None,
            actions_dir: directory("src"),
            migrations_dir: directory("migrations"),
            seeds_dir: directory("seeds"),
            studio_api: None,
            runs: RunsBuffer { flush_interval_ms: 1, max_buffer_size: 1 },
            database_url: None,
        }
    }

    const ACTION: &str = "import { action } from 'bunbase'; export default action({}, () => {});";

    #[test]
    fn modules_come_first_and_what_is_below_them_is_theirs() {
        let root = tree(&[
            ("bunbase.config.ts", ""),
            ("package.json", r#"{"name": "@me/My App"}"#),
            ("src/health.ts", ACTION),
            ("src/db/client.ts", "export default 5;"),
            ("src/health.test.ts", ACTION),
            ("migrations/001_init.sql", "CREATE TABLE a (x INTEGER);"),
            ("migrations/001_init.down.sql", "DROP TABLE a;"),
            ("src/tasks/_module.ts", ""),
            ("src/tasks/create.ts", ACTION),
            ("src/tasks/deep/list.ts", ACTION),
            // Its name begins like that of a module's directory.
            ("src/tasks-archive/old.ts", ACTION),
        ]);
        let file = ConfigFile::find(root.path()).unwrap();
        let source = source(&file, &config()).unwrap();
        assert_eq!(source.name, "my-app");
        let parts: Vec<_> = source.parts.iter().map(|part| part.to_str().unwrap()).collect();
        assert_eq!(parts, ["src/tasks/_module.ts", "src/health.ts", "src/tasks-archive/old.ts"]);
        let text = fs::read_to_string(&source.entry).unwrap();
        assert!(text.contains("import * as m0 from \"../src/tasks/_module.ts\";"), "{text}");
        assert!(text.contains("actions: [[\"src/health.ts\", a0], "), "{text}");
        assert!(
            text.contains("import s0 from \"../migrations/001_init.sql\" with { type: \"text\" };"),
            "{text}"
        );
        assert!(text.contains("migrations: [{ name: \"001_init\", sql: s0 }, ]"), "{text}");
    }

    #[test]
    fn an_application_without_actions_is_told_what_to_do() {
        let root = tree(&[("src/bunbase.config.ts", ""), ("src/notes.txt", "")]);
        let file = ConfigFile::find(root.path()).unwrap();
        assert_eq!(file.file, "src/bunbase.config.ts");
        let error = source(&file, &config()).unwrap_err();
        assert!(error.downcast_ref::<Advised>().unwrap().next.contains("generate action"));
        assert_eq!(ConfigFile::find(&root.path().join("src/none")), None);
    }
}
