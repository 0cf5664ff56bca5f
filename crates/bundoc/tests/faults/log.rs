//! The log of the recorder; its format is at the top of `recorder.c`.

/// Something that happened below the watched directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event<'a> {
    /// Bytes were written into a file.
    Write { file: u64, at: u64, data: &'a [u8] },
    /// A file has another length.
    Size { file: u64, length: u64 },
    /// A file was created.
    Create { file: u64, path: &'a str },
    /// A directory was created; the first is the watched one.
    Directory { file: u64, path: &'a str },
    /// A file got another name.
    Rename { from: &'a str, to: &'a str },
    /// A name was removed.
    Unlink { path: &'a str },
    /// A sync of a file or directory began.
    SyncBegin { file: u64, sync: u64 },
    /// It succeeded.
    SyncEnd { file: u64, sync: u64 },
    /// The process noted something.
    Note { text: &'a str },
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// All events, in order.
pub(crate) fn events(mut log: &[u8]) -> Vec<Event<'_>> {
    let mut events = Vec::new();
    while let Some((length, rest)) = log.split_first_chunk::<4>() {
        // The process may have been killed in the middle of the last one.
        let Some((record, rest)) = rest.split_at_checked(u32::from_le_bytes(*length) as usize) else { break };
        events.push(event(record));
        log = rest;
    }
    events
}

fn event(record: &[u8]) -> Event<'_> {
    let number = |at: usize| u64::from_le_bytes(record[at..at + 8].try_into().unwrap());
    let (operation, file, offset) = (record[0], number(1), number(9));
    let path_bytes = u32::from_le_bytes(record[17..21].try_into().unwrap()) as usize;
    let (path, data) = record[21..].split_at(path_bytes);
    match operation {
        1 => Event::Write { file, at: offset, data },
        2 => Event::Size { file, length: offset },
        3 => Event::Create { file, path: text(path) },
        4 => Event::Directory { file, path: text(path) },
        5 => Event::Rename { from: text(path), to: text(data) },
        6 => Event::Unlink { path: text(path) },
        7 => Event::SyncBegin { file, sync: offset },
        8 => Event::SyncEnd { file, sync: offset },
        9 => Event::Note { text: text(path) },
        _ => panic!("operation {operation} in the log"),
    }
}
