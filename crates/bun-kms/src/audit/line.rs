//! The lines of the audit log.
//!
//! A line is a JSON object that ends with `"prev":"…","hash":"…"}`. `hash` is SHA-256, in hex, of the line's
//! bytes up to `,"hash":`; `prev` is the hash of the line before. So a chain can be checked with nothing but
//! a hash function, and without agreeing on how JSON is written.

use super::{AuditError, GENESIS};
use aws_lc_rs::digest;
use ports::access::{Caller, Grant, KeyKind};
use serde::{Deserialize, Serialize};
use service_kit::clock::{now_ms, rfc3339};
use service_kit::ids::ProjectId;
use std::path::Path;

/// Bytes of a line, at the most: names have 256 characters, ids about 40.
pub(super) const LINE_BYTES_MAX: usize = 4 << 10;
/// Characters of a name that is no name of ours (the purpose of what is sealed).
const NAME_CHARS_MAX: usize = 256;
const HASH_LEN: usize = 64;
const HASH_FIELD: &str = ",\"hash\":\"";
const PREV_FIELD: &str = ",\"prev\":\"";
const END: &str = "\"}";

macro_rules! operations {
    ($($name:ident = $text:literal,)*) => {
        /// What was done.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Operation { $($name,)* }

        impl Operation {
            /// The operation as it stands in the log.
            pub(crate) fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

operations! {
    KeyList = "key.list",
    KeyCreate = "key.create",
    KeyRead = "key.read",
    KeyRotate = "key.rotate",
    KeyRevoke = "key.revoke",
    KeyDelete = "key.delete",
    Encrypt = "encrypt",
    Decrypt = "decrypt",
    Rewrap = "rewrap",
    Sign = "sign",
    Verify = "verify",
    SecretList = "secret.list",
    SecretWrite = "secret.write",
    SecretRead = "secret.read",
    SecretDelete = "secret.delete",
    Seal = "seal",
    Open = "open",
    AuditRead = "audit.read",
    ProjectPurge = "project.purge",
}

/// What something was done to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ResourceKind {
    Key,
    Secret,
    /// What another part of the server sealed, by its purpose.
    Purpose,
}

/// Who did it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct By {
    /// `developer`, `token`, `secret_key`, `public_key`, `function`, `operator`, `service` or `nobody`.
    pub(crate) kind: String,
    /// The account, token or key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) id: Option<String>,
}

impl By {
    /// Another part of this server.
    pub(crate) fn service() -> Self {
        Self { kind: "service".to_owned(), id: None }
    }
}

impl From<&Grant> for By {
    fn from(grant: &Grant) -> Self {
        let (kind, id) = match &grant.caller {
            Caller::Nobody => ("nobody", None),
            Caller::Developer { token: Some(token), .. } => ("token", Some(token.as_str())),
            Caller::Developer { user, .. } => ("developer", Some(user.as_str())),
            Caller::Key { id, kind: KeyKind::Secret } => ("secret_key", Some(id.as_str())),
            Caller::Key { id, kind: KeyKind::Public } => ("public_key", Some(id.as_str())),
            Caller::Function => ("function", None),
            Caller::Operator => ("operator", None),
        };
        Self { kind: kind.to_owned(), id: id.map(str::to_owned) }
    }
}

/// One operation and how it ended. Never holds a value, a plaintext or a key.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    pub(crate) project: ProjectId,
    pub(crate) by: By,
    pub(crate) operation: Operation,
    /// Kind, name and version.
    pub(crate) resource: Option<(ResourceKind, String, Option<u32>)>,
    /// `ok`, or the code of the error.
    pub(crate) outcome: &'static str,
}

#[derive(Serialize)]
struct OperationLine<'a> {
    seq: u64,
    time: String,
    project: &'a str,
    caller: &'a By,
    operation: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource: Option<ResourceField<'a>>,
    outcome: &'static str,
}

#[derive(Serialize)]
struct ResourceField<'a> {
    kind: ResourceKind,
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<u32>,
}

/// Why a line is not an operation.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "reason")]
pub(super) enum Note {
    /// The first file of the first log.
    Began,
    /// The file before is full.
    Continued,
    /// The files before were not there at start.
    PreviousMissing,
    /// A last line was cut off that was not whole, after power loss or a kill.
    TornLineCut {
        /// Its bytes.
        cut_bytes: u64,
    },
}

/// The first line of a file, and what recovery did.
#[derive(Serialize, Deserialize)]
pub(super) struct CheckpointLine {
    pub(super) seq: u64,
    time: String,
    /// The number of the file.
    pub(super) checkpoint: u32,
    #[serde(flatten)]
    note: Note,
}

/// The end of a chain, where lines are added.
#[derive(Debug, Clone)]
pub(super) struct Chain {
    /// The last line.
    pub(super) seq: u64,
    /// Its hash.
    pub(super) hash: String,
}

impl Chain {
    /// Before the first line.
    pub(super) fn new() -> Self {
        Self { seq: 0, hash: GENESIS.to_owned() }
    }

