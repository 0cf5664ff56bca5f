//! Lists of keys: a range of the table, read in steps, of which those are kept that have not expired and
//! match the pattern.

use crate::pattern::KeyPattern;
use crate::service::stored;
use crate::store::{Store, StoredRow};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ports::key_value::{KV_KEY_BYTES_MAX, KvError, KvKey, KvList, KvPage, KvRow};
use service_kit::ids::ProjectId;

/// Keys of one page.
pub(crate) const PAGE_MAX: usize = 1_000;
/// Keys that one call looks at.
const SCANNED_MAX: usize = 10_000;
/// Keys that one statement reads.
const STEP: usize = 1_000;
/// Behind every text that begins with a prefix: no byte of UTF-8 is 0xFF.
const AFTER_ALL: u8 = 0xFF;

/// A list that is being made.
struct Listing {
    pattern: Option<KeyPattern>,
    prefix: String,
    limit: usize,
    now: i64,
    rows: Vec<KvRow>,
}

/// One page of the keys of a project at `now`.
pub(crate) async fn list(
    store: &Store,
    project: &ProjectId,
    list: KvList,
    now: i64,
) -> Result<KvPage, KvError> {
    if !(1..=PAGE_MAX).contains(&list.limit) {
        return Err(KvError::Invalid("`limit` is 1 to 1000"));
    }
    let pattern = match &list.pattern {
        None => None,
        Some(text) => {
            Some(KeyPattern::parse(text).ok_or(KvError::Invalid("`pattern` has 1024 bytes at most"))?)
        }
    };
    let literal = pattern.as_ref().map(KeyPattern::literal_prefix).unwrap_or_default();
    let begins = if literal.starts_with(&list.prefix) { literal } else { list.prefix.clone() };
    let mut until = begins.clone().into_bytes();
    until.push(AFTER_ALL);
    let mut from = match &list.cursor {
        None => begins.into_bytes(),
        Some(cursor) => after(key_of_cursor(cursor)?.as_str()).max(begins.into_bytes()),
    };
    let mut listing = Listing { pattern, prefix: list.prefix, limit: list.limit, now, rows: Vec::new() };
    for _ in 0..SCANNED_MAX / STEP {
        let step = store.range(project, &from, &until, STEP as i64).await.map_err(stored)?;
        let is_last = step.len() < STEP;
        for row in step {
            let key = String::from_utf8(row.key.clone()).map_err(|error| KvError::Failed(Box::new(error)))?;
            if listing.rows.len() == listing.limit {
                return Ok(listing.page(Some(&from)));
            }
            from = after(&key);
            listing.take(&key, &row)?;
        }
        if is_last {
            return Ok(listing.page(None));
        }
    }
    Ok(listing.page(Some(&from)))
}

impl Listing {
    fn take(&mut self, key: &str, row: &StoredRow) -> Result<(), KvError> {
        let expired = row.expires_at.is_some_and(|at| at <= self.now);
        let wanted =
            key.starts_with(&self.prefix) && self.pattern.as_ref().is_none_or(|pattern| pattern.matches(key));
        if !expired && wanted {
            self.rows.push(KvRow {
                key: KvKey::parse(key)?,
                version: row.version.unsigned_abs(),
                bytes: row.bytes.unsigned_abs(),
                expires_at: row.expires_at,
            });
        }
        Ok(())
    }

    /// The page, with a cursor for what begins with `from`.
    fn page(self, from: Option<&[u8]>) -> KvPage {
        let next_cursor = from.map(|from| URL_SAFE_NO_PAD.encode(&from[..from.len().saturating_sub(1)]));
        KvPage { rows: self.rows, next_cursor }
    }
}

/// The first text behind `key`: no key has a NUL.
fn after(key: &str) -> Vec<u8> {
    let mut bytes = key.as_bytes().to_vec();
    bytes.push(0);
    bytes
}

/// The last key that was looked at.
pub(crate) fn key_of_cursor(cursor: &str) -> Result<KvKey, KvError> {
    let invalid = KvError::Invalid("the cursor is not one of this list: leave it out to begin anew");
    if cursor.len() > KV_KEY_BYTES_MAX * 2 {
        return Err(invalid);
    }
    let text = URL_SAFE_NO_PAD.decode(cursor).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    text.and_then(|text| KvKey::parse(&text).ok()).ok_or(invalid)
}
