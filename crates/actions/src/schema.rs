//! Schemas of inputs: which of them are checked here, and what is checked.
//!
//! What must hold: on the subset that is [`Schema::Portable`] the result is that of TypeBox's `Value.Default` and then
//! `Value.Check`, and the errors are the first of each path of `Value.Errors`; `schema-cases.json` in
//! `packages/bunbase/test` runs on both. Whatever is not certain to be equal is left to TypeBox in Bun.

mod check;
mod compile;
mod fill;
mod node;
mod pattern;
mod stream;

use node::Node;

use bytes::Bytes;
use serde::Serialize;
use serde_json::{Map, Value};

/// Errors of one input that are told.
const ERRORS_MAX: usize = 50;

/// The schema of an input.
#[derive(Debug)]
pub enum Schema {
    /// Checked here.
    Portable(Portable),
    /// Left to Bun, for this reason.
    InBun(String),
}

/// A schema that was compiled.
#[derive(Debug)]
pub struct Portable(Node);

/// What is wrong at one place of an input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldError {
    /// A JSON Pointer (RFC 6901); empty for the whole.
    pub path: String,
    /// What is wrong, in the words of TypeBox.
    pub message: String,
}

/// An input that was checked.
#[derive(Debug)]
pub struct Checked {
    /// The input as JSON where defaults changed it; unchanged where `None`.
    pub input: Option<Bytes>,
    /// What is wrong; nothing where empty.
    pub errors: Vec<FieldError>,
}

impl Schema {
    /// Classes a schema as TypeBox serialises it; `is_opaque` for one that has parts which JSON does not show.
    pub fn compile(schema: &Map<String, Value>, is_opaque: bool) -> Self {
        if is_opaque {
            return Self::InBun("it has parts that only TypeBox can check".to_owned());
        }
        match compile::object(schema) {
            Ok(node) => Self::Portable(Portable(node)),
            Err(reason) => Self::InBun(reason),
        }
    }
}

impl Portable {
    /// Applies defaults to `value` and checks it. Gives whether defaults changed it, or what is wrong.
    pub fn check(&self, value: &mut Value) -> Result<bool, Vec<FieldError>> {
        let is_changed = self.0.fill(value);
        if self.0.matches(value) {
            return Ok(is_changed);
        }
        Err(self.0.errors(value))
    }

    /// Parses and checks a JSON text.
    ///
    /// # Errors
    /// What the parser says of a text that is no JSON.
    pub fn check_text(&self, text: &[u8]) -> Result<Checked, serde_json::Error> {
        if self.0.holds_as_it_is(text) {
            return Ok(Checked { input: None, errors: Vec::new() });
        }
        let mut value: Value = serde_json::from_slice(text)?;
        Ok(match self.check(&mut value) {
            Ok(false) => Checked { input: None, errors: Vec::new() },
            Ok(true) => Checked { input: Some(serde_json::to_vec(&value)?.into()), errors: Vec::new() },
            Err(errors) => Checked { input: None, errors },
        })
    }
}

#[cfg(test)]
mod tests;
