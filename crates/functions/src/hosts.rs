//! Hosts that mean a function: `<name>.<project>.<domain>`, with an alias as `<name>--<alias>`, `<project>.<domain>` for
//! the project's application, and domains that projects brought. Looked up in memory for every request, and for none where there are no hosts.

mod slugs;

use crate::front::Target;
use crate::registry::{APPLICATION, Registry};
use ports::project_api::ProjectApi;
use service_kit::ids::ProjectId;
use slugs::Slugs;
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock, RwLockWriteGuard};

/// A function that a host means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HostFunction {
    pub(crate) project: ProjectId,
    /// A name, or `APPLICATION`.
    pub(crate) name: String,
    pub(crate) alias: Option<String>,
}

impl HostFunction {
    /// The whole path is the function's own.
    pub(crate) fn target(&self) -> Target<'_> {
        let project = Some(self.project.as_str());
        Target { project, name: &self.name, alias: self.alias.as_deref(), rest_at: 0 }
    }
}

/// What stands before the domain in a host.
struct Labels<'a> {
    /// `None`: the application.
    function: Option<&'a str>,
    project: &'a str,
}

/// The hosts.
#[derive(Default)]
pub(crate) struct Hosts {
    /// `.functions.example`.
    suffix: Option<String>,
    /// The server's own, which is nobody's.
    public_host: String,
    /// The project whose application has the paths of this server that nothing else has.
    root: OnceLock<ProjectId>,
    custom: RwLock<HashMap<Box<str>, HostFunction>>,
    /// How many of them there are.
    customs: AtomicUsize,
    slugs: Slugs,
}

impl Hosts {
    pub(crate) fn new(domain: Option<&str>, public_host: &str) -> Self {
        let suffix = domain.map(|domain| format!(".{}", domain.trim_matches('.').to_ascii_lowercase()));
        Self { suffix, public_host: plain(public_host), ..Self::default() }
    }

    /// Puts the application of a project at the root of this server; a second call changes nothing.
    pub(crate) fn put_at_root(&self, project: ProjectId) {
        self.root.get_or_init(|| project);
    }

    /// The project whose application is at the root.
    pub(crate) fn root(&self) -> Option<&ProjectId> {
        self.root.get()
    }

    /// Reaches the projects' own names; a second call changes nothing.
    pub(crate) fn bind(&self, api: Arc<dyn ProjectApi>) {
        self.slugs.bind(api);
    }

    /// Whether `host` (with or without a port) means a function, or would if there were one.
    pub(crate) fn claims(&self, host: &str) -> bool {
        if self.suffix.is_none() && self.customs.load(Ordering::Relaxed) == 0 {
            return false;
        }
        let host = plain(host);
        self.labels(&host).is_some() || self.custom_of(&host).is_some()
    }

    /// The function that `host` means.
    pub(crate) async fn find(&self, host: &str, registry: &Registry) -> Option<HostFunction> {
        let host = plain(host);
        if let Some(found) = self.custom_of(&host) {
            return Some(found);
        }
        let Labels { function: label, project } = self.labels(&host)?;
        let Some(label) = label else { return self.application(project, registry).await };
        let project = self.project(project, registry).await?;
        let is_there = |name: &str| registry.has(&project, name);
        let (name, alias) = match label.rsplit_once("--") {
            Some((name, alias)) if !is_there(label) => (name, Some(alias.to_owned())),
            _ => (label, None),
        };
        Some(HostFunction { name: name.to_owned(), alias, project })
    }

    /// The application of a project, by its id or its slug.
    pub(crate) async fn application(&self, project: &str, registry: &Registry) -> Option<HostFunction> {
        let project = self.project(project, registry).await?;
        Some(HostFunction { project, name: APPLICATION.to_owned(), alias: None })
    }

    async fn project(&self, text: &str, registry: &Registry) -> Option<ProjectId> {
        match of_id(text) {
            Some(project) => Some(project),
            None => self.slugs.find(text, registry).await,
        }
    }

