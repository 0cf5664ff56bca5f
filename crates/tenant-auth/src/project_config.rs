//! How the end users of one project sign in: what a project may set, its limits and defaults. Secrets of
//! providers are kept by `ports::secrets`; here stands only under which name.

use crate::error::TenantAuthError;
use crate::service::TenantAuthService;
use credentials::PASSWORD_CHARS_MIN;
use http::Uri;
use ports::secrets::SecretsError;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer, Serialize, de};
use service_kit::ids::ProjectId;
use std::collections::BTreeMap;
use std::num::NonZeroU32;
use utoipa::ToSchema;

/// Minutes that an access token may be valid.
pub(crate) const ACCESS_TOKEN_MINUTES_MAX: u32 = 60;
const SESSION_DAYS_MAX: u32 = 365;
const PASSWORD_MIN_LENGTH_MAX: u32 = 128;
const RATE_PER_MINUTE_MAX: u32 = 6000;
const URLS_MAX: usize = 50;
const URL_BYTES_MAX: usize = 2048;
const PROVIDERS_MAX: usize = 20;
const PROVIDER_NAME_BYTES_MAX: usize = 32;
const CLIENT_ID_BYTES_MAX: usize = 512;
const CLIENT_SECRET_BYTES_MAX: usize = 8192;

/// Who may register.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Registration {
    /// Everybody who has the project's key.
    #[default]
    Open,
    /// Nobody; developers make users.
    Closed,
}

/// How often one address may ask.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[schema(as = EndUserRateLimit)]
#[serde(deny_unknown_fields)]
pub(crate) struct RateLimit {
    /// Requests to register, sign in and recover, from one address (IPv6: one /64), per minute; 1 to 6000.
    #[schema(value_type = u32)]
    pub(crate) per_minute: NonZeroU32,
}

/// A sign-in provider as it is stored and shown.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = EndUserProvider)]
pub(crate) struct Provider {
    /// The id that the provider gave to the application.
    pub(crate) client_id: String,
    /// The name of the secret that holds the client secret.
    pub(crate) client_secret_ref: Option<String>,
    /// Whether it may be used.
    pub(crate) enabled: bool,
}

/// The configuration as it is stored and shown.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = EndUserConfig)]
pub(crate) struct ProjectConfig {
    /// Who may register.
    pub(crate) registration: Registration,
    /// Whether an address has to be verified before its owner can sign in.
    pub(crate) require_verified_email: bool,
    /// Minutes that an access token is valid.
    pub(crate) access_token_minutes: u32,
    /// Days until a session that is not refreshed ends.
    pub(crate) session_days: u32,
    /// Characters of a new password.
    pub(crate) password_min_length: u32,
    /// The page that links in mails lead to; without it a page of this server.
    pub(crate) site_url: Option<String>,
    /// Addresses of the application that links may lead to.
    pub(crate) redirect_urls: Vec<String>,
    /// Sign-in providers by name.
    pub(crate) providers: BTreeMap<String, Provider>,
    /// How often one address may ask.
    pub(crate) rate_limit: RateLimit,
}

/// A sign-in provider to be set.
#[derive(Deserialize, ToSchema)]
#[schema(as = EndUserProviderToSet)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProviderBody {
    /// The id that the provider gave to the application.
    client_id: String,
    /// The secret that goes with it; kept as it is where it is left out, and never shown.
    #[schema(value_type = Option<String>, format = Password, write_only)]
    client_secret: Option<ClientSecret>,
    /// As it was read; it cannot be changed.
    client_secret_ref: Option<String>,
    /// Whether it may be used.
    #[serde(default)]
    enabled: bool,
}

/// The configuration to be set, as a whole: what is left out gets its default.
#[derive(Deserialize, ToSchema)]
#[schema(as = EndUserConfigToSet)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConfigBody {
    /// Default: open.
    registration: Option<Registration>,
    /// Default: false.
    require_verified_email: Option<bool>,
    /// 1 to 60, default 15.
    access_token_minutes: Option<u32>,
    /// 1 to 365, default 30.
    session_days: Option<u32>,
    /// 8 to 128, default 8.
    password_min_length: Option<u32>,
    /// One of `redirect_urls`.
    site_url: Option<String>,
    /// `https://…`, or `http://` on the local machine.
    redirect_urls: Option<Vec<String>>,
    /// By name.
    providers: Option<BTreeMap<String, ProviderBody>>,
    /// Default: 30 per minute.
    rate_limit: Option<RateLimit>,
}

/// What a provider gave to the application to prove itself with. No `Debug`.
pub(crate) struct ClientSecret(SecretString);

