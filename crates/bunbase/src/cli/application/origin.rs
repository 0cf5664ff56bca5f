//! Where this program came from: an application that it writes takes the package `bunbase` from the same place.

use serde_json::Value;
use std::fs;
use std::path::Path;

/// What the dependency on `bunbase` has to say: the file or address that brought the package with this `program` in it, the
/// archive that was packed beside it (`make package`), else a range of versions for the registry.
pub(super) fn reference(program: &Path) -> String {
    let program = program.canonicalize().unwrap_or_default();
    let is_installed = program.components().any(|part| part.as_os_str() == "node_modules");
    let brought = is_installed.then(|| program.ancestors().skip(1).find_map(elsewhere)).flatten();
    let version = env!("CARGO_PKG_VERSION");
    let packed = program.with_file_name(format!("bunbase-{version}.tgz"));
    let packed = packed.is_file().then(|| format!("file:{}", packed.display()));
    brought.or(packed).unwrap_or_else(|| format!("^{version}"))
}

/// What a directory's own dependency says, where that is no version.
fn elsewhere(directory: &Path) -> Option<String> {
    let package: Value = serde_json::from_slice(&fs::read(directory.join("package.json")).ok()?).ok()?;
    let lists = ["dependencies", "devDependencies", "optionalDependencies"];
    let said = lists.iter().find_map(|list| package[*list]["bunbase"].as_str())?;
    let path = said.strip_prefix("file:").unwrap_or(said);
    if path.starts_with(['.', '/']) {
        return Some(format!("file:{}", directory.join(path).canonicalize().ok()?.display()));
    }
    said.contains("://").then(|| said.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_application_takes_the_package_from_where_the_program_came() {
        let root = tempfile::tempdir().unwrap();
        let bin = root.path().join("w/node_modules/bunbase/bin");
        fs::create_dir_all(&bin).unwrap();
        fs::write(bin.join("bunbase"), "").unwrap();
        fs::write(root.path().join("bunbase.tgz"), "").unwrap();
        fs::write(bin.join("../package.json"), r#"{"dependencies": {"other": "1"}}"#).unwrap();
        let said = |text: &str| {
            let package = serde_json::json!({ "devDependencies": { "bunbase": text } });
            fs::write(root.path().join("w/package.json"), package.to_string()).unwrap();
            reference(&bin.join("bunbase"))
        };
        let archive = root.path().canonicalize().unwrap().join("bunbase.tgz");
        let archive = format!("file:{}", archive.display());
        assert_eq!(said("../bunbase.tgz"), archive);
        assert_eq!(said("file:../bunbase.tgz"), archive);
        assert_eq!(said(&root.path().join("bunbase.tgz").display().to_string()), archive);
        assert_eq!(said("https://example.com/b.tgz"), "https://example.com/b.tgz");
        let range = format!("^{}", env!("CARGO_PKG_VERSION"));
        assert_eq!(said("0.1.0"), range);
        assert_eq!(said("../gone.tgz"), range);
        let elsewhere = root.path().join("bunbase");
        fs::write(&elsewhere, "").unwrap();
        assert_eq!(reference(&elsewhere), range);
        let packed = elsewhere.canonicalize().unwrap().with_file_name(format!("bunbase-{}.tgz", &range[1..]));
        fs::write(&packed, "").unwrap();
        assert_eq!(reference(&elsewhere), format!("file:{}", packed.display()));
    }
}
