//! The JSONL files: one for each function and day, followed by the next number when it is full. File names
//! are made of ids and numbers only. Blocking: runs on the blocking pool.

use crate::line::LogLine;
use service_kit::clock::rfc3339;
use service_kit::ids::{FunctionId, ProjectId};
use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

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
}

impl Files {
    /// Appends a batch.
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
        let full = (1_u32..).map(|number| self.directory.join(format!("{stem}.{number}.jsonl")));
        for target in full {
            if !target.try_exists()? {
                return std::fs::rename(&path, target);
            }
        }
        Ok(())
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
        for file in list(&self.directory)? {
            let name = file.path.file_name().map(|name| name.to_string_lossy().into_owned());
            if name.is_some_and(|name| name.starts_with(prefix)) {
                std::fs::remove_file(&file.path)?;
            }
        }
        Ok(())
    }

    /// Removes files not written since `age`, and the oldest ones while all take more than `bytes_max`.
    pub(crate) fn retain(&self, age: Duration, bytes_max: u64) -> io::Result<()> {
        let mut files = list(&self.directory)?;
        files.sort_by_key(|file| file.written);
        let oldest = SystemTime::now().checked_sub(age).unwrap_or(SystemTime::UNIX_EPOCH);
        let mut bytes: u64 = files.iter().map(|file| file.bytes).sum();
        for file in files {
            if file.written >= oldest && bytes <= bytes_max {
                break;
            }
            std::fs::remove_file(&file.path)?;
            bytes -= file.bytes;
        }
        Ok(())
    }
}

struct Found {
    path: PathBuf,
    bytes: u64,
    written: SystemTime,
}

fn list(directory: &Path) -> io::Result<Vec<Found>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "jsonl") {
            let metadata = std::fs::metadata(&path)?;
            found.push(Found { bytes: metadata.len(), written: metadata.modified()?, path });
        }
    }
    Ok(found)
}
