//! Which service serves a path, and where the services of other processes are. The table is the one place
//! that knows.

use http::Uri;
use http::uri::{Authority, PathAndQuery, Scheme};
use std::collections::BTreeMap;

/// Pages of the process itself: the service that no other process serves.
pub(crate) const GATEWAY: &str = "gateway";

/// Patterns and their services, first match first. `*` is one segment; `**` at the end is all that follows,
/// or nothing.
const TABLE: &[(&str, &str)] = &[
    ("/v1/auth/project/**", "tenant-auth"),
    ("/v1/auth/session", "tenant-auth"),
    ("/v1/auth/users/**", "tenant-auth"),
    ("/v1/auth/config", "tenant-auth"),
    ("/v1/projects/*/auth/**", "tenant-auth"),
    ("/v1/auth/**", "bun-auth"),
    ("/v1/setup", "bun-auth"),
    ("/v1/instance/**", "bun-auth"),
    ("/v1/functions/**", "functions"),
    ("/v1/apps/**", "functions"),
    ("/v1/projects/*/functions/**", "functions"),
    ("/v1/projects/*/metrics", "functions"),
    ("/v1/mcp", "functions"),
    ("/v1/projects/*/mcp", "functions"),
    ("/v1/queues/**", "functions"),
    ("/v1/schedules/**", "functions"),
    ("/v1/projects/*/queues/**", "functions"),
    ("/v1/projects/*/schedules/**", "functions"),
    ("/v1/projects/*/env/**", "functions"),
    ("/v1/projects/*/domains/**", "functions"),
    ("/v1/database/**", "bundoc-server"),
    ("/v1/projects/*/database/**", "bundoc-server"),
    ("/v1/events/**", "buncast"),
    ("/v1/event-rules", "buncast"),
    ("/v1/buncast/**", "buncast"),
    ("/v1/projects/*/events/**", "buncast"),
    ("/v1/projects/*/event-rules", "buncast"),
    ("/v1/kms/**", "bun-kms"),
    ("/v1/projects/*/kms/**", "bun-kms"),
    ("/v1/kv/**", "bunder-manager"),
    ("/v1/kv-rules", "bunder-manager"),
    ("/v1/projects/*/kv/**", "bunder-manager"),
    ("/v1/projects/*/kv-rules", "bunder-manager"),
    ("/v1/storage/**", "storage"),
    ("/v1/storage-rules", "storage"),
    ("/v1/signed-urls", "storage"),
    ("/v1/objects/**", "storage"),
    ("/v1/projects/*/storage/**", "storage"),
    ("/v1/projects/*/storage-rules", "storage"),
    ("/v1/projects/*/signed-urls", "storage"),
    ("/v1/**", "platform"),
    ("/**", GATEWAY),
];

/// The service that serves `path` (or a declared route with `{parameters}`); `gateway` for the pages that
/// every process has.
pub fn service_of(path: &str) -> &'static str {
    let row = TABLE.iter().find(|(pattern, _)| matches(pattern, path));
    row.map_or(GATEWAY, |(_, service)| service)
}

fn matches(pattern: &str, path: &str) -> bool {
    let mut segments = path.split('/');
    for wanted in pattern.split('/') {
        match (wanted, segments.next()) {
            ("**", _) => return true,
            ("*", Some(_)) => {}
            (wanted, Some(found)) if wanted == found => {}
            _ => return false,
        }
    }
    segments.next().is_none()
}

/// A base URL cannot be proxied to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{url}` is no address of the service `{service}`: write http://host:port")]
pub struct InvalidUpstream {
    service: &'static str,
    url: String,
}

/// The services of other processes, by name.
#[derive(Debug, Clone, Default)]
pub struct Upstreams(BTreeMap<&'static str, Authority>);

impl Upstreams {
    /// Adds a service at `url` (`http://host:port`).
    ///
    /// # Errors
    /// Another scheme, or a path.
    pub fn add(&mut self, service: &'static str, url: &str) -> Result<(), InvalidUpstream> {
        let invalid = || InvalidUpstream { service, url: url.to_owned() };
        let host = url.strip_prefix("http://").ok_or_else(invalid)?;
        let host = host.strip_suffix('/').unwrap_or(host);
        self.0.insert(service, host.parse().map_err(|_| invalid())?);
        Ok(())
    }

    /// The service of another process that serves `path`.
    pub(crate) fn of(&self, path: &str) -> Option<Upstream<'_>> {
        if self.0.is_empty() {
            return None;
        }
        let (service, authority) = self.0.get_key_value(service_of(path))?;
        Some(Upstream { service, authority })
    }
}

