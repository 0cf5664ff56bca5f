//! Domains that projects bring for their functions. Which hosts may be taken at all is a setting; never the
//! server's own ones, and never another project's.

use crate::error::FunctionsError;
use crate::hosts::{self, HostFunction};
use crate::service::FunctionsService;
use crate::store::domains::{self, DomainRow};
use service_kit::clock::now_ms;
use service_kit::ids::ProjectId;
use std::sync::Arc;

const HOST_BYTES_MAX: usize = 253;
const LABEL_BYTES_MAX: usize = 63;

impl FunctionsService {
    /// The domains of a project.
    pub(crate) async fn domains(&self, project: &ProjectId) -> Result<Vec<DomainRow>, FunctionsError> {
        domains::list(&self.database, project).await
    }

    /// One of them.
    pub(crate) async fn domain(&self, project: &ProjectId, host: &str) -> Result<DomainRow, FunctionsError> {
        let found = domains::find(&self.database, &hosts::plain(host)).await?;
        found.filter(|domain| domain.project == project.as_str()).ok_or(FunctionsError::DomainNotFound)
    }

    /// Lets `host` mean a function of the project.
    pub(crate) async fn set_domain(
        self: &Arc<Self>,
        project: ProjectId,
        host: String,
        function: String,
    ) -> Result<DomainRow, FunctionsError> {
        let host = hosts::plain(&host);
        self.check_host(&host)?;
        let service = self.clone();
        let work = async move {
            // Another project may want it at the same time.
            let _hosts = service.hosts_turn.lock().await;
            let _turn = service.locks.enter(&project).await?;
            service.set_domain_now(project, host, function).await
        };
        self.background.spawn(work).await?
    }

    async fn set_domain_now(
        &self,
        project: ProjectId,
        host: String,
        function: String,
    ) -> Result<DomainRow, FunctionsError> {
        let row = self.get(&project, &function).await?;
        let before = domains::find(&self.database, &host).await?;
        if before.as_ref().is_some_and(|domain| domain.project != project.as_str()) {
            return Err(FunctionsError::DomainTaken);
        }
        let limit = self.config.domains_max;
        if before.is_none() && domains::list(&self.database, &project).await?.len() >= limit {
            return Err(FunctionsError::TooManyOf { what: "domains", limit, setting: "domains_max" });
        }
        let created_at = before.map_or_else(now_ms, |domain| domain.created_at);
        let domain = DomainRow { host, project: project.to_string(), function, created_at };
        domains::put(&self.database, &domain, &row.id).await?;
        let means = HostFunction { project, name: row.name, alias: None };
        self.executor.hosts.add(&domain.host, means);
        Ok(domain)
    }

    /// Takes a domain away from the project.
    pub(crate) async fn remove_domain(&self, project: &ProjectId, host: &str) -> Result<(), FunctionsError> {
        let _hosts = self.hosts_turn.lock().await;
        let domain = self.domain(project, host).await?;
        domains::delete(&self.database, &domain.host).await?;
        self.executor.hosts.remove(&domain.host);
        Ok(())
    }

    fn check_host(&self, host: &str) -> Result<(), FunctionsError> {
        if !is_host(host) {
            return Err(FunctionsError::InvalidName {
                what: "domain",
                rule: "use a host of two or more names, such as shop.example; no address and no port",
            });
        }
        if self.executor.hosts.is_own(host) || hosts::plain(&self.public_host) == host {
            return Err(FunctionsError::DomainRefused("this is a host of the server itself"));
        }
        if !self.config.custom_domains.iter().any(|pattern| allows(pattern, host)) {
            let why = "the server does not let projects take this host: whoever runs it has to list it in \
                       `functions.custom_domains`";
            return Err(FunctionsError::DomainRefused(why));
        }
        Ok(())
    }
}

fn is_host(host: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let is_label = |label: &str| {
        !label.is_empty()
            && label.len() <= LABEL_BYTES_MAX
            && label.bytes().all(plain)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let labels: Vec<&str> = host.split('.').collect();
    let is_number = labels.last().is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit()));
    host.len() <= HOST_BYTES_MAX && labels.len() > 1 && !is_number && labels.into_iter().all(is_label)
}

/// `*`, `*.example` (not `example` itself), or a host.
fn allows(pattern: &str, host: &str) -> bool {
    match pattern.strip_prefix('*') {
        Some("") => true,
        Some(suffix) => suffix.starts_with('.') && host.ends_with(&suffix.to_ascii_lowercase()),
        None => pattern.eq_ignore_ascii_case(host),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_names_and_no_addresses() {
        for host in ["shop.example", "a.b-c.example", "xn--bcher-kva.example", "1.example"] {
            assert!(is_host(host), "{host}");
        }
        for host in [
            "localhost",
            "10.0.0.1",
            "[::1]",
            "a..b",
            "-a.example",
            "a_b.example",
            "a.example:80",
            "",
            "*.a.b",
        ] {
            assert!(!is_host(host), "{host}");
        }
    }

    #[test]
    fn a_pattern_allows_what_it_names() {
        assert!(allows("*", "a.b") && allows("Shop.example", "shop.example"));
        assert!(allows("*.shop.example", "a.b.shop.example"));
        for (pattern, host) in [
            ("*.shop.example", "shop.example"),
            ("*.shop.example", "evilshop.example"),
            ("*x.y", "ax.y"),
            ("", "a.b"),
        ] {
            assert!(!allows(pattern, host), "{pattern} {host}");
        }
    }
}
