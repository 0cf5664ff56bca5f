//! Generates messages, clients and servers from the `.proto` files, without a `protoc`.

use std::error::Error;
use std::path::Path;

const PROTOS: &[&str] = &[
    "access.proto",
    "documents.proto",
    "events.proto",
    "grant.proto",
    "identity.proto",
    "lifecycle.proto",
    "project_api.proto",
    "secrets.proto",
    "tenant.proto",
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=proto");
    let root = Path::new("proto");
    let files = PROTOS.iter().map(|file| root.join("bunbase/v1").join(file));
    let descriptors = protox::compile(files, [root])?;
    tonic_prost_build::configure()
        .build_transport(false)
        .bytes(".")
        // Messages carry passwords, keys and documents: none of them can be printed.
        .skip_debug(["."])
        .compile_fds(descriptors)?;
    Ok(())
}
