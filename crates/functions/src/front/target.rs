//! The path of a call: which function is meant, and what of the path is the function's own.

use crate::registry::APPLICATION;

/// A path that means a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Target<'a> {
    /// The project as it stands in the path; `None` where the key says which.
    pub(crate) project: Option<&'a str>,
    /// The function's name, or `APPLICATION`.
    pub(crate) name: &'a str,
    /// The alias behind it (`name@alias`).
    pub(crate) alias: Option<&'a str>,
    /// Where the function's own part of the path begins.
    pub(crate) rest_at: usize,
}

impl<'a> Target<'a> {
    /// A function by its name, or `name@alias`; the whole path is its own.
    pub(crate) fn named(project: Option<&'a str>, function: &'a str) -> Self {
        let (name, alias) = split_alias(function);
        Self { project, name, alias, rest_at: 0 }
    }

    /// The application of a project.
    pub(crate) fn application(project: &'a str, rest_at: usize) -> Self {
        Self { project: Some(project), name: APPLICATION, alias: None, rest_at }
    }

    pub(crate) fn parse(path: &'a str) -> Option<Self> {
        let versioned = path.strip_prefix("/v1/").or_else(|| path.strip_prefix("/api/"));
        let inner = match versioned {
            Some(inner) => inner,
            None => path.strip_prefix('/')?,
        };
        if let Some(after) = inner.strip_prefix("functions/") {
            let segment = first_segment(after);
            let (name, alias) = split_alias(segment);
            let rest_at = offset(path, after) + segment.len();
            return (!name.is_empty()).then_some(Self { project: None, name, alias, rest_at });
        }
        if let Some(after) = versioned?.strip_prefix("apps/") {
            let project = first_segment(after);
            let rest_at = offset(path, after) + project.len();
            return (!project.is_empty()).then_some(Self::application(project, rest_at));
        }
        let after = versioned?.strip_prefix("projects/")?;
        let project = first_segment(after);
        let after = after[project.len()..].strip_prefix("/functions/")?;
        let segment = first_segment(after);
        let (name, alias) = split_alias(segment);
        let after = after[segment.len()..].strip_prefix("/invoke")?;
        let ends_there = after.is_empty() || after.starts_with('/');
        let is_whole = !project.is_empty() && !name.is_empty() && ends_there;
        is_whole.then(|| Self { project: Some(project), name, alias, rest_at: offset(path, after) })
    }
}

/// `name@alias`; clients that encode whole segments send `%40`.
fn split_alias(segment: &str) -> (&str, Option<&str>) {
    let split = segment.split_once('@').or_else(|| segment.split_once("%40"));
    split.map_or((segment, None), |(name, alias)| (name, Some(alias)))
}

fn first_segment(text: &str) -> &str {
    text.split('/').next().unwrap_or_default()
}

fn offset(path: &str, tail: &str) -> usize {
    path.len() - tail.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(path: &str) -> Option<(Option<&str>, &str, &str)> {
        Target::parse(path).map(|target| (target.project, target.name, &path[target.rest_at..]))
    }

    #[test]
    fn an_alias_stands_behind_the_name() {
        for path in ["/v1/functions/hello@preview-1/a", "/v1/projects/p/functions/hello%40preview-1/invoke/a"]
        {
            let target = Target::parse(path).unwrap();
            assert_eq!((target.name, target.alias), ("hello", Some("preview-1")));
            assert_eq!(&path[target.rest_at..], "/a");
        }
        assert_eq!(Target::parse("/v1/functions/@live"), None);
    }

    #[test]
    fn paths_of_calls_are_told_from_others() {
        assert_eq!(parsed("/v1/functions/hello"), Some((None, "hello", "")));
        assert_eq!(parsed("/functions/hello/a/b"), Some((None, "hello", "/a/b")));
        assert_eq!(parsed("/api/functions/hello/"), Some((None, "hello", "/")));
        let by_project = "/v1/projects/prj_1/functions/hello/invoke/x";
        assert_eq!(parsed(by_project), Some((Some("prj_1"), "hello", "/x")));
        assert_eq!(parsed("/v1/projects/p/functions/h/invoke"), Some((Some("p"), "h", "")));
        assert_eq!(parsed("/v1/apps/shop/api/notes"), Some((Some("shop"), APPLICATION, "/api/notes")));
        assert_eq!(parsed("/v1/apps/prj_1"), Some((Some("prj_1"), APPLICATION, "")));
        for path in [
            "/v1/functions",
            "/v1/functions/",
            "/v1/functions//x",
            "/v1/apps/",
            "/apps/shop",
            "/v2/functions/a",
            "/projects/p/functions/h/invoke",
            "/v1/projects/p/functions/h",
            "/v1/projects/p/functions/h/invoked",
            "/v1/projects//functions/h/invoke",
            "/v1/projects/p/functions/h/logs",
            "",
            "x",
        ] {
            assert_eq!(parsed(path), None, "{path}");
        }
    }
}
