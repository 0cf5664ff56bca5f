//! Which handler of a version a call enters: by method and path, or by the name that a trigger has. Made once with a
//! deployment; every call reads it.

mod paths;

pub(crate) use paths::{Conflict, Entrance, Paths};

use crate::environment::Environment;
use crate::error::FunctionsError;
use crate::manifest::{Handler, HttpTrigger, Manifest, Trigger};
use crate::webhooks::Webhook;
use http::Method;
use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;
use worker_pool::CalledHandler;

/// The handlers of a version.
#[derive(Debug)]
pub(crate) struct Handlers {
    by_path: ByPath,
    known: Box<[Known]>,
}

#[derive(Debug)]
struct Known {
    name: Arc<str>,
    timeout: Option<Duration>,
}

/// Who takes requests.
#[derive(Debug)]
enum ByPath {
    Nobody,
    /// One handler, with any method and path: there is nothing to look up.
    Always(u16),
    Table(Box<Paths>),
}

/// The handler of a call.
#[derive(Debug, Default)]
pub(crate) struct Chosen {
    pub(crate) called: CalledHandler,
    /// Its name; `None` where the version has just one.
    pub(crate) name: Option<Arc<str>>,
    /// Which of its triggers takes the request.
    pub(crate) trigger: u16,
    /// Where a webhook starts it: who sends it has to be proven first.
    pub(crate) webhook: Option<Arc<Webhook>>,
}

/// What a worker has to know of a handler.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HandlerTerms {
    pub(crate) export: String,
    /// Where it is shorter than what holds for the version.
    pub(crate) timeout: Option<Duration>,
}

impl HandlerTerms {
    /// Those of a manifest, by its handlers. A call takes `default_ms` where nothing says how long; where there is
    /// none, the function has a time of its own, which is that of all handlers.
    pub(crate) fn of(manifest: &Manifest, default_ms: Option<u64>) -> Arc<[Self]> {
        let longest_ms = default_ms.and_then(|default_ms| manifest.handler_times(default_ms).max());
        let timeout = |handler: &Handler| {
            let own_ms = manifest.time_of(handler, default_ms?);
            longest_ms.is_some_and(|longest_ms| own_ms < longest_ms).then(|| Duration::from_millis(own_ms))
        };
        let terms = manifest
            .handlers
            .iter()
            .map(|handler| Self { export: handler.export.clone(), timeout: timeout(handler) });
        terms.collect()
    }
}

impl Handlers {
    /// Those of a manifest, under their terms; variables may hold the secrets of webhooks.
    pub(crate) fn of(manifest: &Manifest, terms: &[HandlerTerms], environment: Option<&Environment>) -> Self {
        let timeouts = terms.iter().map(|terms| terms.timeout).chain(std::iter::repeat(None));
        let known = manifest.handlers.iter().zip(timeouts);
        let known = known.map(|(handler, timeout)| Known { name: handler.name.as_str().into(), timeout });
        Self { by_path: ByPath::of(manifest, environment), known: known.collect() }
    }

    /// The handler that takes a request; `path` is the function's own part.
    pub(crate) fn of_request(&self, method: &Method, path: &str) -> Result<Chosen, FunctionsError> {
        match &self.by_path {
            ByPath::Always(index) => Ok(self.chosen(*index, String::new())),
            ByPath::Nobody => Err(FunctionsError::NoHttpTrigger),
            ByPath::Table(paths) => {
                let (entrance, params) = paths.find(method, path)?;
                let Entrance { handler, trigger, webhook } = entrance;
                Ok(Chosen { trigger, webhook, ..self.chosen(handler, params) })
            }
        }
    }

    /// Whether a handler takes requests for a path, with some method.
    pub(crate) fn has_path(&self, path: &str) -> bool {
        match &self.by_path {
            ByPath::Always(_) => true,
            ByPath::Nobody => false,
            ByPath::Table(paths) => !matches!(paths.find(&Method::GET, path), Err(FunctionsError::NoPath)),
        }
    }

