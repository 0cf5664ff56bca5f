//! Updates of one document in the language of MongoDB: operators with dot paths, positions in arrays by
//! `$`, `$[]` and `$[name]`, and what an upsert inserts. Pure code over documents: it reads no clock and no
//! store.
//!
//! An update is parsed once, into a tree of paths. What must hold: a place is changed by one operator at the
//! most; `_id` never changes; and whether anything changed is told exactly, by type and order too.

mod arrays;
mod numbers;
mod operation;
mod parse;
mod path;
mod rename;
mod selectors;
mod stored;
mod tree;
mod upsert;
mod values;
mod walk;

use crate::engine::UpdateSpec;
use crate::error::EngineError;
use crate::filter::{Filter, Patterns};
use bson::{Bson, DateTime, Document, RawDocumentBuf};
use operation::Operation;
use path::Segment;
use rename::Source;
use selectors::Selectors;
use tree::{Branch, Leaf, Place};
use walk::Walk;

pub(crate) use upsert::fields_of;

/// Paths of one update.
const CHANGES_MAX: usize = 1_000;

/// A parsed update.
#[derive(Debug, Clone)]
pub(crate) struct Update {
    root: Branch,
    renames: Vec<Source>,
    selectors: Selectors,
    /// How many paths there are.
    changes: usize,
    /// The first names of the paths, in order.
    top_level: Vec<String>,
}

/// What an update is applied with.
pub(crate) struct Context<'a> {
    /// The filter that found the document, which says what `$` in a path means.
    pub(crate) filter: Option<&'a Filter>,
    /// Whether the document is a new one, which `$setOnInsert` is for.
    pub(crate) inserting: bool,
    /// What `$currentDate` writes.
    pub(crate) now: DateTime,
}

fn invalid(text: impl Into<String>) -> EngineError {
    EngineError::InvalidUpdate(text.into())
}

impl Update {
    /// Parses an update. Plain fields mean `$set`.
    ///
    /// # Errors
    /// `EngineError::InvalidUpdate` names the operator and the path.
    pub(crate) fn parse(spec: &UpdateSpec) -> Result<Self, EngineError> {
        let operators = spec.update.keys().filter(|key| key.starts_with('$')).count();
        if operators != 0 && operators != spec.update.len() {
            return Err(invalid("an update has either operators or plain fields, not both"));
        }
        let mut patterns = Patterns::default();
        let mut update = Self {
            root: Branch::default(),
            renames: Vec::new(),
            selectors: Selectors::parse(&spec.array_filters, &mut patterns)?,
            changes: 0,
            top_level: Vec::new(),
        };
        if operators == 0 {
            update.add_operator("$set", &spec.update, &mut patterns)?;
        } else {
            for (name, fields) in &spec.update {
                let operator = parse::operator(name)?;
                let fields = fields.as_document();
                let fields = fields.ok_or_else(|| invalid(format!("`{name}` takes an object of paths")))?;
                update.add_operator(operator, fields, &mut patterns)?;
            }
        }
        update.selectors.check_all_used()?;
        update.top_level = update.root.names().map(str::to_owned).collect();
        update.top_level.sort_unstable();
        Ok(update)
    }

    fn add_operator(
        &mut self,
        operator: &'static str,
        fields: &Document,
        patterns: &mut Patterns,
    ) -> Result<(), EngineError> {
        self.changes += fields.len();
        if self.changes > CHANGES_MAX {
            return Err(invalid(format!("an update changes {CHANGES_MAX} fields at the most")));
        }
        for (path, value) in fields {
            let place = Place { operator, path: path.clone() };
            if operator == "$rename" {
                self.add_rename(place, value)?;
            } else {
                let operation = parse::operation(&place, value, patterns)?;
                self.add(place, operation, value)?;
            }
        }
        Ok(())
    }

    fn add_rename(&mut self, from: Place, to: &Bson) -> Result<(), EngineError> {
        let to = to.as_str().ok_or_else(|| from.error("it takes the new path as text"))?;
        if to == from.path {
            return Err(from.error("old and new path are the same"));
        }
        let source = Source::new(&from, &path::parse(&from.path, &mut self.selectors)?)?;
        let to = Place { operator: "$rename", path: to.to_owned() };
        rename::names(&to, &path::parse(&to.path, &mut self.selectors)?)?;
        self.add(from, Operation::RenamedFrom, &Bson::Null)?;
        self.add(to, Operation::RenamedTo(self.renames.len()), &Bson::Null)?;
        self.renames.push(source);
        Ok(())
    }

    fn add(&mut self, place: Place, operation: Operation, value: &Bson) -> Result<(), EngineError> {
        let path = path::parse(&place.path, &mut self.selectors)?;
        let is_repeated = path.iter().any(Segment::is_dynamic);
        let bytes = if is_repeated { bytes_of(value)? } else { 0 };
        self.root.insert(path, Leaf { place, operation, bytes })
    }

    /// Applies the changes, and says whether the document is other than before. After an error the document
    /// may be changed in part.
    ///
    /// # Errors
    /// `EngineError::InvalidUpdate`: the update does not fit the document.
    pub(crate) fn apply(&self, document: &mut Document, context: &Context<'_>) -> Result<bool, EngineError> {
        let positions = if self.selectors.matched.is_empty() {
            Vec::new()
        } else {
            let raw = RawDocumentBuf::try_from(&*document).map_err(|error| invalid(error.to_string()))?;
            self.selectors.positions(document, &raw, context.filter)?
        };
        self.apply_at(positions, document, context)
    }

    /// The same, where each `$` has its position.
    fn apply_at(
        &self,
        positions: Vec<usize>,
        document: &mut Document,
        context: &Context<'_>,
    ) -> Result<bool, EngineError> {
        let names_id = self.names("_id");
        let id = if names_id { document.get("_id").cloned() } else { None };
        let moved: Vec<Option<Bson>> =
            self.renames.iter().map(|source| source.take(document)).collect::<Result<_, _>>()?;
        let renamed = moved.iter().any(Option::is_some);
        let mut walk = Walk::new(&self.selectors, positions, moved, context);
        let changed = walk.document(&[&self.root], document)?;
        if names_id {
            check_id(id.as_ref(), document.get("_id"), context)?;
        }
        Ok(changed || renamed)
    }

    /// The document that an upsert inserts: the equalities of the filter, and the changes. It may lack `_id`.
    ///
    /// # Errors
    /// `EngineError::InvalidUpdate`: the filter gives a field several values, or the update does not fit.
    pub(crate) fn on_insert(&self, filter: &Filter, now: DateTime) -> Result<Document, EngineError> {
        let mut document = fields_of(filter)?;
        self.apply(&mut document, &Context { filter: Some(filter), inserting: true, now })?;
        Ok(document)
    }
}

fn check_id(before: Option<&Bson>, after: Option<&Bson>, context: &Context<'_>) -> Result<(), EngineError> {
    let same = match (before, after) {
        (None, _) => context.inserting || after.is_none(),
        (Some(before), Some(after)) => values::identical(before, after),
        (Some(_), None) => false,
    };
    if same { Ok(()) } else { Err(invalid("`_id` cannot change")) }
}

fn bytes_of(value: &Bson) -> Result<usize, EngineError> {
    let mut document = Document::new();
    document.insert("value", value.clone());
    let raw = RawDocumentBuf::try_from(&document).map_err(|error| invalid(error.to_string()))?;
    Ok(raw.as_bytes().len())
}

#[cfg(test)]
mod positional_tests;
#[cfg(test)]
mod property_tests;
#[cfg(test)]
mod tests;
