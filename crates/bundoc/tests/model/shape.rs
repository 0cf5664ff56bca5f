//! The documents of the model: a few fields, each of which may be missing.

use bson::{Bson, Document, RawDocument, doc};
use bundoc::engine::DocumentId;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use std::collections::BTreeMap;

/// A document without its id.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Fields {
    /// A number.
    pub(crate) n: Option<i32>,
    /// A number that a unique index may be about.
    pub(crate) u: Option<i32>,
    /// A text.
    pub(crate) s: Option<String>,
    /// `s` under its other name.
    pub(crate) t: Option<String>,
    /// A list of numbers.
    pub(crate) l: Option<Vec<i32>>,
    /// An object with one number.
    pub(crate) o: Option<Option<i32>>,
}

/// All documents by id.
pub(crate) type Model = BTreeMap<String, Fields>;

pub(crate) fn id(key: u8) -> DocumentId {
    DocumentId::parse(&format!("k{key:02}")).unwrap()
}

pub(crate) fn fields() -> impl Strategy<Value = Fields> {
    let text = || option::weighted(0.8, "[ab]{0,2}");
    let parts = (
        option::weighted(0.9, -3_i32..4),
        option::weighted(0.8, 0_i32..40),
        text(),
        option::weighted(0.8, vec(-2_i32..5, 0..4)),
        option::weighted(0.7, option::weighted(0.8, -2_i32..3)),
    );
    parts.prop_map(|(n, u, s, l, o)| Fields { n, u, s, t: None, l, o })
}

impl Fields {
    pub(crate) fn document(&self) -> Document {
        let mut document = Document::new();
        let mut put =
            |name: &str, value: Option<Bson>| document.extend(value.map(|value| (name.to_owned(), value)));
        put("n", self.n.map(Bson::Int32));
        put("u", self.u.map(Bson::Int32));
        put("s", self.s.clone().map(Bson::String));
        put("t", self.t.clone().map(Bson::String));
        put("l", self.l.clone().map(Bson::from));
        put("o", self.o.map(|p| Bson::Document(p.map_or_else(Document::new, |p| doc! {"p": p}))));
        document
    }

    /// Reads a document of the engine, which has these fields only.
    pub(crate) fn read(document: &RawDocument) -> (String, Self) {
        let mut fields = Self::default();
        let mut id = None;
        for (name, value) in Document::try_from(document).unwrap() {
            match (name.as_str(), value) {
                ("_id", Bson::String(text)) => id = Some(text),
                ("n", Bson::Int32(n)) => fields.n = Some(n),
                ("u", Bson::Int32(u)) => fields.u = Some(u),
                ("s", Bson::String(text)) => fields.s = Some(text),
                ("t", Bson::String(text)) => fields.t = Some(text),
                ("l", Bson::Array(list)) => {
                    fields.l = Some(list.iter().map(|element| element.as_i32().unwrap()).collect());
                }
                ("o", Bson::Document(object)) => {
                    assert!(object.keys().all(|name| name == "p"), "{object}");
                    fields.o = Some(object.get("p").map(|p| p.as_i32().unwrap()));
                }
                (name, value) => panic!("no such field was written: {name}: {value}"),
            }
        }
        (id.unwrap(), fields)
    }

    pub(crate) fn p(&self) -> Option<i32> {
        self.o.flatten()
    }
}
