//! Reading an object: a part of its file at a time, no faster than it is taken. A whole object is compared
//! with its hash on the way, and its end is held back where it is not the one that was put.

use crate::error::StorageError;
use crate::service::Inner;
use crate::store::objects::Row;
use crate::transfers::Transfer;
use aws_lc_rs::digest::{Context, SHA256};
use bytes::{Bytes, BytesMut};
use metrics::Counter;
use ports::objects::{ObjectBytes, ObjectError, ObjectName, ObjectRange, ObjectRead};
use service_kit::ids::ProjectId;
use std::io;
use std::sync::Arc;
use tokio::fs::File;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};

/// What is read at once.
const PART_BYTES_MAX: u64 = 128 * 1024;
/// How often an object is looked up again where it was replaced between the look and the opening.
const LOOKS_MAX: usize = 5;

/// A file that is being read.
struct Reading {
    file: File,
    left: u64,
    /// The hash so far and the one that it should be, where the whole is read.
    hash: Option<(Context, Vec<u8>)>,
    sent: Counter,
    name: String,
    _transfer: Transfer,
}

/// Opens an object.
pub(crate) async fn get(
    inner: &Arc<Inner>,
    project: &ProjectId,
    name: &ObjectName,
    range: ObjectRange,
) -> Result<ObjectRead, ObjectError> {
    let transfer = inner.transfers.begin(project).ok_or(ObjectError::Overloaded)?;
    let (row, mut file) = open(inner, project, name).await?;
    let size = row.size.unsigned_abs();
    let range = range.within(size).ok_or(ObjectError::RangeNotSatisfiable { size })?;
    if range.start > 0 {
        file.seek(io::SeekFrom::Start(range.start)).await.map_err(StorageError::File)?;
    }
    let is_whole = range == (0..size);
    let info = row.info()?;
    let reading = Reading {
        file,
        left: range.end - range.start,
        hash: is_whole.then(|| (Context::new(&SHA256), row.sha256)),
        sent: inner.metrics.bytes_out.clone(),
        name: row.file,
        _transfer: transfer,
    };
    inner.metrics.gets.increment(1);
    Ok(ObjectRead { info, range, body: stream(reading) })
}

async fn open(inner: &Inner, project: &ProjectId, name: &ObjectName) -> Result<(Row, File), ObjectError> {
    let mut missing = None;
    for _ in 0..LOOKS_MAX {
        let row = inner.store.object(project, name.as_str()).await.map_err(StorageError::from)?;
        let row = row.ok_or(ObjectError::NotFound)?;
        if missing.as_ref() == Some(&row.file) {
            break;
        }
        let damaged = || StorageError::Damaged { file: row.file.clone() };
        let file = inner.files.read(&row.file_id().ok_or_else(damaged)?).await?;
        let Some(file) = file else {
            missing = Some(row.file);
            continue;
        };
        let length = file.metadata().await.map_err(StorageError::File)?.len();
        if length != row.size.unsigned_abs() {
            return Err(damaged().into());
        }
        return Ok((row, file));
    }
    Err(StorageError::Damaged { file: missing.unwrap_or_default() }.into())
}

fn stream(reading: Reading) -> ObjectBytes {
    Box::pin(futures_util::stream::try_unfold(reading, |mut reading| async move {
        let part = reading.part().await?;
        Ok(part.map(|part| (part, reading)))
    }))
}

impl Reading {
    async fn part(&mut self) -> io::Result<Option<Bytes>> {
        if self.left == 0 {
            return Ok(None);
        }
        let wanted = self.left.min(PART_BYTES_MAX);
        let mut part = BytesMut::with_capacity(usize::try_from(wanted).unwrap_or_default());
        let read = (&mut self.file).take(wanted).read_buf(&mut part).await? as u64;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.left -= read;
        self.compare(&part)?;
        self.sent.increment(read);
        Ok(Some(part.freeze()))
    }

    fn compare(&mut self, part: &[u8]) -> io::Result<()> {
        let Some((hash, _)) = &mut self.hash else { return Ok(()) };
        hash.update(part);
        if self.left > 0 {
            return Ok(());
        }
        let Some((hash, expected)) = self.hash.take() else { return Ok(()) };
        if hash.finish().as_ref() == expected {
            return Ok(());
        }
        tracing::error!(file = %self.name, "the bytes of an object are not those that were put");
        Err(io::Error::new(io::ErrorKind::InvalidData, "the object is damaged"))
    }
}
