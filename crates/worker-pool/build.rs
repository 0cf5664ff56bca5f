//! Puts the worker program (`packages/worker/dist/worker.js`) where the crate can embed it.

use std::path::PathBuf;

fn main() {
    let root = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR"));
    let script = root.join("../../packages/worker/dist/worker.js");
    println!("cargo::rerun-if-changed={}", script.display());
    let Ok(script) = script.canonicalize() else {
        println!(
            "cargo::error=packages/worker/dist/worker.js is missing: run `make build`, or `npm ci && npm run build`"
        );
        return;
    };
    println!("cargo::rustc-env=BUNBASE_WORKER_SCRIPT={}", script.display());
}
