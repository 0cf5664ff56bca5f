//! The form of a log file. It begins with `BBEVLOG`, a version byte and the number of its first event
//! (u64). Then come blocks, one for each group of events that was committed together:
//! `checksum u64 | body length u32 | events u32 | number of the first u64 | body`, where the checksum is
//! XXH3 of everything after it, and the body holds for each event
//! `published at (ms since 1970) i64 | payload length u32 | payload`. Numbers are little endian. A block is
//! the unit of writing and of fsync, so that only the last one can be torn.

use crate::moment::epoch_ms;
use crate::run::Draft;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use xxhash_rust::xxh3::xxh3_64;

const MAGIC: [u8; 7] = *b"BBEVLOG";
const VERSION: u8 = 1;
/// Bytes of the head of a file.
pub(crate) const FILE_HEAD_BYTES: u64 = 16;
const BLOCK_HEAD_BYTES: usize = 24;
const EVENT_HEAD_BYTES: usize = 12;
/// How much is read at once.
const READ_BYTES: usize = 256 << 10;

/// The head of a file whose first event is `first`.
pub(crate) fn file_head(first: u64) -> [u8; FILE_HEAD_BYTES as usize] {
    let mut head = [0; FILE_HEAD_BYTES as usize];
    head[..7].copy_from_slice(&MAGIC);
    head[7] = VERSION;
    head[8..].copy_from_slice(&first.to_le_bytes());
    head
}

/// Writes one block into `buffer`.
pub(crate) fn encode(drafts: &[Draft], first: u64, buffer: &mut Vec<u8>) {
    buffer.clear();
    buffer.resize(BLOCK_HEAD_BYTES, 0);
    for draft in drafts {
        let published_ms = epoch_ms(draft.published_at);
        for payload in draft.payloads() {
            buffer.extend_from_slice(&published_ms.to_le_bytes());
            buffer.extend_from_slice(&(payload.len() as u32).to_le_bytes());
            buffer.extend_from_slice(payload);
        }
    }
    let (length, count) = (buffer.len() - BLOCK_HEAD_BYTES, drafts.iter().map(Draft::len).sum::<usize>());
    buffer[8..12].copy_from_slice(&(length as u32).to_le_bytes());
    buffer[12..16].copy_from_slice(&(count as u32).to_le_bytes());
    buffer[16..24].copy_from_slice(&first.to_le_bytes());
    let checksum = xxh3_64(&buffer[8..]);
    buffer[..8].copy_from_slice(&checksum.to_le_bytes());
}

/// One block as it was read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Block<'a> {
    /// The number of its first event.
    pub(crate) first: u64,
    /// How many events.
    pub(crate) count: u64,
    body: &'a [u8],
}

impl<'a> Block<'a> {
    /// When each event was published, and its payload.
    pub(crate) fn events(&self) -> impl Iterator<Item = (i64, &'a [u8])> {
        let mut rest = self.body;
        std::iter::from_fn(move || {
            let (head, behind) = rest.split_at_checked(EVENT_HEAD_BYTES)?;
            let published_ms = i64::from_le_bytes(head[..8].try_into().ok()?);
            let length = u32::from_le_bytes(head[8..].try_into().ok()?) as usize;
            let (payload, behind) = behind.split_at_checked(length)?;
            rest = behind;
            Some((published_ms, payload))
        })
    }

    /// Reads the block at the beginning of `bytes`, if it is whole and right.
    fn parse(bytes: &'a [u8]) -> Option<Self> {
        let head = Head::parse(bytes)?;
        let checked = bytes.get(8..head.block_bytes())?;
        let block =
            Self { first: head.first, count: u64::from(head.count), body: &checked[BLOCK_HEAD_BYTES - 8..] };
        (xxh3_64(checked) == head.checksum).then_some(block)
    }
}

struct Head {
    checksum: u64,
    length: u32,
    count: u32,
    first: u64,
}

impl Head {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let head = bytes.get(..BLOCK_HEAD_BYTES)?;
        let head = Self {
            checksum: u64::from_le_bytes(head[..8].try_into().ok()?),
            length: u32::from_le_bytes(head[8..12].try_into().ok()?),
            count: u32::from_le_bytes(head[12..16].try_into().ok()?),
            first: u64::from_le_bytes(head[16..24].try_into().ok()?),
        };
        let plausible =
            head.count > 0 && u64::from(head.count) * EVENT_HEAD_BYTES as u64 <= u64::from(head.length);
        plausible.then_some(head)
    }

    fn block_bytes(&self) -> usize {
        BLOCK_HEAD_BYTES + self.length as usize
    }
}

/// What stands at a place of a file.
pub(crate) enum Found<'a> {
    /// A whole block.
    Block(Block<'a>),
    /// The end of the file.
    End,
    /// Something that is no whole block.
    Broken,
}

/// Reads the blocks of a file in order.
pub(crate) struct Blocks<'f> {
    file: &'f File,
    end: u64,
    /// Where in the file `buffer[at]` stands.
    position: u64,
    buffer: Vec<u8>,
    at: usize,
}

