//! A query without its store: whether a document is one of those meant, and what of it is shown. For
//! readers of the change feed.

use crate::engine::FindRequest;
use crate::error::EngineError;
use crate::filter::Filter;
use crate::options::EngineOptions;
use crate::projection::Projection;
use crate::query::Query;
use bson::{Document, RawDocument, RawDocumentBuf};

/// A checked filter and projection.
pub struct Matcher {
    filter: Filter,
    fields: Projection,
    patterns: usize,
}

impl Matcher {
    /// Checks them as `Engine::find` does.
    ///
    /// # Errors
    /// `EngineError::InvalidQuery`.
    pub fn new(filter: Document, fields: Document) -> Result<Self, EngineError> {
        let request = FindRequest { filter, fields, limit: 1, ..FindRequest::default() };
        let Query { filter, fields, patterns, .. } = Query::parse(&request, 0, &EngineOptions::default())?;
        Ok(Self { filter, fields, patterns })
    }

    /// How many regular expressions it holds, each of which may take a megabyte and more.
    pub fn patterns(&self) -> usize {
        self.patterns
    }

    /// Whether the document passes the filter.
    pub fn matches(&self, document: &RawDocument) -> bool {
        self.filter.matches(document)
    }

    /// The fields that are shown; `None` where that is the whole document.
    ///
    /// # Errors
    /// `EngineError::Damaged`: the document is not valid BSON.
    pub fn shown(&self, document: &RawDocument) -> Result<Option<RawDocumentBuf>, EngineError> {
        if self.fields.is_everything() {
            return Ok(None);
        }
        self.fields.apply(document).map(Some)
    }
}
