//! The developer, the project and the keys of a directory: made at the first start, kept in the file `env` beside the
//! data. It is written so that a shell can read it: then every other command works with this server.

use crate::cli::account;
use crate::cli::api::{Api, Credential};
use crate::cli::failure::Advised;
use anyhow::{Context as _, bail};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::json;
use service_kit::secret;
use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

const FILE: &str = "env";
const EMAIL: &str = "dev@bunbase.localhost";
const PROJECT: &str = "dev";
const STUDIO_TOKEN_PREFIX: &str = "studio_";

/// How the project is reached.
pub(super) struct Account {
    pub(super) project_id: String,
    /// A secret key.
    pub(super) key: SecretString,
    /// Opens Studio in development.
    pub(super) studio_token: SecretString,
}

#[derive(Deserialize)]
struct Created {
    project: CreatedProject,
    public_key: String,
    secret_key: String,
}

#[derive(Deserialize)]
struct CreatedProject {
    id: String,
}

/// The account of the last time, or a new one. The file has the server's address and the token of Studio of this time.
pub(super) async fn open(url: &str, data: &Path) -> anyhow::Result<Account> {
    let path = data.join(FILE);
    let mut values = kept(data)?;
    if values.is_empty() {
        values = make(url, data).await?;
    }
    values.insert("BUNBASE_URL".to_owned(), url.to_owned());
    let studio_token = secret::generate(STUDIO_TOKEN_PREFIX)?;
    values.insert("BUNBASE_STUDIO_TOKEN".to_owned(), studio_token.expose_secret().to_owned());
    write(&path, &values).with_context(|| format!("could not write {}", path.display()))?;
    let value =
        |name: &str| values.get(name).cloned().with_context(|| format!("{} has no {name}", path.display()));
    Ok(Account { project_id: value("BUNBASE_PROJECT")?, key: value("BUNBASE_KEY")?.into(), studio_token })
}

async fn make(url: &str, data: &Path) -> anyhow::Result<BTreeMap<String, String>> {
    let password = secret::generate("")?;
    let password = password.expose_secret();
    let nobody = Api::new(url, Credential::Nobody)?;
    let person = json!({ "email": EMAIL, "name": "Developer", "password": password });
    let Ok(session) = account::set_up(&nobody, &person).await else {
        bail!(Advised::new(
            "this directory's data has an account, and its keys are gone",
            format!("remove {} to begin anew", data.display()),
        ));
    };
    let developer = Api::new(url, Credential::Session(session))?;
    let created: Created = developer.post("/v1/projects", &json!({ "name": PROJECT })).await?;
    let values = [
        ("BUNBASE_PROJECT", created.project.id.as_str()),
        ("BUNBASE_KEY", &created.secret_key),
        ("BUNBASE_PUBLIC_KEY", &created.public_key),
        ("BUNBASE_EMAIL", EMAIL),
        ("BUNBASE_PASSWORD", password),
    ];
    Ok(values.map(|(name, value)| (name.to_owned(), value.to_owned())).into())
}

/// What is kept in a data directory; nothing before the first start.
///
/// # Errors
/// The file cannot be read.
pub(crate) fn kept(data: &Path) -> anyhow::Result<BTreeMap<String, String>> {
    let path = data.join(FILE);
    let text = match std::fs::read_to_string(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        read => read.with_context(|| format!("could not read {}", path.display()))?,
    };
    let values = text.lines().filter_map(|line| line.split_once('='));
    Ok(values.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
}

/// Whole or not at all: without it the data cannot be used.
fn write(path: &Path, values: &BTreeMap<String, String>) -> std::io::Result<()> {
    let unfinished = path.with_extension("unfinished");
    let mut file =
        OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&unfinished)?;
    for (name, value) in values {
        writeln!(file, "{name}={value}")?;
    }
    file.sync_all()?;
    std::fs::rename(&unfinished, path)
}
