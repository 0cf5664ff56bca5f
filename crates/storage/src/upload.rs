//! Putting an object: the bytes are received into a file that nobody names, brought to disk, and put in
//! place by one transaction. Until then nothing of it is seen, and what breaks off leaves nothing.

use crate::error::StorageError;
use crate::files::{FileId, Files, PlacedFile, WrittenFile};
use crate::service::{Inner, Limits};
use crate::store::objects::{self, Row, etag_of};
use crate::store::projects::{self, Usage};
use crate::transfers::Transfer;
use aws_lc_rs::digest::{Context, SHA256};
use futures_util::StreamExt as _;
use ports::objects::{
    CONTENT_TYPE_BYTES_MAX, ObjectBytes, ObjectCondition, ObjectError, ObjectInfo, ObjectName, PutObject,
};
use service_kit::ids::ProjectId;
use std::io;
use std::sync::Arc;
use std::time::Duration;

const CONTENT_TYPE_DEFAULT: &str = "application/octet-stream";

/// Where an object goes, and when.
pub(crate) struct Target {
    pub(crate) project: ProjectId,
    pub(crate) name: ObjectName,
    pub(crate) condition: ObjectCondition,
}

/// Bytes that arrived, and what is known of them.
struct Received {
    file: WrittenFile,
    size: u64,
    sha256: Vec<u8>,
}

/// How many bytes may still come.
struct Room {
    object_max: u64,
    /// What the project may have under way, all of its uploads together.
    project_max: u64,
}

/// Puts one object.
pub(crate) async fn put(
    inner: &Arc<Inner>,
    target: Target,
    object: PutObject,
) -> Result<ObjectInfo, ObjectError> {
    let content_type = content_type(object.content_type)?;
    let mut transfer = inner.transfers.begin(&target.project).ok_or(ObjectError::Overloaded)?;
    let room = room(inner, &target, object.length).await?;
    let received = receive(inner, &mut transfer, object.body, room).await?;
    // From here on it goes on also where the caller goes away: all, or nothing.
    let inner = inner.clone();
    let work = inner.work();
    let committing = tokio::spawn(async move {
        let _under_way = (transfer, work);
        commit(&inner, target, received, content_type).await
    });
    committing.await.map_err(|error| ObjectError::Failed(Box::new(error)))?
}

fn content_type(given: Option<String>) -> Result<String, ObjectError> {
    let content_type = given.unwrap_or_else(|| CONTENT_TYPE_DEFAULT.to_owned());
    let valid = (1..=CONTENT_TYPE_BYTES_MAX).contains(&content_type.len())
        && content_type.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    if valid {
        Ok(content_type)
    } else {
        Err(ObjectError::Invalid("a content type has 1 to 255 bytes of ASCII"))
    }
}

/// Looks at condition and limits before anything is received. They are looked at again at the end.
async fn room(inner: &Inner, target: &Target, length: Option<u64>) -> Result<Room, ObjectError> {
    let Target { project, name, condition } = target;
    let existing = inner.store.object(project, name.as_str()).await.map_err(StorageError::from)?;
    check(condition, existing.as_ref())?;
    let usage = inner.store.usage(project).await.map_err(StorageError::from)?;
    let limits = inner.limits;
    let replaced = existing.map_or(0, |row| row.size);
    let others = (usage.bytes - replaced).max(0).unsigned_abs();
    let room =
        Room { object_max: limits.object_bytes_max, project_max: limits.bytes_max.saturating_sub(others) };
    let length = length.unwrap_or(0);
    room.check(limits, length, length)?;
    Ok(room)
}

impl Room {
    fn check(&self, limits: Limits, size: u64, under_way: u64) -> Result<(), ObjectError> {
        if size > self.object_max {
            let message = format!("an object has {} bytes at the most", limits.object_bytes_max);
            return Err(ObjectError::LimitExceeded(message));
        }
        if under_way > self.project_max { Err(too_many_bytes(limits)) } else { Ok(()) }
    }
}

fn too_many_bytes(limits: Limits) -> ObjectError {
    let max = limits.bytes_max;
    ObjectError::LimitExceeded(format!("a project has {max} bytes in objects at the most: remove some"))
}

async fn receive(
    inner: &Inner,
    transfer: &mut Transfer,
    mut body: ObjectBytes,
    room: Room,
) -> Result<Received, ObjectError> {
    let mut file = inner.files.create().await?;
    let (mut size, mut hash) = (0_u64, Context::new(&SHA256));
    while let Some(bytes) = next(&mut body, inner.body_idle_max).await? {
        size += bytes.len() as u64;
        let under_way = transfer.received(bytes.len() as u64);
        room.check(inner.limits, size, under_way)?;
        inner.metrics.bytes_in.increment(bytes.len() as u64);
        hash.update(&bytes);
        file.write(&bytes).await?;
    }
    Ok(Received { file: file.finish().await?, size, sha256: hash.finish().as_ref().to_vec() })
}

