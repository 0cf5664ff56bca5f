//! A disk under a directory: follows the log of the recorder, and writes down what could be there if the power
//! went now. Files and directories count by themselves: syncing a file says nothing about its name.

use crate::content::{Bytes, Content, Reached};
use crate::log::Event;
use crate::workload::mix;
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::Path;

type Node = usize;

enum EntryChange {
    Add(String, Node),
    Remove(String),
    Rename(String, String, Node),
}

#[derive(Default)]
struct Directory {
    durable: BTreeMap<String, Node>,
    pending: Vec<(usize, EntryChange)>,
    now: BTreeMap<String, Node>,
}

enum Kind<'a> {
    File(Content<'a>),
    Directory(Directory),
}

/// What of the unsynced part is there.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Loss {
    pub(crate) files: fn(u64) -> Reached,
    pub(crate) names: fn(u64) -> Reached,
    pub(crate) name: &'static str,
}

/// Kinds of losses that every moment is looked at with.
pub(crate) const LOSSES: [Loss; 8] = {
    const fn loss(name: &'static str, files: fn(u64) -> Reached, names: fn(u64) -> Reached) -> Loss {
        Loss { files, names, name }
    }
    fn nothing(_: u64) -> Reached {
        Reached::Nothing
    }
    fn everything(_: u64) -> Reached {
        Reached::Everything
    }
    [
        loss("nothing", nothing, nothing),
        loss("everything", everything, everything),
        loss("names, no data", nothing, everything),
        loss("data, no names", everything, nothing),
        loss("first changes", Reached::First, Reached::First),
        loss("any pages, any names", Reached::Pages, Reached::Pages),
        loss("any sectors, all names", Reached::Sectors, everything),
        loss("any pages, first names", Reached::Pages, Reached::First),
    ]
};

/// The disk at a place in the log.
pub(crate) struct Disk<'a> {
    nodes: Vec<Kind<'a>>,
    inodes: HashMap<u64, Node>,
    syncs: HashMap<u64, usize>,
    root: String,
    place: usize,
}

impl<'a> Disk<'a> {
    /// An empty directory.
    pub(crate) fn new() -> Self {
        Self {
            nodes: vec![Kind::Directory(Directory::default())],
            inodes: HashMap::new(),
            syncs: HashMap::new(),
            root: String::new(),
            place: 0,
        }
    }

    /// A directory that was there before, all of it on the disk.
    pub(crate) fn load(path: &Path) -> Self {
        let mut disk = Self::new();
        disk.load_into(0, path);
        disk
    }

    fn load_into(&mut self, directory: Node, path: &Path) {
        use std::os::unix::fs::MetadataExt;
        for entry in std::fs::read_dir(path).unwrap() {
            let entry = entry.unwrap();
            let (name, inode) = (entry.file_name().into_string().unwrap(), entry.metadata().unwrap().ino());
            let is_directory = entry.file_type().unwrap().is_dir();
            let kind = if is_directory {
                Kind::Directory(Directory::default())
            } else {
                Kind::File(Content::new(read_sparse(&entry.path())))
            };
            self.nodes.push(kind);
            let node = self.nodes.len() - 1;
            self.inodes.insert(inode, node);
            if is_directory {
                self.load_into(node, &entry.path());
            }
            let own = self.directory(directory);
            own.durable.insert(name.clone(), node);
            own.now.insert(name, node);
        }
    }

    /// Takes the next event.
    pub(crate) fn apply(&mut self, event: &Event<'a>) {
        self.place += 1;
        let place = self.place;
        match *event {
            Event::Directory { file, path } if self.root.is_empty() => {
                self.root = path.to_owned();
                self.inodes.insert(file, 0);
            }
            Event::Directory { file, path } => self.add(file, path, Kind::Directory(Directory::default())),
            Event::Create { file, path } => self.add(file, path, Kind::File(Content::default())),
            Event::Write { file, at, data } => self.file(file).write(place, at, data),
            Event::Size { file, length } => self.file(file).set_length(place, length),
            Event::Rename { from, to } => self.rename(from, to),
            Event::Unlink { path } => {
                let (directory, name) = self.parent(path);
                let directory = self.directory(directory);
                directory.now.remove(&name);
                directory.pending.push((place, EntryChange::Remove(name)));
            }
            Event::SyncBegin { sync, .. } => drop(self.syncs.insert(sync, place)),
            Event::SyncEnd { file, sync } => self.sync(file, sync),
            Event::Note { .. } => {}
        }
    }

    fn add(&mut self, file: u64, path: &str, kind: Kind<'a>) {
        self.nodes.push(kind);
        let node = self.nodes.len() - 1;
        self.inodes.insert(file, node);
        let (directory, name) = self.parent(path);
        let place = self.place;
        let directory = self.directory(directory);
        directory.now.insert(name.clone(), node);
        directory.pending.push((place, EntryChange::Add(name, node)));
    }

