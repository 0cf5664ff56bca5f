//! What the engine promises (`engine::Engine`): reads from a snapshot in the thread of the caller; whatever
//! changes something goes to the committer.

use super::FjallEngine;
use super::sight::{LatestState, sight};
use crate::batch;
use crate::catalog::{Collection, Index};
use crate::changes;
use crate::committer::{Batch, Ending, Work};
use crate::document;
use crate::engine::{
    Actor, Change, ChangePosition, CollectionInfo, CollectionName, CollectionPattern, Commit, DatabaseName,
    DatabaseStats, DocumentId, Engine, EngineStats, Explanation, Extent, FindRequest, GroupIndexInfo,
    GroupPage, IndexInfo, IndexSpec, Listing, Outbox, OutboxEntry, Page, RuleProbe, RuleSet, RuleVerdict,
    Sight, StoredDocument, Transaction, Varies, WriteOp,
};
use crate::error::EngineError;
use crate::find::{self, look};
use crate::layout::{self, Space};
use crate::matching;
use crate::names;
use crate::outbox;
use crate::rules::{self, CompiledRules, Documents, Lookups, Method};
use crate::transaction;
use bson::{Bson, Document};
use std::sync::atomic::Ordering;
use tokio::sync::watch;

#[async_trait::async_trait]
impl Engine for FjallEngine {
    fn collections(&self, database: &DatabaseName, prefix: &str) -> Result<Vec<CollectionInfo>, EngineError> {
        self.check_open()?;
        let database = self.shared.catalog.database(database);
        let collections = database.map(|database| database.collections(prefix)).unwrap_or_default();
        Ok(collections.iter().map(|collection| collection.info()).collect())
    }

    fn collection(
        &self,
        database: &DatabaseName,
        collection: &CollectionName,
    ) -> Result<Option<CollectionInfo>, EngineError> {
        self.check_open()?;
        Ok(self.shared.catalog.collection(database, collection).map(|(_, collection)| collection.info()))
    }

    async fn create_collection(
        &self,
        database: &DatabaseName,
        collection: &CollectionName,
        rules: RuleSet,
    ) -> Result<CollectionInfo, EngineError> {
        rules::check(&rules)?;
        let (database, collection) = (database.clone(), collection.clone());
        self.define(move |committer| committer.create_collection(&database, &collection, rules)).await
    }

    async fn drop_collection(
        &self,
        database: &DatabaseName,
        collection: &CollectionName,
    ) -> Result<(), EngineError> {
        let (database, collection) = (database.clone(), collection.clone());
        self.define(move |committer| committer.drop_collection(&database, &collection)).await
    }

    async fn set_rules(
        &self,
        database: &DatabaseName,
        collection: &CollectionName,
        rules: RuleSet,
    ) -> Result<CollectionInfo, EngineError> {
        rules::check(&rules)?;
        let (database, collection) = (database.clone(), collection.clone());
        self.define(move |committer| committer.set_rules(&database, &collection, rules)).await
    }

    async fn create_index(
        &self,
        database: &DatabaseName,
        collection: &CollectionName,
        index: IndexSpec,
    ) -> Result<IndexInfo, EngineError> {
        names::check_index(&index)?;
        let (database, collection) = (database.clone(), collection.clone());
        self.define(move |committer| committer.create_index(&database, &collection, index)).await
    }

    async fn drop_index(
        &self,
        database: &DatabaseName,
        collection: &CollectionName,
        name: &str,
    ) -> Result<(), EngineError> {
        let (database, collection, name) = (database.clone(), collection.clone(), name.to_owned());
        self.define(move |committer| committer.drop_index(&database, &collection, &name)).await
    }

    fn get(
        &self,
        database: &DatabaseName,
        collection: &CollectionName,
        id: &DocumentId,
        actor: &Actor,
    ) -> Result<Option<StoredDocument>, EngineError> {
        self.check_open()?;
        let Some(seen) = look(&self.shared.store, &self.shared.catalog, database, collection) else {
            return Ok(None);
        };
        let key = layout::document(seen.database.id, seen.collection.id, id.as_str());
        let Some(stored) = seen.view.get(Space::Documents, &key)? else { return Ok(None) };
        let (_, document) = document::split(&stored)?;
        let documents = Documents { present: Some(document), new: None };
        if !seen.collection.rules.allow(actor, Method::Get, documents, &Lookups::new(&seen))? {
            return Ok(None);
        }
        document::to_stored(&stored).map(Some)
    }

    fn find(
        &self,
        database: &DatabaseName,
        collection: &CollectionName,
        request: &FindRequest,
        actor: &Actor,
    ) -> Result<Page, EngineError> {
        match self.listed(database, collection, actor)? {
            Some(seen) => find::find(&seen, request, actor, &self.shared.options, None),
            None => find::nothing(request, &self.shared.options),
        }
    }

