//! Updates of documents as bytes. Only the top-level fields that an update names are taken apart; what is
//! between them is copied as it is, since taking a whole document apart and putting it together again would
//! be most of the work of a small update.

use super::{Context, Update, invalid};
use crate::error::EngineError;
use bson::raw::CStr;
use bson::{Bson, Document, RawBson, RawDocument, RawDocumentBuf};
use std::ops::Range;

/// Bytes before the first element of a document: its length.
const LENGTH_BYTES: usize = 4;

fn damaged<E>(_: E) -> EngineError {
    EngineError::Damaged("a stored document is not valid BSON: restore the store from a copy".into())
}

impl Update {
    /// Applies the changes; `None` where they leave the document as it is.
    ///
    /// # Errors
    /// `EngineError::InvalidUpdate`: the update does not fit the document.
    pub(crate) fn apply_to(
        &self,
        document: &RawDocument,
        context: &Context<'_>,
    ) -> Result<Option<RawDocumentBuf>, EngineError> {
        let (present, mut fields) = self.named_fields(document)?;
        let positions = self.selectors.positions(&fields, document, context.filter)?;
        if !self.apply_at(positions, &mut fields, context)? {
            return Ok(None);
        }
        let bytes = document.as_bytes();
        let mut new = Vec::with_capacity(bytes.len() + 64);
        let mut copied = 0;
        for (name, range) in &present {
            new.extend_from_slice(&bytes[copied..range.start]);
            copied = range.end;
            if let Some(value) = fields.get_mut(name) {
                append(name, std::mem::take(value), &mut new)?;
            }
        }
        new.extend_from_slice(&bytes[copied..bytes.len() - 1]);
        for (name, value) in fields {
            if !present.iter().any(|(known, _)| *known == name) {
                append(&name, value, &mut new)?;
            }
        }
        finish(new).map(Some)
    }

    /// The top-level fields that the update names: where their elements are, and their values.
    fn named_fields(&self, document: &RawDocument) -> Result<(Vec<Element>, Document), EngineError> {
        let mut elements = Vec::new();
        let mut fields = Document::new();
        let mut start = LENGTH_BYTES;
        for element in document.iter_elements() {
            let element = element.map_err(damaged)?;
            let name = element.key().as_str();
            // A type, a name with NUL, a value.
            let end = start + 1 + name.len() + 1 + element.size();
            if self.names(name) {
                elements.push((name.to_owned(), start..end));
                fields.insert(name, Bson::try_from(element).map_err(damaged)?);
            }
            start = end;
        }
        Ok((elements, fields))
    }

    /// Whether a top-level field may change.
    pub(super) fn names(&self, field: &str) -> bool {
        self.top_level.binary_search_by(|name| name.as_str().cmp(field)).is_ok()
    }
}

/// The name of an element and where its bytes are.
type Element = (String, Range<usize>);

fn append(name: &str, value: Bson, out: &mut Vec<u8>) -> Result<(), EngineError> {
    let malformed = |error: bson::error::Error| invalid(format!("the result is not valid BSON: {error}"));
    let mut carrier = RawDocumentBuf::new();
    carrier.append(<&CStr>::try_from(name).map_err(malformed)?, RawBson::try_from(value).map_err(malformed)?);
    let bytes = carrier.as_bytes();
    out.extend_from_slice(&bytes[LENGTH_BYTES..bytes.len() - 1]);
    Ok(())
}

/// Bytes of elements, after room for their length, as a document.
fn finish(mut bytes: Vec<u8>) -> Result<RawDocumentBuf, EngineError> {
    bytes.push(0);
    let length = i32::try_from(bytes.len()).map_err(|_| invalid("the result is too large"))?;
    bytes[..LENGTH_BYTES].copy_from_slice(&length.to_le_bytes());
    RawDocumentBuf::from_bytes(bytes).map_err(damaged)
}