impl<'f> Blocks<'f> {
    /// Begins at `position`; the file has `end` bytes.
    pub(crate) fn new(file: &'f File, position: u64, end: u64) -> Self {
        Self { file, end, position, buffer: Vec::new(), at: 0 }
    }

    /// Where the next block begins.
    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    /// The next block, which has to begin with event `expected`.
    pub(crate) fn next(&mut self, expected: u64) -> io::Result<Found<'_>> {
        let left = self.end - self.position;
        if left == 0 {
            return Ok(Found::End);
        }
        self.fill(BLOCK_HEAD_BYTES.min(left as usize))?;
        let Some(head) = Head::parse(&self.buffer[self.at..]) else { return Ok(Found::Broken) };
        let bytes = head.block_bytes();
        if bytes as u64 > left || head.first != expected {
            return Ok(Found::Broken);
        }
        self.fill(bytes)?;
        let Some(block) = Block::parse(&self.buffer[self.at..]) else { return Ok(Found::Broken) };
        self.at += bytes;
        self.position += bytes as u64;
        Ok(Found::Block(block))
    }

    /// Whether a whole block of event `expected` or later stands anywhere behind the one that is broken.
    pub(crate) fn whole_block_behind(&mut self, expected: u64) -> io::Result<bool> {
        self.fill((self.end - self.position) as usize)?;
        let rest = &self.buffer[self.at..];
        Ok((1..rest.len()).any(|at| {
            let later = Head::parse(&rest[at..])
                .is_some_and(|head| head.first >= expected && head.first - expected <= rest.len() as u64);
            later && Block::parse(&rest[at..]).is_some()
        }))
    }

    /// Makes sure that `bytes` from the place on are in memory; the file is that long.
    fn fill(&mut self, bytes: usize) -> io::Result<()> {
        let there = self.buffer.len() - self.at;
        if there >= bytes {
            return Ok(());
        }
        self.buffer.drain(..self.at);
        self.at = 0;
        let left = (self.end - self.position) as usize;
        let wanted = bytes.max(READ_BYTES).min(left);
        self.buffer.resize(wanted, 0);
        self.file.read_exact_at(&mut self.buffer[there..], self.position + there as u64)
    }
}

/// The number of the first event, from the head of a file; `None` where it is no head that is known here.
pub(crate) fn read_file_head(file: &File) -> io::Result<Option<u64>> {
    let mut head = [0; FILE_HEAD_BYTES as usize];
    file.read_exact_at(&mut head, 0)?;
    let first =
        u64::from_le_bytes([head[8], head[9], head[10], head[11], head[12], head[13], head[14], head[15]]);
    Ok((head[..7] == MAGIC && head[7] == VERSION).then_some(first))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ports::events::Topic;
    use std::io::Write as _;

    fn file(blocks: &[Vec<u8>]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        blocks.iter().for_each(|block| file.write_all(block).unwrap());
        file
    }

    fn block(first: u64, payloads: &[&[u8]]) -> Vec<u8> {
        let mut draft = Draft::new(Topic::parse("a").unwrap(), std::time::SystemTime::now(), 0);
        payloads.iter().for_each(|payload| draft.push(payload));
        let mut buffer = Vec::new();
        encode(&[draft], first, &mut buffer);
        buffer
    }

    #[test]
    fn blocks_are_read_as_they_were_written() {
        let large = vec![7; 2 * READ_BYTES];
        let file = file(&[block(0, &[b"one", b""]), block(2, &[&large]), block(3, &[b"four"])]);
        let mut blocks = Blocks::new(&file, 0, file.metadata().unwrap().len());
        let mut payloads = Vec::new();
        let mut next = 0;
        while let Found::Block(block) = blocks.next(next).unwrap() {
            next = block.first + block.count;
            payloads.extend(block.events().map(|(_, payload)| payload.to_vec()));
        }
        assert_eq!((next, payloads), (4, vec![b"one".to_vec(), vec![], large, b"four".to_vec()]));
    }

    #[test]
    fn any_changed_byte_is_found() {
        let whole = block(5, &[b"payload"]);
        for at in 0..whole.len() {
            let mut broken = whole.clone();
            broken[at] ^= 1;
            let file = file(&[broken]);
            let mut blocks = Blocks::new(&file, 0, whole.len() as u64);
            assert!(matches!(blocks.next(5).unwrap(), Found::Broken), "byte {at}");
        }
    }

    #[test]
    fn a_whole_block_behind_a_broken_one_is_found() {
        let mut broken = block(0, &[b"one"]);
        broken[30] ^= 1;
        let with = file(&[broken.clone(), block(1, &[b"two"])]);
        let mut blocks = Blocks::new(&with, 0, with.metadata().unwrap().len());
        assert!(blocks.whole_block_behind(0).unwrap());
        let without = file(&[broken.clone()]);
        let mut blocks = Blocks::new(&without, 0, broken.len() as u64);
        assert!(!blocks.whole_block_behind(0).unwrap());
    }
}
