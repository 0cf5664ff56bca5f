//! The JSONL files: one for each function and day, followed by the next number when it is full. File names
//! are made of ids and numbers only. Blocking: runs on the blocking pool.

mod recover;
mod retain;

use crate::line::LogLine;
use serde_json::value::RawValue;
use service_kit::clock::rfc3339;
use service_kit::ids::{FunctionId, ProjectId};
use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

pub(crate) use retain::FilesLimits;

/// The directory of the files, and how large they may become.
#[derive(Debug, Clone)]
pub(crate) struct Files {
    pub(crate) directory: PathBuf,
    pub(crate) file_bytes_max: u64,
}

#[derive(serde::Serialize)]
struct Record<'a> {
    at: String,
    project: &'a str,
    function: &'a str,
    version: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    invocation_id: Option<&'a str>,
    level: &'static str,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    fields: Option<&'a RawValue>,
}

impl Files {
    /// Appends a batch of redacted lines.
    pub(crate) fn append(&self, lines: &[LogLine]) -> io::Result<()> {
        let mut texts = BTreeMap::<String, Vec<u8>>::new();
        for line in lines {
            let at = rfc3339(line.at_ms);
            let day = at.get(..10).unwrap_or("undated");
            let stem = format!("{}.{}.{day}", line.project, line.function);
            let record = Record {
                project: line.project.as_str(),
                function: line.function.as_str(),
                version: &line.version,
                invocation_id: line.invocation_id.as_deref(),
                level: line.level.as_str(),
                message: &line.message,
                fields: line.fields.as_deref().and_then(|fields| serde_json::from_str(fields).ok()),
                at: at.clone(),
            };
            let text = texts.entry(stem).or_default();
            serde_json::to_writer(&mut *text, &record)?;
            text.push(b'\n');
        }
        texts.iter().try_for_each(|(stem, text)| self.append_text(stem, text))
    }

    fn append_text(&self, stem: &str, text: &[u8]) -> io::Result<()> {
        let path = self.directory.join(format!("{stem}.jsonl"));
        let mut file = OpenOptions::new().create(true).append(true).open(&path)?;
        file.write_all(text)?;
        if file.metadata()?.len() < self.file_bytes_max {
            return Ok(());
        }
        std::fs::rename(&path, self.directory.join(format!("{stem}.{}.jsonl", self.next_number(stem)?)))
    }

    /// Above the numbers of all full files, so that a higher number is always newer.
    fn next_number(&self, stem: &str) -> io::Result<u64> {
        let numbers = list(&self.directory)?.into_iter().filter_map(|file| {
            let rest = file.name.strip_prefix(stem)?.strip_prefix('.')?;
            rest.strip_suffix(".jsonl")?.parse::<u64>().ok()
        });
        Ok(numbers.max().unwrap_or(0) + 1)
    }

    /// Removes the files of a project.
    pub(crate) fn remove_project(&self, project: &ProjectId) -> io::Result<()> {
        self.remove_prefix(&format!("{project}."))
    }

    /// Removes the files of a function.
    pub(crate) fn remove_function(&self, project: &ProjectId, function: &FunctionId) -> io::Result<()> {
        self.remove_prefix(&format!("{project}.{function}."))
    }

    fn remove_prefix(&self, prefix: &str) -> io::Result<()> {
        let files = list(&self.directory)?;
        let mut found = files.iter().filter(|file| file.name.starts_with(prefix));
        found.try_for_each(|file| std::fs::remove_file(&file.path))
    }
}

struct Found {
    path: PathBuf,
    name: String,
    bytes: u64,
    written: SystemTime,
}

fn list(directory: &Path) -> io::Result<Vec<Found>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()).map(str::to_owned) else { continue };
        if name.ends_with(".jsonl") {
            let metadata = std::fs::metadata(&path)?;
            found.push(Found { bytes: metadata.len(), written: metadata.modified()?, path, name });
        }
    }
    Ok(found)
}
