//! Reads the files of `cases/`.

use crate::case::{Case, Count, Delete, Distinct, Expectation, Find, FindAndModify, Operation, Update};
use crate::json::Json;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use std::collections::HashSet;
use std::path::{Path, PathBuf};

/// Why the cases cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum CasesError {
    /// Nothing says where the cases are.
    #[error("CARGO_MANIFEST_DIR is not set: start this with cargo")]
    NoPackage,
    /// The directory or a file.
    #[error("could not read {path}")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A file is no list of cases.
    #[error("{file} is malformed: {source}")]
    Malformed {
        /// Which.
        file: String,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// A case lacks something or says too much.
    #[error("{case}: {reason}")]
    Case {
        /// Which.
        case: String,
        /// What is wrong.
        reason: &'static str,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    documents: Vec<Box<RawValue>>,
    #[serde(default)]
    indexes: Vec<Box<RawValue>>,
    cases: Vec<Written>,
}

/// A case as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    name: String,
    operator: Option<Json>,
    documents: Option<Vec<Box<RawValue>>>,
    indexes: Option<Vec<Box<RawValue>>>,
    find: Option<Find>,
    count: Option<Count>,
    distinct: Option<Distinct>,
    update: Option<Update>,
    delete: Option<Delete>,
    find_and_modify: Option<FindAndModify>,
    ids: Option<Vec<String>>,
    #[serde(default, deserialize_with = "even_null")]
    result: Option<Box<RawValue>>,
    error: Option<String>,
    after: Option<Box<RawValue>>,
}

/// `null` is a result too.
fn even_null<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Box<RawValue>>, D::Error> {
    Box::<RawValue>::deserialize(deserializer).map(Some)
}

/// All cases, in the order of files; of the tree that the test that runs is of, which cargo tells it.
///
/// # Errors
/// Where a file cannot be read, or a case in it is not whole.
pub fn load() -> Result<Vec<Case>, CasesError> {
    let package = std::env::var_os("CARGO_MANIFEST_DIR").ok_or(CasesError::NoPackage)?;
    let root = Path::new(&package).join("../bundoc-cases/cases");
    let mut cases = Vec::new();
    for area in entries(&root)? {
        for path in entries(&area)? {
            let text = std::fs::read_to_string(&path)
                .map_err(|source| CasesError::Read { path: path.clone(), source })?;
            let shown = path.strip_prefix(&root).unwrap_or(&path).with_extension("").display().to_string();
            cases.extend(read(&shown, &text)?);
        }
    }
    Ok(cases)
}

fn entries(directory: &Path) -> Result<Vec<PathBuf>, CasesError> {
    let failed = |source| CasesError::Read { path: directory.to_owned(), source };
    let listed = std::fs::read_dir(directory).map_err(failed)?;
    let mut paths =
        listed.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>().map_err(failed)?;
    paths.sort();
    Ok(paths)
}

fn read(file: &str, text: &str) -> Result<Vec<Case>, CasesError> {
    let File { documents, indexes, cases } = serde_json::from_str(text)
        .map_err(|source| CasesError::Malformed { file: file.to_owned(), source })?;
    let mut names = HashSet::new();
    let mut read = Vec::with_capacity(cases.len());
    for mut written in cases {
        let name = format!("{file}: {}", written.name);
        if !names.insert(written.name.clone()) {
            return Err(CasesError::Case { case: name, reason: "the name is there twice" });
        }
        written.documents.get_or_insert_with(|| documents.clone());
        written.indexes.get_or_insert_with(|| indexes.clone());
        read.push(written.whole(&name).map_err(|reason| CasesError::Case { case: name, reason })?);
    }
    Ok(read)
}

impl Written {
    fn whole(self, name: &str) -> Result<Case, &'static str> {
        let operations = [
            self.find.map(Operation::Find),
            self.count.map(Operation::Count),
            self.distinct.map(Operation::Distinct),
            self.update.map(Operation::Update),
            self.delete.map(Operation::Delete),
            self.find_and_modify.map(Operation::FindAndModify),
        ];
        let result = self.result.map(|result| json(&result)).transpose()?;
        let expectations = [
            self.ids.map(Expectation::Ids),
            result.map(Expectation::Result),
            self.error.map(Expectation::Error),
        ];
        Ok(Case {
            name: name.to_owned(),
            operators: operators(self.operator)?,
            documents: self.documents.unwrap_or_default(),
            indexes: self.indexes.unwrap_or_default(),
            operation: only(operations).ok_or("a case has one operation")?,
            expectation: only(expectations).ok_or("a case has one of `ids`, `result`, `error`")?,
            after: self.after.map(|after| json(&after)).transpose()?,
        })
    }
}

fn json(raw: &RawValue) -> Result<Json, &'static str> {
    Json::parse(raw.get()).map_err(|_| "the result is malformed")
}

/// The only value that is there.
fn only<T, const N: usize>(values: [Option<T>; N]) -> Option<T> {
    let mut values = values.into_iter().flatten();
    values.next().filter(|_| values.next().is_none())
}

fn operators(written: Option<Json>) -> Result<Vec<String>, &'static str> {
    let text = |value| match value {
        Json::Text(text) => Ok(text),
        _ => Err("`operator` is a name or a list of names"),
    };
    match written {
        None => Ok(Vec::new()),
        Some(Json::List(list)) => list.into_iter().map(text).collect(),
        Some(one) => Ok(vec![text(one)?]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_case_is_whole() {
        assert!(load().unwrap().len() > 10);
    }

    #[test]
    fn a_case_without_an_expectation_is_refused() {
        let missing = r#"{"cases": [{"name": "n", "find": {}}]}"#;
        let two = r#"{"cases": [{"name": "n", "find": {}, "count": {}, "ids": []}]}"#;
        let twice =
            r#"{"cases": [{"name": "n", "find": {}, "ids": []}, {"name": "n", "find": {}, "ids": []}]}"#;
        for text in [missing, two, twice] {
            assert!(matches!(read("f", text), Err(CasesError::Case { .. })), "{text}");
        }
        let null = r#"{"cases": [{"name": "n", "find_and_modify": {}, "result": null}]}"#;
        assert!(read("f", null).is_ok(), "null is a result");
    }
}
