use super::*;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::Write as _;
use tar::{Builder, Header};

const LIMITS: ArchiveLimits = ArchiveLimits { bytes_max: 4_096, entries_max: 10 };

/// A header whose name is written as it is, without the checks of who packs properly.
fn header(name: &str, kind: EntryType, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
    header.set_entry_type(kind);
    header.set_size(size);
    header.set_mode(0o644);
    header.set_cksum();
    header
}

fn gzip(tar: &[u8]) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(tar).unwrap();
    packed.finish().unwrap()
}

fn packed(entries: &[(&str, EntryType, &[u8])]) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    for (name, kind, content) in entries {
        builder.append(&header(name, *kind, content.len() as u64), *content).unwrap();
    }
    gzip(&builder.into_inner().unwrap())
}

fn unpacked(bytes: &[u8]) -> Result<Tree, String> {
    let directory = tempfile::tempdir().unwrap();
    let tree = unpack(bytes, &directory.path().join("app"), LIMITS);
    let outside: Vec<_> =
        fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(outside.iter().all(|name| name == "app"), "{outside:?}");
    tree.map_err(|error| error.to_string())
}

const FILE: EntryType = EntryType::Regular;

#[test]
fn files_come_out_and_their_names_and_contents_name_the_upload() {
    let one = unpacked(&packed(&[("index.ts", FILE, b"1"), ("lib/a.ts", FILE, b"2")])).unwrap();
    let other_order = unpacked(&packed(&[
        ("lib", EntryType::Directory, b""),
        ("lib/a.ts", FILE, b"2"),
        ("./index.ts", FILE, b"1"),
    ]));
    assert_eq!(one.checksum, other_order.unwrap().checksum);
    let other = unpacked(&packed(&[("index.ts", FILE, b"1"), ("lib/a.ts", FILE, b"3")])).unwrap();
    assert_ne!(one.checksum, other.checksum);
    assert!(one.root.ends_with("app"));
    let nested =
        unpacked(&packed(&[("shop/index.ts", FILE, b"1"), ("shop/package.json", FILE, b"{}")])).unwrap();
    assert!(nested.root.ends_with("app/shop"));
}

#[test]
fn what_leads_out_or_is_no_file_is_refused() {
    let cases: [(&str, EntryType, &str); 8] = [
        ("../escape.ts", FILE, "leads out"),
        ("a/../../escape.ts", FILE, "leads out"),
        ("/etc/escape.ts", FILE, "leads out"),
        ("link", EntryType::Symlink, "links or devices"),
        ("hard", EntryType::Link, "links or devices"),
        ("pipe", EntryType::Fifo, "links or devices"),
        ("device", EntryType::Char, "links or devices"),
        ("block", EntryType::Block, "links or devices"),
    ];
    for (name, kind, said) in cases {
        let error = unpacked(&packed(&[("index.ts", FILE, b"1"), (name, kind, b"")])).unwrap_err();
        assert!(error.contains(said), "{name}: {error}");
    }
}

#[test]
fn limits_hold_before_anything_is_written() {
    let zeros = vec![0; 3_000];
    let error = unpacked(&packed(&[("a", FILE, &zeros), ("b", FILE, &zeros)])).unwrap_err();
    assert!(error.contains("4096 bytes"), "{error}");
    let names: Vec<String> = (0..11).map(|number| number.to_string()).collect();
    let many: Vec<_> = names.iter().map(|name| (name.as_str(), FILE, b"".as_slice())).collect();
    assert!(unpacked(&packed(&many)).unwrap_err().contains("more than 10"));
    let deep = "d/".repeat(40) + "x";
    assert!(unpacked(&packed(&[(&deep, FILE, b"")])).unwrap_err().contains("deeper"));
    // A header that promises more than there is, and one whose own name would fill the memory.
    let mut promise = header("a", FILE, 4_000).as_bytes().to_vec();
    promise.extend_from_slice(&[0; 512]);
    unpacked(&gzip(&promise)).unwrap_err();
    let mut name = header("././@LongLink", EntryType::GNULongName, 1 << 30).as_bytes().to_vec();
    name.extend_from_slice(&[b'x'; 1_024]);
    assert!(unpacked(&gzip(&name)).unwrap_err().contains("too long"));
}

#[test]
fn what_is_no_archive_and_what_contradicts_itself_is_refused() {
    assert!(unpacked(b"not gzip").unwrap_err().contains("tar.gz"));
    assert!(unpacked(&gzip(b"not tar")).is_err());
    assert!(unpacked(&packed(&[])).unwrap_err().contains("no files"));
    assert!(unpacked(&packed(&[("a", FILE, b"1"), ("a", FILE, b"2")])).unwrap_err().contains("twice"));
    assert!(
        unpacked(&packed(&[("a", FILE, b"1"), ("a/b", FILE, b"2")]))
            .unwrap_err()
            .contains("a file and a directory")
    );
    let mut broken = packed(&[("index.ts", FILE, &[7; 2_000])]);
    broken.truncate(broken.len() / 2);
    unpacked(&broken).unwrap_err();
}
