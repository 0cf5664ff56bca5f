//! One walk of an update's tree through a document. Nodes that different segments of an array's path lead
//! to (`a.0`, `a.$[]`) are walked together, so that two changes of one element are found.

use super::Context;
use super::operation::{Effect, Surroundings};
use super::path::{Name, Segment};
use super::selectors::Selectors;
use super::tree::{Branch, Leaf, Node, Target, children, first_leaf, join};
use super::values::type_name;
use crate::error::EngineError;
use bson::{Bson, Document};
use std::collections::BTreeMap;

/// Nulls that one update may put before a new element, so that its position is what was asked for.
const PADDING_MAX: usize = 10_000;
/// Bytes that `$[]` and `$[name]` may put into all elements together.
const REPEATED_BYTES_MAX: usize = 32 * 1024 * 1024;

/// What a walk needs to know and what it may still use up.
pub(super) struct Walk<'a> {
    selectors: &'a Selectors,
    /// What each `$` stands for.
    positions: Vec<usize>,
    around: Surroundings,
    arrays_around: usize,
    padding_left: usize,
    bytes_left: usize,
}

type Changed = Result<bool, EngineError>;

impl<'a> Walk<'a> {
    pub(super) fn new(
        selectors: &'a Selectors,
        positions: Vec<usize>,
        moved: Vec<Option<Bson>>,
        context: &Context<'_>,
    ) -> Self {
        Self {
            selectors,
            positions,
            around: Surroundings { inserting: context.inserting, now: context.now, moved },
            arrays_around: 0,
            padding_left: PADDING_MAX,
            bytes_left: REPEATED_BYTES_MAX,
        }
    }

    /// Changes inside an object.
    pub(super) fn document(&mut self, branches: &[&Branch], document: &mut Document) -> Changed {
        let mut changed = false;
        if let [branch] = branches {
            for (segment, node) in &branch.children {
                changed |= self.field(segment, &[node], document)?;
            }
            return Ok(changed);
        }
        for (segment, nodes) in children(branches) {
            changed |= self.field(segment, &nodes, document)?;
        }
        Ok(changed)
    }

    fn field(&mut self, segment: &Segment, nodes: &[&Node], document: &mut Document) -> Changed {
        let Segment::Name(name) = segment else { return self.no_array(nodes) };
        match join(nodes)? {
            Target::Leaf(leaf) => self.leaf_in_document(leaf, name, document),
            Target::Branches(branches) => match document.get_mut(&name.text) {
                Some(value) => self.value(&branches, value),
                None => {
                    let new = self.new_value(&branches)?;
                    let changed = new.is_some();
                    document.extend(new.map(|new| (name.text.clone(), new)));
                    Ok(changed)
                }
            },
        }
    }

    fn leaf_in_document(&mut self, leaf: &Leaf, name: &Name, document: &mut Document) -> Changed {
        let effect = match document.get_mut(&name.text) {
            Some(value) => self.change(leaf, value)?,
            None => {
                let new = self.create(leaf)?;
                let changed = new.is_some();
                document.extend(new.map(|new| (name.text.clone(), new)));
                return Ok(changed);
            }
        };
        if effect == Effect::Removed {
            document.remove(&name.text);
        }
        Ok(effect != Effect::None)
    }

    /// The object that changes inside a missing value make, if they make one.
    fn new_value(&mut self, branches: &[&Branch]) -> Result<Option<Bson>, EngineError> {
        let mut new = Document::new();
        let changed = self.document(branches, &mut new)?;
        Ok(changed.then_some(Bson::Document(new)))
    }

    fn value(&mut self, branches: &[&Branch], value: &mut Bson) -> Changed {
        match value {
            Bson::Document(document) => self.document(branches, document),
            Bson::Array(array) => {
                self.arrays_around += 1;
                let changed = self.array(branches, array);
                self.arrays_around -= 1;
                changed
            }
            other => {
                let leaf = branches.iter().find_map(|branch| branch.find_leaf(&|leaf| self.is_strict(leaf)));
                refuse(
                    leaf,
                    &format!("it leads into a value of type {}, which has no fields", type_name(other)),
                )
            }
        }
    }

    /// `$[]` and the like, where there is no array.
    fn no_array(&self, nodes: &[&Node]) -> Changed {
        let leaf = first_leaf(nodes, &|leaf| !leaf.operation.is_idle(&self.around));
        refuse(leaf, "there is no array where the path has `$`, `$[]` or `$[name]`")
    }

    /// Whether it is an error where the path of a change leads into a value that has no such field.
    fn is_strict(&self, leaf: &Leaf) -> bool {
        !leaf.operation.allows_dead_end(&self.around)
    }