    fn find_at_once(
        &self,
        database: &DatabaseName,
        collection: &CollectionName,
        request: &FindRequest,
        actor: &Actor,
    ) -> Result<Option<Page>, EngineError> {
        match self.listed(database, collection, actor)? {
            Some(seen) => find::find_at_once(&seen, request, actor, &self.shared.options),
            None => find::nothing(request, &self.shared.options).map(Some),
        }
    }

    fn find_group(
        &self,
        database: &DatabaseName,
        pattern: &CollectionPattern,
        request: &FindRequest,
        actor: &Actor,
    ) -> Result<GroupPage, EngineError> {
        self.check_open()?;
        let shared = &self.shared;
        find::find_group(
            (&shared.store, &shared.catalog),
            (database, pattern),
            request,
            actor,
            &shared.options,
        )
    }

    fn count(
        &self,
        database: &DatabaseName,
        collection: &CollectionName,
        filter: &Document,
        actor: &Actor,
    ) -> Result<u64, EngineError> {
        match self.listed(database, collection, actor)? {
            Some(seen) => find::count(&seen, filter, actor, &self.shared.options, None),
            None => find::count_nothing(filter, &self.shared.options),
        }
    }

    fn distinct(
        &self,
        database: &DatabaseName,
        collection: &CollectionName,
        field: &str,
        filter: &Document,
        actor: &Actor,
    ) -> Result<Vec<Bson>, EngineError> {
        match self.listed(database, collection, actor)? {
            Some(seen) => find::distinct(&seen, (field, filter), actor, &self.shared.options, None),
            None => find::distinct_nothing((field, filter), &self.shared.options),
        }
    }

    fn explain(
        &self,
        database: &DatabaseName,
        collection: &CollectionName,
        request: &FindRequest,
    ) -> Result<Explanation, EngineError> {
        match self.listed(database, collection, &Actor::Trusted)? {
            Some(seen) => find::explain(&seen, request, &self.shared.options),
            None => find::explain_nothing(request, &self.shared.options),
        }
    }

    fn begin(&self, database: &DatabaseName, actor: &Actor) -> Result<Box<dyn Transaction>, EngineError> {
        self.check_open()?;
        Ok(Box::new(transaction::begin(&self.requests, database, actor)?))
    }

    fn try_rule(
        &self,
        database: &DatabaseName,
        collection: &CollectionName,
        probe: &RuleProbe,
    ) -> Result<RuleVerdict, EngineError> {
        self.check_open()?;
        let seen = look(&self.shared.store, &self.shared.catalog, database, collection);
        let seen = seen.ok_or_else(|| EngineError::CollectionNotFound(collection.to_string()))?;
        match &probe.rules {
            None => seen.collection.rules.verdict(probe, &Lookups::new(&seen)),
            Some(rules) => {
                rules::check(rules)?;
                CompiledRules::new(rules.clone()).verdict(probe, &Lookups::new(&seen))
            }
        }
    }

    fn group_indexes(&self, database: &DatabaseName) -> Result<Vec<GroupIndexInfo>, EngineError> {
        self.check_open()?;
        let groups = self.shared.catalog.database(database).map(|database| database.groups());
        let info = |index: &Index| {
            let pattern = index.shape.pattern.clone()?;
            Some(GroupIndexInfo { pattern, index: index.info() })
        };
        Ok(groups.iter().flat_map(|groups| groups.iter()).filter_map(info).collect())
    }

    async fn create_group_index(
        &self,
        database: &DatabaseName,
        pattern: &CollectionPattern,
        index: IndexSpec,
    ) -> Result<GroupIndexInfo, EngineError> {
        names::check_group_index(&index)?;
        let (database, pattern) = (database.clone(), pattern.clone());
        self.define(move |committer| committer.create_group_index(&database, &pattern, index)).await
    }

    async fn drop_group_index(
        &self,
        database: &DatabaseName,
        pattern: &CollectionPattern,
        name: &str,
    ) -> Result<(), EngineError> {
        let (database, pattern, name) = (database.clone(), pattern.clone(), name.to_owned());
        self.define(move |committer| committer.drop_group_index(&database, &pattern, &name)).await
    }

    async fn write(
        &self,
        database: &DatabaseName,
        operations: Vec<WriteOp>,
        actor: &Actor,
    ) -> Result<Commit, EngineError> {
        batch::check(&operations, &self.shared.options)?;
        let batch = Batch::new(operations, actor);
        if matching::has_searches(&batch.operations) {
            return self.requests.write_matching(database, batch).await;
        }
        self.requests.write(database, Work::Batch(batch)).await
    }

