//! The value of an index entry: which document it leads to, and what its key does not say of the fields, so
//! that a query that needs only these can do without the document.
//!
//! A value is the id; in a group index the number of the collection (4 bytes), its name, `00` and the id.
//! Where no field met an array, `00` and one byte for each field that the document has follow, in the order
//! of the document: the place of the field in the index (upper 3 bits) and the kind of its value.

use super::Owner;
use crate::catalog::IndexShape;
use crate::key::{Kind, decode, length};
use crate::layout::{Id, PAIR_BYTES};
use bson::raw::CString;
use bson::{RawBson, RawBsonRef, RawDocument, RawDocumentBuf};

/// Bits of a kind; the place of the field stands above them.
const KIND_BITS: u32 = 5;

const _: () = assert!(crate::names::INDEX_FIELDS_MAX <= 1 << (8 - KIND_BITS));

/// A value taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EntryValue<'a> {
    /// The collection of an entry in a group index.
    pub(crate) collection: Option<(Id, &'a str)>,
    pub(crate) id: &'a str,
    fields: Option<&'a [u8]>,
}

/// The value of the entries of a document; `singles` are the values of the fields where none met an array.
pub(super) fn encode(
    shape: &IndexShape,
    document: &RawDocument,
    singles: Option<&[Option<RawBsonRef<'_>>]>,
    owner: Owner<'_>,
) -> Vec<u8> {
    let mut out = Vec::with_capacity(owner.id.len() + 1 + shape.fields.len());
    if shape.pattern.is_some() {
        out.extend_from_slice(&owner.collection.id.to_be_bytes());
        out.extend_from_slice(owner.collection.name.as_str().as_bytes());
        out.push(0);
    }
    out.extend_from_slice(owner.id.as_bytes());
    let Some(singles) = singles else { return out };
    out.push(0);
    let there = singles.iter().enumerate().filter_map(|(place, value)| Some((place, (*value)?)));
    let mut there: Vec<(usize, RawBsonRef<'_>)> = there.collect();
    if there.len() > 1 {
        there.sort_by_cached_key(|(place, _)| position(document, &shape.fields[*place].path));
    }
    out.extend(there.iter().map(|(place, value)| ((*place as u8) << KIND_BITS) | Kind::of(*value) as u8));
    out
}

/// Where a field stands in a document: its place on each level.
fn position(document: &RawDocument, path: &str) -> Vec<usize> {
    let mut positions = Vec::with_capacity(2);
    let mut document = document;
    for name in path.split('.') {
        let found = document.iter().flatten().enumerate().find(|(_, (key, _))| key.as_str() == name);
        let Some((place, (_, value))) = found else { break };
        positions.push(place);
        match value {
            RawBsonRef::Document(inner) => document = inner,
            _ => break,
        }
    }
    positions
}

impl<'a> EntryValue<'a> {
    /// Takes a value of an index apart; `None` where it is damaged.
    pub(crate) fn parse(shape: &IndexShape, value: &'a [u8]) -> Option<Self> {
        let mut rest = value;
        let mut collection = None;
        if shape.pattern.is_some() {
            let (number, after) = rest.split_first_chunk::<4>()?;
            let end = after.iter().position(|byte| *byte == 0)?;
            collection = Some((Id::from_be_bytes(*number), std::str::from_utf8(&after[..end]).ok()?));
            rest = &after[end + 1..];
        }
        let (id, fields) = match rest.iter().position(|byte| *byte == 0) {
            Some(end) => (&rest[..end], Some(&rest[end + 1..])),
            None => (rest, None),
        };
        Some(Self { collection, id: std::str::from_utf8(id).ok()?, fields })
    }

    /// What the document has in the field at `place`, whose encoding in the key is `encoded`; `None` where the
    /// entry does not say.
    pub(crate) fn field(&self, shape: &IndexShape, place: usize, encoded: &[u8]) -> Option<Option<RawBson>> {
        let Some(own) = self.fields?.iter().find(|field| usize::from(**field >> KIND_BITS) == place) else {
            return Some(None);
        };
        let kind = Kind::from_number(own & ((1 << KIND_BITS) - 1))?;
        decode(encoded, shape.fields.get(place)?.order, kind).map(Some)
    }

    /// The document cut down to `_id` and the fields of the index, as far as the entry gives it back.
    pub(crate) fn document(&self, shape: &IndexShape, key: &[u8]) -> Option<RawDocumentBuf> {
        let encoded = split(shape, key)?;
        let mut there = [false; 8];
        let mut values = Vec::with_capacity(shape.fields.len());
        for field in self.fields? {
            let place = usize::from(field >> KIND_BITS);
            let (order, path) = shape.fields.get(place).map(|field| (field.order, field.path.as_str()))?;
            let kind = Kind::from_number(field & ((1 << KIND_BITS) - 1))?;
            *there.get_mut(place)? = true;
            if path != "_id" {
                values.push((path, decode(encoded.get(place)?, order, kind)?));
            }
        }
        // Where a nested field is missing the documents around it may be there, empty.
        let mut missing = shape.fields.iter().zip(there).filter(|(_, there)| !there);
        if missing.any(|(field, _)| field.path.contains('.')) {
            return None;
        }
        let mut document = RawDocumentBuf::new();
        document.append(bson::raw::cstr!("_id"), self.id);
        append(&mut document, &values)?;
        Some(document)
    }
}

/// The encoded fields of a key.
fn split<'a>(shape: &IndexShape, key: &'a [u8]) -> Option<Vec<&'a [u8]>> {
    let mut rest = key.get(PAIR_BYTES..)?;
    let mut fields = Vec::with_capacity(shape.fields.len());
    for field in &shape.fields {
        let (value, after) = rest.split_at_checked(length(rest, field.order)?)?;
        fields.push(value);
        rest = after;
    }
    Some(fields)
}

