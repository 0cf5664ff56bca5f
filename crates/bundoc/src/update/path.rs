//! Paths of an update: names joined by dots, and in place of a name `$`, `$[]` or `$[name]` for elements
//! of an array.

use super::invalid;
use super::selectors::Selectors;
use crate::error::EngineError;
use std::cmp::Ordering;

/// Bytes of a path.
const PATH_BYTES_MAX: usize = 512;

/// One part of a path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Segment {
    /// A field, or a position in an array.
    Name(Name),
    /// `$`: the element that the query matched, of one of `Selectors::matched`.
    Matched(usize),
    /// `$[]`: every element.
    All,
    /// `$[name]`: the elements that one of `Selectors::filters` matches.
    Filtered(usize),
}

/// The name of a field. Numbers come first, by their value; as in MongoDB this is the order in which new
/// fields are made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Name {
    pub(super) text: String,
    /// What it means in an array.
    pub(super) position: Option<usize>,
}

impl Name {
    pub(super) fn new(text: &str) -> Self {
        Self { position: position(text), text: text.to_owned() }
    }
}

impl Ord for Name {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self.position, other.position) {
            (Some(left), Some(right)) => left.cmp(&right),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => self.text.cmp(&other.text),
        }
    }
}

impl PartialOrd for Name {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// A position in an array: digits without a leading zero, so that no two names mean the same.
pub(super) fn position(text: &str) -> Option<usize> {
    let plain = text == "0" || !text.starts_with(['0', '+']);
    if plain { text.parse().ok() } else { None }
}

impl Segment {
    /// Whether it stands for elements that only the document shows.
    pub(super) fn is_dynamic(&self) -> bool {
        !matches!(self, Self::Name(_))
    }
}

/// Takes a path apart; `$` and `$[name]` in it are noted in `selectors`.
pub(super) fn parse(text: &str, selectors: &mut Selectors) -> Result<Vec<Segment>, EngineError> {
    if text.len() > PATH_BYTES_MAX {
        return Err(invalid(format!("a path has {PATH_BYTES_MAX} bytes at the most")));
    }
    if text.contains('\0') {
        return Err(invalid("a path has no NUL"));
    }
    let mut segments: Vec<Segment> = Vec::new();
    let mut offset = 0;
    for part in text.split('.') {
        let array = text[..offset].trim_end_matches('.');
        let segment = parse_segment(text, array, part, selectors)?;
        if segment.is_dynamic() && array.is_empty() {
            return Err(invalid(format!("`{text}` begins with `{part}`, which comes after an array")));
        }
        if matches!(segment, Segment::Matched(_)) && segments.iter().any(Segment::is_dynamic) {
            return Err(invalid(format!("`{text}` has `$` after another `$`, `$[]` or `$[name]`")));
        }
        segments.push(segment);
        offset += part.len() + 1;
    }
    Ok(segments)
}

fn parse_segment(
    path: &str,
    array: &str,
    part: &str,
    selectors: &mut Selectors,
) -> Result<Segment, EngineError> {
    match part {
        "" => Err(invalid(format!("`{path}` has an empty segment"))),
        "$" => Ok(Segment::Matched(selectors.matched(array))),
        "$[]" => Ok(Segment::All),
        _ => match part.strip_prefix("$[").and_then(|rest| rest.strip_suffix(']')) {
            Some(name) => selectors.filtered(name, path).map(Segment::Filtered),
            None if part.starts_with('$') => {
                Err(invalid(format!("`{path}` has the segment `{part}`, which begins with `$`")))
            }
            None => Ok(Segment::Name(Name::new(part))),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_first_and_by_value() {
        let mut names: Vec<Name> = ["b", "10", "9", "a", "01", "0"].map(Name::new).into();
        names.sort();
        let texts: Vec<&str> = names.iter().map(|name| name.text.as_str()).collect();
        assert_eq!(texts, ["0", "9", "10", "01", "a", "b"]);
    }
}