    fn changes(
        &self,
        database: &DatabaseName,
        after: ChangePosition,
        limit: usize,
    ) -> Result<Vec<Change>, EngineError> {
        self.check_open()?;
        match self.shared.catalog.database(database) {
            Some(database) => {
                let options = &self.shared.options;
                changes::read(&self.shared.store.view(), database.id, (after, limit), options)
            }
            None => Ok(Vec::new()),
        }
    }

    fn outbox(
        &self,
        database: &DatabaseName,
        outbox: Outbox,
        after: ChangePosition,
        limit: usize,
    ) -> Result<Vec<OutboxEntry>, EngineError> {
        self.check_open()?;
        match self.shared.catalog.database(database) {
            Some(database) => {
                let options = &self.shared.options;
                outbox::read(&self.shared.store.view(), (database.id, outbox), (after, limit), options)
            }
            None => Ok(Vec::new()),
        }
    }

    async fn settle_outbox(
        &self,
        database: &DatabaseName,
        outbox: Outbox,
        upto: ChangePosition,
    ) -> Result<(), EngineError> {
        let database = database.clone();
        self.define(move |committer| committer.settle_outbox(&database, outbox, upto)).await
    }

    fn outboxes_waiting(&self, outbox: Outbox) -> Vec<DatabaseName> {
        self.shared.outboxes.waiting(outbox)
    }

    fn watch_outboxes(&self) -> watch::Receiver<u64> {
        self.shared.outboxes.watch()
    }

    fn sight(&self, database: &DatabaseName, change: &Change, actor: &Actor) -> Sight {
        if matches!(actor, Actor::Trusted) {
            return Sight { before: true, after: true };
        }
        let collection = self.shared.catalog.collection(database, &change.collection);
        let same = |collection: &Collection| change.number.is_none_or(|number| number == collection.id);
        let Some((database, collection)) = collection.filter(|(_, collection)| same(collection)) else {
            return Sight { before: false, after: false };
        };
        let state = LatestState { store: &self.shared.store, database: &database };
        sight(&collection.rules, &change.kind, actor, &Lookups::new(&state))
    }

    fn may_list(&self, database: &DatabaseName, collection: &CollectionName, actor: &Actor) -> bool {
        let collection = self.shared.catalog.collection(database, collection);
        matches!(actor, Actor::Trusted)
            || collection.is_some_and(|(_, collection)| collection.rules.covers(actor, Method::List))
    }

    fn listing(
        &self,
        database: &DatabaseName,
        collection: &CollectionName,
        actor: &Actor,
    ) -> Result<Listing, EngineError> {
        self.check_open()?;
        if matches!(actor, Actor::Trusted) {
            return Ok(Listing { extent: Extent::Everything, varies: Varies::No });
        }
        match look(&self.shared.store, &self.shared.catalog, database, collection) {
            Some(seen) => seen.collection.rules.listing(actor, &Lookups::new(&seen)),
            // It may come into being.
            None => Ok(Listing { extent: Extent::Nothing, varies: Varies::WithDocuments }),
        }
    }

    fn epoch(&self, database: &DatabaseName) -> String {
        let number = self.shared.catalog.database(database).map_or(0, |database| database.id);
        format!("{}{number:08x}", self.epoch)
    }

    fn commits(&self) -> watch::Receiver<u64> {
        self.shared.commits.subscribe()
    }

    fn watch(&self, database: &DatabaseName) -> watch::Receiver<u64> {
        self.shared.feeds.watch(database, *self.shared.commits.borrow())
    }

    async fn purge(&self, database: &DatabaseName) -> Result<(), EngineError> {
        let database = database.clone();
        self.define(move |committer| committer.purge(&database)).await
    }

    fn database_stats(&self, database: &DatabaseName) -> Result<DatabaseStats, EngineError> {
        self.check_open()?;
        let database = self.shared.catalog.database(database);
        Ok(database.map(|database| database.stats()).unwrap_or_default())
    }

    fn stats(&self) -> EngineStats {
        let (transactions_open, transaction_conflicts, history_bytes) = self.shared.history.numbers();
        EngineStats {
            transactions_open,
            transaction_conflicts,
            history_bytes,
            disk_bytes: self.shared.store.disk_bytes(),
            last_commit: *self.shared.commits.borrow(),
            queued_writes: self.shared.queued.load(Ordering::Relaxed),
            writes_stopped: self.shared.writes_stopped.load(Ordering::Acquire),
        }
    }

    async fn shutdown(&self) {
        // The committer finishes what it has and writes tables out; that is bounded to a few seconds.
        self.stop(Ending::WrittenOut);
    }
}
