//! `init` and `generate`: an application to start from, and further parts of one.

use super::origin;
use crate::cli::context::Context;
use crate::cli::failure::UsageError;
use crate::cli::scaffold::{self, TemplateFile};
use anyhow::bail;
use clap::{Args, Subcommand};
use secrecy::ExposeSecret as _;
use serde_json::json;
use service_kit::secret;
use sql::scripts::Scripts;
use std::path::{Path, PathBuf};

/// Arguments of `bunbase init`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  bunbase init my-app && cd my-app && bun install && bun run dev")]
pub(crate) struct InitArgs {
    /// Directory to write to; its name is that of the application
    #[arg(default_value = ".")]
    directory: PathBuf,
}

/// What can be written into an application.
#[derive(Debug, Subcommand)]
pub(crate) enum GenerateCommand {
    /// An action of its own: src/NAME.ts
    Action(Named),
    /// A module with an action: src/NAME/
    Module(Named),
    /// A guard: src/guards/NAME.ts
    Guard(Named),
    /// The two files of a migration
    Migration(Named),
}

/// What something is called.
#[derive(Debug, Args)]
pub(crate) struct Named {
    /// Letters, digits and hyphens
    name: String,
    /// Directory of the application
    #[arg(long, default_value = ".")]
    dir: PathBuf,
}

macro_rules! template {
    ($path:literal, $file:literal) => {
        TemplateFile { path: $path, text: include_str!(concat!("templates/", $file, ".template")) }
    };
}

const APPLICATION: &[TemplateFile] = &[
    template!("package.json", "package.json"),
    template!("tsconfig.json", "tsconfig.json"),
    template!("bunbase.config.ts", "config.ts"),
    template!(".env", "env"),
    template!(".gitignore", "gitignore"),
    template!("README.md", "README.md"),
    template!("migrations/001_notes.sql", "migration.sql"),
    template!("migrations/001_notes.down.sql", "migration.down.sql"),
    template!("src/health.ts", "health.ts"),
    template!("src/auth/_module.ts", "auth_module.ts"),
    template!("src/auth/actions.ts", "auth_actions.ts"),
    template!("src/notes/_module.ts", "notes_module.ts"),
    template!("src/notes/create-note.ts", "create_note.ts"),
    template!("src/notes/list-notes.ts", "list_notes.ts"),
    template!("src/welcome.ts", "welcome.ts"),
    template!("src/cleanup.ts", "cleanup.ts"),
    template!("test/health.test.ts", "health.test.ts"),
];
const ACTION: &str = include_str!("templates/action.ts.template");
const MODULE: &str = include_str!("templates/module.ts.template");
const GUARD: &str = include_str!("templates/guard.ts.template");

/// Writes an application.
pub(crate) fn init(context: &Context, args: &InitArgs) -> anyhow::Result<()> {
    let name = scaffold::name_of(&args.directory, "app")?;
    let secret = secret::generate("")?;
    let package = json!(origin::reference(&std::env::current_exe().unwrap_or_default())).to_string();
    let values = [("name", name.as_str()), ("package", package.as_str()), ("secret", secret.expose_secret())];
    let written = scaffold::write(&args.directory, APPLICATION, &values)?;
    let shown = args.directory.display();
    Ok(context.output.answer(&json!({ "name": name, "files": written }), || {
        let place = if args.directory == Path::new(".") { String::new() } else { format!("cd {shown} && ") };
        format!("{name} is written to {shown}\nnext: {place}bun install && bun run dev")
    })?)
}

/// Writes a part of one.
pub(crate) fn generate(context: &Context, command: &GenerateCommand) -> anyhow::Result<()> {
    let (GenerateCommand::Action(named)
    | GenerateCommand::Module(named)
    | GenerateCommand::Guard(named)
    | GenerateCommand::Migration(named)) = command;
    let name = named.checked()?;
    let export = camel(name);
    let source = named.dir.join("src");
    let path = format!("/api/{name}");
    let as_const = format!("const {export} =");
    let values = |export, path| [("name", name), ("file", name), ("export", export), ("path", path)];
    let written = match command {
        GenerateCommand::Action(_) => {
            let files = [(source.join(format!("{name}.ts")), ACTION)];
            scaffold::write_all(&files, &values("default", path.as_str()))?
        }
        GenerateCommand::Module(_) => {
            let directory = source.join(name);
            let module = [(directory.join("_module.ts"), MODULE)];
            let action = [(directory.join(format!("{name}.ts")), ACTION)];
            let mut written = scaffold::write_all(&action, &values(as_const.as_str(), "/"))?;
            written.extend(scaffold::write_all(&module, &values(export.as_str(), path.as_str()))?);
            written
        }
        GenerateCommand::Guard(_) => {
            let files = [(source.join("guards").join(format!("{name}.ts")), GUARD)];
            scaffold::write_all(&files, &values(export.as_str(), path.as_str()))?
        }
        GenerateCommand::Migration(_) => Scripts::create(&named.dir.join("migrations"), name)?.to_vec(),
    };
    Ok(context.output.answer(&json!({ "files": written }), || {
        let line = |path: &PathBuf| format!("{} is written", path.display());
        written.iter().map(line).collect::<Vec<_>>().join("\n")
    })?)
}

impl Named {
    fn checked(&self) -> anyhow::Result<&str> {
        let fits = |character: char| character.is_ascii_alphanumeric() || matches!(character, '-' | '_');
        let begins = self.name.starts_with(|first: char| first.is_ascii_alphabetic());
        if !begins || self.name.len() > 60 || !self.name.chars().all(fits) {
            bail!(UsageError(format!("\"{}\" is no name: use letters, digits and hyphens", self.name)));
        }
        Ok(&self.name)
    }
}

/// `create-note` is `createNote` in code.
fn camel(name: &str) -> String {
    let mut parts = name.split(['-', '_']);
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| {
        let mut letters = part.chars();
        let head = letters.next().map(|letter| letter.to_ascii_uppercase());
        text + &head.into_iter().chain(letters).collect::<String>()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_identifiers() {
        assert_eq!(camel("create-note"), "createNote");
        assert_eq!(camel("hello"), "hello");
        let named = |name: &str| Named { name: name.to_owned(), dir: PathBuf::new() };
        assert!(["", "../x", "9a", "a b"].into_iter().all(|name| named(name).checked().is_err()));
    }
}
