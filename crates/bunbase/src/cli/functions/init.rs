//! `functions init`: writes a function to start from. Nothing that is there is written over.

use crate::cli::context::Context;
use crate::cli::failure::Advised;
use anyhow::{Context as _, bail};
use clap::ValueEnum;
use serde_json::json;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

/// Arguments of `bunbase functions init`.
#[derive(Debug, clap::Args)]
pub(crate) struct InitArgs {
    /// Directory to write to; its name is that of the function
    directory: PathBuf,
    /// TypeScript or JavaScript
    #[arg(long, default_value = "ts")]
    template: Template,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Template {
    Ts,
    Js,
}

/// A file of a template; `{{name}}` stands for the function's name.
struct TemplateFile {
    path: &'static str,
    text: &'static str,
}

const TS: &[TemplateFile] = &[
    TemplateFile { path: "package.json", text: include_str!("templates/package.ts.json.template") },
    TemplateFile { path: "tsconfig.json", text: include_str!("templates/tsconfig.json.template") },
    TemplateFile { path: "src/index.ts", text: include_str!("templates/index.ts.template") },
    TemplateFile { path: "README.md", text: include_str!("templates/README.md.template") },
];
const JS: &[TemplateFile] = &[
    TemplateFile { path: "package.json", text: include_str!("templates/package.js.json.template") },
    TemplateFile { path: "src/index.js", text: include_str!("templates/index.js.template") },
    TemplateFile { path: "README.md", text: include_str!("templates/README.md.template") },
];

impl Template {
    fn files(self) -> &'static [TemplateFile] {
        match self {
            Self::Ts => TS,
            Self::Js => JS,
        }
    }
}

pub(crate) fn run(context: &Context, args: &InitArgs) -> anyhow::Result<()> {
    let name = function_name(&args.directory)?;
    let files = args.template.files();
    write(&args.directory, files, &name)?;
    let written: Vec<_> = files.iter().map(|file| args.directory.join(file.path)).collect();
    let shown = args.directory.display();
    Ok(context.output.answer(&json!({ "name": name, "files": written }), || {
        format!("{name} is written to {shown}\nnext: `bunbase dev {shown}` here, or `bunbase functions deploy {shown}` to a server")
    })?)
}

fn write(directory: &Path, files: &[TemplateFile], name: &str) -> anyhow::Result<()> {
    if let Some(there) = files.iter().map(|file| directory.join(file.path)).find(|path| path.exists()) {
        bail!(Advised::new(
            format!("{} is there already; nothing was written", there.display()),
            "choose another directory",
        ));
    }
    for file in files {
        let path = directory.join(file.path);
        write_file(&path, &file.text.replace("{{name}}", name))
            .with_context(|| format!("could not write {}", path.display()))?;
    }
    Ok(())
}

fn write_file(path: &Path, text: &str) -> std::io::Result<()> {
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory)?;
    }
    OpenOptions::new().write(true).create_new(true).open(path)?.write_all(text.as_bytes())
}

/// The directory's own name, in the letters that npm and the server take.
fn function_name(directory: &Path) -> anyhow::Result<String> {
    let absolute = std::path::absolute(directory).context("could not find the current directory")?;
    let text = absolute.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
    let name: String =
        text.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' }).collect();
    let name = name.trim_matches(['-', '_']);
    if name.is_empty() { Ok("hello".to_owned()) } else { Ok(name.to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::functions::entry;

    #[test]
    fn each_template_is_a_function_that_can_be_deployed() {
        for (template, entry_file) in [(Template::Ts, "src/index.ts"), (Template::Js, "src/index.js")] {
            let root = tempfile::tempdir().unwrap();
            let directory = root.path().join("greeter");
            write(&directory, template.files(), "greeter").unwrap();
            let sources = entry::discover(&directory, None).unwrap();
            assert_eq!(sources[0].name, "greeter");
            assert!(sources[0].entry.ends_with(entry_file));
            let readme = fs::read_to_string(directory.join("README.md")).unwrap();
            assert!(readme.contains("greeter") && !readme.contains("{{"));
        }
    }

    #[test]
    fn what_is_there_is_not_written_over() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("README.md"), "mine").unwrap();
        assert!(write(root.path(), TS, "x").is_err());
        assert_eq!(fs::read_to_string(root.path().join("README.md")).unwrap(), "mine");
        assert!(!root.path().join("package.json").exists());
    }

    #[test]
    fn names_are_made_of_letters_that_everybody_takes() {
        assert_eq!(function_name(Path::new("/tmp/My Shop!")).unwrap(), "my-shop");
        assert_eq!(function_name(Path::new("/")).unwrap(), "hello");
    }
}
