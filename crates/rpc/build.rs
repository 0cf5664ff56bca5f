//! Generates messages, clients and servers from the `.proto` files, without a `protoc`.

use std::error::Error;
use std::path::Path;

const PROTOS: &[&str] = &[
    "bunbase/functions/v1/functions.proto",
    "bunbase/v1/access.proto",
    "bunbase/v1/documents.proto",
    "bunbase/v1/events.proto",
    "bunbase/v1/grant.proto",
    "bunbase/v1/identity.proto",
    "bunbase/v1/jobs.proto",
    "bunbase/v1/lifecycle.proto",
    "bunbase/v1/project_api.proto",
    "bunbase/v1/secrets.proto",
    "bunbase/v1/tenant.proto",
    "bundoc/v1/documents.proto",
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=proto");
    let root = Path::new("proto");
    let files = PROTOS.iter().map(|file| root.join(file));
    let descriptors = protox::compile(files, [root])?;
    tonic_prost_build::configure()
        .build_transport(false)
        .bytes(".")
        // Messages carry passwords, keys and documents: none of them can be printed.
        .skip_debug(["."])
        .compile_fds(descriptors)?;
    Ok(())
}
