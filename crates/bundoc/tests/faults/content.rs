//! What a file holds: what is on the disk for certain, and what was written since its last sync, of which the
//! disk may have any pages in any of their versions.

use crate::workload::mix;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Bytes of a page, which the page cache writes as one.
const PAGE: u64 = 4096;
/// Bytes of a sector, which a disk writes as one.
const SECTOR: usize = 512;

/// Which of the changes since the last sync reached the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reached {
    /// None.
    Nothing,
    /// All.
    Everything,
    /// The first ones; the last of them may be torn between two sectors.
    First(u64),
    /// Any version of any page.
    Pages(u64),
    /// Any version of any sector.
    Sectors(u64),
}

/// Bytes with holes.
#[derive(Clone, Default)]
pub(crate) struct Bytes {
    pub(crate) length: u64,
    pub(crate) pages: BTreeMap<u64, Arc<[u8; PAGE as usize]>>,
}

impl Bytes {
    pub(crate) const PAGE: u64 = PAGE;

    fn write(&mut self, at: u64, data: &[u8]) {
        self.length = self.length.max(at + data.len() as u64);
        for (page, start, part) in parts(at, data) {
            let page = self.pages.entry(page).or_insert_with(|| Arc::new([0; PAGE as usize]));
            Arc::make_mut(page)[start..start + part.len()].copy_from_slice(part);
        }
    }

    fn set_length(&mut self, length: u64) {
        if length < self.length {
            self.pages.retain(|page, _| page * PAGE < length);
            if let Some(last) = self.pages.get_mut(&(length / PAGE)) {
                Arc::make_mut(last)[(length % PAGE) as usize..].fill(0);
            }
        }
        self.length = length;
    }
}

/// The pages that data goes to: number, place in the page, bytes.
fn parts(at: u64, data: &[u8]) -> Vec<(u64, usize, &[u8])> {
    let mut parts = Vec::new();
    let mut done = 0;
    while done < data.len() {
        let (page, start) = ((at + done as u64) / PAGE, ((at + done as u64) % PAGE) as usize);
        let length = (PAGE as usize - start).min(data.len() - done);
        parts.push((page, start, &data[done..done + length]));
        done += length;
    }
    parts
}

enum Change<'a> {
    Write(u64, &'a [u8]),
    Length(u64),
}

/// A file.
#[derive(Default)]
pub(crate) struct Content<'a> {
    durable: Bytes,
    /// Changes since, with the place in the log of each.
    pending: Vec<(usize, Change<'a>)>,
}

impl<'a> Content<'a> {
    pub(crate) fn new(durable: Bytes) -> Self {
        Self { durable, pending: Vec::new() }
    }

    pub(crate) fn write(&mut self, place: usize, at: u64, data: &'a [u8]) {
        self.pending.push((place, Change::Write(at, data)));
    }

    pub(crate) fn set_length(&mut self, place: usize, length: u64) {
        self.pending.push((place, Change::Length(length)));
    }

    /// What happened before this place in the log is on the disk.
    pub(crate) fn sync(&mut self, place: usize) {
        let later = self.pending.partition_point(|(at, _)| *at < place);
        for (_, change) in self.pending.drain(..later) {
            apply(&mut self.durable, &change);
        }
    }

    pub(crate) fn is_synced(&self) -> bool {
        self.pending.is_empty()
    }

    /// The bytes that a disk may have.
    pub(crate) fn after(&self, reached: Reached) -> Bytes {
        let mut bytes = self.durable.clone();
        match reached {
            Reached::Nothing => {}
            Reached::Everything => self.pending.iter().for_each(|(_, change)| apply(&mut bytes, change)),
            Reached::First(seed) => self.first(seed, &mut bytes),
            Reached::Pages(seed) if self.only_grows() => self.any(seed, PAGE as usize, &mut bytes),
            Reached::Sectors(seed) if self.only_grows() => self.any(seed, SECTOR, &mut bytes),
            Reached::Pages(seed) | Reached::Sectors(seed) => self.first(seed, &mut bytes),
        }
        bytes
    }

    fn only_grows(&self) -> bool {
        let mut length = self.durable.length;
        self.pending.iter().all(|(_, change)| match change {
            Change::Write(at, data) => {
                length = length.max(at + data.len() as u64);
                true
            }
            Change::Length(new) => std::mem::replace(&mut length, *new) <= *new,
        })
    }

    fn first(&self, seed: u64, bytes: &mut Bytes) {
        if self.pending.is_empty() {
            return;
        }
        let count = (mix(seed) % self.pending.len() as u64) as usize;
        self.pending[..count].iter().for_each(|(_, change)| apply(bytes, change));
        if let Change::Write(at, data) = &self.pending[count].1 {
            let torn = mix(seed + 1) as usize % (data.len() + 1);
            let end = (*at as usize + torn) / SECTOR * SECTOR;
            let torn = end.saturating_sub(*at as usize).min(data.len());
            if torn > 0 {
                bytes.write(*at, &data[..torn]);
            }
        }
    }

    /// Each unit (a page or a sector) in one of the versions that it had, and one of the lengths.
    fn any(&self, seed: u64, unit: usize, bytes: &mut Bytes) {
        let mut lengths = vec![bytes.length];
        let mut versions: BTreeMap<u64, Vec<(usize, &[u8])>> = BTreeMap::new();
        let mut whole = bytes.clone();
        for (_, change) in &self.pending {
            match change {
                Change::Write(at, data) => {
                    for (page, start, part) in parts(*at, data) {
                        split_units(page, start, part, unit, &mut versions);
                    }
                    whole.length = whole.length.max(at + data.len() as u64);
                }
                Change::Length(length) => whole.length = *length,
            }
            lengths.push(whole.length);
        }
        for (number, writes) in versions {
            let count = (mix(seed ^ (number << 8)) % (writes.len() as u64 + 1)) as usize;
            for (start, part) in &writes[..count] {
                bytes.write(number * unit as u64 + *start as u64, part);
            }
        }
        // Often the last length, so that what was written is not cut off again.
        let random = mix(seed ^ 0x5EED);
        let at =
            if random.is_multiple_of(2) { lengths.len() - 1 } else { (random >> 1) as usize % lengths.len() };
        bytes.set_length(lengths[at]);
    }
}

fn split_units<'a>(
    page: u64,
    start: usize,
    part: &'a [u8],
    unit: usize,
    versions: &mut BTreeMap<u64, Vec<(usize, &'a [u8])>>,
) {
    let mut done = 0;
    while done < part.len() {
        let at = page as usize * PAGE as usize + start + done;
        let length = (unit - at % unit).min(part.len() - done);
        versions.entry((at / unit) as u64).or_default().push((at % unit, &part[done..done + length]));
        done += length;
    }
}

fn apply(bytes: &mut Bytes, change: &Change<'_>) {
    match change {
        Change::Write(at, data) => bytes.write(*at, data),
        Change::Length(length) => bytes.set_length(*length),
    }
}
