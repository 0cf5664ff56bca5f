//! Regular expressions that JavaScript (without flags) and the crate `regex` read alike: literals, classes of listed
//! characters, groups, alternatives, quantifiers, anchors. No look-around, no references, no `\b`.

use super::node::Pattern;
use regex::RegexBuilder;
use std::borrow::Cow;
use std::iter::Peekable;
use std::str::Chars;

/// Bytes of a compiled expression.
const COMPILED_BYTES_MAX: usize = 1 << 20;
/// Groups inside each other.
const DEPTH_MAX: usize = 20;

/// What `\s` is in JavaScript (ECMA-262, WhiteSpace and LineTerminator).
const SPACE: &str =
    r"\t\n\x0B\x0C\r \x{A0}\x{1680}\x{2000}-\x{200A}\x{2028}\x{2029}\x{202F}\x{205F}\x{3000}\x{FEFF}";
const DIGIT: &str = "0-9";
const WORD: &str = "A-Za-z0-9_";
const NOT_A_LINE_END: &str = r"[^\n\r\x{2028}\x{2029}]";

/// Stands for half of a character that is two units in JavaScript: in no class, and in each that is negated.
const HALVES: &str = "\u{E000}\u{E000}";
/// What an expression may name: nothing of two units, and not what stands for halves.
const NAMED_MAX: char = '\u{D7FF}';

impl Pattern {
    /// Nothing where the two do not read it alike, or it is too large.
    pub(super) fn compile(source: &str) -> Option<Self> {
        let mut translated = String::new();
        let mut chars = source.chars().peekable();
        alternatives(&mut chars, &mut translated, 0)?;
        if chars.next().is_some() {
            return None;
        }
        RegexBuilder::new(&translated).size_limit(COMPILED_BYTES_MAX).build().ok().map(Self)
    }

    pub(crate) fn matches(&self, text: &str) -> bool {
        self.0.is_match(&in_units(text))
    }
}

/// JavaScript matches units of UTF-16, not characters.
fn in_units(text: &str) -> Cow<'_, str> {
    // The first byte of a character of two units (RFC 3629).
    if !text.bytes().any(|byte| byte >= 0xF0) {
        return Cow::Borrowed(text);
    }
    let mut units = String::with_capacity(text.len() * 2);
    for character in text.chars() {
        if character.len_utf16() == 2 { units.push_str(HALVES) } else { units.push(character) }
    }
    Cow::Owned(units)
}

type Source<'a> = Peekable<Chars<'a>>;

/// Up to the end, or the parenthesis that closes the group.
fn alternatives(source: &mut Source<'_>, out: &mut String, depth: usize) -> Option<()> {
    while let Some(&next) = source.peek() {
        match next {
            ')' if depth > 0 => return Some(()),
            '|' => {
                source.next();
                out.push('|');
            }
            _ => {
                let may_repeat = atom(source, out, depth)?;
                quantifier(source, out, may_repeat)?;
            }
        }
    }
    Some(())
}

/// One part; gives whether it may be repeated.
fn atom(source: &mut Source<'_>, out: &mut String, depth: usize) -> Option<bool> {
    match source.next()? {
        '^' => out.push_str(r"\A"),
        '$' => out.push_str(r"\z"),
        '.' => {
            out.push_str(NOT_A_LINE_END);
            return Some(true);
        }
        '(' => return group(source, out, depth).map(|()| true),
        '[' => return class(source, out).map(|()| true),
        '\\' => return escape(source, out).map(|()| true),
        '*' | '+' | '?' | '{' | '}' | ']' | ')' => return None,
        literal => return push(literal, out).map(|()| true),
    }
    Some(false)
}

fn group(source: &mut Source<'_>, out: &mut String, depth: usize) -> Option<()> {
    if source.next_if_eq(&'?').is_some() {
        source.next_if_eq(&':')?;
    }
    if depth >= DEPTH_MAX {
        return None;
    }
    out.push_str("(?:");
    alternatives(source, out, depth + 1)?;
    source.next_if_eq(&')')?;
    out.push(')');
    Some(())
}

fn escape(source: &mut Source<'_>, out: &mut String) -> Option<()> {
    let letter = source.next()?;
    let (negation, class) = match letter {
        'd' => ("", DIGIT),
        'D' => ("^", DIGIT),
        'w' => ("", WORD),
        'W' => ("^", WORD),
        's' => ("", SPACE),
        'S' => ("^", SPACE),
        _ => return push(escaped(letter)?, out),
    };
    out.push_str(&format!("[{negation}{class}]"));
    Some(())
}

/// A character that is written with a backslash.
fn escaped(letter: char) -> Option<char> {
    match letter {
        'n' => Some('\n'),
        'r' => Some('\r'),
        't' => Some('\t'),
        'f' => Some('\u{C}'),
        'v' => Some('\u{B}'),
        letter if letter.is_ascii_punctuation() => Some(letter),
        _ => None,
    }
}

fn push(literal: char, out: &mut String) -> Option<()> {
    if literal > NAMED_MAX {
        return None;
    }
    out.push_str(&format!(r"\x{{{:X}}}", u32::from(literal)));
    Some(())
}

fn class(source: &mut Source<'_>, out: &mut String) -> Option<()> {
    out.push('[');
    if source.next_if_eq(&'^').is_some() {
        out.push('^');
    }
    let mut is_empty = true;
    loop {
        let member = match source.next()? {
            ']' if is_empty => return None,
            ']' => break,
            '\\' => match source.next()? {
                'd' => Member::Class(DIGIT),
                'w' => Member::Class(WORD),
                's' => Member::Class(SPACE),
                letter => Member::One(escaped(letter)?),
            },
            one => Member::One(one),
        };
        is_empty = false;
        match member {
            // A range with a class at its start or end is read in ways of its own.
            Member::Class(_) if source.peek() == Some(&'-') => return None,
            Member::Class(class) => out.push_str(class),
            Member::One(first) => {
                push(first, out)?;
                range_end(source, out)?;
            }
        }
    }
    out.push(']');
    Some(())
}

enum Member {
    One(char),
    Class(&'static str),
}

/// The rest of a range, where one begins.
fn range_end(source: &mut Source<'_>, out: &mut String) -> Option<()> {
    let mut ahead = source.clone();
    if ahead.next() != Some('-') || ahead.peek() == Some(&']') {
        return Some(());
    }
    source.next();
    let last = match source.next()? {
        '\\' => escaped(source.next()?)?,
        last => last,
    };
    out.push('-');
    push(last, out)
}

fn quantifier(source: &mut Source<'_>, out: &mut String, may_repeat: bool) -> Option<()> {
    let Some(&sign) = source.peek() else { return Some(()) };
    match sign {
        '*' | '+' | '?' => {
            source.next();
            out.push(sign);
        }
        '{' => {
            source.next();
            counted(source, out)?;
        }
        _ => return Some(()),
    }
    // Whether it takes as little as it can does not matter to whether there is a match.
    if source.next_if_eq(&'?').is_some() {
        out.push('?');
    }
    may_repeat.then_some(())
}

/// `n}`, `n,}` or `n,m}`.
fn counted(source: &mut Source<'_>, out: &mut String) -> Option<()> {
    let mut text = String::new();
    loop {
        match source.next()? {
            '}' => break,
            next if next.is_ascii_digit() || next == ',' => text.push(next),
            _ => return None,
        }
    }
    let (least, most) = text.split_once(',').unwrap_or((&text, "0"));
    if least.is_empty() || most.contains(',') {
        return None;
    }
    out.push_str(&format!("{{{text}}}"));
    Some(())
}