/// Appends values at their paths; those of one inner document stand together.
fn append(document: &mut RawDocumentBuf, values: &[(&str, RawBson)]) -> Option<()> {
    let mut rest = values;
    while let [(path, value), ..] = rest {
        let Some((name, _)) = path.split_once('.') else {
            document.append(CString::try_from(*path).ok()?, value.as_raw_bson_ref());
            rest = &rest[1..];
            continue;
        };
        let inner = |path: &'_ str| Some(path.strip_prefix(name)?.strip_prefix('.')?.len());
        let together = rest.iter().take_while(|(path, _)| inner(path).is_some()).count();
        let (own, after) = rest.split_at(together);
        let own: Vec<(&str, RawBson)> =
            own.iter().map(|(path, value)| (&path[name.len() + 1..], value.clone())).collect();
        let mut nested = RawDocumentBuf::new();
        append(&mut nested, &own)?;
        document.append(CString::try_from(name).ok()?, nested);
        rest = after;
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Collection;
    use crate::engine::{CollectionName, CollectionPattern, FieldOrder, IndexSpec, Order};
    use crate::indexing::entries;
    use bson::rawdoc;

    fn shape(paths: &[&str], pattern: Option<&str>) -> IndexShape {
        let field = |path: &&str| {
            let order = if path.len().is_multiple_of(2) { Order::Descending } else { Order::Ascending };
            FieldOrder { path: (*path).to_owned(), order }
        };
        let spec = IndexSpec { fields: paths.iter().map(field).collect(), ..IndexSpec::default() };
        IndexShape::new(9, spec, pattern.map(|pattern| CollectionPattern::parse(pattern).unwrap())).unwrap()
    }

    fn given_back(shape: &IndexShape, document: &RawDocument) -> Option<RawDocumentBuf> {
        let collection =
            Collection::new(7, CollectionName::parse("users/a/posts").unwrap(), Default::default());
        let owner = Owner { database: 1, collection: &collection, id: "x" };
        let found = entries(shape, document, owner).unwrap();
        let value = EntryValue::parse(shape, &found.value).unwrap();
        assert_eq!(value.id, "x");
        assert_eq!(value.collection, shape.pattern.as_ref().map(|_| (7, "users/a/posts")));
        value.document(shape, &found.keys[0])
    }

    #[test]
    fn an_entry_gives_back_its_fields_in_the_order_of_the_document() {
        let document = rawdoc! {"_id": "x", "bb": 5_i64, "d": {"z": 1.5, "e": "t\0u"}, "other": 1, "a": null};
        for pattern in [None, Some("users/*/posts")] {
            let shape = shape(&["a", "bb", "d.e", "d.z", "c"], pattern);
            let expected = rawdoc! {"_id": "x", "bb": 5_i64, "d": {"z": 1.5, "e": "t\0u"}, "a": null};
            assert_eq!(given_back(&shape, &document), Some(expected));
        }
    }

    #[test]
    fn what_an_entry_does_not_say_is_not_made_up() {
        let shape = shape(&["a", "d.e"], None);
        let documents = [
            rawdoc! {"_id": "x", "a": [1, 2], "d": {"e": 1}},
            rawdoc! {"_id": "x", "a": {"b": 1}, "d": {"e": 1}},
            rawdoc! {"_id": "x", "a": 1},
            rawdoc! {"_id": "x", "a": bson::Decimal128::from_bytes([0; 16]), "d": {"e": 1}},
        ];
        for document in documents {
            assert_eq!(given_back(&shape, &document), None, "{document:?}");
        }
    }
}
