//! Aggregation expressions, as `$expr` has them: parsed once into a bounded tree, then evaluated against
//! documents. Values compare across types in BSON order. Nothing here knows of filters, so that a pipeline
//! can use the same.
//!
//! Evaluation visits each node at most once, and the bytes of the values that it makes are bounded; what
//! only reads fields and compares allocates nothing.

mod arithmetic;
mod arrays;
mod dates;
mod function;
mod parse;
mod text;
mod value;

pub(crate) use parse::parse;
pub(crate) use value::Value;

use crate::filter::Pattern;
use bson::raw::CString;
use bson::{RawArray, RawArrayBuf, RawBson, RawBsonRef, RawDocument, RawDocumentBuf};
use function::Function;
use std::cell::Cell;

/// Bytes of the values that one evaluation may make.
const MADE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// A parsed expression.
#[derive(Debug, Clone)]
pub(crate) enum Expression {
    Literal(RawBson),
    /// `$$ROOT`.
    Root,
    /// `$a.b`: through arrays the list of what is there.
    Field(Vec<String>),
    List(Vec<Expression>),
    Object(Vec<(CString, Expression)>),
    And(Vec<Expression>),
    Or(Vec<Expression>),
    IfNull(Vec<Expression>),
    Switch {
        branches: Vec<(Expression, Expression)>,
        default: Option<Box<Expression>>,
    },
    MatchesPattern {
        input: Box<Expression>,
        pattern: Pattern,
    },
    Call(&'static Function, Vec<Expression>),
}

/// Why an expression has no value for a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("`{function}` {reason}")]
pub(crate) struct Failed {
    pub(crate) function: &'static str,
    pub(crate) reason: &'static str,
}

/// One evaluation.
struct Evaluation<'a> {
    root: &'a RawDocument,
    bytes_left: Cell<usize>,
}

impl Expression {
    /// The value for a document.
    pub(crate) fn evaluate<'a>(&'a self, root: &'a RawDocument) -> Result<Value<'a>, Failed> {
        Evaluation { root, bytes_left: Cell::new(MADE_BYTES_MAX) }.value(self)
    }
}

impl<'a> Evaluation<'a> {
    fn value(&self, expression: &'a Expression) -> Result<Value<'a>, Failed> {
        match expression {
            Expression::Literal(value) => Ok(Value::Borrowed(value.as_raw_bson_ref())),
            Expression::Root => Ok(Value::Borrowed(RawBsonRef::Document(self.root))),
            Expression::Field(path) => self.made(field(self.root, path)),
            Expression::List(parts) => self.list(parts),
            Expression::Object(fields) => self.object(fields),
            Expression::And(parts) => self.all(parts, true).map(Value::from),
            Expression::Or(parts) => self.all(parts, false).map(|all_false| Value::from(!all_false)),
            Expression::IfNull(parts) => self.first_there(parts),
            Expression::Switch { branches, default } => self.switch(branches, default.as_deref()),
            Expression::MatchesPattern { input, pattern } => {
                let input = self.value(input)?;
                match input.as_ref() {
                    RawBsonRef::String(text) => Ok(Value::from(pattern.matches_text(text))),
                    _ if input.is_nothing() => Ok(Value::from(false)),
                    _ => Err(Failed { function: "$regexMatch", reason: "takes text as its input" }),
                }
            }
            Expression::Call(function, arguments) => self.made(self.call(function, arguments)?),
        }
    }

    /// Counts the bytes of a value that was made.
    fn made(&self, value: Value<'a>) -> Result<Value<'a>, Failed> {
        match self.bytes_left.get().checked_sub(value.owned_bytes()) {
            Some(left) => self.bytes_left.set(left),
            None => return Err(Failed { function: "$expr", reason: "makes values that are too large" }),
        }
        Ok(value)
    }

    fn call(&self, function: &'static Function, arguments: &'a [Expression]) -> Result<Value<'a>, Failed> {
        use function::Apply;
        let fail = |reason| Failed { function: function.name, reason };
        match (function.apply, arguments) {
            (Apply::One(apply), [only]) => apply(&self.value(only)?).map_err(fail),
            (Apply::Two(apply), [left, right]) => {
                apply(&self.value(left)?, &self.value(right)?).map_err(fail)
            }
            (Apply::Fold(apply), [first, rest @ ..]) => rest.iter().try_fold(
                apply(&function::start(function.name), &self.value(first)?).map_err(fail)?,
                |sum, next| apply(&sum, &self.value(next)?).map_err(fail),
            ),
            (Apply::Many(apply), arguments) => {
                let values: Vec<_> =
                    arguments.iter().map(|part| self.value(part)).collect::<Result<_, _>>()?;
                apply(&values).map_err(fail)
            }
            (Apply::One(_) | Apply::Two(_) | Apply::Fold(_), _) => Err(fail("has too few arguments")),
        }
    }

    fn list(&self, parts: &'a [Expression]) -> Result<Value<'a>, Failed> {
        let mut list = RawArrayBuf::new();
        for part in parts {
            // In a list what is missing is null.
            match self.value(part)?.as_ref() {
                RawBsonRef::Undefined => list.push(RawBsonRef::Null),
                value => list.push(value),
            }
        }
        self.made(Value::Owned(RawBson::Array(list)))
    }

    fn object(&self, fields: &'a [(CString, Expression)]) -> Result<Value<'a>, Failed> {
        let mut object = RawDocumentBuf::new();
        for (name, part) in fields {
            match self.value(part)?.as_ref() {
                RawBsonRef::Undefined => {}
                value => object.append(name, value),
            }
        }
        self.made(Value::Owned(RawBson::Document(object)))
    }

    /// Whether all parts have this truth; stops at the first that has not.
    fn all(&self, parts: &'a [Expression], truth: bool) -> Result<bool, Failed> {
        for part in parts {
            if self.value(part)?.is_true() != truth {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn first_there(&self, parts: &'a [Expression]) -> Result<Value<'a>, Failed> {
        let mut value = Value::MISSING;
        for part in parts {
            value = self.value(part)?;
            if !value.is_nothing() {
                break;
            }
        }
        Ok(value)
    }

    fn switch(
        &self,
        branches: &'a [(Expression, Expression)],
        default: Option<&'a Expression>,
    ) -> Result<Value<'a>, Failed> {
        for (case, then) in branches {
            if self.value(case)?.is_true() {
                return self.value(then);
            }
        }
        let none = Failed { function: "$switch", reason: "has no branch for this and no default" };
        self.value(default.ok_or(none)?)
    }
}

/// What is at a path below a document.
fn field<'a>(document: &'a RawDocument, path: &[String]) -> Value<'a> {
    let Some((name, rest)) = path.split_first() else {
        return Value::Borrowed(RawBsonRef::Document(document));
    };
    match document.get(name) {
        Ok(Some(value)) if rest.is_empty() => Value::Borrowed(value),
        Ok(Some(RawBsonRef::Document(inner))) => field(inner, rest),
        Ok(Some(RawBsonRef::Array(array))) => Value::Owned(RawBson::Array(fields(array, rest))),
        _ => Value::MISSING,
    }
}

/// What is at a path below each document of an array, where it is there.
fn fields(array: &RawArray, path: &[String]) -> RawArrayBuf {
    let mut found = RawArrayBuf::new();
    for element in array.into_iter().flatten() {
        let RawBsonRef::Document(inner) = element else { continue };
        match field(inner, path).as_ref() {
            RawBsonRef::Undefined => {}
            value => found.push(value),
        }
    }
    found
}

#[cfg(test)]
mod tests;
