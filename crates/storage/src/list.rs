//! Lists of objects: a range of the table, in which names that share what comes before a delimiter are
//! brought together and jumped over.

use crate::error::StorageError;
use crate::store::Store;
use crate::store::objects::Row;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ports::objects::{OBJECT_NAME_BYTES_MAX, ObjectError, ObjectList, ObjectPage};
use service_kit::ids::ProjectId;

/// Objects and prefixes of one page.
pub(crate) const PAGE_MAX: usize = 1_000;
/// Rows that one statement reads, without and with a delimiter: a jump makes the rest of them useless.
const STEP: usize = 1_000;
const STEP_DELIMITED: usize = 50;
/// Behind every text that begins with a prefix: no byte of UTF-8 is 0xFF.
const AFTER_ALL: u8 = 0xFF;

/// A page that is being made.
struct Listing {
    list: ObjectList,
    page: ObjectPage,
    /// Where the next look begins.
    from: Vec<u8>,
}

/// One page of the objects of a project.
pub(crate) async fn list(
    store: &Store,
    project: &ProjectId,
    list: ObjectList,
) -> Result<ObjectPage, ObjectError> {
    if !(1..=PAGE_MAX).contains(&list.limit) {
        return Err(ObjectError::Invalid("`limit` is 1 to 1000"));
    }
    let from = match &list.cursor {
        None => list.prefix.clone().into_bytes(),
        Some(cursor) => decode(cursor)?.max(list.prefix.clone().into_bytes()),
    };
    let until = behind(&list.prefix);
    let step = if list.delimiter.is_some() { STEP_DELIMITED } else { STEP.min(list.limit + 1) };
    let page = ObjectPage { objects: Vec::new(), prefixes: Vec::new(), next_cursor: None };
    let mut listing = Listing { list, page, from };
    // Each look adds an entry to the page, or is the last.
    loop {
        let rows = store.range(project, &listing.from, &until, step as i64).await;
        let rows = rows.map_err(StorageError::from)?;
        let is_last = rows.len() < step;
        for row in rows {
            if row.name < listing.from {
                continue;
            }
            if listing.is_full() {
                listing.page.next_cursor = Some(URL_SAFE_NO_PAD.encode(&listing.from));
                return Ok(listing.page);
            }
            listing.take(&row)?;
        }
        if is_last {
            return Ok(listing.page);
        }
    }
}

impl Listing {
    fn is_full(&self) -> bool {
        self.page.objects.len() + self.page.prefixes.len() == self.list.limit
    }

    fn take(&mut self, row: &Row) -> Result<(), ObjectError> {
        let info = row.info()?;
        let name = info.name.as_str();
        let rest = name.get(self.list.prefix.len()..).unwrap_or_default();
        let shared = self.list.delimiter.and_then(|sign| rest.find(sign).map(|at| at + sign.len_utf8()));
        match shared {
            Some(length) => {
                let prefix = name[..self.list.prefix.len() + length].to_owned();
                self.from = behind(&prefix);
                self.page.prefixes.push(prefix);
            }
            None => {
                // The first text behind the name: no name has a NUL.
                self.from = name.bytes().chain([0]).collect();
                self.page.objects.push(info);
            }
        }
        Ok(())
    }
}

fn behind(prefix: &str) -> Vec<u8> {
    prefix.bytes().chain([AFTER_ALL]).collect()
}

fn decode(cursor: &str) -> Result<Vec<u8>, ObjectError> {
    let invalid = ObjectError::Invalid("the cursor is not one of this list: leave it out to begin anew");
    if cursor.len() > OBJECT_NAME_BYTES_MAX * 2 {
        return Err(invalid);
    }
    URL_SAFE_NO_PAD.decode(cursor).map_err(|_| invalid)
}