    /// Adds the line of an operation to `out`.
    pub(super) fn operation(&mut self, event: &Event, out: &mut Vec<u8>) -> serde_json::Result<()> {
        let short: Option<String> =
            event.resource.as_ref().map(|(_, name, _)| name.chars().take(NAME_CHARS_MAX).collect());
        let line = OperationLine {
            seq: self.seq + 1,
            time: rfc3339(now_ms()),
            project: event.project.as_str(),
            caller: &event.by,
            operation: event.operation.as_str(),
            resource: event.resource.as_ref().map(|(kind, name, version)| ResourceField {
                kind: *kind,
                name: short.as_deref().unwrap_or(name),
                version: *version,
            }),
            outcome: event.outcome,
        };
        self.link(&line, out)
    }

    /// Adds a checkpoint of file number `file` to `out`.
    pub(super) fn checkpoint(&mut self, file: u32, note: Note, out: &mut Vec<u8>) -> serde_json::Result<()> {
        let line = CheckpointLine { seq: self.seq + 1, time: rfc3339(now_ms()), checkpoint: file, note };
        self.link(&line, out)
    }

    fn link(&mut self, line: &impl Serialize, out: &mut Vec<u8>) -> serde_json::Result<()> {
        let mut text = serde_json::to_vec(line)?;
        text.pop();
        text.extend_from_slice(PREV_FIELD.as_bytes());
        text.extend_from_slice(self.hash.as_bytes());
        text.push(b'"');
        let hash = hash(&text);
        out.extend_from_slice(&text);
        out.extend_from_slice(HASH_FIELD.as_bytes());
        out.extend_from_slice(hash.as_bytes());
        out.extend_from_slice(END.as_bytes());
        out.push(b'\n');
        *self = Self { seq: self.seq + 1, hash };
        Ok(())
    }
}

fn hash(text: &[u8]) -> String {
    hex::encode(digest::digest(&digest::SHA256, text))
}

/// A line's own claims: the hash it ends with and the one it says is before it.
pub(super) struct Claims<'a> {
    pub(super) prev: &'a str,
    pub(super) hash: &'a str,
}

/// Reads the claims of a line (without its line end) and checks its own hash.
pub(super) fn claims(line: &[u8]) -> Result<Claims<'_>, &'static str> {
    const FORM: &str = "it is not a line of this log";
    let line = std::str::from_utf8(line).map_err(|_| FORM)?;
    let rest = line.strip_suffix(END).ok_or(FORM)?;
    let split = |text: &str| text.len().checked_sub(HASH_LEN).filter(|at| text.is_char_boundary(*at));
    let (rest, own) = rest.split_at(split(rest).ok_or(FORM)?);
    let hashed = rest.strip_suffix(HASH_FIELD).ok_or(FORM)?;
    let rest = hashed.strip_suffix('"').ok_or(FORM)?;
    let (rest, prev) = rest.split_at(split(rest).ok_or(FORM)?);
    rest.strip_suffix(PREV_FIELD).ok_or(FORM)?;
    if hash(hashed.as_bytes()) == own {
        Ok(Claims { prev, hash: own })
    } else {
        Err("its hash is not that of its text")
    }
}

/// Reads the first line of a file.
pub(super) fn first_line(path: &Path, line: &[u8]) -> Result<CheckpointLine, AuditError> {
    let broken = |_| AuditError::Broken {
        path: path.to_owned(),
        line: 1,
        reason: "the first line of a file has to be a checkpoint",
    };
    serde_json::from_slice(line).map_err(broken)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(name: &str) -> Event {
        Event {
            project: ProjectId::generate(),
            by: By::service(),
            operation: Operation::Seal,
            resource: Some((ResourceKind::Purpose, name.to_owned(), None)),
            outcome: "ok",
        }
    }

    #[test]
    fn a_line_says_what_it_is_and_what_was_before() {
        let (mut chain, mut out) = (Chain::new(), Vec::new());
        chain.checkpoint(1, Note::Began, &mut out).unwrap();
        let first = chain.hash.clone();
        chain.operation(&event("a"), &mut out).unwrap();
        let lines: Vec<_> = out.strip_suffix(b"\n").unwrap().split(|byte| *byte == b'\n').collect();
        assert_eq!(claims(lines[0]).unwrap().prev, GENESIS);
        let second = claims(lines[1]).unwrap();
        assert_eq!((second.prev, second.hash), (first.as_str(), chain.hash.as_str()));
        assert_eq!(first_line(Path::new("a"), lines[0]).unwrap().checkpoint, 1);
        assert!(first_line(Path::new("a"), lines[1]).is_err());
        let parsed: serde_json::Value = serde_json::from_slice(lines[1]).unwrap();
        assert_eq!((&parsed["seq"], &parsed["resource"]["name"]), (&2.into(), &"a".into()));
    }

    #[test]
    fn a_change_of_any_byte_shows() {
        let (mut chain, mut out) = (Chain::new(), Vec::new());
        chain.operation(&event("a"), &mut out).unwrap();
        out.pop();
        assert!(claims(&out).is_ok());
        for at in 0..out.len() {
            let mut changed = out.clone();
            changed[at] ^= 1;
            assert!(claims(&changed).is_err(), "byte {at}");
            assert!(claims(&out[..at]).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn the_longest_line_fits() {
        let (mut chain, mut out) = (Chain::new(), Vec::new());
        let by = By { kind: "developer".into(), id: Some("i".repeat(40)) };
        let long = Event { by, ..event(&"\0".repeat(1_000)) };
        chain.operation(&long, &mut out).unwrap();
        assert!(out.len() <= LINE_BYTES_MAX, "{}", out.len());
    }
}
