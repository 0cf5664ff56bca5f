//! Embeds the built SDK (`packages/bunbase-js/dist`), so that a deployed source can import it. Where it was
//! not built, the crate still builds, and a deployment that imports it gets a clear error.

use std::fmt::Write as _;
use std::path::PathBuf;

fn main() {
    let package = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"))
        .join("../../packages/bunbase-js");
    println!("cargo::rerun-if-changed={}", package.join("dist").display());
    println!("cargo::rerun-if-changed={}", package.join("package.json").display());
    let mut scripts: Vec<PathBuf> = std::fs::read_dir(package.join("dist"))
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "js"))
        .collect();
    scripts.sort();
    if scripts.is_empty() {
        println!(
            "cargo::warning=packages/bunbase-js is not built: run `make build`, or `npm run build` there"
        );
    }
    let mut files = vec![("package.json".to_owned(), package.join("package.json"))];
    files.extend(scripts.into_iter().map(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        (format!("dist/{name}"), path.clone())
    }));
    write_table(&files);
}

fn write_table(files: &[(String, PathBuf)]) {
    let mut table = String::from("pub(crate) const FILES: &[(&str, &[u8])] = &[\n");
    for (name, path) in files {
        let path = path.display().to_string();
        writeln!(table, "    ({name:?}, include_bytes!({path:?})),").expect("a string takes all text");
    }
    table.push_str("];\n");
    let target = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets OUT_DIR")).join("sdk_files.rs");
    std::fs::write(&target, table).expect("OUT_DIR can be written");
}