impl<'de> Deserialize<'de> for ClientSecret {
    /// Errors say nothing of the value: serde's own would repeat it.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match serde_json::Value::deserialize(deserializer)? {
            serde_json::Value::String(text) if (1..=CLIENT_SECRET_BYTES_MAX).contains(&text.len()) => {
                Ok(Self(SecretString::from(text)))
            }
            _ => Err(de::Error::custom(format!(
                "`client_secret` must be text of 1 to {CLIENT_SECRET_BYTES_MAX} bytes"
            ))),
        }
    }
}

const RATE_LIMIT: RateLimit = RateLimit { per_minute: NonZeroU32::new(30).expect("not zero") };

impl Default for ProjectConfig {
    fn default() -> Self {
        Self {
            registration: Registration::Open,
            require_verified_email: false,
            access_token_minutes: 15,
            session_days: 30,
            password_min_length: PASSWORD_CHARS_MIN as u32,
            site_url: None,
            redirect_urls: Vec::new(),
            providers: BTreeMap::new(),
            rate_limit: RATE_LIMIT,
        }
    }
}

impl ConfigBody {
    /// The configuration with its defaults, checked; its providers apart, because of their secrets.
    fn checked(self) -> Result<(ProjectConfig, BTreeMap<String, ProviderBody>), TenantAuthError> {
        let unset = ProjectConfig::default();
        let config = ProjectConfig {
            registration: self.registration.unwrap_or(unset.registration),
            require_verified_email: self.require_verified_email.unwrap_or(unset.require_verified_email),
            access_token_minutes: self.access_token_minutes.unwrap_or(unset.access_token_minutes),
            session_days: self.session_days.unwrap_or(unset.session_days),
            password_min_length: self.password_min_length.unwrap_or(unset.password_min_length),
            site_url: self.site_url,
            redirect_urls: self.redirect_urls.unwrap_or_default(),
            providers: BTreeMap::new(),
            rate_limit: self.rate_limit.unwrap_or(unset.rate_limit),
        };
        let providers = self.providers.unwrap_or_default();
        if providers.len() > PROVIDERS_MAX {
            return Err(TenantAuthError::Invalid(format!("there are at most {PROVIDERS_MAX} `providers`")));
        }
        providers.iter().try_for_each(|(name, provider)| provider.check(name))?;
        config.check()?;
        Ok((config, providers))
    }
}

impl ProjectConfig {
    fn check(&self) -> Result<(), TenantAuthError> {
        within("access_token_minutes", self.access_token_minutes, 1, ACCESS_TOKEN_MINUTES_MAX)?;
        within("session_days", self.session_days, 1, SESSION_DAYS_MAX)?;
        let shortest = PASSWORD_CHARS_MIN as u32;
        within("password_min_length", self.password_min_length, shortest, PASSWORD_MIN_LENGTH_MAX)?;
        within("rate_limit.per_minute", self.rate_limit.per_minute.get(), 1, RATE_PER_MINUTE_MAX)?;
        if self.redirect_urls.len() > URLS_MAX {
            return Err(TenantAuthError::Invalid(format!(
                "`redirect_urls` has at most {URLS_MAX} addresses"
            )));
        }
        if let Some(url) = self.redirect_urls.iter().find(|url| !is_safe_url(url)) {
            let url: String = url.chars().filter(|c| !c.is_control()).take(200).collect();
            return Err(TenantAuthError::Invalid(format!(
                "`{url}` in `redirect_urls` must be an `https://` address, or `http://` on the local machine, \
                 without user name and `#`"
            )));
        }
        if self.site_url.as_ref().is_some_and(|url| !self.redirect_urls.contains(url)) {
            return Err(TenantAuthError::Invalid("`site_url` must be one of `redirect_urls`".into()));
        }
        Ok(())
    }
}

impl ProviderBody {
    fn check(&self, name: &str) -> Result<(), TenantAuthError> {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_');
        if !(1..=PROVIDER_NAME_BYTES_MAX).contains(&name.len()) || !name.bytes().all(plain) {
            return Err(TenantAuthError::Invalid(format!(
                "the name of a provider has 1 to {PROVIDER_NAME_BYTES_MAX} of a-z 0-9 - _"
            )));
        }
        if !(1..=CLIENT_ID_BYTES_MAX).contains(&self.client_id.len()) {
            return Err(TenantAuthError::Invalid(format!(
                "`client_id` of `{name}` has 1 to {CLIENT_ID_BYTES_MAX} bytes"
            )));
        }
        if self.client_secret_ref.as_ref().is_some_and(|given| *given != secret_name(name)) {
            return Err(TenantAuthError::Invalid(format!(
                "`client_secret_ref` of `{name}` cannot be set: send `client_secret`, or leave both out"
            )));
        }
        Ok(())
    }
}

fn within(name: &str, value: u32, min: u32, max: u32) -> Result<(), TenantAuthError> {
    if (min..=max).contains(&value) {
        return Ok(());
    }
    Err(TenantAuthError::Invalid(format!("`{name}` must be {min} to {max}")))
}

