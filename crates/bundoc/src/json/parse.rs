//! JSON text (RFC 8259) to BSON bytes, in one pass. Recursion is bounded by `DEPTH_MAX`.

use super::{DEPTH_MAX, extended};
use std::collections::HashSet;

/// Keys of one object that are compared one by one; beyond that a set is kept.
const FEW_KEYS: usize = 16;

/// BSON element types, from the BSON specification (<https://bsonspec.org/spec.html>).
pub(super) mod element {
    pub(crate) const DOUBLE: u8 = 0x01;
    pub(crate) const STRING: u8 = 0x02;
    pub(crate) const DOCUMENT: u8 = 0x03;
    pub(crate) const ARRAY: u8 = 0x04;
    pub(crate) const BOOLEAN: u8 = 0x08;
    pub(crate) const NULL: u8 = 0x0A;
    pub(crate) const INT32: u8 = 0x10;
    pub(crate) const INT64: u8 = 0x12;
}

/// Why text is refused.
pub(super) type Reason = String;

struct Parser<'a> {
    text: &'a str,
    at: usize,
    out: Vec<u8>,
}

/// Parses one object and nothing behind it.
pub(super) fn object(json: &[u8]) -> Result<Vec<u8>, Reason> {
    let text = std::str::from_utf8(json)
        .map_err(|error| format!("not valid UTF-8 at byte {}", error.valid_up_to()))?;
    let mut parser = Parser { text, at: 0, out: Vec::with_capacity(json.len() + 16) };
    parser.space();
    if parser.peek() != Some(b'{') {
        return Err(parser.error("expected a JSON object"));
    }
    parser.object_body(DEPTH_MAX)?;
    parser.space();
    if parser.at < text.len() {
        return Err(parser.error("there is something behind the JSON object"));
    }
    Ok(parser.out)
}

impl<'a> Parser<'a> {
    fn error(&self, reason: &str) -> Reason {
        format!("malformed JSON at byte {}: {reason}", self.at)
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    fn expect(&mut self, byte: u8) -> Result<(), Reason> {
        self.space();
        if self.peek() == Some(byte) {
            self.at += 1;
            return Ok(());
        }
        Err(self.error(&format!("expected `{}`", char::from(byte))))
    }

    /// Whether the next thing is `byte`, which is taken then.
    fn take(&mut self, byte: u8) -> bool {
        self.space();
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn open(&mut self) -> usize {
        let start = self.out.len();
        self.out.extend_from_slice(&[0; 4]);
        start
    }

    fn close(&mut self, start: usize) -> Result<(), Reason> {
        self.out.push(0);
        let length = i32::try_from(self.out.len() - start).map_err(|_| self.error("too large"))?;
        self.out[start..start + 4].copy_from_slice(&length.to_le_bytes());
        Ok(())
    }

    fn object_body(&mut self, depth_left: usize) -> Result<(), Reason> {
        self.expect(b'{')?;
        let start = self.open();
        if !self.take(b'}') {
            let first = self.key()?;
            self.fields(first, depth_left)?;
        }
        self.close(start)
    }

    /// The fields of an object whose first key is read, up to and with the closing bracket.
    fn fields(&mut self, first: String, depth_left: usize) -> Result<(), Reason> {
        let mut keys = Keys::default();
        let mut key = first;
        loop {
            self.expect(b':')?;
            let place = self.out.len();
            self.out.push(0);
            self.out.extend_from_slice(key.as_bytes());
            self.out.push(0);
            if !keys.add(key) {
                return Err(self.error("a key is there twice in an object"));
            }
            self.out[place] = self.value(depth_left)?;
            if self.take(b'}') {
                return Ok(());
            }
            self.expect(b',')?;
            key = self.key()?;
        }
    }

    fn key(&mut self) -> Result<String, Reason> {
        self.space();
        let key = self.string()?;
        if key.contains('\0') {
            return Err(self.error("a key has a NUL"));
        }
        Ok(key)
    }

    /// Appends a value and returns its element type.
    fn value(&mut self, depth_left: usize) -> Result<u8, Reason> {
        self.space();
        match self.peek() {
            Some(b'{') => self.object_or_extended(self.deeper(depth_left)?),
            Some(b'[') => self.array(self.deeper(depth_left)?),
            Some(b'"') => {
                let text = self.string()?;
                self.append_text(&text)?;
                Ok(element::STRING)
            }
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.word("true", element::BOOLEAN, &[1]),
            Some(b'f') => self.word("false", element::BOOLEAN, &[0]),
            Some(b'n') => self.word("null", element::NULL, &[]),
            _ => Err(self.error("expected a value")),
        }
    }

    fn deeper(&self, depth_left: usize) -> Result<usize, Reason> {
        depth_left
            .checked_sub(1)
            .ok_or_else(|| self.error(&format!("nested more than {DEPTH_MAX} levels deep")))
    }

    fn word(&mut self, word: &str, kind: u8, bytes: &[u8]) -> Result<u8, Reason> {
        if !self.text[self.at..].starts_with(word) {
            return Err(self.error("expected a value"));
        }
        self.at += word.len();
        self.out.extend_from_slice(bytes);
        Ok(kind)
    }

    fn append_text(&mut self, text: &str) -> Result<(), Reason> {
        let length = i32::try_from(text.len() + 1).map_err(|_| self.error("too large"))?;
        self.out.extend_from_slice(&length.to_le_bytes());
        self.out.extend_from_slice(text.as_bytes());
        self.out.push(0);
        Ok(())
    }

    fn array(&mut self, depth_left: usize) -> Result<u8, Reason> {
        self.expect(b'[')?;
        let start = self.open();
        if !self.take(b']') {
            let mut index = 0_usize;
            loop {
                let place = self.out.len();
                self.out.push(0);
                self.out.extend_from_slice(index.to_string().as_bytes());
                self.out.push(0);
                self.out[place] = self.value(depth_left)?;
                index += 1;
                if self.take(b']') {
                    break;
                }
                self.expect(b',')?;
            }
        }
        self.close(start)?;
        Ok(element::ARRAY)
    }

    fn object_or_extended(&mut self, depth_left: usize) -> Result<u8, Reason> {
        self.expect(b'{')?;
        let start = self.open();
        if self.take(b'}') {
            self.close(start)?;
            return Ok(element::DOCUMENT);
        }
        let first = self.key()?;
        let special = extended::is_known(&first);
        self.fields(first, depth_left)?;
        self.close(start)?;
        if !special {
            return Ok(element::DOCUMENT);
        }
        let (kind, bytes) = extended::convert(&self.out[start..]).map_err(|reason| self.error(&reason))?;
        self.out.truncate(start);
        self.out.extend_from_slice(&bytes);
        Ok(kind)
    }

    fn number(&mut self) -> Result<u8, Reason> {
        let start = self.at;
        self.at += usize::from(self.peek() == Some(b'-'));
        let leading_zero = self.peek() == Some(b'0');
        let digits = self.digits()?;
        if leading_zero && digits > 1 {
            return Err(self.error("a number begins with 0"));
        }
        let mut whole = true;
        if self.peek() == Some(b'.') {
            whole = false;
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            whole = false;
            self.at += 1;
            self.at += usize::from(matches!(self.peek(), Some(b'+' | b'-')));
            self.digits()?;
        }
        let text: &'a str = &self.text[start..self.at];
        match text.parse::<i64>() {
            Ok(integer) if whole && text != "-0" => Ok(self.integer(integer)),
            _ => self.double(text),
        }
    }

    fn digits(&mut self) -> Result<usize, Reason> {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        if self.at == start { Err(self.error("expected a digit")) } else { Ok(self.at - start) }
    }

    fn integer(&mut self, integer: i64) -> u8 {
        match i32::try_from(integer) {
            Ok(small) => {
                self.out.extend_from_slice(&small.to_le_bytes());
                element::INT32
            }
            Err(_) => {
                self.out.extend_from_slice(&integer.to_le_bytes());
                element::INT64
            }
        }
    }

    fn double(&mut self, text: &str) -> Result<u8, Reason> {
        let double: f64 = text.parse().map_err(|_| self.error("not a number"))?;
        if !double.is_finite() {
            return Err(self.error("the number is too large"));
        }
        self.out.extend_from_slice(&double.to_le_bytes());
        Ok(element::DOUBLE)
    }

    fn string(&mut self) -> Result<String, Reason> {
        if self.peek() != Some(b'"') {
            return Err(self.error("expected a string"));
        }
        self.at += 1;
        let mut text = String::new();
        loop {
            let rest = &self.text.as_bytes()[self.at..];
            let plain = rest.iter().position(|byte| *byte == b'"' || *byte == b'\\' || *byte < 0x20);
            let plain = plain.ok_or_else(|| self.error("a string does not end"))?;
            text.push_str(&self.text[self.at..self.at + plain]);
            self.at += plain;
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(text);
                }
                Some(b'\\') => text.push(self.escape()?),
                _ => return Err(self.error("a control character in a string")),
            }
        }
    }