    /// The handler that a trigger names.
    pub(crate) fn named(&self, name: &str) -> Option<Chosen> {
        let index = self.known.iter().position(|known| &*known.name == name)?;
        Some(self.chosen(u16::try_from(index).ok()?, String::new()))
    }

    fn chosen(&self, index: u16, params: String) -> Chosen {
        let known = self.known.get(usize::from(index));
        Chosen {
            called: CalledHandler { index, params, timeout: known.and_then(|known| known.timeout) },
            name: known.filter(|_| self.known.len() > 1).map(|known| known.name.clone()),
            trigger: 0,
            webhook: None,
        }
    }
}

impl ByPath {
    fn of(manifest: &Manifest, environment: Option<&Environment>) -> Self {
        let mut requests = requests(manifest, environment).peekable();
        let Some((taken, first)) = requests.next() else { return Self::Nobody };
        if *taken == HttpTrigger::any() && requests.peek().is_none() {
            return Self::Always(first.handler);
        }
        let mut paths = Paths::default();
        for (taken, entrance) in std::iter::once((taken, first)).chain(requests) {
            // A manifest of before this was checked may say something twice: then the first holds.
            let _conflict = paths.add(&taken, entrance);
        }
        Self::Table(Box::new(paths))
    }
}

/// The requests that are taken, with where they lead.
fn requests<'a>(
    manifest: &'a Manifest,
    environment: Option<&'a Environment>,
) -> impl Iterator<Item = (Cow<'a, HttpTrigger>, Entrance)> {
    (0_u16..).zip(&manifest.handlers).flat_map(move |(handler, declared)| {
        (0_u16..).zip(&declared.triggers).filter_map(move |(place, trigger)| {
            let webhook = match trigger {
                Trigger::Webhook(webhook) => Some(Arc::new(Webhook::of(webhook, environment))),
                _ => None,
            };
            Some((trigger.requests()?, Entrance { handler, trigger: place, webhook }))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::Runtime;
    use serde_json::{Value, json};

    fn handlers(list: &Value) -> Handlers {
        let manifest = json!({ "version": 1, "handlers": list });
        let manifest = Manifest::of_field(manifest, Runtime::Bun).unwrap();
        Handlers::of(&manifest, &HandlerTerms::of(&manifest, Some(1_000)), None)
    }

    #[test]
    fn one_handler_for_everything_is_not_looked_up() {
        let plain = Handlers::of(&Manifest::plain("default"), &[], None);
        assert!(matches!(plain.by_path, ByPath::Always(0)));
        let chosen = plain.of_request(&Method::DELETE, "/a/b").unwrap();
        assert_eq!((chosen.called, chosen.name), (CalledHandler::default(), None));
        assert!(chosen.webhook.is_none());
    }

    #[test]
    fn a_handler_has_its_name_and_its_time() {
        let handlers = handlers(&json!([
            { "name": "tidy", "triggers": [{ "kind": "cron", "schedule": "@daily" }] },
            { "name": "slow", "triggers": [{ "kind": "http" }], "limits": { "execution_timeout_ms": 2_000 } },
            { "name": "fast", "triggers": [{ "kind": "http", "path": "/fast" }], "limits": { "execution_timeout_ms": 50 } },
        ]));
        let at = |path| handlers.of_request(&Method::GET, path).unwrap();
        assert_eq!(
            (at("/").called.index, at("/").name.as_deref(), at("/").called.timeout),
            (1, Some("slow"), None)
        );
        assert_eq!(
            (at("/fast").called.index, at("/fast").called.timeout),
            (2, Some(Duration::from_millis(50)))
        );
        let tidy = handlers.named("tidy").unwrap().called;
        assert_eq!((tidy.index, tidy.timeout), (0, Some(Duration::from_secs(1))));
        assert!(handlers.named("other").is_none());
    }
}
