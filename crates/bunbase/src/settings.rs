//! The settings of a server: a TOML file, then environment variables, then flags; the later wins.
//! Every setting has a default, and `docs/configuration.md` lists them all.

use crate::serve::ServeArgs;
use bun_auth::AuthConfig;
use bun_kms::KmsConfig;
use buncast::BuncastConfig;
use bunder_manager::KvConfig;
use bundoc::EngineOptions;
use bundoc_server::DocumentsConfig;
use functions::FunctionsConfig;
use gateway::GatewayConfig;
use jobs::JobsConfig;
use mail::MailConfig;
use platform::PlatformConfig;
use rpc::{RpcConfig, Service};
use run_log::RunLogConfig;
use serde::Deserialize;
use service_kit::config::{ConfigError, Layers};
use service_kit::telemetry::LogFormat;
use std::net::SocketAddr;
use std::path::PathBuf;
use storage::StorageConfig;
use tenant_auth::TenantAuthConfig;

/// Everything a server can be told.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Settings {
    /// Where everything is kept.
    pub(crate) data_dir: PathBuf,
    /// The Bun executable; looked for where it is not given.
    pub(crate) bun_path: Option<PathBuf>,
    /// The services that this process runs; all of them where none is named.
    pub(crate) services: Option<Vec<Service>>,
    /// What the process logs.
    pub(crate) log: LogSettings,
    pub(crate) gateway: GatewayConfig,
    pub(crate) auth: AuthConfig,
    pub(crate) platform: PlatformConfig,
    pub(crate) documents: DocumentsConfig,
    pub(crate) engine: EngineOptions,
    pub(crate) functions: FunctionsConfig,
    pub(crate) function_logs: RunLogConfig,
    pub(crate) jobs: JobsConfig,
    pub(crate) events: BuncastConfig,
    pub(crate) end_users: TenantAuthConfig,
    pub(crate) kms: KmsConfig,
    pub(crate) kv: KvConfig,
    pub(crate) storage: StorageConfig,
    pub(crate) mail: MailConfig,
    pub(crate) rpc: RpcConfig,
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
            services: None,
            log: LogSettings::default(),
            gateway: GatewayConfig::default(),
            auth: AuthConfig::default(),
            platform: PlatformConfig::default(),
            documents: DocumentsConfig::default(),
            engine: EngineOptions::default(),
            functions: FunctionsConfig::default(),
            function_logs: RunLogConfig::default(),
            jobs: JobsConfig::default(),
            events: BuncastConfig::default(),
            end_users: TenantAuthConfig::default(),
            kms: KmsConfig::default(),
            kv: KvConfig::default(),
            storage: StorageConfig::default(),
            mail: MailConfig::default(),
            rpc: RpcConfig::default(),
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
        for (setting, value) in earlier_names(|name| std::env::var(name).ok()) {
            layers = layers.set(&setting, value.into());
        }
        layers = layers
            .environment(std::env::vars())
            .set_some("data_dir", args.data_dir.as_ref().map(text))
            .set_some("bun_path", args.bun_path.as_ref().map(text))
            .set_some("gateway.listen", args.listen.map(|address| address.to_string()))
            .set_some("gateway.socket", args.socket.as_ref().map(text))
            .set_some("services", args.services.as_deref().map(service_names))
            .set_some("events.socket", args.buncast_socket.as_ref().map(text))
            .set_some("auth.registration", args.registration.clone())
            .set_some("log.filter", args.log.clone())
            .set_some("log.format", args.log_format.clone());
        Self::of(layers)
    }

    /// A process of one service listens where that service usually does, unless it was told otherwise.
    fn of(layers: Layers) -> Result<Self, ConfigError> {
        let settings: Self = layers.clone().build()?;
        match settings.services.as_deref().and_then(usual_address) {
            Some(address) => layers.or_set("gateway.listen", address.to_string()).build(),
            None => Ok(settings),
        }
    }
}

/// Variables of the earlier system whose settings have other names here.
const EARLIER_NAMES: &[(&str, &str)] = &[
    ("BUNKMS_MASTER_KEY", "kms.root_key"),
    ("PLATFORM_BUNCAST_SOCKET", "events.socket"),
    ("BUNDER_BUNCAST_SOCKET", "events.socket"),
];

/// The settings that they give; those of our own names win.
fn earlier_names(variable: impl Fn(&str) -> Option<String>) -> Vec<(String, String)> {
    let named = |(name, setting): &(&str, &str)| Some(((*setting).to_owned(), variable(name)?));
    let mut found: Vec<_> = EARLIER_NAMES.iter().filter_map(named).collect();
    found.extend(rpc::addresses_from_environment(&variable));
    found
}

fn service_names(services: &[Service]) -> toml::Value {
    toml::Value::Array(services.iter().map(|service| service.as_str().into()).collect())
}

/// Where a process of one service usually listens (`docs/inter-service-rpc.md`).
fn usual_address(services: &[Service]) -> Option<SocketAddr> {
    let [service] = services else { return None };
    let port = match service {
        Service::Gateway | Service::Platform => 3001,
        Service::Buncast => 8081,
        Service::BundocServer => 8082,
        Service::BunKms => 8083,
        Service::Functions => 8084,
        Service::BunderManager => 8085,
        Service::TenantAuth => 8086,
        Service::Storage => 8087,
        Service::BunAuth => 50051,
    };
    Some(SocketAddr::from(([127, 0, 0, 1], port)))
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
    fn one_service_listens_where_it_usually_does_unless_it_is_told_otherwise() {
        let apart = || Layers::default().set("services", vec!["buncast"].into());
        let listen = |layers: Layers| Settings::of(layers).unwrap().gateway.listen.to_string();
        assert_eq!(listen(apart()), "127.0.0.1:8081");
        assert_eq!(listen(apart().set("gateway.listen", "0.0.0.0:9000".into())), "0.0.0.0:9000");
        assert_eq!(listen(Layers::default()), "127.0.0.1:3001");
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