    fn labels<'a>(&self, host: &'a str) -> Option<Labels<'a>> {
        let labels = host.strip_suffix(self.suffix.as_deref()?)?;
        let (function, project) = match labels.split_once('.') {
            Some((function, project)) => (Some(function), project),
            None => (None, labels),
        };
        let is_named = function.is_none_or(|label| !label.is_empty()) && !project.is_empty();
        (is_named && !project.contains('.') && host != self.public_host)
            .then_some(Labels { function, project })
    }

    fn custom_of(&self, host: &str) -> Option<HostFunction> {
        self.custom.read().unwrap_or_else(PoisonError::into_inner).get(host).cloned()
    }

    /// Adds a domain that a project brought.
    pub(crate) fn add(&self, host: &str, function: HostFunction) {
        self.change(|custom| drop(custom.insert(host.into(), function)));
    }

    /// Removes one.
    pub(crate) fn remove(&self, host: &str) {
        self.change(|custom| drop(custom.remove(host)));
    }

    /// Removes those of a function.
    pub(crate) fn remove_function(&self, project: &ProjectId, name: &str) {
        self.change(|custom| {
            custom.retain(|_, function| function.project != *project || function.name != name);
        });
    }

    /// Removes those of a project.
    pub(crate) fn remove_project(&self, project: &ProjectId) {
        self.change(|custom| custom.retain(|_, function| function.project != *project));
    }

    fn change(&self, change: impl FnOnce(&mut RwLockWriteGuard<'_, HashMap<Box<str>, HostFunction>>)) {
        let mut custom = self.custom.write().unwrap_or_else(PoisonError::into_inner);
        change(&mut custom);
        self.customs.store(custom.len(), Ordering::Relaxed);
    }

    /// Whether a host lies under the domain, or is it.
    pub(crate) fn is_own(&self, host: &str) -> bool {
        self.suffix.as_deref().is_some_and(|suffix| host.ends_with(suffix) || host == &suffix[1..])
    }
}

/// Lower case, without port and without the dot of a full name.
pub(crate) fn plain(host: &str) -> String {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    name.trim_end_matches('.').to_ascii_lowercase()
}

/// An id; `_` cannot stand in every host, so that `-` means it, too.
fn of_id(text: &str) -> Option<ProjectId> {
    let dashed = || ProjectId::parse(&text.replacen('-', "_", 1)).ok();
    ProjectId::parse(text).ok().or_else(dashed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_host_names_function_alias_and_project() {
        let project = ProjectId::generate();
        let (hosts, registry) = (Hosts::new(Some("Fn.Example."), "own.fn.example"), Registry::default());
        let find = async |host: &str| hosts.find(host, &registry).await;
        let dashed = project.as_str().replacen('_', "-", 1);
        for text in [project.as_str(), &dashed] {
            let found = find(&format!("Hello.{text}.fn.example:3001")).await.unwrap();
            assert_eq!((found.name.as_str(), &found.alias, &found.project), ("hello", &None, &project));
        }
        let found = find(&format!("hello--preview-1.{project}.fn.example")).await.unwrap();
        assert_eq!((found.name.as_str(), found.alias.as_deref()), ("hello", Some("preview-1")));
        let application = find(&format!("{dashed}.fn.example")).await.unwrap();
        assert_eq!((application.name.as_str(), &application.project), (APPLICATION, &project));
        for host in [
            "fn.example",
            "own.fn.example",
            ".b.fn.example",
            "a.b.c.fn.example",
            "a.b.other.example",
            "a..fn.example",
        ] {
            assert!(!hosts.claims(host), "{host}");
        }
        assert!(
            hosts.claims("a.b.fn.example.") && hosts.is_own("x.fn.example") && hosts.is_own("fn.example")
        );
    }

    #[tokio::test]
    async fn a_domain_of_a_project_means_one_function_until_it_is_removed() {
        let (hosts, registry, project) =
            (Hosts::new(None, "own.example"), Registry::default(), ProjectId::generate());
        assert!(!hosts.claims("shop.example"));
        let function = HostFunction { project: project.clone(), name: "shop".to_owned(), alias: None };
        hosts.add("shop.example", function.clone());
        assert_eq!(hosts.find("SHOP.example:443", &registry).await, Some(function));
        hosts.remove_function(&project, "other");
        assert!(hosts.claims("shop.example"));
        hosts.remove_function(&project, "shop");
        assert!(!hosts.claims("shop.example"));
    }
}
