//! From documents to projections.

use super::{Fields, Mode, Node, Projection, Slice};
use crate::error::EngineError;
use crate::filter::{Patterns, parse_element, whole_number};
use crate::path;
use bson::{Bson, Document};

/// Fields of one projection.
const FIELDS_MAX: usize = 256;

/// What is known so far.
#[derive(Default)]
struct Parts {
    fields: Vec<(String, Node)>,
    /// The first field that says how others are treated, and how.
    mode: Option<(String, Mode)>,
    id: Option<bool>,
    patterns: Patterns,
}

fn invalid(text: impl Into<String>) -> EngineError {
    EngineError::InvalidQuery(text.into())
}

/// Checks a projection document.
pub(super) fn projection(fields: &Document) -> Result<Projection, EngineError> {
    let mut parts = Parts::default();
    for (path, value) in fields {
        parts.field(path.clone(), value)?;
    }
    let Parts { fields, mode, id, patterns } = parts;
    let mode = match (mode, id) {
        (Some((_, mode)), _) => mode,
        (None, Some(true)) => Mode::Inclusion,
        (None, _) => Mode::Exclusion,
    };
    let mut tree = Fields::new();
    for (path, node) in fields {
        insert(&mut tree, &path, &path, node)?;
    }
    match (mode, id.unwrap_or(true)) {
        (Mode::Inclusion, true) if !tree.iter().any(|(name, _)| name == "_id") => {
            insert(&mut tree, "_id", "_id", Node::Keep)?;
        }
        (Mode::Exclusion, false) => insert(&mut tree, "_id", "_id", Node::Drop)?,
        _ => {}
    }
    Ok(Projection { mode, fields: tree, patterns: patterns.count() })
}

impl Parts {
    fn field(&mut self, path: String, value: &Bson) -> Result<(), EngineError> {
        path::check(&path).map_err(invalid)?;
        if self.fields.len() == FIELDS_MAX {
            return Err(invalid(format!("a projection has {FIELDS_MAX} fields at the most")));
        }
        match value {
            Bson::Boolean(shown) => self.shown(path, *shown),
            Bson::Int32(_) | Bson::Int64(_) | Bson::Double(_) | Bson::Decimal128(_) => {
                self.shown(path, whole_number(value) != Some(0))
            }
            Bson::Document(inner) => self.object(&path, inner),
            _ => Err(unknown(&path)),
        }
    }

    fn shown(&mut self, path: String, shown: bool) -> Result<(), EngineError> {
        if path == "_id" {
            self.id = Some(shown);
            return Ok(());
        }
        let (mode, node) = if shown { (Mode::Inclusion, Node::Keep) } else { (Mode::Exclusion, Node::Drop) };
        self.agree(&path, mode)?;
        self.fields.push((path, node));
        Ok(())
    }

    fn agree(&mut self, path: &str, mode: Mode) -> Result<(), EngineError> {
        match &self.mode {
            Some((other, known)) if *known != mode => Err(invalid(format!(
                "a projection either keeps or leaves out fields; `{other}` and `{path}` do not go together"
            ))),
            Some(_) => Ok(()),
            None => {
                self.mode = Some((path.to_owned(), mode));
                Ok(())
            }
        }
    }

    /// `{"$slice": …}`, `{"$elemMatch": …}`, or fields below.
    fn object(&mut self, path: &str, object: &Document) -> Result<(), EngineError> {
        let mut entries = object.iter();
        match (entries.next(), entries.next()) {
            (Some((name, value)), None) if name == "$slice" => {
                self.fields.push((path.to_owned(), Node::Slice(slice(value)?)));
                Ok(())
            }
            (Some((name, value)), None) if name == "$elemMatch" => {
                if path.contains('.') {
                    return Err(invalid(format!("`$elemMatch` shows a field of the document, not `{path}`")));
                }
                let test = value.as_document().ok_or_else(|| invalid("`$elemMatch` takes an object"))?;
                self.agree(path, Mode::Inclusion)?;
                self.fields.push((path.to_owned(), Node::Element(parse_element(test, &mut self.patterns)?)));
                Ok(())
            }
            (Some((name, _)), _) if !name.starts_with('$') => {
                object.iter().try_for_each(|(name, value)| self.field(format!("{path}.{name}"), value))
            }
            _ => Err(unknown(path)),
        }
    }
}

fn unknown(path: &str) -> EngineError {
    invalid(format!(
        "`{path}` in a projection is 1, 0, {{\"$slice\": …}}, {{\"$elemMatch\": …}} or fields below"
    ))
}

/// `n` or `[skip, n]`.
fn slice(value: &Bson) -> Result<Slice, EngineError> {
    let takes = || invalid("`$slice` takes a whole number, or [skip, a positive whole number]");
    let limit = |limit: i64| usize::try_from(limit).map_err(|_| takes());
    if let Some(count) = whole_number(value) {
        let skip = count.min(0);
        return Ok(Slice { skip, limit: usize::try_from(count.unsigned_abs()).map_err(|_| takes())? });
    }
    match value.as_array().map(Vec::as_slice) {
        Some([skip, count]) => {
            let (skip, count) = whole_number(skip).zip(whole_number(count)).ok_or_else(takes)?;
            if count < 1 { Err(takes()) } else { Ok(Slice { skip, limit: limit(count)? }) }
        }
        _ => Err(takes()),
    }
}

/// Puts a node at its place; `whole` is for messages.
fn insert(fields: &mut Fields, path: &str, whole: &str, node: Node) -> Result<(), EngineError> {
    let collision = || invalid(format!("`{whole}` and a field inside or around it stand in one projection"));
    let (name, rest) = path.split_once('.').map_or((path, None), |(name, rest)| (name, Some(rest)));
    match (fields.binary_search_by(|(known, _)| known.as_str().cmp(name)), rest) {
        (Err(place), None) => fields.insert(place, (name.to_owned(), node)),
        (Err(place), Some(rest)) => {
            let mut inner = Fields::new();
            insert(&mut inner, rest, whole, node)?;
            fields.insert(place, (name.to_owned(), Node::Inner(inner)));
        }
        (Ok(place), Some(rest)) => match &mut fields[place].1 {
            Node::Inner(inner) => insert(inner, rest, whole, node)?,
            _ => return Err(collision()),
        },
        (Ok(_), None) => return Err(collision()),
    }
    Ok(())
}
