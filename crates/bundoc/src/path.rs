//! Dot paths into documents, through arrays as MongoDB does: `a.b` reaches `b` of every document in the
//! array `a`, `a.0` the first element.

use bson::{RawArray, RawBsonRef, RawDocument};

/// What stands at the end of one branch of a path; `None` where the branch lacks the field.
pub(crate) type Branch<'a> = Option<RawBsonRef<'a>>;

/// The end of one branch.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Reached<'a> {
    /// The branch lacks the field.
    Missing,
    /// A value; an array stands for its elements, too.
    Value(RawBsonRef<'a>),
    /// An element that the path names by its position: an array stands for itself only.
    Element(RawBsonRef<'a>),
}

/// Calls `visit` with the end of every branch of `path`, of which there may be none: an array with a further
/// path has those of its documents only. Stops where `visit` answers `true`, and says whether it did.
pub(crate) fn any_reached<'a>(
    document: &'a RawDocument,
    path: &str,
    visit: &mut impl FnMut(Reached<'a>) -> bool,
) -> bool {
    let (name, rest) = split(path);
    match (document.get(name).ok().flatten(), rest) {
        (Some(RawBsonRef::Document(inner)), Some(rest)) => any_reached(inner, rest, visit),
        (Some(RawBsonRef::Array(array)), Some(rest)) => any_in_array(array, rest, visit),
        (Some(value), None) => visit(Reached::Value(value)),
        (_, Some(_)) | (None, None) => visit(Reached::Missing),
    }
}

fn any_in_array<'a>(array: &'a RawArray, path: &str, visit: &mut impl FnMut(Reached<'a>) -> bool) -> bool {
    let (name, rest) = split(path);
    let found = match (position(name).and_then(|index| array.get(index).ok().flatten()), rest) {
        (Some(value), None) => visit(Reached::Element(value)),
        (Some(RawBsonRef::Document(inner)), Some(rest)) => any_reached(inner, rest, visit),
        (Some(RawBsonRef::Array(inner)), Some(rest)) => any_in_array(inner, rest, visit),
        (_, Some(_)) | (None, None) => false,
    };
    found
        || array.into_iter().flatten().any(|element| match element {
            RawBsonRef::Document(document) => any_reached(document, path, visit),
            _ => false,
        })
}

/// A position in an array: digits without leading zeros.
fn position(name: &str) -> Option<usize> {
    let plain = name.bytes().all(|byte| byte.is_ascii_digit()) && (name.len() == 1 || !name.starts_with('0'));
    if plain { name.parse().ok() } else { None }
}

/// Like `any_reached`, for sorts and indexes: a path without any branch counts as one missing value.
pub(crate) fn any_branch<'a>(
    document: &'a RawDocument,
    path: &str,
    visit: &mut dyn FnMut(Branch<'a>) -> bool,
) -> bool {
    let mut seen = false;
    let found = any_reached(document, path, &mut |reached| {
        seen = true;
        visit(match reached {
            Reached::Missing => None,
            Reached::Value(value) | Reached::Element(value) => Some(value),
        })
    });
    found || (!seen && visit(None))
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
        assert_eq!(branches(&document, "a.3.b"), ["missing", "missing", "missing"]);
        assert_eq!(branches(&document, "c.d"), ["Int32(3)"]);
        assert_eq!(branches(&document, "e.x"), ["missing"]);
        assert_eq!(branches(&document, "f.x"), ["missing"]);
        assert_eq!(branches(&document, "nothing"), ["missing"]);
    }

    #[test]
    fn an_array_without_documents_has_no_branch_below() {
        let document = rawdoc! {"a": [1, [2, 4]], "e": []};
        let count = |path: &str| {
            let mut count = 0;
            any_reached(&document, path, &mut |_| {
                count += 1;
                false
            });
            count
        };
        assert_eq!(
            (count("a.b"), count("e.x"), count("a.1"), count("a.01"), count("a.1.0")),
            (0, 0, 1, 0, 1)
        );
    }
}