    fn escape(&mut self) -> Result<char, Reason> {
        self.at += 1;
        let byte = self.peek().ok_or_else(|| self.error("a string does not end"))?;
        self.at += 1;
        match byte {
            b'"' | b'\\' | b'/' => Ok(char::from(byte)),
            b'b' => Ok('\u{8}'),
            b'f' => Ok('\u{c}'),
            b'n' => Ok('\n'),
            b'r' => Ok('\r'),
            b't' => Ok('\t'),
            b'u' => self.unicode(),
            _ => Err(self.error("unknown escape")),
        }
    }

    fn unicode(&mut self) -> Result<char, Reason> {
        let high = self.hex()?;
        if !(0xD800..0xE000).contains(&high) {
            return char::from_u32(high).ok_or_else(|| self.error("not a character"));
        }
        if !self.text[self.at..].starts_with("\\u") {
            return Err(self.error("half of a surrogate pair"));
        }
        self.at += 2;
        let low = self.hex()?;
        if high >= 0xDC00 || !(0xDC00..0xE000).contains(&low) {
            return Err(self.error("half of a surrogate pair"));
        }
        let code = 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00);
        char::from_u32(code).ok_or_else(|| self.error("not a character"))
    }

    fn hex(&mut self) -> Result<u32, Reason> {
        let digits =
            self.text.get(self.at..self.at + 4).filter(|text| text.bytes().all(|b| b.is_ascii_hexdigit()));
        let code = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
        let code = code.ok_or_else(|| self.error("expected four hexadecimal digits"))?;
        self.at += 4;
        Ok(code)
    }
}

/// The keys of one object so far.
#[derive(Default)]
struct Keys {
    few: Vec<String>,
    many: HashSet<String>,
}

impl Keys {
    /// Whether the key is new.
    fn add(&mut self, key: String) -> bool {
        if self.few.contains(&key) || self.many.contains(&key) {
            return false;
        }
        if self.few.len() < FEW_KEYS {
            self.few.push(key);
        } else {
            self.many.insert(key);
        }
        true
    }
}
