//! Methods and paths of triggers, most specific first: segment by segment a plain one before a parameter before `*`.
//! Among the patterns that fit, the most specific that takes the method is chosen.
//!
//! Not `matchit`: it refuses `/:id` beside `/*`, and an application may have both.

use crate::error::FunctionsError;
use crate::manifest::HttpTrigger;
use crate::webhooks::Webhook;
use http::Method;
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// The parameter that `*` is.
const REST: &str = "*";

/// A tree of segments; each of its nodes is visited once in a search at most.
#[derive(Debug, Default)]
pub(crate) struct Paths {
    plain: HashMap<String, Paths>,
    parameter: Option<Box<Paths>>,
    /// Patterns that end here.
    here: Vec<Endpoint>,
    /// Patterns that end here in `*`.
    rest: Vec<Endpoint>,
}

/// What a pattern leads to.
#[derive(Debug)]
struct Endpoint {
    /// Any where empty.
    methods: Vec<String>,
    entrance: Entrance,
    /// Names of the pattern's parameters, in its order.
    names: Vec<String>,
}

/// The handler behind a pattern.
#[derive(Debug, Clone, Default)]
pub(crate) struct Entrance {
    /// Its place.
    pub(crate) handler: u16,
    /// Which of its triggers.
    pub(crate) trigger: u16,
    /// Where a webhook starts it.
    pub(crate) webhook: Option<Arc<Webhook>>,
}

/// Another trigger takes the same path with the same method.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Conflict;

/// A search that goes on.
struct Search<'a> {
    method: &'a str,
    /// The segments of the path, decoded.
    segments: &'a [Cow<'a, str>],
    /// Values of parameters on the way to the node.
    values: Vec<&'a str>,
    /// Methods that patterns that fit would take.
    allowed: BTreeSet<&'a str>,
}

impl Paths {
    /// Adds the requests of a trigger.
    pub(crate) fn add(&mut self, trigger: &HttpTrigger, entrance: Entrance) -> Result<(), Conflict> {
        let (mut node, mut names) = (self, Vec::new());
        let mut is_rest = false;
        for segment in trigger.path.split('/').filter(|segment| !segment.is_empty()) {
            if segment == REST {
                is_rest = true;
            } else if let Some(name) = segment.strip_prefix(':') {
                names.push(name.to_owned());
                node = node.parameter.get_or_insert_default();
            } else {
                node = node.plain.entry(decoded(segment).into_owned()).or_default();
            }
        }
        let endpoints = if is_rest { &mut node.rest } else { &mut node.here };
        if endpoints.iter().any(|known| known.overlaps(&trigger.methods)) {
            return Err(Conflict);
        }
        endpoints.push(Endpoint { methods: trigger.methods.clone(), entrance, names });
        Ok(())
    }

    /// The handler for a request, and the parameters of its path as JSON.
    pub(crate) fn find(&self, method: &Method, path: &str) -> Result<(Entrance, String), FunctionsError> {
        let path = path.strip_prefix('/').unwrap_or(path);
        let path = path.strip_suffix('/').unwrap_or(path);
        let segments: Vec<_> =
            if path.is_empty() { Vec::new() } else { path.split('/').map(decoded).collect() };
        // The handler's URL has them resolved: it would see a path that another pattern was chosen for.
        if segments.iter().any(|segment| matches!(&**segment, "." | "..")) {
            return Err(FunctionsError::NoPath);
        }
        let mut search = Search {
            method: method.as_str(),
            segments: &segments,
            values: Vec::new(),
            allowed: BTreeSet::new(),
        };
        match search.from(self, 0) {
            Some((endpoint, depth)) => Ok((endpoint.entrance.clone(), search.params(endpoint, depth))),
            None if search.allowed.is_empty() => Err(FunctionsError::NoPath),
            None => Err(FunctionsError::NoMethod {
                allow: search.allowed.into_iter().collect::<Vec<_>>().join(", "),
            }),
        }
    }
}

impl<'a> Search<'a> {
    /// The first endpoint below `node` that takes the request, and where `*` begins.
    fn from(&mut self, node: &'a Paths, depth: usize) -> Option<(&'a Endpoint, usize)> {
        let segments = self.segments;
        let Some(segment) = segments.get(depth) else {
            let found = self.among(&node.here).or_else(|| self.among(&node.rest));
            return found.map(|endpoint| (endpoint, depth));
        };
        if let Some(found) = node.plain.get(&**segment).and_then(|next| self.from(next, depth + 1)) {
            return Some(found);
        }
        if let Some(next) = node.parameter.as_deref().filter(|_| !segment.is_empty()) {
            self.values.push(segment);
            if let Some(found) = self.from(next, depth + 1) {
                return Some(found);
            }
            self.values.pop();
        }
        self.among(&node.rest).map(|endpoint| (endpoint, depth))
    }

    /// The endpoint that names the method, for HEAD that for GET, or the one for any.
    fn among(&mut self, endpoints: &'a [Endpoint]) -> Option<&'a Endpoint> {
        let named = |method: &str| endpoints.iter().find(|endpoint| endpoint.names_method(method));
        let found = named(self.method)
            .or_else(|| named("GET").filter(|_| self.method == "HEAD"))
            .or_else(|| endpoints.iter().find(|endpoint| endpoint.methods.is_empty()));
        if found.is_none() {
            self.allowed.extend(endpoints.iter().flat_map(|endpoint| &endpoint.methods).map(String::as_str));
            if self.allowed.contains("GET") {
                self.allowed.insert("HEAD");
            }
        }
        found
    }

    fn params(&self, endpoint: &Endpoint, rest_at: usize) -> String {
        let mut params: Map<String, Value> =
            endpoint.names.iter().cloned().zip(self.values.iter().map(|value| Value::from(*value))).collect();
        if let Some(rest) = self.segments.get(rest_at..).filter(|rest| !rest.is_empty()) {
            params.insert(REST.to_owned(), rest.join("/").into());
        }
        if params.is_empty() { String::new() } else { Value::Object(params).to_string() }
    }
}

impl Endpoint {
    fn names_method(&self, method: &str) -> bool {
        self.methods.iter().any(|known| known == method)
    }