async fn next(body: &mut ObjectBytes, idle_max: Duration) -> Result<Option<bytes::Bytes>, ObjectError> {
    match tokio::time::timeout(idle_max, body.next()).await {
        Ok(None) => Ok(None),
        Ok(Some(Ok(bytes))) => Ok(Some(bytes)),
        Ok(Some(Err(error))) => Err(ObjectError::BrokenOff(error)),
        Err(_) => Err(ObjectError::BrokenOff(io::Error::from(io::ErrorKind::TimedOut))),
    }
}

async fn commit(
    inner: &Inner,
    target: Target,
    received: Received,
    content_type: String,
) -> Result<ObjectInfo, ObjectError> {
    let Received { file, size, sha256 } = received;
    let placed: PlacedFile = inner.files.place(file).await?;
    let row = Row {
        name: target.name.as_str().as_bytes().to_vec(),
        file: placed.id.as_str().to_owned(),
        size: i64::try_from(size).unwrap_or(i64::MAX),
        sha256,
        content_type,
        modified_at: inner.clock.now_ms(),
    };
    match name_it(inner, &target, &row).await {
        Ok(replaced) => {
            if let Some(old) = replaced {
                inner.files.remove(&old).await;
            }
            inner.metrics.puts.increment(1);
            Ok(ObjectInfo {
                name: target.name,
                size,
                etag: etag_of(&row.sha256),
                content_type: row.content_type,
                modified_at: row.modified_at,
            })
        }
        Err(error) => {
            discard(inner, &inner.files, &placed.id).await;
            Err(error)
        }
    }
}

/// A commit that failed may be on disk all the same: the file goes only where no object has it.
async fn discard(inner: &Inner, files: &Files, id: &FileId) {
    match inner.store.names_file(id).await {
        Ok(false) => files.remove(id).await,
        Ok(true) => {}
        Err(error) => tracing::warn!(file = %id, %error, "a file may have been left without an object"),
    }
}

/// Puts the row in place; returns the file of the object that was there.
async fn name_it(inner: &Inner, target: &Target, row: &Row) -> Result<Option<FileId>, ObjectError> {
    let Target { project, name, condition } = target;
    let mut write = inner.store.write().await.map_err(StorageError::from)?;
    if inner.is_removed(project) {
        return Err(ObjectError::Stopped);
    }
    let existing = objects::object(&mut write, project, name.as_str()).await.map_err(StorageError::from)?;
    check(condition, existing.as_ref())?;
    let usage = projects::usage(&mut write, project).await.map_err(StorageError::from)?;
    let usage = with(usage, row, existing.as_ref(), inner.limits)?;
    objects::put(&mut write, project, row).await.map_err(StorageError::from)?;
    projects::save_usage(&mut write, project, usage).await.map_err(StorageError::from)?;
    write.commit().await.map_err(|error| StorageError::Sql(error.into()))?;
    Ok(existing.and_then(|row| row.file_id()))
}

/// What the project uses with `row` in place of `existing`. What makes it smaller is always taken.
fn with(usage: Usage, row: &Row, existing: Option<&Row>, limits: Limits) -> Result<Usage, ObjectError> {
    let more_objects = i64::from(existing.is_none());
    let more_bytes = row.size - existing.map_or(0, |row| row.size);
    let usage = Usage { objects: usage.objects + more_objects, bytes: usage.bytes + more_bytes };
    if more_objects > 0 && usage.objects.unsigned_abs() > limits.objects_max {
        let message = format!("a project has {} objects at the most: remove some", limits.objects_max);
        return Err(ObjectError::LimitExceeded(message));
    }
    if more_bytes > 0 && usage.bytes.unsigned_abs() > limits.bytes_max {
        return Err(too_many_bytes(limits));
    }
    Ok(usage)
}

/// Whether a condition holds for what is there.
pub(crate) fn check(condition: &ObjectCondition, existing: Option<&Row>) -> Result<(), ObjectError> {
    let holds = match condition {
        ObjectCondition::Any => true,
        ObjectCondition::Absent => existing.is_none(),
        ObjectCondition::Present => existing.is_some(),
        ObjectCondition::Etag(etags) => existing.is_some_and(|row| etags.contains(&row.etag())),
    };
    if holds { Ok(()) } else { Err(ObjectError::PreconditionFailed) }
}
