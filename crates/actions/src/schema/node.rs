//! What a schema is compiled to.

use regex::Regex;
use serde_json::Value;

/// One schema. What its errors say is made once.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) kind: Kind,
    /// Takes the place of a value that is not there.
    pub(crate) default: Option<Value>,
    /// It or one of its parts has a default, so that values have to be walked.
    pub(crate) has_defaults: bool,
}

#[derive(Debug)]
pub(crate) enum Kind {
    Any,
    Never,
    Null,
    Boolean,
    String(Text),
    Number(Numeric),
    Literal { value: Value, message: String },
    Array(Box<Items>),
    Tuple { nodes: Vec<Node>, message: String },
    Object(Properties),
    Record(Box<Record>),
    Union(Vec<Node>),
    Intersect(Vec<Node>),
}

/// A bound, and what is said of a value that breaks it.
#[derive(Debug)]
pub(crate) struct Bound<T> {
    pub(crate) limit: T,
    pub(crate) message: String,
}

/// A smallest and a largest count.
#[derive(Debug)]
pub(crate) struct Counts {
    pub(crate) min: Option<Bound<usize>>,
    pub(crate) max: Option<Bound<usize>>,
}

/// Lengths are UTF-16 code units, as JavaScript counts them.
#[derive(Debug)]
pub(crate) struct Text {
    pub(crate) length: Counts,
    pub(crate) pattern: Option<Bound<Pattern>>,
}

/// A regular expression of JavaScript that means the same here.
#[derive(Debug)]
pub(crate) struct Pattern(pub(crate) Regex);

#[derive(Debug)]
pub(crate) struct Numeric {
    pub(crate) is_integer: bool,
    pub(crate) bounds: Vec<(Comparison, Bound<f64>)>,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Comparison {
    Below,
    Above,
    AtMost,
    AtLeast,
    MultipleOf,
}

#[derive(Debug)]
pub(crate) struct Items {
    pub(crate) node: Node,
    pub(crate) count: Counts,
    pub(crate) is_unique: bool,
}

#[derive(Debug)]
pub(crate) struct Properties {
    pub(crate) known: Vec<Property>,
    pub(crate) additional: Additional,
    pub(crate) count: Counts,
}

#[derive(Debug)]
pub(crate) struct Property {
    pub(crate) name: String,
    pub(crate) is_required: bool,
    pub(crate) node: Node,
}

/// What holds for keys that are not named.
#[derive(Debug)]
pub(crate) enum Additional {
    Allowed,
    Refused,
    Like(Box<Node>),
}

#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) keys: Pattern,
    pub(crate) node: Node,
    pub(crate) additional: Additional,
    pub(crate) count: Counts,
}

impl Counts {
    /// Any count is right.
    pub(crate) fn is_open(&self) -> bool {
        self.min.is_none() && self.max.is_none()
    }
}

impl Properties {
    pub(crate) fn find(&self, name: &str) -> Option<&Property> {
        self.known.iter().find(|property| property.name == name)
    }
}

impl Comparison {
    pub(crate) fn holds(self, value: f64, limit: f64) -> bool {
        match self {
            Self::Below => value < limit,
            Self::Above => value > limit,
            Self::AtMost => value <= limit,
            Self::AtLeast => value >= limit,
            // The remainder of JavaScript and that of Rust are the same.
            Self::MultipleOf => value % limit == 0.0,
        }
    }
}
