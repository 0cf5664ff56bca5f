//! How far a project was relayed: one document of the project's own database, `_system/relay` `bus`.

use bson::{RawDocumentBuf, doc, rawdoc};
use bundoc::engine::{
    Actor, ChangePosition, CollectionName, DatabaseName, DocumentId, Engine, Precondition, WriteOp,
};
use bundoc::error::EngineError;

const COLLECTION: &str = "_system/relay";
const DOCUMENT: &str = "bus";

fn at() -> Result<(CollectionName, DocumentId), EngineError> {
    Ok((CollectionName::parse(COLLECTION)?, DocumentId::parse(DOCUMENT)?))
}

/// The place that was saved, if it is one of this database.
pub(super) fn read(
    engine: &dyn Engine,
    database: &DatabaseName,
) -> Result<Option<ChangePosition>, EngineError> {
    let (collection, id) = at()?;
    let stored = engine.get(database, &collection, &id, &Actor::Trusted)?;
    Ok(stored.and_then(|stored| parse(&stored.document, &engine.epoch(database))))
}

fn parse(document: &RawDocumentBuf, epoch: &str) -> Option<ChangePosition> {
    if document.get_str("epoch").ok()? != epoch {
        return None;
    }
    let commit = u64::try_from(document.get_i64("commit").ok()?).ok()?;
    let index = u32::try_from(document.get_i64("index").ok()?).ok()?;
    Some(ChangePosition { commit, index })
}

/// Saves a place. A database that is gone, or not there yet, is not made by this.
pub(super) async fn save(
    engine: &dyn Engine,
    database: &DatabaseName,
    position: ChangePosition,
) -> Result<(), EngineError> {
    let (collection, id) = at()?;
    let epoch = engine.epoch(database);
    let (commit, index) = (position.commit as i64, i64::from(position.index));
    let precondition = Precondition::Any;
    let update = doc! {"epoch": epoch.clone(), "commit": commit, "index": index};
    let update = WriteOp::Update {
        collection: collection.clone(),
        id: id.clone(),
        update: update.into(),
        precondition,
    };
    match engine.write(database, vec![update], &Actor::Trusted).await {
        Err(EngineError::DocumentNotFound { .. }) if engine.collections(database, "")?.is_empty() => {
            return Ok(());
        }
        Err(EngineError::DocumentNotFound { .. }) => {}
        done => return done.map(drop),
    }
    let document = rawdoc! {"_id": DOCUMENT, "epoch": epoch, "commit": commit, "index": index};
    let put = WriteOp::Replace { collection, id, document, precondition };
    engine.write(database, vec![put], &Actor::Trusted).await.map(drop)
}
