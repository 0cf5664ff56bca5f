//! The sources of `$rename`: their values are taken out before the walk puts them where they belong.

use super::path::Segment;
use super::tree::Place;
use super::values::type_name;
use crate::error::EngineError;
use bson::{Bson, Document};

/// The place from which a value is moved.
#[derive(Debug, Clone)]
pub(super) struct Source {
    place: Place,
    parents: Vec<String>,
    name: String,
}

impl Source {
    pub(super) fn new(place: &Place, path: &[Segment]) -> Result<Self, EngineError> {
        let names = names(place, path)?;
        match names.split_last() {
            Some((name, parents)) => {
                Ok(Self { place: place.clone(), parents: parents.to_vec(), name: name.clone() })
            }
            None => Err(place.error("the path is empty")),
        }
    }

    /// Takes the value out of the document, if it is there.
    pub(super) fn take(&self, document: &mut Document) -> Result<Option<Bson>, EngineError> {
        let mut parent = document;
        for name in &self.parents {
            parent = match parent.get_mut(name) {
                Some(Bson::Document(inner)) => inner,
                None => return Ok(None),
                Some(other) => {
                    let why =
                        format!("it leads into a value of type {}, which has no fields", type_name(other));
                    return Err(self.place.error(why));
                }
            };
        }
        Ok(parent.remove(&self.name))
    }
}

/// The names of a path without `$` and the like.
pub(super) fn names(place: &Place, path: &[Segment]) -> Result<Vec<String>, EngineError> {
    let name = |segment: &Segment| match segment {
        Segment::Name(name) => Ok(name.text.clone()),
        _ => Err(place.error("a field that is moved has no `$`, `$[]` or `$[name]` in its path")),
    };
    path.iter().map(name).collect()
}
