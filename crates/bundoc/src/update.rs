//! Updates of one document: `$set`, `$unset` and `$inc` with dot paths; plain fields mean `$set`.

use crate::error::EngineError;
use crate::path;
use bson::{Bson, Document};

/// Changes of one update.
const CHANGES_MAX: usize = 1_000;

/// One parsed change.
#[derive(Debug, Clone)]
enum Change {
    Set(Bson),
    Unset,
    Increment(Bson),
}

/// A parsed update: paths that do not overlap, and what happens there.
#[derive(Debug, Clone)]
pub(crate) struct Update {
    changes: Vec<(String, Change)>,
}

fn invalid(text: impl Into<String>) -> EngineError {
    EngineError::InvalidUpdate(text.into())
}

/// Parses an update document.
pub(crate) fn parse(update: &Document) -> Result<Update, EngineError> {
    let operators = update.keys().filter(|key| key.starts_with('$')).count();
    if operators != 0 && operators != update.len() {
        return Err(invalid("an update has either operators or plain fields, not both"));
    }
    let mut changes = Vec::new();
    if operators == 0 {
        changes.extend(update.iter().map(|(path, value)| (path.clone(), Change::Set(value.clone()))));
    }
    for (operator, fields) in update.iter().take(operators) {
        let fields =
            fields.as_document().ok_or_else(|| invalid(format!("`{operator}` takes an object of fields")))?;
        for (path, value) in fields {
            changes.push((path.clone(), parse_change(operator, value)?));
        }
    }
    check_paths(&changes)?;
    Ok(Update { changes })
}

fn parse_change(operator: &str, value: &Bson) -> Result<Change, EngineError> {
    match operator {
        "$set" => Ok(Change::Set(value.clone())),
        "$unset" => Ok(Change::Unset),
        "$inc" if matches!(value, Bson::Int32(_) | Bson::Int64(_) | Bson::Double(_)) => {
            Ok(Change::Increment(value.clone()))
        }
        "$inc" => Err(invalid("`$inc` takes numbers")),
        _ => Err(invalid(format!("unknown operator `{operator}`; known are $set $unset $inc"))),
    }
}

fn check_paths(changes: &[(String, Change)]) -> Result<(), EngineError> {
    if changes.len() > CHANGES_MAX {
        return Err(invalid(format!("an update changes {CHANGES_MAX} fields at the most")));
    }
    let mut paths: Vec<&str> = changes.iter().map(|(path, _)| path.as_str()).collect();
    for path in &paths {
        path::check(path).map_err(invalid)?;
    }
    // In this order a path is followed by those inside it.
    paths.sort_unstable_by(|left, right| left.split('.').cmp(right.split('.')));
    for pair in paths.windows(2) {
        let inside =
            pair[1].strip_prefix(pair[0]).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
        if inside {
            return Err(invalid(format!("`{}` and `{}` change the same field", pair[0], pair[1])));
        }
    }
    Ok(())
}

impl Update {
    /// Applies the changes.
    pub(crate) fn apply(&self, document: &mut Document) -> Result<(), EngineError> {
        for (path, change) in &self.changes {
            if path == "_id" || path.starts_with("_id.") {
                check_same_id(document, change)?;
                continue;
            }
            apply_in_document(document, path, change)?;
        }
        Ok(())
    }
}

fn check_same_id(document: &Document, change: &Change) -> Result<(), EngineError> {
    match change {
        Change::Set(value) if document.get("_id") == Some(value) => Ok(()),
        _ => Err(invalid("`_id` cannot change")),
    }
}

fn apply_in_document(document: &mut Document, path: &str, change: &Change) -> Result<(), EngineError> {
    let Some((name, rest)) = path.split_once('.') else {
        return match change {
            Change::Unset => {
                document.remove(path);
                Ok(())
            }
            _ => {
                let value = new_value(document.get(path), path, change)?;
                document.insert(path, value);
                Ok(())
            }
        };
    };
    if !document.contains_key(name) {
        if matches!(change, Change::Unset) {
            return Ok(());
        }
        document.insert(name, Document::new());
    }
    match document.get_mut(name) {
        Some(inner) => apply_in_value(inner, rest, change),
        None => Ok(()),
    }
}

fn apply_in_value(value: &mut Bson, path: &str, change: &Change) -> Result<(), EngineError> {
    match value {
        Bson::Document(document) => apply_in_document(document, path, change),
        Bson::Array(array) => apply_in_array(array, path, change),
        _ if matches!(change, Change::Unset) => Ok(()),
        _ => Err(invalid(format!("cannot create `{path}` inside a value that is not an object"))),
    }
}

