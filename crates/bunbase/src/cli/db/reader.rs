//! Reads documents from a file as a stream: a JSON array, or one JSON document a line (NDJSON). The file
//! is never held in memory; each document keeps its text, so that numbers stay as they were written.

use serde::de::{DeserializeSeed, Deserializer as _, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::cell::Cell;
use std::fmt;
use std::io::{self, BufRead, BufReader, Read};
use std::ops::ControlFlow;
use std::rc::Rc;

/// The server takes no larger document.
pub(crate) const DOCUMENT_BYTES_MAX: usize = 16 * 1024 * 1024;
const BUFFER_BYTES: usize = 256 * 1024;
/// UTF-8's byte order mark, which some programs write first.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// A document and where it stands.
#[derive(Debug)]
pub(crate) struct Record {
    /// The line that it begins on, from 1.
    pub(crate) line: u64,
    /// Its text.
    pub(crate) text: Box<RawValue>,
    /// Bytes of the file up to its end.
    pub(crate) bytes_read: u64,
}

/// Why the file cannot be read on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    /// The file could not be read.
    #[error("the file could not be read at line {line}")]
    Io {
        line: u64,
        #[source]
        source: io::Error,
    },
    /// What stands there is no JSON.
    #[error("line {line} is not valid JSON ({reason}); a file holds one document a line, or one array")]
    Json { line: u64, reason: String },
    /// It is JSON, but no document.
    #[error("line {line} is not a document, which is a JSON object of at most 16 MiB")]
    NotADocument { line: u64 },
}

/// Takes documents; `Break` ends the reading.
pub(crate) type Sink<'a> = &'a mut dyn FnMut(Record) -> ControlFlow<()>;

/// Hands every document in `input` to `sink`, in order.
pub(crate) fn read(input: impl Read, sink: Sink<'_>) -> Result<(), ReadError> {
    let mut input = BufReader::with_capacity(BUFFER_BYTES, input);
    let at_start = |source| ReadError::Io { line: 1, source };
    let position = Position::default();
    if input.fill_buf().map_err(at_start)?.starts_with(BYTE_ORDER_MARK) {
        input.consume(BYTE_ORDER_MARK.len());
        position.bytes.set(BYTE_ORDER_MARK.len() as u64);
    }
    let start = input.fill_buf().map_err(at_start)?;
    let is_array = start.trim_ascii_start().first() == Some(&b'[');
    if is_array { read_array(input, &position, sink) } else { read_lines(input, &position, sink) }
}

#[derive(Clone, Default)]
struct Position {
    newlines: Rc<Cell<u64>>,
    bytes: Rc<Cell<u64>>,
}

impl Position {
    fn line(&self) -> u64 {
        self.newlines.get() + 1
    }

    fn advance(&self, bytes: &[u8]) {
        let newlines = bytes.iter().filter(|byte| **byte == b'\n').count() as u64;
        self.newlines.set(self.newlines.get() + newlines);
        self.bytes.set(self.bytes.get() + bytes.len() as u64);
    }

    fn record(&self, line: u64, text: Box<RawValue>) -> Result<Record, ReadError> {
        if !text.get().starts_with('{') || text.get().len() > DOCUMENT_BYTES_MAX {
            return Err(ReadError::NotADocument { line });
        }
        Ok(Record { line, text, bytes_read: self.bytes.get() })
    }
}

fn read_lines(mut input: impl BufRead, position: &Position, sink: Sink<'_>) -> Result<(), ReadError> {
    let mut text = Vec::new();
    loop {
        text.clear();
        let line = position.line();
        let mut limited = (&mut input).take(DOCUMENT_BYTES_MAX as u64 + 2);
        let read = limited.read_until(b'\n', &mut text).map_err(|source| ReadError::Io { line, source })?;
        if read == 0 {
            return Ok(());
        }
        position.advance(&text);
        let trimmed = text.trim_ascii();
        if trimmed.is_empty() {
            continue;
        }
        if trimmed.len() > DOCUMENT_BYTES_MAX {
            return Err(ReadError::NotADocument { line });
        }
        let text = serde_json::from_slice(trimmed)
            .map_err(|error| ReadError::Json { line, reason: without_place(&error) })?;
        if sink(position.record(line, text)?).is_break() {
            return Ok(());
        }
    }
}

/// serde_json's own count starts at this line; ours is said instead.
fn without_place(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let reason = text.rfind(" at line ").map_or(text.as_str(), |place| &text[..place]);
    format!("{reason} at column {}", error.column())
}