    fn overlaps(&self, methods: &[String]) -> bool {
        let both_any = self.methods.is_empty() && methods.is_empty();
        both_any || methods.iter().any(|method| self.names_method(method))
    }
}

fn decoded(segment: &str) -> Cow<'_, str> {
    percent_decode_str(segment).decode_utf8_lossy()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn paths(triggers: &[(&str, &str)]) -> Paths {
        let mut paths = Paths::default();
        for (index, (methods, path)) in (0..).zip(triggers) {
            paths.add(&trigger(methods, path), Entrance { handler: index, ..Entrance::default() }).unwrap();
        }
        paths
    }

    fn trigger(methods: &str, path: &str) -> HttpTrigger {
        HttpTrigger {
            methods: methods.split_whitespace().map(str::to_owned).collect(),
            path: path.to_owned(),
        }
    }

    fn found(paths: &Paths, method: &Method, path: &str) -> (u16, Value) {
        let (entrance, params) = paths.find(method, path).unwrap_or_else(|error| panic!("{path}: {error}"));
        let index = entrance.handler;
        (index, if params.is_empty() { json!({}) } else { serde_json::from_str(&params).unwrap() })
    }

    #[test]
    fn the_most_specific_pattern_comes_first_segment_by_segment() {
        let patterns = ["/*", "/:id", "/a/*", "/:x/:y", "/a/:y/c", "/a/b", "/", "/:x/z/*"];
        let paths = paths(&patterns.map(|path| ("", path)));
        for (path, pattern, params) in [
            ("", "/", json!({})),
            ("/", "/", json!({})),
            ("/a/b", "/a/b", json!({})),
            ("/a/b/", "/a/b", json!({})),
            ("/a/b/c", "/a/:y/c", json!({ "y": "b" })),
            ("/a/b/d", "/a/*", json!({ "*": "b/d" })),
            ("/a", "/a/*", json!({})),
            ("/a/x", "/a/*", json!({ "*": "x" })),
            ("/b", "/:id", json!({ "id": "b" })),
            ("/b/x", "/:x/:y", json!({ "x": "b", "y": "x" })),
            ("/b/z", "/:x/z/*", json!({ "x": "b" })),
            ("/b/z/1/2", "/:x/z/*", json!({ "x": "b", "*": "1/2" })),
            ("/b/x/y", "/*", json!({ "*": "b/x/y" })),
            ("//x", "/*", json!({ "*": "/x" })),
            ("/caf%C3%A9%2F1", "/:id", json!({ "id": "café/1" })),
            ("/%61/b", "/a/b", json!({})),
        ] {
            let (index, values) = found(&paths, &Method::GET, path);
            assert_eq!((patterns[usize::from(index)], values), (pattern, params), "{path}");
        }
        for path in ["/a/../b", "/.", "/x/%2e%2E"] {
            assert!(matches!(paths.find(&Method::GET, path), Err(FunctionsError::NoPath)), "{path}");
        }
    }

    #[test]
    fn the_method_decides_among_the_patterns_that_fit() {
        let paths = paths(&[
            ("GET", "/orders/:id"),
            ("PUT DELETE", "/orders/:id"),
            ("POST", "/orders/*"),
            ("", "/any"),
            ("GET", "/any"),
            ("HEAD", "/orders/head"),
        ]);
        let at = |method: Method, path| found(&paths, &method, path).0;
        assert_eq!(at(Method::GET, "/orders/1"), 0);
        assert_eq!(at(Method::HEAD, "/orders/1"), 0);
        assert_eq!(at(Method::DELETE, "/orders/1"), 1);
        assert_eq!(at(Method::POST, "/orders/1"), 2);
        assert_eq!((at(Method::GET, "/any"), at(Method::HEAD, "/any"), at(Method::POST, "/any")), (4, 4, 3));
        assert_eq!((at(Method::HEAD, "/orders/head"), at(Method::GET, "/orders/head")), (5, 0));
        let refused = |method: Method, path| match paths.find(&method, path) {
            Err(FunctionsError::NoMethod { allow }) => allow,
            other => panic!("{other:?}"),
        };
        assert_eq!(refused(Method::PATCH, "/orders/1"), "DELETE, GET, HEAD, POST, PUT");
        assert_eq!(refused(Method::OPTIONS, "/orders"), "POST");
        assert!(matches!(paths.find(&Method::GET, "/other"), Err(FunctionsError::NoPath)));
    }

    #[test]
    fn what_cannot_be_told_apart_is_a_conflict() {
        let mut paths = paths(&[("GET POST", "/a/:id"), ("", "/b"), ("GET", "/c/*")]);
        for (methods, path) in [("POST", "/a/:other"), ("", "/b"), ("GET HEAD", "/c/*"), ("GET", "/%61/:x")] {
            assert_eq!(
                paths.add(&trigger(methods, path), Entrance::default()),
                Err(Conflict),
                "{methods} {path}"
            );
        }
        for (methods, path) in [("PUT", "/a/:id"), ("GET", "/b"), ("", "/c/*"), ("GET", "/c/:x")] {
            assert_eq!(paths.add(&trigger(methods, path), Entrance::default()), Ok(()), "{methods} {path}");
        }
    }
}
