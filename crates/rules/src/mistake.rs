//! What is wrong with an expression, and where.

use cel::ParseErrors;
use std::fmt;

/// A place in the text of an expression; both numbers count from 1, columns in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Line.
    pub line: u32,
    /// Column.
    pub column: u32,
}

/// Why an expression is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// What is wrong.
    pub reason: String,
    /// Where, unless the whole expression is meant.
    pub place: Option<Place>,
}

impl Place {
    /// The place of the byte at `offset`.
    pub(crate) fn of(text: &str, offset: usize) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        let line_begin = before.rfind('\n').map_or(0, |newline| newline + 1);
        let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        Self {
            line: number(before.matches('\n').count() + 1),
            column: number(before[line_begin..].chars().count() + 1),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

impl Mistake {
    /// One of the whole expression.
    pub(crate) fn whole(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), place: None }
    }

    /// The first error of the parser. One without a place is that the text ended too early.
    pub(crate) fn parse(text: &str, errors: &ParseErrors) -> Self {
        let Some(error) = errors.errors.first() else { return Self::whole("the expression does not parse") };
        let place = match (u32::try_from(error.pos.0), u32::try_from(error.pos.1)) {
            (Ok(line @ 1..), Ok(column @ 1..)) => Place { line, column },
            _ => Place::of(text, text.len()),
        };
        Self { reason: error.msg.clone(), place: Some(place) }
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place {
            Some(place) => write!(f, "{place}: {}", self.reason),
            None => f.write_str(&self.reason),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_lines_and_characters_from_one() {
        for (offset, line, column) in [(0, 1, 1), (2, 1, 2), (3, 1, 3), (4, 2, 1), (99, 2, 3)] {
            assert_eq!(Place::of("ä+\nbc", offset), Place { line, column }, "{offset}");
        }
    }
}
