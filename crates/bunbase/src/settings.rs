//! The settings of a server: a TOML file, then environment variables, then flags; the later wins.
//! Every setting has a default, and `docs/configuration.md` lists them all.

use crate::serve::ServeArgs;
use bun_auth::AuthConfig;
use bundoc::EngineOptions;
use bundoc_server::DocumentsConfig;
use functions::FunctionsConfig;
use gateway::GatewayConfig;
use platform::PlatformConfig;
use run_log::RunLogConfig;
use serde::Deserialize;
use service_kit::config::{ConfigError, Layers};
use service_kit::telemetry::LogFormat;
use std::path::PathBuf;

/// Everything a server can be told.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Settings {
    /// Where everything is kept.
    pub(crate) data_dir: PathBuf,
    /// The Bun executable; looked for where it is not given.
    pub(crate) bun_path: Option<PathBuf>,
    /// What the process logs.
    pub(crate) log: LogSettings,
    pub(crate) gateway: GatewayConfig,
    pub(crate) auth: AuthConfig,
    pub(crate) platform: PlatformConfig,
    pub(crate) documents: DocumentsConfig,
    pub(crate) engine: EngineOptions,
    pub(crate) functions: FunctionsConfig,
    pub(crate) function_logs: RunLogConfig,
}

/// Settings under `log`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct LogSettings {
    /// In the syntax of `RUST_LOG`.
    pub(crate) filter: String,
    /// `text` or `json`.
    pub(crate) format: LogFormat,
}

impl Default for LogSettings {
    fn default() -> Self {
        Self { filter: "info".to_owned(), format: LogFormat::Text }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            data_dir: PathBuf::from(".bunbase/data"),
            bun_path: None,
            log: LogSettings::default(),
            gateway: GatewayConfig::default(),
            auth: AuthConfig::default(),
            platform: PlatformConfig::default(),
            documents: DocumentsConfig::default(),
            engine: EngineOptions::default(),
            functions: FunctionsConfig::default(),
            function_logs: RunLogConfig::default(),
        }
    }
}

impl Settings {
    /// Reads the file that is named, the environment, and the flags.
    ///
    /// # Errors
    /// A name that does not exist, or a value of a wrong type.
    pub(crate) fn load(args: &ServeArgs) -> Result<Self, ConfigError> {
        let mut layers = Layers::default();
        if let Some(path) = &args.config {
            layers = layers.file(path)?;
        }
        let text = |path: &PathBuf| path.display().to_string();
        layers
            .environment(std::env::vars())
            .set_some("data_dir", args.data_dir.as_ref().map(text))
            .set_some("bun_path", args.bun_path.as_ref().map(text))
            .set_some("gateway.listen", args.listen.map(|address| address.to_string()))
            .set_some("auth.registration", args.registration.clone())
            .set_some("log.filter", args.log.clone())
            .set_some("log.format", args.log_format.clone())
            .build()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use toml::{Table, Value};

    /// `(section, name, default)` of every row in docs/configuration.md.
    fn documented() -> Vec<(String, String, Option<Value>)> {
        let page = include_str!("../../../docs/configuration.md");
        let (mut section, mut rows) = (String::new(), Vec::new());
        for line in page.lines() {
            if let Some(name) = line.strip_prefix("## ") {
                section = name.to_owned();
            }
            let cells: Vec<&str> = line.split('|').map(str::trim).collect();
            if section.is_empty() || cells.len() < 4 || !cells[1].starts_with('`') {
                continue;
            }
            let literal = cells[2].strip_prefix('`').and_then(|text| text.strip_suffix('`'));
            let default =
                literal.map(|text| format!("v = {text}").parse::<Table>().unwrap().remove("v").unwrap());
            rows.push((section.clone(), cells[1].trim_matches('`').to_owned(), default));
        }
        rows
    }

    #[test]
    fn every_documented_setting_can_be_set_to_its_documented_default() {
        let rows = documented();
        assert!(rows.len() > 50, "{} settings", rows.len());
        for (section, name, default) in rows {
            let setting = format!("{section}.{name}");
            let Some(default) = default else { continue };
            let built = Layers::default().set(&setting, default).build::<Settings>();
            assert!(built.is_ok(), "{setting}: {}", built.unwrap_err());
        }
    }
}
