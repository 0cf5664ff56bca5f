//! What the code of an application says to the server alone, when it is imported: what signs sessions, the address of
//! PostgreSQL, the migrations. It is taken out of the JSON before that is checked, shown or stored.

use super::SpecError;
use aws_lc_rs::hmac;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::Value;
use sql::scripts::Scripts;
use std::sync::Arc;

/// Characters of a secret that signs sessions.
pub const SECRET_CHARS_MIN: usize = 32;
/// Secrets that were in use before.
const PREVIOUS_SECRETS_MAX: usize = 4;
/// Bytes of the SQL of all migrations.
pub const MIGRATION_BYTES_MAX: usize = 512 << 10;

/// What is not for others. No `Debug`: two of the three are secrets.
#[derive(Clone, Default)]
pub struct Private {
    /// What signs sessions.
    pub sessions: SessionSecrets,
    /// `postgres://user:password@host/database`; the tables are in SQLite where there is none.
    pub database_url: Option<SecretString>,
    /// The application's own, without what takes them back.
    pub migrations: Arc<Scripts>,
}

impl Private {
    /// Takes it out of the JSON of a manifest.
    ///
    /// # Errors
    /// Where something is no text, too short or too large, or a migration is not named as one.
    pub fn take_from(manifest: &mut Value) -> Result<Self, SpecError> {
        let sessions = SessionSecrets::take_from(manifest)?;
        let application = manifest.get_mut("application").and_then(Value::as_object_mut);
        let Some(application) = application else { return Ok(Self { sessions, ..Self::default() }) };
        let (url, migrations) = (application.remove("database_url"), application.remove("migrations"));
        let database_url = url.map(database_url).transpose()?;
        let migrations = migrations.map_or_else(|| Ok(Arc::default()), scripts)?;
        Ok(Self { sessions, database_url, migrations })
    }
}

/// The text itself is in no error.
fn database_url(url: Value) -> Result<SecretString, SpecError> {
    let is_address =
        |text: &String| ["postgres://", "postgresql://"].iter().any(|scheme| text.starts_with(scheme));
    let text = serde_json::from_value::<String>(url).ok().filter(is_address);
    text.map(SecretString::from)
        .ok_or_else(|| SpecError::new("application.database_url", "it has to begin with postgres://"))
}

fn scripts(list: Value) -> Result<Arc<Scripts>, SpecError> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Migration {
        name: String,
        sql: String,
    }
    let wrong = |problem: String| SpecError::new("application.migrations", problem);
    let list: Vec<Migration> = serde_json::from_value(list).map_err(|error| wrong(error.to_string()))?;
    let bytes: usize = list.iter().map(|migration| migration.sql.len()).sum();
    if bytes > MIGRATION_BYTES_MAX {
        return Err(wrong(format!(
            "they have {bytes} bytes, and may have {MIGRATION_BYTES_MAX}: rows are seeds, and not migrations"
        )));
    }
    let texts = list.into_iter().map(|migration| (migration.name, migration.sql));
    Scripts::of(texts).map(Arc::new).map_err(|error| wrong(error.to_string()))
}

/// What signs sessions: the current secret first, then those that it replaced. Empty where there are no sessions.
#[derive(Clone, Default)]
pub struct SessionSecrets(pub(crate) Vec<SecretString>);

impl SessionSecrets {
    /// Names callers in a store that several servers share: those of one application have one secret.
    pub(crate) fn key_of_counts(&self) -> hmac::Key {
        let secret = self.0.first().map_or("", |secret| secret.expose_secret());
        hmac::Key::new(hmac::HMAC_SHA256, format!("counts:{secret}").as_bytes())
    }

    /// Takes the secrets out of the JSON of a manifest.
    ///
    /// # Errors
    /// Where one is no text or too short, or there are too many.
    fn take_from(manifest: &mut Value) -> Result<Self, SpecError> {
        let place = "application.auth";
        let Some(auth) = manifest.pointer_mut("/application/auth").and_then(Value::as_object_mut) else {
            return Ok(Self::default());
        };
        let (current, previous) = (auth.remove("session_secret"), auth.remove("previous_secrets"));
        // What serde says of a wrong type would show it.
        let previous: Vec<String> =
            serde_json::from_value(previous.unwrap_or_else(|| Value::Array(Vec::new()))).map_err(|_| {
                SpecError::new(format!("{place}.previous_secrets"), "it has to be a list of texts")
            })?;
        let Some(current) = current.filter(|secret| !secret.is_null()) else { return Ok(Self::default()) };
        let current: String = serde_json::from_value(current)
            .map_err(|_| SpecError::new(format!("{place}.session_secret"), "it has to be a text"))?;
        if previous.len() > PREVIOUS_SECRETS_MAX {
            let problem = format!("there are more than {PREVIOUS_SECRETS_MAX}");
            return Err(SpecError::new(format!("{place}.previous_secrets"), problem));
        }
        let secrets: Vec<_> = std::iter::once(current).chain(previous).map(SecretString::from).collect();
        if secrets.iter().any(|secret| secret.expose_secret().chars().count() < SECRET_CHARS_MIN) {
            let problem = format!("a secret has {SECRET_CHARS_MIN} characters at least");
            return Err(SpecError::new(format!("{place}.session_secret"), problem));
        }
        Ok(Self(secrets))
    }
}
