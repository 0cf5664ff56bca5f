//! What the command line remembers: server, project in use and session, in `cli_config.json` (mode 0600)
//! in a directory of its own (mode 0700). Written whole or not at all.

use anyhow::{Context as _, bail};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::json;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

const FILE_NAME: &str = "cli_config.json";
/// The file holds three short values; whatever is larger is something else.
const FILE_BYTES_MAX: u64 = 64 * 1024;

/// Server, project and session.
#[derive(Clone, Default)]
pub(crate) struct Config {
    /// Address of the server that the session and the project belong to.
    pub(crate) base_url: Option<String>,
    /// The project in use.
    pub(crate) project_id: Option<String>,
    /// The developer's session.
    pub(crate) session_token: Option<SecretString>,
}

#[derive(Deserialize)]
struct Stored {
    base_url: Option<String>,
    project_id: Option<String>,
    session_token: Option<String>,
}

/// Where the configuration is kept.
#[derive(Debug)]
pub(crate) struct ConfigStore {
    directory: PathBuf,
}

impl ConfigStore {
    /// Keeps it in `explicit`, else in `~/.bunbase`.
    pub(crate) fn at(explicit: Option<&Path>) -> anyhow::Result<Self> {
        if let Some(directory) = explicit {
            return Ok(Self { directory: directory.to_owned() });
        }
        match std::env::home_dir().filter(|home| !home.as_os_str().is_empty()) {
            Some(home) => Ok(Self { directory: home.join(".bunbase") }),
            None => bail!("there is no home directory; name one with --config-dir or BUNBASE_CONFIG_DIR"),
        }
    }

    /// The file.
    pub(crate) fn path(&self) -> PathBuf {
        self.directory.join(FILE_NAME)
    }

    /// What was saved last; nothing where nothing was.
    pub(crate) fn load(&self) -> anyhow::Result<Config> {
        let path = self.path();
        let size = match fs::metadata(&path) {
            Ok(metadata) => metadata.len(),
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Config::default()),
            Err(error) => return Err(error).with_context(|| format!("could not read {}", path.display())),
        };
        if size > FILE_BYTES_MAX {
            bail!("{} is no configuration of bunbase: it has {size} bytes", path.display());
        }
        let text = fs::read(&path).with_context(|| format!("could not read {}", path.display()))?;
        let stored: Stored = serde_json::from_slice(&text).with_context(|| {
            format!("{} is damaged; remove it and run `bunbase login` again", path.display())
        })?;
        Ok(Config {
            base_url: stored.base_url,
            project_id: stored.project_id,
            session_token: stored.session_token.map(SecretString::from),
        })
    }

    /// Puts `config` in place of what was saved before.
    pub(crate) fn save(&self, config: &Config) -> anyhow::Result<()> {
        self.write(config).with_context(|| format!("could not write {}", self.path().display()))
    }

    fn write(&self, config: &Config) -> std::io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.directory)?;
        let value = json!({
            "base_url": config.base_url,
            "project_id": config.project_id,
            "session_token": config.session_token.as_ref().map(ExposeSecret::expose_secret),
        });
        let draft = self.directory.join(format!(".{FILE_NAME}.{}", std::process::id()));
        let written = write_new(&draft, format!("{value:#}\n").as_bytes())
            .and_then(|()| fs::rename(&draft, self.path()))
            .and_then(|()| File::open(&self.directory)?.sync_all());
        if written.is_err() {
            // The failure that is reported is the first one.
            let _ = fs::remove_file(&draft);
        }
        written
    }
}

/// A file that nobody else may read at any moment, on the disk when this returns.
fn write_new(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn sample() -> Config {
        Config {
            base_url: Some("http://127.0.0.1:3001".into()),
            project_id: None,
            session_token: Some(SecretString::from("tok")),
        }
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn what_is_saved_is_private_and_comes_back() {
        let home = tempfile::tempdir().unwrap();
        let store = ConfigStore::at(Some(&home.path().join("cfg"))).unwrap();
        store.save(&sample()).unwrap();
        assert_eq!(mode(&store.path()), 0o600);
        assert_eq!(mode(&store.directory), 0o700);
        let loaded = store.load().unwrap();
        assert_eq!(loaded.base_url.as_deref(), Some("http://127.0.0.1:3001"));
        assert_eq!(loaded.session_token.unwrap().expose_secret(), "tok");
    }

    #[test]
    fn saving_leaves_one_file_and_mends_a_mode_that_was_too_wide() {
        let home = tempfile::tempdir().unwrap();
        let store = ConfigStore::at(Some(home.path())).unwrap();
        fs::write(store.path(), "{}").unwrap();
        fs::set_permissions(store.path(), fs::Permissions::from_mode(0o644)).unwrap();
        store.save(&sample()).unwrap();
        assert_eq!(mode(&store.path()), 0o600);
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_missing_file_is_empty_and_a_damaged_one_is_said() {
        let home = tempfile::tempdir().unwrap();
        let store = ConfigStore::at(Some(home.path())).unwrap();
        assert!(store.load().unwrap().session_token.is_none());
        fs::write(store.path(), "{\"base_url\": \"htt").unwrap();
        assert!(store.load().err().unwrap().to_string().contains("bunbase login"));
    }
}
