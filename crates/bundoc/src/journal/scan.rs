//! Reads the batches of a journal as fjall 3.1.13 writes them (its `src/journal/entry.rs`): a start
//! (1, count u32, sequence u64), items (2, type, compression, keyspace u64, key length u16, value length u32,
//! stored length u32, key, value) or clears (4, keyspace u64), and an end (3, XXH3 of the items u64, `FJL` 3).
//! Numbers are little endian. Behind the last batch the file is zero.

use std::io::{BufRead, BufReader, ErrorKind, Read, Result};
use xxhash_rust::xxh3::Xxh3;

pub(super) const START: u8 = 1;
pub(super) const ITEM: u8 = 2;
pub(super) const END: u8 = 3;
pub(super) const CLEAR: u8 = 4;
pub(super) const MAGIC: [u8; 4] = [b'F', b'J', b'L', 3];
/// Bytes of an item before key and value, tag included.
pub(super) const ITEM_HEAD: usize = 21;

/// How the batches of a journal end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// At the end of the file, or before zeros only.
    Clean,
    /// Before something that is no batch.
    Torn,
}

/// What a journal holds.
pub(super) struct Scan {
    /// Bytes up to the end of the last valid batch.
    pub(super) valid_bytes: u64,
    /// Sequence number of that batch.
    pub(super) last_sequence: Option<u64>,
    pub(super) end: End,
}

/// One batch, as far as it matters here.
struct Batch {
    bytes: u64,
    sequence: u64,
}

/// Reads all batches from the beginning.
pub(super) fn run(journal: impl Read) -> Result<Scan> {
    let mut reader = BufReader::with_capacity(256 * 1024, journal);
    let mut scan = Scan { valid_bytes: 0, last_sequence: None, end: End::Clean };
    loop {
        match reader.fill_buf()?.first() {
            None => return Ok(scan),
            Some(0) => {
                let clean = only_zeros(&mut reader)?;
                scan.end = if clean { End::Clean } else { End::Torn };
                return Ok(scan);
            }
            Some(_) => {}
        }
        match read_batch(&mut reader)? {
            Some(batch) => {
                scan.valid_bytes += batch.bytes;
                scan.last_sequence = Some(batch.sequence);
            }
            None => {
                scan.end = End::Torn;
                return Ok(scan);
            }
        }
    }
}

fn only_zeros(reader: &mut impl BufRead) -> Result<bool> {
    loop {
        let buffer = reader.fill_buf()?;
        if buffer.is_empty() {
            return Ok(true);
        }
        if buffer.iter().any(|byte| *byte != 0) {
            return Ok(false);
        }
        let length = buffer.len();
        reader.consume(length);
    }
}

/// The next batch; `None` where there is no valid one.
fn read_batch(reader: &mut impl Read) -> Result<Option<Batch>> {
    match try_read_batch(reader) {
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(None),
        result => result,
    }
}

fn try_read_batch(reader: &mut impl Read) -> Result<Option<Batch>> {
    let mut start = [0; 13];
    reader.read_exact(&mut start)?;
    let [tag, count @ .., _, _, _, _, _, _, _, _] = start;
    if tag != START {
        return Ok(None);
    }
    let sequence = number(&start[5..]);
    let mut bytes = start.len() as u64;
    let mut hash = Xxh3::new();
    let mut buffer = Vec::new();
    for _ in 0..u32::from_le_bytes(count) {
        if !read_entry(reader, &mut buffer)? {
            return Ok(None);
        }
        hash.update(&buffer);
        bytes += buffer.len() as u64;
    }
    let mut end = [0; 13];
    reader.read_exact(&mut end)?;
    let valid = end[0] == END && number(&end[1..9]) == hash.digest() && end[9..] == MAGIC;
    Ok(valid.then_some(Batch { bytes: bytes + end.len() as u64, sequence }))
}

/// Reads one item or clear into `buffer`; `false` where it is neither.
fn read_entry(reader: &mut impl Read, buffer: &mut Vec<u8>) -> Result<bool> {
    buffer.clear();
    buffer.push(0);
    reader.read_exact(buffer)?;
    match buffer[0] {
        CLEAR => {
            read_more(reader, buffer, 8)?;
            Ok(true)
        }
        ITEM => {
            read_more(reader, buffer, ITEM_HEAD - 1)?;
            // fjall knows value types 0 to 2 (4 never reaches a journal) and compressions 0 and 1.
            if buffer[1] > 2 || buffer[2] > 1 {
                return Ok(false);
            }
            let key = usize::from(u16::from_le_bytes([buffer[11], buffer[12]]));
            let value = u32::from_le_bytes([buffer[17], buffer[18], buffer[19], buffer[20]]) as usize;
            read_more(reader, buffer, key + value)?;
            Ok(true)
        }
        _ => Ok(false),
    }
}

/// Appends exactly `length` bytes. Grows with what is there, not with what a damaged length promises.
fn read_more(reader: &mut impl Read, buffer: &mut Vec<u8>, length: usize) -> Result<()> {
    let wanted = buffer.len() + length;
    reader.by_ref().take(length as u64).read_to_end(buffer)?;
    if buffer.len() == wanted { Ok(()) } else { Err(ErrorKind::UnexpectedEof.into()) }
}

fn number(bytes: &[u8]) -> u64 {
    bytes.first_chunk::<8>().map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

/// A batch of one item, as fjall writes it.
#[cfg(any(test, feature = "fuzzing"))]
pub(super) fn batch(sequence: u64, value: &[u8]) -> Vec<u8> {
    let mut item = vec![ITEM, 0, 0];
    item.extend_from_slice(&7_u64.to_le_bytes());
    item.extend_from_slice(&3_u16.to_le_bytes());
    item.extend_from_slice(&(value.len() as u32).to_le_bytes());
    item.extend_from_slice(&(value.len() as u32).to_le_bytes());
    item.extend_from_slice(b"key");
    item.extend_from_slice(value);
    let mut hash = Xxh3::new();
    hash.update(&item);
    let mut out = vec![START, 1, 0, 0, 0];
    out.extend_from_slice(&sequence.to_le_bytes());
    out.extend_from_slice(&item);
    out.push(END);
    out.extend_from_slice(&hash.digest().to_le_bytes());
    out.extend_from_slice(&MAGIC);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scanned(bytes: &[u8]) -> Scan {
        run(bytes).unwrap()
    }

    #[test]
    fn whole_batches_and_zeros_are_clean() {
        let two = [batch(1, b"a"), batch(2, &[1; 300])].concat();
        for zeros in [0, 1, 500_000] {
            let scan = scanned(&[two.clone(), vec![0; zeros]].concat());
            assert_eq!(
                (scan.valid_bytes, scan.last_sequence, scan.end),
                (two.len() as u64, Some(2), End::Clean)
            );
        }
    }

    #[test]
    fn every_cut_and_every_flipped_byte_of_the_last_batch_is_seen() {
        let (first, last) = (batch(1, b"a"), batch(2, b"value"));
        for at in 1..last.len() {
            let scan = scanned(&[first.as_slice(), &last[..at]].concat());
            assert_eq!((scan.valid_bytes, scan.end), (first.len() as u64, End::Torn), "cut at {at}");
            let mut flipped = last.clone();
            flipped[at] ^= 0x10;
            // The sequence number is not in fjall's checksum.
            if !(5..13).contains(&at) {
                let scan = scanned(&[first.as_slice(), &flipped].concat());
                assert_eq!((scan.valid_bytes, scan.end), (first.len() as u64, End::Torn), "flipped at {at}");
            }
        }
    }
}
