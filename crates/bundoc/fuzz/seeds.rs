//! Inputs to begin with: those that are kept in `seeds/`, separated by empty lines, and those made of the cases
//! that say what queries and updates have to do.

use bson::{Bson, Document, RawDocumentBuf};
use bundoc::json;
use std::path::{Path, PathBuf};

/// All inputs for a target.
pub fn all(target: &str) -> Vec<String> {
    // Asked when it runs: a binary that another checkout compiled is run here as well. Fuzzers run without cargo.
    let here = std::env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
    let here = if here.ends_with("fuzz") { here } else { here.join("fuzz") };
    let kept = std::fs::read_to_string(here.join("seeds").join(format!("{target}.txt"))).unwrap_or_default();
    let kept = kept.split("\n\n").map(|input| input.trim().to_owned()).filter(|input| !input.is_empty());
    let mut inputs: Vec<String> = kept.collect();
    for file in files(&here.join("../../bundoc-cases/cases")) {
        let text = std::fs::read(&file).unwrap_or_default();
        let cases =
            json::query_from_json(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        inputs.extend(of_file(target, &cases));
    }
    inputs
}

/// Writes them into the directory that `BUNDOC_FUZZ_CORPUS` names.
#[allow(dead_code, reason = "for the fuzzers alone")]
pub fn write(target: &str) {
    let Some(directory) = std::env::var_os("BUNDOC_FUZZ_CORPUS").map(PathBuf::from) else { return };
    for (number, input) in all(target).iter().enumerate() {
        std::fs::write(directory.join(format!("seed{number}")), input).expect("the corpus can be written");
    }
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|extension| extension == "json") {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn documents(from: &Document) -> Vec<Document> {
    let list = from.get_array("documents").map(Vec::as_slice).unwrap_or_default();
    list.iter().filter_map(Bson::as_document).cloned().collect()
}

fn of_file(target: &str, file: &Document) -> Vec<String> {
    let of_file = documents(file);
    if target == "document" || target == "json" {
        return of_file.iter().map(line).collect();
    }
    let cases = file.get_array("cases").map(Vec::as_slice).unwrap_or_default();
    let of_case = |case: &Document| {
        let part = |operation: &str, name: &str| {
            let part = case.get_document(operation).ok()?.get_document(name).ok()?;
            Some(line(part))
        };
        match target {
            "query" => {
                let rest = ["sort", "fields"].map(|name| part("find", name).unwrap_or("{}".into()));
                part("find", "query").map(|query| format!("{query}\n{}\n{}", rest[0], rest[1]))
            }
            "update" => {
                let own = documents(case);
                let document = own.first().or(of_file.first()).map(line).unwrap_or("{}".into());
                part("update", "update").map(|update| format!("{document}\n{update}"))
            }
            _ => None,
        }
    };
    cases.iter().filter_map(Bson::as_document).filter_map(of_case).collect()
}

fn line(document: &Document) -> String {
    let mut out = Vec::new();
    let raw = RawDocumentBuf::try_from(document).expect("it was read as BSON");
    json::to_json(&raw, &mut out).expect("it was read from JSON");
    String::from_utf8(out).expect("JSON is UTF-8")
}
