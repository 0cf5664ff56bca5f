//! `doctor`: what an application needs here, and what of it is missing.

use super::config::ConfigFile;
use crate::cli::context::Context;
use crate::cli::functions::bundle::find_bun;
use crate::cli::output::{Colour, printable};
use clap::Args;
use serde_json::{Value, json};
use std::net::TcpListener;
use std::path::{Path, PathBuf};

/// Arguments of `bunbase doctor`.
#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    /// The directory of the application
    #[arg(default_value = ".")]
    path: PathBuf,
}

/// How a check ended.
enum Finding {
    Fine(String),
    /// It works, and may surprise.
    Doubtful {
        what: String,
        next: &'static str,
    },
    Wrong {
        what: String,
        next: &'static str,
    },
}

use Finding::{Doubtful, Fine, Wrong};

/// Looks at everything, and fails where something is wrong.
pub(crate) async fn doctor(context: &Context, args: &DoctorArgs) -> anyhow::Result<()> {
    let root = args.path.canonicalize().unwrap_or_else(|_| args.path.clone());
    let findings = examine(&root).await;
    let told: Vec<Value> = findings.iter().map(Finding::told).collect();
    let wrong = findings.iter().filter(|finding| matches!(finding, Wrong { .. })).count();
    context.output.answer(&json!({ "checks": told, "wrong": wrong }), || {
        let line = |finding: &Finding| {
            let (colour, mark, what, next) = match finding {
                Fine(what) => (Colour::Green, "fine", what, ""),
                Doubtful { what, next } => (Colour::Yellow, "look", what, *next),
                Wrong { what, next } => (Colour::Red, "wrong", what, *next),
            };
            let next = if next.is_empty() { String::new() } else { format!("\n       {next}") };
            format!("{}  {}{next}", context.output.paint(colour, format!("{mark:<5}")), printable(what))
        };
        findings.iter().map(line).collect::<Vec<_>>().join("\n")
    })?;
    if wrong > 0 { anyhow::bail!("{wrong} of {} checks failed", findings.len()) } else { Ok(()) }
}

async fn examine(root: &Path) -> Vec<Finding> {
    let bun = match find_bun() {
        Ok(bun) => bun,
        Err(error) => {
            let next = "install it with `npm install -g bun`, or name it in BUNBASE_BUN_PATH";
            return vec![Wrong { what: format!("{error:#}"), next }];
        }
    };
    let mut findings = vec![Fine(format!("Bun {}", bun.version())), package(root)];
    let Some(file) = ConfigFile::find(root) else {
        let what = format!("{} has no bunbase.config.ts", root.display());
        findings.push(Wrong { what, next: "`bunbase init` writes an application to start from" });
        return findings;
    };
    match file.read(&bun).await {
        Ok(config) => {
            findings.push(Fine(format!("{} says where things are", file.file)));
            findings.push(actions(root, &config.actions_dir));
            findings.push(port(config.port));
        }
        Err(error) => findings
            .push(Wrong { what: format!("{error:#}"), next: "mend the file; `bun install` brings packages" }),
    }
    findings.push(secret(root));
    findings.extend(ignored(root));
    findings
}

fn package(root: &Path) -> Finding {
    let path = root.join("node_modules/bunbase/package.json");
    let package: Option<Value> =
        std::fs::read(&path).ok().and_then(|text| serde_json::from_slice(&text).ok());
    let own = env!("CARGO_PKG_VERSION");
    match package.as_ref().and_then(|package| package["version"].as_str()) {
        Some(version) if version == own => Fine(format!("the package bunbase {version}")),
        Some(version) => Doubtful {
            what: format!("the package bunbase is {version}, this program is {own}"),
            next: "bring both to the same version",
        },
        None => Wrong { what: "the package bunbase is not installed".to_owned(), next: "run `bun install`" },
    }
}

fn actions(root: &Path, directory: &Path) -> Finding {
    if root.join(directory).is_dir() {
        return Fine(format!("actions are in {}", directory.display()));
    }
    let what = format!("there is no directory {}", directory.display());
    Wrong { what, next: "`actionsDir` in the configuration says where actions are" }
}

fn port(port: u16) -> Finding {
    match TcpListener::bind(("127.0.0.1", port)) {
        Ok(_) => Fine(format!("port {port} is free")),
        Err(_) => Doubtful {
            what: format!("port {port} is taken"),
            next: "`bunbase dev` takes the next one; `--listen` names another",
        },
    }
}

/// That the file names one: its value is nobody's business.
fn secret(root: &Path) -> Finding {
    let named = |file: &str| std::fs::read_to_string(root.join(file)).unwrap_or_default();
    let is_in_a_file = [".env", ".env.local"]
        .iter()
        .any(|file| named(file).lines().any(|line| line.starts_with("SESSION_SECRET=")));
    if is_in_a_file || std::env::var_os("SESSION_SECRET").is_some() {
        return Fine("SESSION_SECRET is set".to_owned());
    }
    Doubtful {
        what: "SESSION_SECRET is set neither in .env nor here".to_owned(),
        next: "sessions need `auth.sessionSecret`, of 32 characters or more",
    }
}

/// Whether git would take secrets and data.
fn ignored(root: &Path) -> Option<Finding> {
    if !root.join(".env").is_file() || !root.join(".git").exists() {
        return None;
    }
    let text = std::fs::read_to_string(root.join(".gitignore")).unwrap_or_default();
    let names = |name: &str| text.lines().any(|line| line.trim().trim_end_matches('/') == name);
    Some(if names(".env") && names(".bunbase") {
        Fine(".env and .bunbase stay out of git".to_owned())
    } else {
        Wrong {
            what: "git would take .env or .bunbase, which hold secrets".to_owned(),
            next: "name both in .gitignore",
        }
    })
}

impl Finding {
    fn told(&self) -> Value {
        match self {
            Fine(what) => json!({ "state": "fine", "what": what }),
            Doubtful { what, next } => json!({ "state": "look", "what": what, "next": next }),
            Wrong { what, next } => json!({ "state": "wrong", "what": what, "next": next }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_said_with_what_to_do() {
        let root = tempfile::tempdir().unwrap();
        assert!(matches!(package(root.path()), Wrong { next, .. } if next.contains("install")));
        assert!(matches!(actions(root.path(), Path::new("src")), Wrong { .. }));
        assert!(ignored(root.path()).is_none());
        std::fs::create_dir(root.path().join(".git")).unwrap();
        std::fs::write(root.path().join(".env"), "SESSION_SECRET=x\n").unwrap();
        std::fs::write(root.path().join(".gitignore"), ".env\n").unwrap();
        assert!(matches!(ignored(root.path()), Some(Wrong { .. })), "data holds keys, too");
        assert!(matches!(secret(root.path()), Fine(_)));
        std::fs::write(root.path().join(".gitignore"), ".env\n.bunbase/\n").unwrap();
        assert!(matches!(ignored(root.path()), Some(Fine(_))));
    }
}
