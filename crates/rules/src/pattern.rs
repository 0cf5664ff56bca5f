//! Paths of rules: segments, of which some take what stands there.

use std::collections::HashSet;

/// Bytes of a rule's path.
const PATH_BYTES_MAX: usize = 1024;
/// Segments of a rule's path.
const SEGMENTS_MAX: usize = 32;

/// What stands between the segments of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Separator {
    /// `users/ann/photo`; `**` takes the rest.
    Slash,
    /// `chat.room.message`; `>` takes the rest.
    Dot,
}

impl Separator {
    pub(crate) fn sign(self) -> char {
        match self {
            Self::Slash => '/',
            Self::Dot => '.',
        }
    }

    fn rest(self) -> &'static str {
        match self {
            Self::Slash => "**",
            Self::Dot => ">",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Segment {
    Literal(String),
    Capture(String),
    One,
    Rest,
}

/// The path of a rule.
#[derive(Debug, Clone)]
pub(crate) struct Pattern {
    separator: Separator,
    segments: Vec<Segment>,
}

/// What `{name}` took: names and segments.
pub(crate) type Captures<'a> = Vec<(&'a str, &'a str)>;

impl Pattern {
    /// Takes `text` if it is a path for rules; the error says what is wrong.
    pub(crate) fn parse(text: &str, separator: Separator) -> Result<Self, String> {
        if text.len() > PATH_BYTES_MAX {
            return Err(format!("it has {PATH_BYTES_MAX} bytes at the most"));
        }
        let texts: Vec<&str> = text.split(separator.sign()).collect();
        if texts.len() > SEGMENTS_MAX {
            return Err(format!("it has {SEGMENTS_MAX} segments at the most"));
        }
        let last = texts.len() - 1;
        let segments: Vec<_> = texts
            .iter()
            .enumerate()
            .map(|(index, text)| segment(text, separator, index == last))
            .collect::<Result<_, _>>()?;
        let mut names = HashSet::new();
        for segment in &segments {
            if let Segment::Capture(name) = segment
                && !names.insert(name)
            {
                return Err(format!("`{{{name}}}` stands in it twice"));
            }
        }
        Ok(Self { separator, segments })
    }

    /// What the captures took, where `path` is one of those meant. A wildcard never takes an empty segment.
    pub(crate) fn matches<'a>(&'a self, path: &'a str) -> Option<Captures<'a>> {
        let mut texts = path.split(self.separator.sign());
        let mut captures = Vec::new();
        for segment in &self.segments {
            let text = texts.next()?;
            if *segment == Segment::Rest {
                return Some(captures);
            }
            take(segment, text, &mut captures)?;
        }
        texts.next().is_none().then_some(captures)
    }

    /// What the captures took, where the pattern names whatever stands below `directory`: a text that ends
    /// in the separator, or none for everything.
    pub(crate) fn matches_all_below<'a>(&'a self, directory: &'a str) -> Option<Captures<'a>> {
        let mut texts = directory.split_terminator(self.separator.sign());
        let mut captures = Vec::new();
        let mut segments = self.segments.iter().peekable();
        for text in texts.by_ref() {
            let segment = segments.next()?;
            if *segment == Segment::Rest {
                return Some(captures);
            }
            take(segment, text, &mut captures)?;
        }
        segments.peek()?;
        segments.all(|segment| !matches!(segment, Segment::Literal(_))).then_some(captures)
    }
}

fn take<'a>(segment: &'a Segment, text: &'a str, captures: &mut Captures<'a>) -> Option<()> {
    match segment {
        Segment::Literal(literal) => (literal == text).then_some(()),
        _ if text.is_empty() => None,
        Segment::Capture(name) => {
            captures.push((name, text));
            Some(())
        }
        Segment::One | Segment::Rest => Some(()),
    }
}

fn segment(text: &str, separator: Separator, is_last: bool) -> Result<Segment, String> {
    if text.is_empty() {
        return Err(format!(
            "a segment is empty; a path neither begins nor ends with `{}`",
            separator.sign()
        ));
    }
    if text == separator.rest() {
        let only = format!("`{text}` takes the rest, so it stands at the end only");
        return if is_last { Ok(Segment::Rest) } else { Err(only) };
    }
    if text == "*" {
        return Ok(Segment::One);
    }
    if let Some(name) = text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
        return capture(name);
    }
    if text.contains(['*', '{', '}']) || text.chars().any(char::is_control) {
        return Err(format!("the segment `{text}` mixes text with `*`, `{{`, `}}` or control characters"));
    }
    Ok(Segment::Literal(text.to_owned()))
}

fn capture(name: &str) -> Result<Segment, String> {
    let begins = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
    if begins && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        return Ok(Segment::Capture(name.to_owned()));
    }
    Err(format!("`{{{name}}}` has to be a name of letters, digits and `_`, not beginning with a digit"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slash(text: &str) -> Pattern {
        Pattern::parse(text, Separator::Slash).unwrap()
    }

    #[test]
    fn paths_match_segment_by_segment() {
        let cases = [
            ("users/{uid}/photo", "users/ann/photo", true),
            ("users/{uid}/photo", "users//photo", false),
            ("users/{uid}/photo", "users/ann/photo/x", false),
            ("users/{uid}/photo", "users/ann", false),
            ("users/*", "users/ann", true),
            ("users/*", "users/", false),
            ("users/*", "users/a/b", false),
            ("users/**", "users/a/b", true),
            ("users/**", "users", false),
            ("users/**", "usersx/a", false),
            ("**", "a", true),
            ("**", "/a", true),
            ("a/**", "a/../b", true),
        ];
        for (pattern, path, expected) in cases {
            assert_eq!(slash(pattern).matches(path).is_some(), expected, "{pattern} {path}");
        }
    }

    #[test]
    fn captures_are_named() {
        let pattern = Pattern::parse("chat.{room}.>", Separator::Dot).unwrap();
        assert_eq!(pattern.matches("chat.7.said.x"), Some(vec![("room", "7")]));
        assert_eq!(pattern.matches("chat.7"), None);
    }

    #[test]
    fn a_directory_is_open_where_everything_directly_below_is() {
        let cases = [
            ("users/{uid}/**", "users/ann/", true),
            ("users/{uid}/**", "users/ann/a/b/", true),
            ("users/{uid}/**", "users/", true),
            ("users/{uid}/photo", "users/ann/", false),
            ("posts/{id}", "posts/", true),
            ("posts/{id}", "posts/a/", false),
            ("posts/{id}", "", false),
            ("**", "", true),
            ("posts", "posts/", false),
        ];
        for (pattern, directory, expected) in cases {
            assert_eq!(
                slash(pattern).matches_all_below(directory).is_some(),
                expected,
                "{pattern} {directory}"
            );
        }
    }

    #[test]
    fn unclear_paths_are_refused() {
        let long = "a/".repeat(40) + "a";
        for text in ["", "/a", "a/", "a//b", "a/**/b", "a*", "{a}b", "{}", "{1}", "{a}/{a}", "a\u{0}", &long]
        {
            assert!(Pattern::parse(text, Separator::Slash).is_err(), "{text}");
        }
        assert!(Pattern::parse("a.>.b", Separator::Dot).is_err());
        assert!(Pattern::parse("a.**", Separator::Dot).is_err());
    }
}
