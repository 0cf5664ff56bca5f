//! The changes of an update as a tree of path segments, so that two changes of the same place are found
//! when the update is parsed, and a document is walked through once.

use super::invalid;
use super::operation::Operation;
use super::path::Segment;
use crate::error::EngineError;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt::Display;

/// What happens at a place, or further inside it.
#[derive(Debug, Clone)]
pub(super) enum Node {
    Leaf(Leaf),
    Branch(Branch),
}

/// Changes inside a value.
#[derive(Debug, Clone, Default)]
pub(super) struct Branch {
    pub(super) children: BTreeMap<Segment, Node>,
}

/// One change.
#[derive(Debug, Clone)]
pub(super) struct Leaf {
    pub(super) place: Place,
    pub(super) operation: Operation,
    /// Bytes that each element a `$[]` or `$[name]` stands for may get; 0 where there is one place only.
    pub(super) bytes: usize,
}

/// Operator and path of a change, for what is said about it.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) operator: &'static str,
    pub(super) path: String,
}

impl Place {
    pub(super) fn error(&self, why: impl Display) -> EngineError {
        invalid(format!("`{}` at `{}`: {why}", self.operator, self.path))
    }
}

fn conflict(leaf: &Leaf, other: &Node) -> EngineError {
    let Place { operator, path } = &leaf.place;
    let other = other.find_leaf(&|_| true);
    let other = other.map_or_else(String::new, |other| {
        format!(" and `{}` at `{}`", other.place.operator, other.place.path)
    });
    invalid(format!("`{operator}` at `{path}`{other} change the same field"))
}

impl Branch {
    /// Adds a change at a path of at least one segment.
    pub(super) fn insert(&mut self, path: Vec<Segment>, leaf: Leaf) -> Result<(), EngineError> {
        let mut branch = self;
        let mut segments = path.into_iter().peekable();
        while let Some(segment) = segments.next() {
            if segments.peek().is_none() {
                return match branch.children.entry(segment) {
                    Entry::Occupied(present) => Err(conflict(&leaf, present.get())),
                    Entry::Vacant(free) => {
                        free.insert(Node::Leaf(leaf));
                        Ok(())
                    }
                };
            }
            let node = branch.children.entry(segment).or_insert_with(|| Node::Branch(Self::default()));
            branch = match node {
                Node::Branch(inner) => inner,
                present @ Node::Leaf(_) => return Err(conflict(&leaf, present)),
            };
        }
        Ok(())
    }

    /// The names among its segments.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.children.keys().filter_map(|segment| match segment {
            Segment::Name(name) => Some(name.text.as_str()),
            _ => None,
        })
    }

    /// The first change for which `test` holds.
    pub(super) fn find_leaf(&self, test: &dyn Fn(&Leaf) -> bool) -> Option<&Leaf> {
        self.children.values().find_map(|node| node.find_leaf(test))
    }
}

impl Node {
    fn find_leaf(&self, test: &dyn Fn(&Leaf) -> bool) -> Option<&Leaf> {
        match self {
            Self::Leaf(leaf) => Some(leaf).filter(|leaf| test(leaf)),
            Self::Branch(branch) => branch.find_leaf(test),
        }
    }
}

/// The first change in some nodes for which `test` holds.
pub(super) fn first_leaf<'a>(nodes: &[&'a Node], test: &dyn Fn(&Leaf) -> bool) -> Option<&'a Leaf> {
    nodes.iter().find_map(|node| node.find_leaf(test))
}

/// What several nodes come to at one place.
pub(super) enum Target<'a> {
    Leaf(&'a Leaf),
    Branches(Vec<&'a Branch>),
}

/// Joins the nodes that meet at one place of a document, through different segments of one array.
pub(super) fn join<'a>(nodes: &[&'a Node]) -> Result<Target<'a>, EngineError> {
    let mut branches = Vec::new();
    for (index, node) in nodes.iter().enumerate() {
        match node {
            Node::Branch(branch) => branches.push(branch),
            Node::Leaf(leaf) if nodes.len() == 1 => return Ok(Target::Leaf(leaf)),
            Node::Leaf(leaf) => return Err(conflict(leaf, nodes[usize::from(index == 0)])),
        }
    }
    Ok(Target::Branches(branches))
}

/// The children of branches that meet at one place, in the order of segments.
pub(super) fn children<'a>(branches: &[&'a Branch]) -> BTreeMap<&'a Segment, Vec<&'a Node>> {
    let mut children: BTreeMap<&Segment, Vec<&Node>> = BTreeMap::new();
    for branch in branches {
        for (segment, node) in &branch.children {
            children.entry(segment).or_default().push(node);
        }
    }
    children
}