    /// Changes inside an array: for each element those that select it, and then new elements.
    fn array(&mut self, branches: &[&Branch], array: &mut Vec<Bson>) -> Changed {
        let mut named = BTreeMap::new();
        let mut selecting = Vec::new();
        let mut changed = false;
        for (segment, nodes) in children(branches) {
            match segment {
                Segment::Name(Name { position: Some(position), .. }) => {
                    named.insert(*position, nodes);
                }
                Segment::Name(_) => {
                    let leaf = first_leaf(&nodes, &|leaf| self.is_strict(leaf));
                    refuse(leaf, "it leads into an array, which has positions and no names")?;
                }
                _ => selecting.push((segment, nodes)),
            }
        }
        if !selecting.is_empty() {
            changed |= self.selected_elements(&selecting, &mut named, array)?;
        }
        for (position, nodes) in named {
            changed |= self.element(&nodes, position, array)?;
        }
        Ok(changed)
    }

    fn selected_elements<'n>(
        &mut self,
        selecting: &[(&Segment, Vec<&'n Node>)],
        named: &mut BTreeMap<usize, Vec<&'n Node>>,
        array: &mut Vec<Bson>,
    ) -> Changed {
        let mut changed = false;
        for position in 0..array.len() {
            let mut nodes = named.remove(&position).unwrap_or_default();
            for (segment, selected) in selecting {
                if self.selects(segment, position, &array[position])? {
                    nodes.extend(selected);
                }
            }
            if !nodes.is_empty() {
                changed |= self.element(&nodes, position, array)?;
            }
        }
        Ok(changed)
    }

    fn selects(&self, segment: &Segment, position: usize, element: &Bson) -> Changed {
        match segment {
            Segment::Name(_) => Ok(false),
            Segment::Matched(number) => Ok(self.positions[*number] == position),
            Segment::All => Ok(true),
            Segment::Filtered(number) => self.selectors.selects(*number, element),
        }
    }

    fn element(&mut self, nodes: &[&Node], position: usize, array: &mut Vec<Bson>) -> Changed {
        let target = join(nodes)?;
        if let Some(value) = array.get_mut(position) {
            return match target {
                Target::Leaf(leaf) => self.change_element(leaf, value),
                Target::Branches(branches) => self.value(&branches, value),
            };
        }
        let new = match target {
            Target::Leaf(leaf) => self.create(leaf)?,
            Target::Branches(branches) => self.new_value(&branches)?,
        };
        let Some(new) = new else { return Ok(false) };
        self.pad(array, position)?;
        array.push(new);
        Ok(true)
    }

    /// As in MongoDB a removed element leaves null, so that later ones keep their positions.
    fn change_element(&mut self, leaf: &Leaf, value: &mut Bson) -> Changed {
        let effect = self.change(leaf, value)?;
        if effect == Effect::Removed {
            let was_null = matches!(value, Bson::Null);
            *value = Bson::Null;
            return Ok(!was_null);
        }
        Ok(effect == Effect::Changed)
    }

    fn pad(&mut self, array: &mut Vec<Bson>, position: usize) -> Result<(), EngineError> {
        let padding = position - array.len();
        self.padding_left = self.padding_left.checked_sub(padding).ok_or_else(|| {
            super::invalid(format!(
                "position {position} is too far beyond the end of an array of {}: {PADDING_MAX} places may \
                 stay empty in one update",
                array.len()
            ))
        })?;
        array.resize(position, Bson::Null);
        Ok(())
    }

    fn change(&mut self, leaf: &Leaf, value: &mut Bson) -> Result<Effect, EngineError> {
        self.admit(leaf)?;
        leaf.operation.change(value, &leaf.place, &mut self.around)
    }

    fn create(&mut self, leaf: &Leaf) -> Result<Option<Bson>, EngineError> {
        self.admit(leaf)?;
        Ok(leaf.operation.create(&mut self.around))
    }

    fn admit(&mut self, leaf: &Leaf) -> Result<(), EngineError> {
        if self.arrays_around > 0 && leaf.operation.moves(&self.around) {
            return Err(leaf.place.error("a field cannot be moved into an array"));
        }
        self.bytes_left = self.bytes_left.checked_sub(leaf.bytes).ok_or_else(|| {
            leaf.place.error(format!("it would write more than {REPEATED_BYTES_MAX} bytes into elements"))
        })?;
        Ok(())
    }
}

fn refuse(leaf: Option<&Leaf>, why: &str) -> Changed {
    match leaf {
        Some(leaf) => Err(leaf.place.error(why)),
        None => Ok(false),
    }
}
