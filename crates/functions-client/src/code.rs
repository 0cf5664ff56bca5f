//! What is deployed, as the server takes it: a file as it is, a directory as an archive, in chunks.

use crate::error::ClientError;
use crate::pack::{PackError, pack};
use bytes::Bytes;
use rpc::functions_v1::deploy_request::Part;
use rpc::functions_v1::deployment::Form;
use rpc::functions_v1::{DeployRequest, Deployment};
use std::path::Path;

/// What the server takes for one deployment, unless it was told otherwise (`functions.deployment_bytes_max`).
pub const DEPLOYMENT_BYTES_MAX: u64 = 64 << 20;
/// Bytes of code in one message.
const CHUNK_BYTES: usize = 1 << 20;

pub(crate) struct Code {
    pub(crate) form: Form,
    pub(crate) bytes: Bytes,
}

/// Reads a file, or packs a directory.
pub(crate) async fn read(path: &Path) -> Result<Code, ClientError> {
    let path = path.to_owned();
    // Packing reads and compresses.
    let read = tokio::task::spawn_blocking(move || {
        if path.is_dir() {
            let bytes = pack(&path, DEPLOYMENT_BYTES_MAX)?.into();
            return Ok(Code { form: Form::Archive, bytes });
        }
        let bytes = std::fs::read(&path).map_err(|source| PackError::Read { path, source })?.into();
        Ok(Code { form: Form::Source, bytes })
    });
    let read: Result<Code, PackError> = read.await.map_err(|_| ClientError::Interrupted)?;
    Ok(read?)
}

/// The deployment, then its code.
pub(crate) fn messages(deployment: Deployment, mut bytes: Bytes) -> impl Iterator<Item = DeployRequest> {
    let chunks = std::iter::from_fn(move || {
        (!bytes.is_empty()).then(|| Part::Chunk(bytes.split_to(bytes.len().min(CHUNK_BYTES))))
    });
    std::iter::once(Part::Deployment(deployment)).chain(chunks).map(|part| DeployRequest { part: Some(part) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_goes_in_chunks_after_what_it_is() {
        let sizes = |bytes: usize| -> Vec<usize> {
            let parts = messages(Deployment::default(), Bytes::from(vec![0; bytes]));
            let size = |message: DeployRequest| match message.part.unwrap() {
                Part::Deployment(_) => 0,
                Part::Chunk(chunk) => chunk.len(),
            };
            parts.map(size).collect()
        };
        assert_eq!(sizes(0), [0]);
        assert_eq!(sizes(CHUNK_BYTES + 1), [0, CHUNK_BYTES, 1]);
    }
}
