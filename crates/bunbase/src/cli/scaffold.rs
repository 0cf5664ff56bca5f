//! Files to start from, written out of templates. Nothing that is there is written over.

use super::failure::Advised;
use anyhow::{Context as _, bail};
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

/// A file of a template; `{{key}}` in its text stands for a value.
#[derive(Clone, Copy)]
pub(crate) struct TemplateFile {
    pub(crate) path: &'static str,
    pub(crate) text: &'static str,
}

/// Writes all files, or none where one is there; answers their paths.
///
/// # Errors
/// A file is there, or cannot be written.
pub(crate) fn write(
    directory: &Path,
    files: &[TemplateFile],
    values: &[(&str, &str)],
) -> anyhow::Result<Vec<PathBuf>> {
    let files: Vec<_> = files.iter().map(|file| (directory.join(file.path), file.text)).collect();
    write_all(&files, values)
}

/// The same for paths of one's own.
///
/// # Errors
/// A file is there, or cannot be written.
pub(crate) fn write_all(files: &[(PathBuf, &str)], values: &[(&str, &str)]) -> anyhow::Result<Vec<PathBuf>> {
    if let Some((there, _)) = files.iter().find(|(path, _)| path.exists()) {
        bail!(Advised::new(
            format!("{} is there already; nothing was written", there.display()),
            "choose another directory or name",
        ));
    }
    for (path, text) in files {
        let filled = values
            .iter()
            .fold((*text).to_owned(), |text, (key, value)| text.replace(&format!("{{{{{key}}}}}"), value));
        write_file(path, &filled).with_context(|| format!("could not write {}", path.display()))?;
    }
    Ok(files.iter().map(|(path, _)| path.clone()).collect())
}

fn write_file(path: &Path, text: &str) -> std::io::Result<()> {
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory)?;
    }
    OpenOptions::new().write(true).create_new(true).open(path)?.write_all(text.as_bytes())
}

/// A directory's own name, in the letters that npm and the server take.
///
/// # Errors
/// There is no current directory.
pub(crate) fn name_of(directory: &Path, otherwise: &str) -> anyhow::Result<String> {
    let absolute = std::path::absolute(directory).context("could not find the current directory")?;
    let text = absolute.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
    let name: String =
        text.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' }).collect();
    let name = name.trim_matches(['-', '_']);
    Ok(if name.is_empty() { otherwise } else { name }.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILES: &[TemplateFile] = &[
        TemplateFile { path: "a/package.json", text: "{{name}} {{name}} {{other}}" },
        TemplateFile { path: "README.md", text: "" },
    ];

    #[test]
    fn values_stand_in_the_files() {
        let root = tempfile::tempdir().unwrap();
        let written = write(root.path(), FILES, &[("name", "x"), ("other", "y")]).unwrap();
        assert_eq!(fs::read_to_string(&written[0]).unwrap(), "x x y");
    }

    #[test]
    fn what_is_there_is_not_written_over() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("README.md"), "mine").unwrap();
        assert!(write(root.path(), FILES, &[]).is_err());
        assert_eq!(fs::read_to_string(root.path().join("README.md")).unwrap(), "mine");
        assert!(!root.path().join("a").exists());
    }

    #[test]
    fn names_are_made_of_letters_that_everybody_takes() {
        assert_eq!(name_of(Path::new("/tmp/My Shop!"), "hello").unwrap(), "my-shop");
        assert_eq!(name_of(Path::new("/"), "hello").unwrap(), "hello");
    }
}
