//! Whether a valid batch begins anywhere in bytes that are none: what tells damage in the middle of a journal
//! from its torn end. The bytes may be what somebody stored in order to make this slow, so the work is bounded.

use super::scan::{CLEAR, END, ITEM, ITEM_HEAD, MAGIC, START};
use xxhash_rust::xxh3::xxh3_64;

/// Bytes hashed, and items counted as some, before the search gives up: a few seconds.
const WORK_MAX: usize = 8 << 30;
/// What walking over an item counts.
const ITEM_WORK: usize = 64;
/// Bytes of a start and of an end.
const MARKER: usize = 13;

/// Whether a valid batch begins anywhere behind the first byte of `tail`, later than all before it. A search
/// that would take too long says so too: nothing is cut then.
pub(super) fn holds_batch_after(tail: &[u8], last_sequence: Option<u64>) -> bool {
    let mut work_left = WORK_MAX;
    let begins = tail.iter().enumerate().skip(1).filter(|(_, byte)| **byte == START);
    for (at, _) in begins {
        let Some(sequence) = batch_at(&tail[at..], &mut work_left) else {
            if work_left == 0 {
                return true;
            }
            continue;
        };
        if last_sequence.is_none_or(|last| sequence > last) {
            return true;
        }
    }
    false
}

/// The sequence number of the batch that `bytes` begin with. Its form is looked at first, then its checksum.
fn batch_at(bytes: &[u8], work_left: &mut usize) -> Option<u64> {
    let (start, items) = bytes.split_at_checked(MARKER)?;
    let count = u32::from_le_bytes(*start[1..].first_chunk()?);
    let mut end = 0;
    for _ in 0..count {
        *work_left = work_left.saturating_sub(ITEM_WORK);
        if *work_left == 0 {
            return None;
        }
        end += entry_bytes(items.get(end..)?)?;
    }
    let (items, marker) = (items.get(..end)?, items.get(end..end + MARKER)?);
    if marker[0] != END || marker[9..] != MAGIC {
        return None;
    }
    *work_left = work_left.saturating_sub(items.len());
    let checksum = u64::from_le_bytes(*marker[1..].first_chunk()?);
    (checksum == xxh3_64(items)).then(|| start[5..].first_chunk().map(|bytes| u64::from_le_bytes(*bytes)))?
}

/// The length of the item or clear that `bytes` begin with.
fn entry_bytes(bytes: &[u8]) -> Option<usize> {
    match *bytes.first()? {
        CLEAR => Some(9),
        ITEM => {
            let head = bytes.get(..ITEM_HEAD)?;
            // See `scan::read_entry`.
            if head[1] > 2 || head[2] > 1 {
                return None;
            }
            let key = usize::from(u16::from_le_bytes([head[11], head[12]]));
            let value = u32::from_le_bytes([head[17], head[18], head[19], head[20]]) as usize;
            Some(ITEM_HEAD + key + value)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::scan::batch;
    use super::*;
    use std::time::{Duration, Instant};

    #[test]
    fn a_batch_behind_damage_is_found_only_if_it_is_later() {
        let tail = [vec![9; 40], batch(5, b"b")].concat();
        assert!(holds_batch_after(&tail, Some(4)));
        assert!(!holds_batch_after(&tail, Some(5)));
        assert!(holds_batch_after(&tail, None));
        assert!(!holds_batch_after(&[9; 40], Some(4)));
    }

    #[test]
    fn a_batch_that_lost_any_of_its_bytes_is_not_found() {
        let whole = batch(5, b"value");
        for at in 0..whole.len() {
            let cut = [&[9], &whole[..at]].concat();
            assert!(!holds_batch_after(&cut, Some(4)), "cut at {at}");
            let mut flipped = [&[9], whole.as_slice()].concat();
            flipped[at + 1] ^= 0x10;
            // The sequence number is not in fjall's checksum.
            if !(5..13).contains(&at) {
                assert!(!holds_batch_after(&flipped, Some(4)), "flipped at {at}");
            }
        }
    }

    /// Every item is followed by a start whose batch would reach to the end of all: without a bound, each of
    /// them would be walked and hashed.
    #[test]
    fn bytes_that_are_made_to_be_slow_are_given_up_on() {
        let mut tail = vec![9];
        let items = 60_000_u32;
        for left in (0..items).rev() {
            let mut start = vec![START];
            start.extend_from_slice(&left.to_le_bytes());
            start.extend_from_slice(&u64::MAX.to_le_bytes());
            let mut item = vec![ITEM, 0, 0];
            item.extend_from_slice(&[0; 10]);
            item.extend_from_slice(&13_u32.to_le_bytes());
            item.extend_from_slice(&13_u32.to_le_bytes());
            tail.extend_from_slice(&item);
            tail.extend_from_slice(&start);
        }
        tail.push(END);
        tail.extend_from_slice(&[0; 8]);
        tail.extend_from_slice(&MAGIC);
        let begun = Instant::now();
        assert!(holds_batch_after(&tail, Some(1)), "given up on");
        assert!(begun.elapsed() < Duration::from_secs(60));
    }
}
