//! Dot paths into documents, through arrays as MongoDB does: `a.b` reaches `b` of every document in the
//! array `a`, `a.0` the first element.

use bson::{RawArray, RawBsonRef, RawDocument};

/// What stands at the end of one branch of a path; `None` where the branch lacks the field.
pub(crate) type Branch<'a> = Option<RawBsonRef<'a>>;

/// Calls `visit` with every branch of `path`; a path without any branch counts as one missing value.
/// Stops where `visit` answers `true`, and says whether it did.
pub(crate) fn any_branch<'a>(
    document: &'a RawDocument,
    path: &str,
    visit: &mut dyn FnMut(Branch<'a>) -> bool,
) -> bool {
    let mut seen = false;
    let found = walk(document, path, &mut |branch| {
        seen = true;
        visit(branch)
    });
    found || (!seen && visit(None))
}

fn walk<'a>(document: &'a RawDocument, path: &str, visit: &mut dyn FnMut(Branch<'a>) -> bool) -> bool {
    let (name, rest) = split(path);
    match (document.get(name).ok().flatten(), rest) {
        (Some(value), Some(rest)) => descend(value, rest, visit),
        (value, None) => visit(value),
        (None, Some(_)) => visit(None),
    }
}

fn descend<'a>(value: RawBsonRef<'a>, path: &str, visit: &mut dyn FnMut(Branch<'a>) -> bool) -> bool {
    match value {
        RawBsonRef::Document(document) => walk(document, path, visit),
        RawBsonRef::Array(array) => walk_array(array, path, visit),
        _ => visit(None),
    }
}

fn walk_array<'a>(array: &'a RawArray, path: &str, visit: &mut dyn FnMut(Branch<'a>) -> bool) -> bool {
    let (name, rest) = split(path);
    let indexed = name.parse::<usize>().ok().and_then(|index| array.get(index).ok().flatten());
    let found = match (indexed, rest) {
        (Some(value), Some(rest)) => descend(value, rest, visit),
        (Some(value), None) => visit(Some(value)),
        (None, _) => false,
    };
    found
        || array.into_iter().flatten().any(|element| match element {
            RawBsonRef::Document(document) => walk(document, path, visit),
            _ => false,
        })
}

fn split(path: &str) -> (&str, Option<&str>) {
    match path.split_once('.') {
        Some((name, rest)) => (name, Some(rest)),
        None => (path, None),
    }
}

/// What is wrong with a dot path, if anything.
pub(crate) fn check(path: &str) -> Result<(), String> {
    if path.len() > 512 {
        return Err("a path has 512 bytes at the most".into());
    }
    if path.contains('\0') {
        return Err("a path has no NUL".into());
    }
    if path.split('.').any(str::is_empty) {
        return Err(format!("`{path}` has an empty segment"));
    }
    if path.split('.').any(|segment| segment.starts_with('$')) {
        return Err(format!("`{path}` has a segment that begins with `$`"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use bson::rawdoc;

    fn branches(document: &RawDocument, path: &str) -> Vec<String> {
        let mut found = Vec::new();
        any_branch(document, path, &mut |branch| {
            found.push(branch.map_or("missing".to_owned(), |value| format!("{value:?}")));
            false
        });
        found
    }

    #[test]
    fn paths_reach_through_documents_and_arrays() {
        let document = rawdoc! {"a": [{"b": 1}, {"b": 2}, {}, 7], "c": {"d": 3}, "e": [], "f": 1};
        assert_eq!(branches(&document, "a.b"), ["Int32(1)", "Int32(2)", "missing"]);
        assert_eq!(branches(&document, "a.0.b"), ["Int32(1)", "missing", "missing", "missing"]);
        assert_eq!(branches(&document, "c.d"), ["Int32(3)"]);
        assert_eq!(branches(&document, "e.x"), ["missing"]);
        assert_eq!(branches(&document, "f.x"), ["missing"]);
        assert_eq!(branches(&document, "nothing"), ["missing"]);
    }
}