impl FromIterator<(&'static str, String)> for Upstreams {
    /// What cannot be passed on to is left out and said in the log; addresses were checked with the settings.
    fn from_iter<I: IntoIterator<Item = (&'static str, String)>>(services: I) -> Self {
        let mut upstreams = Self::default();
        for (service, url) in services {
            if let Err(error) = upstreams.add(service, &url) {
                tracing::error!(%error, "nothing is passed on to a service");
            }
        }
        upstreams
    }
}

/// A service of another process.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Upstream<'a> {
    pub(crate) service: &'static str,
    authority: &'a Authority,
}

impl Upstream<'_> {
    /// Where `uri` is there.
    pub(crate) fn uri(&self, uri: &Uri) -> Option<Uri> {
        let mut parts = http::uri::Parts::default();
        parts.scheme = Some(Scheme::HTTP);
        parts.authority = Some(self.authority.clone());
        parts.path_and_query = Some(uri.path_and_query().cloned().unwrap_or(PathAndQuery::from_static("/")));
        Uri::from_parts(parts).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_has_its_service() {
        for (path, service) in [
            ("/", "gateway"),
            ("/health", "gateway"),
            ("/auth/action", "gateway"),
            ("/v1/auth/login", "bun-auth"),
            ("/v1/auth/sessions/ses_1", "bun-auth"),
            ("/v1/auth/session", "tenant-auth"),
            ("/v1/auth/project/login", "tenant-auth"),
            ("/v1/auth/users", "tenant-auth"),
            ("/v1/auth/users/eus_1/claims", "tenant-auth"),
            ("/v1/auth/config", "tenant-auth"),
            ("/v1/projects/p/auth/jwks.json", "tenant-auth"),
            ("/v1/setup", "bun-auth"),
            ("/v1/instance/status", "bun-auth"),
            ("/v1/projects", "platform"),
            ("/v1/projects/{project}", "platform"),
            ("/v1/projects/{project}/keys/{key}/rotate", "platform"),
            ("/v1/project", "platform"),
            ("/v1/invitations/accept", "platform"),
            ("/v1/audit", "platform"),
            ("/v1/functions/hello/a/b", "functions"),
            ("/v1/apps/shop/api/notes", "functions"),
            ("/v1/projects/p/functions/f/invoke", "functions"),
            ("/v1/projects/{project}/functions/{name}/invoke/{*path}", "functions"),
            ("/v1/projects/p/metrics", "functions"),
            ("/v1/projects/p/env", "functions"),
            ("/v1/projects/p/env/KEY", "functions"),
            ("/v1/projects/p/domains/shop.example", "functions"),
            ("/v1/mcp", "functions"),
            ("/v1/projects/{project}/mcp", "functions"),
            ("/v1/functionsx", "platform"),
            ("/v1/database/collections", "bundoc-server"),
            ("/v1/projects/p/database/documents/c/d", "bundoc-server"),
            ("/v1/events", "buncast"),
            ("/v1/events/orders.made/subscribe", "buncast"),
            ("/v1/event-rules", "buncast"),
            ("/v1/projects/p/event-rules", "buncast"),
            ("/v1/kms/keys", "bun-kms"),
            ("/v1/projects/p/kms/secrets/a", "bun-kms"),
            ("/v1/kv/kv/a", "bunder-manager"),
            ("/v1/projects/p/kv-rules", "bunder-manager"),
            ("/v1/storage", "storage"),
            ("/v1/signed-urls", "storage"),
            ("/v1/objects/p/a/b.png", "storage"),
            ("/v1/projects/p/signed-urls", "storage"),
        ] {
            assert_eq!(service_of(path), service, "{path}");
        }
    }

    #[test]
    fn a_path_stays_as_it_is_at_another_address() {
        let mut upstreams = Upstreams::default();
        upstreams.add("storage", "http://10.0.0.5:8087/").unwrap();
        let upstream = upstreams.of("/v1/storage/a%2Fb").unwrap();
        let uri = upstream.uri(&"/v1/storage/a%2Fb?x=%20&y".parse().unwrap()).unwrap();
        assert_eq!(uri, "http://10.0.0.5:8087/v1/storage/a%2Fb?x=%20&y");
        assert!(upstreams.of("/v1/kv/a").is_none());
        for url in ["https://a:1", "a:1", "http://a:1/x", "http://"] {
            assert!(upstreams.add("storage", url).is_err(), "{url}");
        }
    }
}
