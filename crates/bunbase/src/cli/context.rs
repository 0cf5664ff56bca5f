//! What a command works with: where to print, what is remembered, which server, as whom, in which project.

use super::GlobalArgs;
use super::api::{Api, Credential, UNIX, segment};
use super::config::{Config, ConfigStore};
use super::failure::{Advised, UsageError};
use super::output::Output;
use super::projects;
use anyhow::bail;
use reqwest::Url;
use secrecy::{ExposeSecret, SecretString};
use service_kit::ids::ProjectId;

const DEFAULT_URL: &str = "http://127.0.0.1:3001";
const KEY_VARIABLE: &str = "BUNBASE_KEY";
const TOKEN_VARIABLE: &str = "BUNBASE_TOKEN";

/// The surroundings of one command.
pub(crate) struct Context {
    /// Where to print.
    pub(crate) output: Output,
    store: ConfigStore,
    config: Config,
    url: String,
    key: Option<SecretString>,
    token: Option<SecretString>,
    project: Option<String>,
}

/// A project, reached with its key or as a developer.
pub(crate) struct Project {
    /// Calls as whoever reaches the project.
    pub(crate) api: Api,
    reach: Reach,
}

enum Reach {
    /// With a key, which needs the project's id only where a path holds it.
    Key(Option<String>),
    Member(String),
}

impl Context {
    /// Reads what is remembered. A session and a project belong to the server that they were made on, and
    /// are not used with another.
    pub(crate) fn new(global: &GlobalArgs, output: Output) -> anyhow::Result<Self> {
        let store = ConfigStore::at(global.config_dir.as_deref())?;
        let mut config = store.load()?;
        let url = match &global.url {
            Some(url) => server_address(url)?,
            None => config.base_url.clone().unwrap_or_else(|| DEFAULT_URL.to_owned()),
        };
        if config.base_url.as_ref() != Some(&url) {
            config = Config::default();
        }
        let secret = |name| std::env::var(name).ok().filter(|text| !text.is_empty()).map(SecretString::from);
        let (key, token) = (secret(KEY_VARIABLE), secret(TOKEN_VARIABLE));
        Ok(Self { output, store, config, url, key, token, project: global.project.clone() })
    }

    /// Calls as nobody.
    pub(crate) fn nobody(&self) -> anyhow::Result<Api> {
        Api::new(&self.url, Credential::Nobody)
    }

    /// Calls as the developer whose token is in the environment, or who signed in.
    pub(crate) fn developer(&self) -> anyhow::Result<Api> {
        if let Some(token) = &self.token {
            return Api::new(&self.url, Credential::Token(token.clone()));
        }
        match &self.config.session_token {
            Some(token) => Api::new(&self.url, Credential::Session(token.clone())),
            None => bail!(Advised::new(
                format!("nobody is signed in at {}", self.url),
                "run `bunbase login`, or `bunbase setup` on a new installation",
            )),
        }
    }

    /// Whether somebody signed in here.
    pub(crate) fn is_signed_in(&self) -> bool {
        self.config.session_token.is_some()
    }

    /// The project in use.
    pub(crate) fn active_project(&self) -> Option<&str> {
        self.config.project_id.as_deref()
    }

    /// Calls in the project that was named or is in use; a key in the environment comes before the session.
    pub(crate) async fn project(&self) -> anyhow::Result<Project> {
        if let Some(key) = &self.key {
            if key.expose_secret().starts_with("pk_") {
                bail!(Advised::new("BUNBASE_KEY is a public key", "set it to a secret key (sk_…)"));
            }
            return Ok(Project {
                api: Api::new(&self.url, Credential::Key(key.clone()))?,
                reach: Reach::Key(self.project.clone()),
            });
        }
        self.member().await
    }

    /// Calls in the project as one of its members, whatever key there is: what keys may not do.
    pub(crate) async fn member(&self) -> anyhow::Result<Project> {
        let api = self.developer()?;
        let Some(named) = self.project.as_deref().or(self.active_project()) else {
            bail!(Advised::new(
                "no project is in use",
                "choose one with `bunbase projects use <project>`, make one with `bunbase projects create <name>`, or name one with --project",
            ));
        };
        let id = match ProjectId::parse(named) {
            Ok(id) => id.to_string(),
            Err(_) => projects::find(&api, named).await?.id,
        };
        Ok(Project { api, reach: Reach::Member(id) })
    }

    /// Remembers the session that was opened, and forgets the project where the server is another one.
    pub(crate) fn remember_session(&mut self, token: SecretString) -> anyhow::Result<()> {
        self.config.base_url = Some(self.url.clone());
        self.config.session_token = Some(token);
        self.store.save(&self.config)
    }