/// HTTPS, or HTTP on the local machine; nothing that a browser and this code could read differently.
fn is_safe_url(text: &str) -> bool {
    let plain = text.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'#' | b'@' | b'\\' | b'"'));
    if !plain || text.len() > URL_BYTES_MAX {
        return false;
    }
    let Ok(uri) = text.parse::<Uri>() else { return false };
    let host = uri.host().unwrap_or_default();
    match uri.scheme_str() {
        Some("https") => !host.is_empty(),
        Some("http") => matches!(host, "localhost" | "127.0.0.1" | "[::1]"),
        _ => false,
    }
}

/// The name under which the client secret of a provider is kept.
fn secret_name(provider: &str) -> String {
    format!("auth/providers/{provider}/client_secret")
}

impl TenantAuthService {
    /// The configuration of a project; the defaults where none was set.
    pub(crate) async fn config(&self, project: &ProjectId) -> Result<ProjectConfig, TenantAuthError> {
        Ok(self.store.config(project).await?.map(|kept| kept.value).unwrap_or_default())
    }

    /// Sets the configuration. Secrets are kept before it and removed after it, so that none is missing.
    pub(crate) async fn set_config(
        &self,
        project: &ProjectId,
        body: ConfigBody,
    ) -> Result<ProjectConfig, TenantAuthError> {
        let (mut config, providers) = body.checked()?;
        let before = self.store.config(project).await?;
        let (old, version) = before.map(|kept| (kept.value, kept.version)).unzip();
        let old = old.unwrap_or_default();
        for (name, provider) in providers {
            let kept = old.providers.get(&name).and_then(|old| old.client_secret_ref.clone());
            let client_secret_ref = match &provider.client_secret {
                Some(secret) => Some(self.keep_secret(project, &name, secret).await?),
                None => kept,
            };
            let ProviderBody { client_id, enabled, .. } = provider;
            config.providers.insert(name, Provider { client_id, client_secret_ref, enabled });
        }
        self.store.put_config(project, &config, version).await?;
        let gone = old.providers.iter().filter(|(name, _)| !config.providers.contains_key(*name));
        for reference in gone.filter_map(|(_, provider)| provider.client_secret_ref.as_ref()) {
            match self.secrets.delete(project, reference).await {
                Ok(()) | Err(SecretsError::NotFound) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(config)
    }

    async fn keep_secret(
        &self,
        project: &ProjectId,
        provider: &str,
        secret: &ClientSecret,
    ) -> Result<String, TenantAuthError> {
        let name = secret_name(provider);
        self.secrets.put(project, &name, secret.0.expose_secret().as_bytes()).await?;
        Ok(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_lead_to_https_or_the_local_machine_only() {
        for url in
            ["https://app.example/auth", "http://localhost:5173", "http://127.0.0.1/x", "http://[::1]:3/"]
        {
            assert!(is_safe_url(url), "{url}");
        }
        let long = format!("https://a.b/{}", "x".repeat(URL_BYTES_MAX));
        for url in [
            "",
            "app.example",
            "//app.example",
            "http://app.example",
            "javascript:alert(1)",
            "https://",
            "https://good.example@evil.example",
            "https://a.b/#x",
            "https://a.b\\c",
            "https://a.b/ c",
            "https://a.b/\n",
            "http://localhost.evil.example",
            &long,
        ] {
            assert!(!is_safe_url(url), "{url}");
        }
    }

    #[test]
    fn what_is_out_of_range_or_unknown_is_refused() {
        let refused = |text: &str| match serde_json::from_str::<ConfigBody>(text) {
            Ok(body) => body.checked().is_err(),
            Err(_) => true,
        };
        assert!(!refused("{}"));
        assert!(!refused(r#"{"site_url": "https://a.b", "redirect_urls": ["https://a.b"]}"#));
        for text in [
            r#"{"access_token_minutes": 0}"#,
            r#"{"access_token_minutes": 61}"#,
            r#"{"session_days": 366}"#,
            r#"{"password_min_length": 7}"#,
            r#"{"rate_limit": {"per_minute": 0}}"#,
            r#"{"rate_limit": {"per_minute": 6001}}"#,
            r#"{"registration": "invite"}"#,
            r#"{"site_url": "https://a.b"}"#,
            r#"{"redirect_urls": ["http://a.b"]}"#,
            r#"{"providers": {"Google": {"client_id": "x"}}}"#,
            r#"{"providers": {"google": {"client_id": ""}}}"#,
            r#"{"providers": {"google": {"client_id": "x", "client_secret_ref": "other"}}}"#,
            r#"{"colour": "red"}"#,
        ] {
            assert!(refused(text), "{text}");
        }
    }
}
