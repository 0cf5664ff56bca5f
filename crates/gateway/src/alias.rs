//! Paths that mean another path: the prefixes of the separate services, as a reverse proxy in front of
//! them would have them.

use http::Uri;
use std::borrow::Cow;

/// Prefix of whole segments and what stands in its place, first match first.
const ALIASES: &[(&str, &str)] = &[
    ("/api", "/v1"),
    ("/functions", "/v1/functions"),
    ("/bundoc/v1", "/v1"),
    ("/bundoc", "/v1/database"),
    ("/kv", "/v1/kv"),
    ("/kms", "/v1/kms"),
    ("/events", "/v1/events"),
    ("/storage", "/v1/storage"),
];

/// The canonical path, or `None` where `path` is it already.
pub(crate) fn canonical(path: &str) -> Option<String> {
    if path.starts_with("/v1/") {
        let renamed = databases(path);
        return documents(renamed.as_deref().unwrap_or(path)).or(renamed);
    }
    let rest_of =
        |prefix: &str| path.strip_prefix(prefix).filter(|rest| rest.is_empty() || rest.starts_with('/'));
    let (target, rest) = ALIASES.iter().find_map(|(prefix, target)| Some((target, rest_of(prefix)?)))?;
    let replaced = format!("{target}{rest}");
    let replaced = databases(&replaced).unwrap_or(replaced);
    Some(documents(&replaced).unwrap_or(replaced))
}

/// `…/database/documents/:collection[/:id]` is a collection's documents, or one of them.
/// `…/database/documents/query` names its collection in the body.
fn documents(path: &str) -> Option<String> {
    let database = match path.strip_prefix("/v1/projects/") {
        Some(rest) => "/v1/projects/".len() + rest.find('/')? + "/database".len(),
        None => "/v1/database".len(),
    };
    let (database, rest) = path.split_at_checked(database)?;
    let rest = rest.strip_prefix("/documents/").filter(|_| database.ends_with("/database"))?;
    match rest.split_once('/') {
        None if rest == "query" || rest.is_empty() => None,
        None => Some(format!("{database}/collections/{rest}/documents")),
        Some((collection, id)) => Some(format!("{database}/collections/{collection}/documents/{id}")),
    }
}

/// `/v1/projects/:id/databases/:name/…` is the project's one database.
fn databases(path: &str) -> Option<String> {
    let rest = path.strip_prefix("/v1/projects/")?;
    let (project, rest) = rest.split_once('/')?;
    let (_, rest) = rest.strip_prefix("databases/")?.split_once('/')?;
    Some(format!("/v1/projects/{project}/database/{rest}"))
}

/// `uri` with another path.
pub(crate) fn with_path(uri: &Uri, path: &str) -> Option<Uri> {
    let target = uri.query().map_or(Cow::Borrowed(path), |query| Cow::Owned(format!("{path}?{query}")));
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(target.parse().ok()?);
    Uri::from_parts(parts).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_prefix_has_one_meaning() {
        let cases = [
            ("/api/projects", Some("/v1/projects")),
            ("/functions/hello/x", Some("/v1/functions/hello/x")),
            ("/functions/hello/", Some("/v1/functions/hello/")),
            ("/bundoc/collections", Some("/v1/database/collections")),
            (
                "/bundoc/v1/projects/p/databases/default/collections",
                Some("/v1/projects/p/database/collections"),
            ),
            (
                "/v1/projects/p/databases/(default)/documents/c",
                Some("/v1/projects/p/database/collections/c/documents"),
            ),
            ("/v1/database/documents/a%2Fb/x", Some("/v1/database/collections/a%2Fb/documents/x")),
            (
                "/v1/projects/p/database/documents/c/x",
                Some("/v1/projects/p/database/collections/c/documents/x"),
            ),
            ("/bundoc/documents/c/x", Some("/v1/database/collections/c/documents/x")),
            ("/v1/database/documents/query", None),
            ("/v1/projects/p/databases/d/documents/query", Some("/v1/projects/p/database/documents/query")),
            ("/v1/databases/documents/c", None),
            ("/v1/projects/p/databasé/documents/c", None),
            ("/kv/a/b", Some("/v1/kv/a/b")),
            ("/kv", Some("/v1/kv")),
            ("/kms/keys", Some("/v1/kms/keys")),
            ("/events", Some("/v1/events")),
            ("/events/orders.made/subscribe", Some("/v1/events/orders.made/subscribe")),
            ("/storage/photos/a.png", Some("/v1/storage/photos/a.png")),
            ("/storages/a", None),
            ("/kvs", None),
            ("/auth/action", None),
            ("/v1/projects", None),
            ("/health", None),
            ("/", None),
        ];
        for (path, expected) in cases {
            assert_eq!(canonical(path).as_deref(), expected, "{path}");
        }
    }

    #[test]
    fn the_query_stays() {
        let uri: Uri = "/api/x?a=1".parse().unwrap();
        assert_eq!(with_path(&uri, "/v1/x").unwrap(), "/v1/x?a=1");
    }
}