    /// Forgets session and project.
    pub(crate) fn forget_session(&mut self) -> anyhow::Result<()> {
        self.config = Config { base_url: Some(self.url.clone()), ..Config::default() };
        self.store.save(&self.config)
    }

    /// Remembers the project in use.
    pub(crate) fn remember_project(&mut self, id: Option<String>) -> anyhow::Result<()> {
        self.config.project_id = id;
        self.store.save(&self.config)
    }
}

impl Project {
    /// The project of a secret key.
    pub(crate) fn of_key(url: &str, key: SecretString, id: String) -> anyhow::Result<Self> {
        Ok(Self { api: Api::new(url, Credential::Key(key))?, reach: Reach::Key(Some(id)) })
    }

    /// Path of the project's functions.
    pub(crate) fn functions_path(&self) -> anyhow::Result<String> {
        self.named_path("functions")
    }

    /// Path of an area whose routes always name the project.
    pub(crate) fn named_path(&self, area: &str) -> anyhow::Result<String> {
        let (Reach::Member(id) | Reach::Key(Some(id))) = &self.reach else {
            bail!(Advised::new(
                "with BUNBASE_KEY the project has to be named",
                "give its id (prj_…) with --project or BUNBASE_PROJECT",
            ));
        };
        Ok(format!("/v1/projects/{}/{area}", segment(id)?))
    }

    /// Path under which a function is called.
    pub(crate) fn call_path(&self, function: &str) -> anyhow::Result<String> {
        let function = segment(function)?;
        Ok(match &self.reach {
            Reach::Member(id) => format!("/v1/projects/{}/functions/{function}/invoke", segment(id)?),
            Reach::Key(_) => format!("/v1/functions/{function}"),
        })
    }

    /// Path of one of the project's areas: `database`, `kv`, `kms/secrets`.
    pub(crate) fn path(&self, area: &str) -> anyhow::Result<String> {
        Ok(match &self.reach {
            Reach::Member(id) => format!("/v1/projects/{}/{area}", segment(id)?),
            Reach::Key(_) => format!("/v1/{area}"),
        })
    }
}

/// The address in one form: scheme, host, port, and a path without a slash at its end; or `unix:` and the whole
/// path of a socket.
fn server_address(text: &str) -> Result<String, UsageError> {
    let wrong = |why: &str| UsageError(format!("{text:?} is not the address of a server: {why}"));
    if let Some(path) = text.strip_prefix(UNIX) {
        let path =
            std::path::absolute(path).map_err(|_| wrong("the path of a socket stands behind unix:"))?;
        return Ok(format!("{UNIX}{}", path.display()));
    }
    let url = Url::parse(text).map_err(|_| wrong("it looks like http://127.0.0.1:3001, or unix:PATH"))?;
    if url.scheme() != "http" {
        return Err(wrong(
            "only http:// is spoken here; for a server behind TLS use a tunnel to its own port",
        ));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("it must not hold a name or password"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(wrong("it must not have a query or fragment"));
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_one_form() {
        assert_eq!(server_address("http://localhost:3001/").unwrap(), "http://localhost:3001");
        assert_eq!(server_address("HTTP://Host/base/").unwrap(), "http://host/base");
        assert_eq!(server_address("unix:/run/bunbase.sock").unwrap(), "unix:/run/bunbase.sock");
        let here = std::env::current_dir().unwrap();
        assert_eq!(server_address("unix:a.sock").unwrap(), format!("unix:{}/a.sock", here.display()));
        for wrong in ["unix:", "localhost:3001", "ftp://host", "http://me:pw@host", "http://host?x=1", "host"]
        {
            assert!(server_address(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_session_is_not_used_with_another_server() {
        let home = tempfile::tempdir().unwrap();
        let store = ConfigStore::at(Some(home.path())).unwrap();
        let config = Config {
            base_url: Some("http://one:1".into()),
            project_id: Some("prj_1".into()),
            session_token: Some(SecretString::from("tok")),
        };
        store.save(&config).unwrap();
        let context = |url: &str| {
            let global = GlobalArgs {
                json: false,
                url: Some(url.into()),
                project: None,
                config_dir: Some(home.path().to_owned()),
                no_color: true,
            };
            Context::new(&global, Output::new(false, true)).unwrap()
        };
        assert!(context("http://one:1/").is_signed_in());
        assert!(!context("http://two:1").is_signed_in());
        assert_eq!(context("http://two:1").active_project(), None);
    }
}
