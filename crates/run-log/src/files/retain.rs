//! How long files are kept: by age, by the bytes of each project, and by those of all. Where all take too much
//! the project with the most gives its oldest.

use super::{Files, Found, list};
use std::collections::{HashMap, VecDeque};
use std::io;
use std::time::{Duration, SystemTime};

/// How much is kept.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FilesLimits {
    pub(crate) age: Duration,
    pub(crate) project_bytes_max: u64,
    pub(crate) bytes_max: u64,
}

#[derive(Default)]
struct OfProject {
    /// The oldest first.
    files: VecDeque<Found>,
    bytes: u64,
}

impl OfProject {
    fn remove_oldest(&mut self) -> io::Result<u64> {
        let Some(file) = self.files.pop_front() else { return Ok(0) };
        std::fs::remove_file(&file.path)?;
        self.bytes -= file.bytes;
        Ok(file.bytes)
    }
}

impl Files {
    /// Removes what goes beyond the limits.
    pub(crate) fn retain(&self, limits: FilesLimits) -> io::Result<()> {
        let mut files = list(&self.directory)?;
        files.sort_by_key(|file| file.written);
        let oldest = SystemTime::now().checked_sub(limits.age).unwrap_or(SystemTime::UNIX_EPOCH);
        let mut projects = HashMap::<String, OfProject>::new();
        for file in files {
            if file.written < oldest {
                std::fs::remove_file(&file.path)?;
                continue;
            }
            let project = file.name.split('.').next().unwrap_or_default().to_owned();
            let kept = projects.entry(project).or_default();
            kept.bytes += file.bytes;
            kept.files.push_back(file);
        }
        for kept in projects.values_mut() {
            while kept.bytes > limits.project_bytes_max && !kept.files.is_empty() {
                kept.remove_oldest()?;
            }
        }
        let mut bytes: u64 = projects.values().map(|kept| kept.bytes).sum();
        while bytes > limits.bytes_max {
            let Some(largest) = projects.values_mut().max_by_key(|kept| kept.bytes) else { break };
            bytes -= largest.remove_oldest()?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_project_gives_its_oldest_file() {
        let directory = tempfile::tempdir().unwrap();
        let files = Files { directory: directory.path().to_owned(), file_bytes_max: 1 << 20 };
        let start = SystemTime::now() - Duration::from_secs(1_000);
        let sizes =
            [("small.f.1", 10), ("large.f.1", 50), ("large.f.2", 50), ("large.f.3", 50), ("old.f.1", 1)];
        for ((name, bytes), age) in sizes.iter().zip(0_u64..) {
            let path = directory.path().join(format!("{name}.jsonl"));
            std::fs::write(&path, vec![b'\n'; *bytes]).unwrap();
            let at = if *name == "old.f.1" { start - Duration::from_secs(9_000) } else { start };
            std::fs::File::options()
                .write(true)
                .open(&path)
                .unwrap()
                .set_modified(at + Duration::from_secs(age))
                .unwrap();
        }
        let kept = |project_bytes_max, bytes_max| {
            files
                .retain(FilesLimits { age: Duration::from_secs(5_000), project_bytes_max, bytes_max })
                .unwrap();
            let mut names: Vec<String> =
                list(directory.path()).unwrap().into_iter().map(|file| file.name).collect();
            names.sort();
            names.join(" ")
        };
        assert_eq!(kept(1_000, 1_000), "large.f.1.jsonl large.f.2.jsonl large.f.3.jsonl small.f.1.jsonl");
        assert_eq!(kept(1_000, 120), "large.f.2.jsonl large.f.3.jsonl small.f.1.jsonl");
        assert_eq!(kept(60, 120), "large.f.3.jsonl small.f.1.jsonl");
    }
}
