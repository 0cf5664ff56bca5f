//! Settings from a TOML file, environment variables and flags; the later wins. Each setting has one
//! dotted name (`functions.queue_max`); its variable is that name in upper case after `BUNBASE_`, with `__`
//! for the dot (`BUNBASE_FUNCTIONS__QUEUE_MAX`).

use serde::de::DeserializeOwned;
use std::path::Path;
use toml::{Table, Value};

/// A setting cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration file {path}")]
    Read {
        /// Which file.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file is no TOML.
    #[error("the configuration file {path} is not valid: {reason}")]
    Syntax {
        /// Which file.
        path: String,
        /// What and where.
        reason: String,
    },
    /// A setting has a wrong name, type or value.
    #[error("the configuration is not valid: {0}")]
    Invalid(String),
}

/// Settings collected so far, by dotted name.
#[derive(Debug, Default, Clone)]
pub struct Layers {
    table: Table,
}

impl Layers {
    /// Adds the file at `path`.
    ///
    /// # Errors
    /// The file is missing, unreadable or no TOML.
    pub fn file(mut self, path: &Path) -> Result<Self, ConfigError> {
        let shown = path.display().to_string();
        let text = std::fs::read_to_string(path)
            .map_err(|source| ConfigError::Read { path: shown.clone(), source })?;
        let table: Table = text.parse().map_err(|error: toml::de::Error| ConfigError::Syntax {
            path: shown,
            reason: error.to_string(),
        })?;
        merge(&mut self.table, table);
        Ok(self)
    }

    /// Adds every variable of the form `BUNBASE_<SECTION>__<SETTING>`.
    #[must_use]
    pub fn environment(mut self, variables: impl IntoIterator<Item = (String, String)>) -> Self {
        for (variable, text) in variables {
            let Some(name) = variable.strip_prefix("BUNBASE_").filter(|name| name.contains("__")) else {
                continue;
            };
            self = self.set(&name.to_ascii_lowercase().replace("__", "."), scalar(&text));
        }
        self
    }

    /// Sets one dotted name.
    #[must_use]
    pub fn set(mut self, setting: &str, value: Value) -> Self {
        let mut nested = value;
        for part in setting.rsplit('.') {
            let mut table = Table::new();
            table.insert(part.to_owned(), nested);
            nested = Value::Table(table);
        }
        if let Value::Table(table) = nested {
            merge(&mut self.table, table);
        }
        self
    }

    /// Sets one dotted name where there is a value.
    #[must_use]
    pub fn set_some(self, setting: &str, value: Option<impl Into<Value>>) -> Self {
        match value {
            Some(value) => self.set(setting, value.into()),
            None => self,
        }
    }

    /// Sets one dotted name where no layer has said anything.
    #[must_use]
    pub fn or_set(mut self, setting: &str, value: impl Into<Value>) -> Self {
        let given = std::mem::take(&mut self.table);
        self = self.set(setting, value.into());
        merge(&mut self.table, given);
        self
    }

    /// The typed settings.
    ///
    /// # Errors
    /// A name that is unknown (with `deny_unknown_fields`), or a value of a wrong type.
    pub fn build<T: DeserializeOwned>(self) -> Result<T, ConfigError> {
        T::deserialize(Value::Table(self.table)).map_err(|error| ConfigError::Invalid(error.to_string()))
    }
}

fn merge(into: &mut Table, from: Table) {
    for (key, value) in from {
        match (into.get_mut(&key), value) {
            (Some(Value::Table(old)), Value::Table(new)) => merge(old, new),
            (_, value) => {
                into.insert(key, value);
            }
        }
    }
}

/// `true`, `false` and integers as such, a list in brackets as TOML, all else as text.
fn scalar(text: &str) -> Value {
    match text {
        "true" => Value::Boolean(true),
        "false" => Value::Boolean(false),
        _ if text.starts_with('[') => {
            { format!("v = {text}").parse::<Table>().ok().and_then(|mut table| table.remove("v")) }
                .unwrap_or_else(|| Value::String(text.to_owned()))
        }
        _ => text.parse::<i64>().map_or_else(|_| Value::String(text.to_owned()), Value::Integer),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Deserialize, Debug, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Settings {
        listen: String,
        functions: Functions,
    }

    #[derive(Deserialize, Debug, PartialEq)]
    struct Functions {
        timeout_ms: u64,
        hosts: Vec<String>,
    }

    #[test]
    fn the_later_layer_wins() {
        let variables = [
            ("BUNBASE_FUNCTIONS__TIMEOUT_MS".to_owned(), "250".to_owned()),
            ("BUNBASE_FUNCTIONS__HOSTS".to_owned(), "[\"a\"]".to_owned()),
            ("BUNBASE_OTHER".to_owned(), "1".to_owned()),
        ];
        let settings: Settings = Layers::default()
            .set("listen", "127.0.0.1:1".into())
            .set("functions.timeout_ms", Value::Integer(1))
            .environment(variables)
            .set_some("listen", Some("127.0.0.1:2"))
            .build()
            .unwrap();
        let functions = Functions { timeout_ms: 250, hosts: vec!["a".into()] };
        assert_eq!(settings, Settings { listen: "127.0.0.1:2".into(), functions });
    }

    #[test]
    fn an_unknown_name_is_an_error() {
        let built = Layers::default().set("lisen", "x".into()).build::<Settings>();
        assert!(matches!(built, Err(ConfigError::Invalid(text)) if text.contains("lisen")));
    }
}
