//! Groups documents into batches as `POST …/batch` takes them.

use super::reader::Record;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// Documents in one batch: few enough that one commit is short, enough that the round trip is cheap.
pub(crate) const BATCH_DOCUMENTS_MAX: usize = 500;
/// A batch is closed when it has this much text; the server takes 16 MiB.
const BATCH_BYTES: usize = 4 * 1024 * 1024;

/// What to do with documents whose `_id` is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Fail.
    Insert,
    /// Put the new one in place of the old one.
    Upsert,
}

/// Operations that are committed together.
#[derive(Debug)]
pub(crate) struct Batch {
    /// Number of its first document in the file, from 0.
    pub(crate) first: u64,
    /// The line of each document.
    pub(crate) lines: Vec<u64>,
    /// Whether each document has an `_id`, so that sending it twice does no harm.
    pub(crate) has_ids: bool,
    /// Bytes of the file up to its end.
    pub(crate) bytes_read: u64,
    /// The request's body.
    pub(crate) body: Vec<u8>,
}

/// Fills batches.
pub(crate) struct Batches<'a> {
    collection: &'a str,
    mode: Mode,
    next: u64,
    open: Option<Batch>,
}

#[derive(Serialize)]
struct Operation<'a> {
    op: &'static str,
    collection: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    document: &'a RawValue,
}

#[derive(Deserialize)]
struct Identity {
    _id: Option<serde_json::Value>,
}

impl<'a> Batches<'a> {
    /// `first` is the number of the first document that comes.
    pub(crate) fn new(collection: &'a str, mode: Mode, first: u64) -> Self {
        Self { collection, mode, next: first, open: None }
    }

    /// Adds a document; gives back a batch that is full.
    pub(crate) fn add(&mut self, record: &Record) -> serde_json::Result<Option<Batch>> {
        let identity: Identity = serde_json::from_str(record.text.get())?;
        let id = identity._id.as_ref().and_then(serde_json::Value::as_str);
        let operation = match (self.mode, id) {
            (Mode::Upsert, Some(id)) => ("replace", Some(id)),
            (Mode::Upsert, None) | (Mode::Insert, _) => ("insert", None),
        };
        let batch = self.open.get_or_insert_with(|| Batch {
            first: self.next,
            lines: Vec::new(),
            has_ids: true,
            bytes_read: 0,
            body: br#"{"operations":["#.to_vec(),
        });
        if !batch.lines.is_empty() {
            batch.body.push(b',');
        }
        let (op, id_for_op) = operation;
        let operation = Operation { op, collection: self.collection, id: id_for_op, document: &record.text };
        serde_json::to_writer(&mut batch.body, &operation)?;
        batch.lines.push(record.line);
        batch.has_ids &= id.is_some();
        batch.bytes_read = record.bytes_read;
        self.next += 1;
        let is_full = batch.lines.len() == BATCH_DOCUMENTS_MAX || batch.body.len() >= BATCH_BYTES;
        Ok(if is_full { self.take() } else { None })
    }

    /// What is left.
    pub(crate) fn take(&mut self) -> Option<Batch> {
        let mut batch = self.open.take()?;
        batch.body.extend_from_slice(b"]}");
        Some(batch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn record(line: u64, text: &str) -> Record {
        Record { line, text: RawValue::from_string(text.to_owned()).unwrap(), bytes_read: line * 10 }
    }

    #[test]
    fn upsert_replaces_what_has_an_id_and_inserts_the_rest() {
        let mut batches = Batches::new("a/b", Mode::Upsert, 7);
        assert!(batches.add(&record(1, r#"{"_id":"x","n":1.0}"#)).unwrap().is_none());
        assert!(batches.add(&record(2, r#"{"n":2}"#)).unwrap().is_none());
        let batch = batches.take().unwrap();
        assert_eq!((batch.first, batch.has_ids, batch.bytes_read), (7, false, 20));
        assert!(batch.body.windows(5).any(|window| window == b"\"n\":1"));
        let body: Value = serde_json::from_slice(&batch.body).unwrap();
        assert_eq!(
            body["operations"],
            json!([
                {"op": "replace", "collection": "a/b", "id": "x", "document": {"_id": "x", "n": 1.0}},
                {"op": "insert", "collection": "a/b", "document": {"n": 2}},
            ])
        );
        assert!(batches.take().is_none());
    }

    #[test]
    fn a_full_batch_is_given_back_and_the_next_goes_on_counting() {
        let mut batches = Batches::new("c", Mode::Insert, 0);
        let full = (1..=BATCH_DOCUMENTS_MAX as u64 + 1)
            .filter_map(|line| batches.add(&record(line, r#"{"_id":"x"}"#)).unwrap())
            .collect::<Vec<_>>();
        assert_eq!(full.len(), 1);
        assert_eq!((full[0].lines.len(), full[0].first), (BATCH_DOCUMENTS_MAX, 0));
        assert_eq!(batches.take().unwrap().first, BATCH_DOCUMENTS_MAX as u64);
    }
}