fn apply_in_array(array: &mut Vec<Bson>, path: &str, change: &Change) -> Result<(), EngineError> {
    let (name, rest) = path.split_once('.').map_or((path, None), |(name, rest)| (name, Some(rest)));
    let index: usize =
        name.parse().map_err(|_| invalid(format!("`{name}` is not a position in an array")))?;
    if index > array.len() {
        return Err(invalid(format!("position {index} is beyond the end of the array")));
    }
    if matches!(change, Change::Unset) && (rest.is_none() || index == array.len()) {
        // As in MongoDB the place stays, so that later positions do not move.
        if let Some(place) = array.get_mut(index) {
            *place = Bson::Null;
        }
        return Ok(());
    }
    if index == array.len() {
        array.push(if rest.is_some() { Bson::Document(Document::new()) } else { Bson::Null });
        if rest.is_none() && matches!(change, Change::Increment(_)) {
            array[index] = Bson::Int32(0);
        }
    }
    match rest {
        Some(rest) => apply_in_value(&mut array[index], rest, change),
        None => {
            array[index] = new_value(Some(&array[index]), path, change)?;
            Ok(())
        }
    }
}

fn new_value(present: Option<&Bson>, path: &str, change: &Change) -> Result<Bson, EngineError> {
    match change {
        Change::Set(value) => Ok(value.clone()),
        Change::Unset => Ok(Bson::Null),
        Change::Increment(by) => match present {
            None => Ok(by.clone()),
            Some(present) => add(present, by)
                .ok_or_else(|| invalid(format!("`{path}` is not a number, or the sum is out of range"))),
        },
    }
}

fn add(left: &Bson, right: &Bson) -> Option<Bson> {
    let integer = |value: &Bson| match value {
        Bson::Int32(value) => Some(i64::from(*value)),
        Bson::Int64(value) => Some(*value),
        _ => None,
    };
    if let (Some(a), Some(b)) = (integer(left), integer(right)) {
        let sum = a.checked_add(b)?;
        let narrow = matches!((left, right), (Bson::Int32(_), Bson::Int32(_)));
        return Some(match i32::try_from(sum) {
            Ok(sum) if narrow => Bson::Int32(sum),
            _ => Bson::Int64(sum),
        });
    }
    let double = |value: &Bson| match value {
        Bson::Double(value) => Some(*value),
        other => integer(other).map(|value| value as f64),
    };
    Some(Bson::Double(double(left)? + double(right)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use bson::doc;

    #[expect(clippy::needless_pass_by_value, reason = "the calls read better")]
    fn updated(update: Document, mut document: Document) -> Result<Document, EngineError> {
        parse(&update)?.apply(&mut document)?;
        Ok(document)
    }

    #[test]
    fn operators_change_what_they_name() {
        let cases = [
            (doc! {"a": 1, "b.c": 2}, doc! {"a": 0}, doc! {"a": 1, "b": {"c": 2}}),
            (doc! {"$set": {"a.b": 1}}, doc! {"a": {"c": 2}}, doc! {"a": {"c": 2, "b": 1}}),
            (doc! {"$unset": {"a.b": "", "x.y": ""}}, doc! {"a": {"b": 1}}, doc! {"a": {}}),
            (doc! {"$inc": {"n": 2, "m": 1.5}}, doc! {"n": 1}, doc! {"n": 3, "m": 1.5}),
            (doc! {"$inc": {"n": 1}}, doc! {"n": i32::MAX}, doc! {"n": i64::from(i32::MAX) + 1}),
            (doc! {"$set": {"l.1": 9, "l.0.k": 1}}, doc! {"l": [{}, 2]}, doc! {"l": [{"k": 1}, 9]}),
            (doc! {"$set": {"l.1": 9}}, doc! {"l": [1]}, doc! {"l": [1, 9]}),
            (doc! {"_id": "x", "a": 1}, doc! {"_id": "x"}, doc! {"_id": "x", "a": 1}),
        ];
        for (update, document, expected) in cases {
            assert_eq!(updated(update.clone(), document).unwrap(), expected, "{update}");
        }
    }

    #[test]
    fn bad_updates_are_refused() {
        let document = doc! {"_id": "x", "n": "text", "l": [1], "big": i64::MAX};
        let updates = [
            doc! {"$set": {"a": 1}, "b": 1},
            doc! {"$push": {"a": 1}},
            doc! {"$set": 1},
            doc! {"$set": {"a": 1}, "$inc": {"a.b": 1}},
            doc! {"$inc": {"a": "1"}},
            doc! {"$inc": {"n": 1}},
            doc! {"$inc": {"big": 1}},
            doc! {"_id": "y"},
            doc! {"$unset": {"_id": 1}},
            doc! {"l.7": 1},
            doc! {"l.x": 1},
            doc! {"n.x": 1},
            doc! {"a..b": 1},
        ];
        for update in updates {
            let result = updated(update.clone(), document.clone());
            assert!(matches!(result, Err(EngineError::InvalidUpdate(_))), "{update}: {result:?}");
        }
    }
}
