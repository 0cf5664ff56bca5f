//! Finds among very many audiences those that a document may be for: by the value that a filter, or the
//! rule for its readers, requires at a path. Those that require none are always among them.

use bson::RawDocument;
use bundoc::{Equality, keys_at};
use std::collections::{BTreeSet, HashMap};

/// Audiences by what they require.
#[derive(Default)]
pub(super) struct Equalities {
    by_path: HashMap<String, HashMap<Box<[u8]>, BTreeSet<u32>>>,
    others: BTreeSet<u32>,
}

impl Equalities {
    pub(super) fn add(&mut self, audience: u32, required: Option<&Equality>) {
        let Some(Equality { path, keys }) = required else {
            self.others.insert(audience);
            return;
        };
        let values = self.by_path.entry(path.clone()).or_default();
        for key in keys {
            values.entry(key.clone()).or_default().insert(audience);
        }
    }

    pub(super) fn remove(&mut self, audience: u32, required: Option<&Equality>) {
        let Some(Equality { path, keys }) = required else {
            self.others.remove(&audience);
            return;
        };
        let Some(values) = self.by_path.get_mut(path) else { return };
        for key in keys {
            if let Some(audiences) = values.get_mut(key) {
                audiences.remove(&audience);
                if audiences.is_empty() {
                    values.remove(key);
                }
            }
        }
        if values.is_empty() {
            self.by_path.remove(path);
        }
    }

    /// The audiences that the document may be for.
    pub(super) fn candidates(&self, document: &RawDocument, found: &mut BTreeSet<u32>) {
        found.extend(&self.others);
        for (path, values) in &self.by_path {
            for key in keys_at(document, path) {
                found.extend(values.get(&key).into_iter().flatten());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bson::{doc, rawdoc};

    #[test]
    fn a_document_finds_those_that_require_what_it_has() {
        let mut equalities = Equalities::default();
        let required = [doc! {"room": 1}, doc! {"room": 2}, doc! {"to": "ann"}, doc! {}]
            .map(|filter| Equality::required_by(&filter));
        for (number, required) in (0..).zip(&required) {
            equalities.add(number, required.as_ref());
        }
        let candidates = |equalities: &Equalities, document: &RawDocument| {
            let mut found = BTreeSet::new();
            equalities.candidates(document, &mut found);
            found.into_iter().collect::<Vec<_>>()
        };
        assert_eq!(candidates(&equalities, &rawdoc! {"room": 2}), [1, 3]);
        assert_eq!(candidates(&equalities, &rawdoc! {"room": 1.0, "to": ["bob", "ann"]}), [0, 2, 3]);
        equalities.remove(0, required[0].as_ref());
        equalities.remove(3, None);
        assert_eq!(candidates(&equalities, &rawdoc! {"room": 1, "to": "ann"}), [2]);
    }
}