    fn rename(&mut self, from: &str, to: &str) {
        let ((directory, from), (other, to)) = (self.parent(from), self.parent(to));
        assert_eq!(directory, other, "a file goes to another directory");
        let place = self.place;
        let directory = self.directory(directory);
        let node = directory.now.remove(&from).unwrap();
        directory.now.insert(to.clone(), node);
        directory.pending.push((place, EntryChange::Rename(from, to, node)));
    }

    fn sync(&mut self, file: u64, sync: u64) {
        let begun = self.syncs.remove(&sync).unwrap();
        match &mut self.nodes[self.inodes[&file]] {
            Kind::File(content) => content.sync(begun),
            Kind::Directory(directory) => {
                let later = directory.pending.partition_point(|(at, _)| *at < begun);
                for (_, change) in directory.pending.drain(..later) {
                    change_entries(&mut directory.durable, &change);
                }
            }
        }
    }

    fn directory(&mut self, node: Node) -> &mut Directory {
        match &mut self.nodes[node] {
            Kind::Directory(directory) => directory,
            Kind::File(_) => panic!("a file is used as a directory"),
        }
    }

    fn file(&mut self, inode: u64) -> &mut Content<'a> {
        match &mut self.nodes[self.inodes[&inode]] {
            Kind::File(content) => content,
            Kind::Directory(_) => panic!("a directory is written to"),
        }
    }

    /// The directory of a path, and the name in it.
    fn parent(&mut self, path: &str) -> (Node, String) {
        let inner = path.strip_prefix(&self.root).unwrap().trim_start_matches('/');
        let (directories, name) = inner.rsplit_once('/').unwrap_or(("", inner));
        let mut node = 0;
        for part in directories.split('/').filter(|part| !part.is_empty()) {
            node = *self.directory(node).now.get(part).unwrap_or_else(|| panic!("{part} of {path}"));
        }
        (node, name.to_owned())
    }

    /// Writes what could be there into an empty directory.
    pub(crate) fn write_out(&self, loss: Loss, seed: u64, to: &Path) {
        self.write_directory(0, (loss, seed), to);
    }

    fn write_directory(&self, node: Node, (loss, seed): (Loss, u64), to: &Path) {
        let Kind::Directory(directory) = &self.nodes[node] else { panic!("no directory") };
        for (name, node) in directory.after((loss.names)(mix(seed ^ node as u64))) {
            let path = to.join(name);
            match &self.nodes[node] {
                Kind::Directory(_) => {
                    std::fs::create_dir(&path).unwrap();
                    self.write_directory(node, (loss, seed), &path);
                }
                Kind::File(content) if content.is_synced() => {
                    write_sparse(&path, &content.after(Reached::Nothing));
                }
                Kind::File(content) => {
                    write_sparse(&path, &content.after((loss.files)(mix(seed ^ !(node as u64)))));
                }
            }
        }
    }
}

impl Directory {
    fn after(&self, reached: Reached) -> BTreeMap<String, Node> {
        let mut entries = self.durable.clone();
        let first = match reached {
            Reached::First(seed) => (mix(seed) % (self.pending.len() as u64 + 1)) as usize,
            Reached::Nothing => 0,
            _ => self.pending.len(),
        };
        for (number, (_, change)) in self.pending[..first].iter().enumerate() {
            let kept = match reached {
                Reached::Pages(seed) | Reached::Sectors(seed) => {
                    mix(seed ^ ((number as u64) << 16)).is_multiple_of(2)
                }
                _ => true,
            };
            if kept {
                change_entries(&mut entries, change);
            }
        }
        entries
    }
}

fn change_entries(entries: &mut BTreeMap<String, Node>, change: &EntryChange) {
    match change {
        EntryChange::Add(name, node) => drop(entries.insert(name.clone(), *node)),
        EntryChange::Remove(name) => drop(entries.remove(name)),
        EntryChange::Rename(from, to, node) => {
            entries.remove(from);
            entries.insert(to.clone(), *node);
        }
    }
}

fn write_sparse(path: &Path, bytes: &Bytes) {
    let mut file = File::create(path).unwrap();
    file.set_len(bytes.length).unwrap();
    for (page, data) in &bytes.pages {
        let at = page * Bytes::PAGE;
        let length = bytes.length.saturating_sub(at).min(Bytes::PAGE) as usize;
        file.write_all_at(&data[..length], at).unwrap();
    }
    file.flush().unwrap();
}

fn read_sparse(path: &Path) -> Bytes {
    let all = std::fs::read(path).unwrap();
    let mut bytes = Bytes { length: all.len() as u64, ..Bytes::default() };
    for (number, page) in all.chunks(Bytes::PAGE as usize).enumerate() {
        if page.iter().any(|byte| *byte != 0) {
            let mut whole = [0; Bytes::PAGE as usize];
            whole[..page.len()].copy_from_slice(page);
            bytes.pages.insert(number as u64, whole.into());
        }
    }
    bytes
}
