//! The file of a directory that a function starts from.

use crate::error::FunctionsError;
use serde::Deserialize;
use std::path::{Component, Path, PathBuf};

/// Tried in this order where `package.json` names no file that exists.
pub const ENTRY_FILES: [&str; 9] = [
    "src/index.ts",
    "index.ts",
    "src/index.js",
    "index.js",
    "handler.ts",
    "handler.js",
    "src/handler.ts",
    "src/index.tsx",
    "index.mjs",
];

#[derive(Deserialize, Default)]
struct PackageJson {
    main: Option<String>,
    module: Option<String>,
}

/// The file that was named, or is found by convention.
pub(super) fn find(root: &Path, named: Option<&str>) -> Result<PathBuf, FunctionsError> {
    if let Some(named) = named {
        let problem = format!("the archive has no file \"{named}\"");
        return inside(root, named).ok_or(FunctionsError::Archive { problem });
    }
    let package: PackageJson = match std::fs::read(root.join("package.json")) {
        Ok(text) => serde_json::from_slice(&text).map_err(|error| FunctionsError::Archive {
            problem: format!("its package.json cannot be read: {error}"),
        })?,
        Err(_) => PackageJson::default(),
    };
    let named = [package.main.as_deref(), package.module.as_deref()];
    let mut candidates = named.into_iter().flatten().chain(ENTRY_FILES);
    candidates.find_map(|file| inside(root, file)).ok_or_else(|| FunctionsError::Archive {
        problem:
            "it has no file to start from: name it as \"main\" in package.json, or call it src/index.ts, \
                  index.ts or handler.ts"
                .to_owned(),
    })
}

fn inside(root: &Path, file: &str) -> Option<PathBuf> {
    let path = Path::new(file);
    let stays = path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    let whole = root.join(path);
    (stays && whole.is_file()).then_some(whole)
}