fn read_array(input: impl BufRead, position: &Position, sink: Sink<'_>) -> Result<(), ReadError> {
    let mut json = serde_json::Deserializer::from_reader(Counting { input, position: position.clone() });
    let mut elements = Elements { position, sink, ended: None };
    let parsed = json.deserialize_seq(&mut elements);
    match elements.ended {
        Some(Ok(())) => return Ok(()),
        Some(Err(error)) => return Err(error),
        None => {}
    }
    parsed.and_then(|()| json.end()).map_err(|error| json_error(error, position))
}

fn json_error(error: serde_json::Error, position: &Position) -> ReadError {
    let line = position.line();
    if error.is_io() {
        return ReadError::Io { line, source: error.into() };
    }
    ReadError::Json { line, reason: without_place(&error) }
}

/// Counts what serde_json reads; it reads byte by byte, so the count stands where it stands.
struct Counting<R> {
    input: R,
    position: Position,
}

impl<R: Read> Read for Counting<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(buffer)?;
        self.position.advance(&buffer[..read]);
        Ok(read)
    }
}

struct Elements<'a> {
    position: &'a Position,
    sink: Sink<'a>,
    /// How the reading ended before the array did.
    ended: Option<Result<(), ReadError>>,
}

impl<'de> Visitor<'de> for &mut Elements<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of documents")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<(), A::Error> {
        while let Some(text) = array.next_element_seed(Text)? {
            let inside = text.get().bytes().filter(|byte| *byte == b'\n').count() as u64;
            let ended = match self.position.record(self.position.line() - inside, text) {
                Ok(record) => match (self.sink)(record) {
                    ControlFlow::Continue(()) => continue,
                    ControlFlow::Break(()) => Ok(()),
                },
                Err(error) => Err(error),
            };
            self.ended = Some(ended);
            return Ok(());
        }
        Ok(())
    }
}

struct Text;

impl<'de> DeserializeSeed<'de> for Text {
    type Value = Box<RawValue>;

    fn deserialize<D: serde::Deserializer<'de>>(self, input: D) -> Result<Box<RawValue>, D::Error> {
        serde::Deserialize::deserialize(input)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str) -> (Vec<(u64, String)>, Result<(), ReadError>) {
        let mut found = Vec::new();
        let done = read(text.as_bytes(), &mut |record| {
            found.push((record.line, record.text.get().to_owned()));
            ControlFlow::Continue(())
        });
        (found, done)
    }

    fn pairs(expected: &[(u64, &str)]) -> Vec<(u64, String)> {
        expected.iter().map(|(line, text)| (*line, (*text).to_owned())).collect()
    }

    #[test]
    fn lines_and_arrays_give_documents_with_their_lines() {
        let (found, done) = all("\u{feff}{\"a\": 1.0}\n\n  {\"b\": 12345678901234567890123}\r\n{}");
        done.unwrap();
        assert_eq!(found, pairs(&[(1, "{\"a\": 1.0}"), (3, "{\"b\": 12345678901234567890123}"), (4, "{}")]));
        let (found, done) = all("\n[\n{\"a\":\n1},\n\n{\"b\": 2}, {}\n]\n");
        done.unwrap();
        assert_eq!(found, pairs(&[(3, "{\"a\":\n1}"), (6, "{\"b\": 2}"), (6, "{}")]));
        assert!(all("[]").0.is_empty() && all("").1.is_ok());
    }

    #[test]
    fn what_is_before_a_damaged_line_is_read_and_the_line_is_named() {
        let (found, done) = all("{\"a\": 1}\n{\"b\": \n{}\n");
        assert_eq!(found.len(), 1);
        assert!(matches!(done.unwrap_err(), ReadError::Json { line: 2, .. }));
        let (found, done) = all("[{},\n{},\n{\"a\" 1}]");
        assert_eq!(found.len(), 2);
        assert!(matches!(done.unwrap_err(), ReadError::Json { line: 3, .. }));
        assert!(matches!(all("[{}] x").1.unwrap_err(), ReadError::Json { line: 1, .. }));
        assert!(matches!(all("[{}").1.unwrap_err(), ReadError::Json { line: 1, .. }));
    }

    #[test]
    fn only_objects_are_documents() {
        assert!(matches!(all("{}\n7\n").1.unwrap_err(), ReadError::NotADocument { line: 2 }));
        assert!(matches!(all("[{},\n[]]").1.unwrap_err(), ReadError::NotADocument { line: 2 }));
    }

    #[test]
    fn reading_ends_where_the_sink_says_so() {
        for text in ["{}\n{}\nbroken", "[{}, {}, broken"] {
            let mut seen = 0;
            let done = read(text.as_bytes(), &mut |_| {
                seen += 1;
                if seen == 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            });
            assert!(done.is_ok() && seen == 2);
        }
    }
}
