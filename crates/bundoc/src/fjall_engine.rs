//! The engine over fjall: opens and checks the directory, starts the committer, reads from snapshots.

use crate::batch;
use crate::catalog::{Collection, Database, Index, record};
use crate::changes;
use crate::check::{self, CheckReport};
use crate::committer::{Batch, Committer, Ending, Request, Shared, Start, Work};
use crate::document;
use crate::engine::{
    Actor, Change, ChangeKind, ChangePosition, CollectionInfo, CollectionName, CollectionPattern, Commit,
    DatabaseName, DatabaseStats, DocumentId, Engine, EngineStats, Explanation, Extent, FindRequest,
    GroupIndexInfo, GroupPage, IndexInfo, IndexSpec, Listing, Outbox, OutboxEntry, Page, RuleProbe, RuleSet,
    RuleVerdict, Sight, StoredDocument, Transaction, Varies, WriteOp,
};
use crate::error::EngineError;
use crate::feeds::Feeds;
use crate::find::{self, Seen, look};
use crate::history::History;
use crate::home::Home;
use crate::journal;
use crate::layout::{self, LAST_COMMIT, NEXT_ID, Space};
use crate::matching;
use crate::names;
use crate::options::EngineOptions;
use crate::outbox;
use crate::recovery::RecoveryReport;
use crate::requests::Requests;
use crate::rules::{self, CompiledRules, Documents, Lookup, Lookups, Method};
use crate::store::Store;
use crate::transaction;
use bson::{Bson, Document, RawDocument, RawDocumentBuf};
use fjall::Slice;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use tokio::sync::{Semaphore, oneshot, watch};

/// Documents in fjall, with one committer thread.
pub struct FjallEngine {
    pub(crate) shared: Arc<Shared>,
    pub(crate) requests: Requests,
    threads: Mutex<Vec<JoinHandle<()>>>,
    epoch: String,
    _home: Home,
}

impl FjallEngine {
    /// Opens or creates the store in `path`. A torn end of the journal is cut and reported.
    ///
    /// # Errors
    /// `Locked`, `NewerFormat`, `Damaged` (damage that a cut would hide; nothing is changed then),
    /// `DiskFull` or `Storage`.
    pub fn open(
        path: &Path,
        options: EngineOptions,
    ) -> Result<(Arc<FjallEngine>, RecoveryReport), EngineError> {
        let home = Home::open(path)?;
        home.prepare_store()?;
        let cut = journal::check(&home.store(), &home.cut())?;
        let (side_record, promised) = home.side_record()?;
        let store = Store::open(&home.store(), &options)?;
        home.finish_store()?;
        let number = |key: &[u8]| store.get(Space::Meta, key);
        let last_commit = number(LAST_COMMIT)?.map_or(Ok(0), |value| record::number(&value))?;
        let next_id = number(NEXT_ID)?.map_or(Ok(1), |value| record::id(&value))?;
        let (catalog, garbage) = record::load(&store.view())?;
        let report = RecoveryReport::new(cut, last_commit, promised);
        report.log();
        let epoch = if report.lost.is_some() { home.new_epoch()? } else { home.epoch()? };
        let shared = Arc::new(Shared {
            outboxes: record::load_outboxes(&store, &catalog)?,
            history: Arc::new(History::new(&options)),
            matching_queries: Arc::new(Semaphore::new(options.matching_queries_max.max(1))),
            #[cfg(test)]
            unchecked: AtomicBool::new(false),
            store,
            catalog,
            queued: AtomicU64::new(0),
            writes_stopped: AtomicBool::new(false),
            commits: watch::Sender::new(last_commit),
            feeds: Feeds::default(),
            options,
        });
        let (requests, receiver) = sync_channel(shared.options.write_queue_max);
        let last_commit = report.first_free_commit() - 1;
        let start = Start { side_record, last_commit, next_id, garbage, path: path.to_owned() };
        let committer = Committer::new(Arc::clone(&shared), receiver, start);
        let statistics = Arc::clone(&shared);
        let threads = Mutex::new(vec![
            spawn("bundoc-commit", move || committer.run())?,
            spawn("bundoc-stats", move || statistics.store.statistics().run(&statistics.store))?,
        ]);
        let requests = Requests::new(Arc::clone(&shared), requests);
        let engine = Self { shared, requests, threads, epoch, _home: home };
        Ok((Arc::new(engine), report))
    }

    /// Looks whether the store agrees with itself; writes go on meanwhile. Reads everything, so it takes long
    /// where much is stored.
    ///
    /// # Errors
    /// `Damaged` or `Storage` where something could not be read at all.
    pub fn check(&self) -> Result<CheckReport, EngineError> {
        self.check_open()?;
        check::check(&self.shared.store)
    }

    #[cfg(test)]
    pub(crate) fn store(&self) -> &Store {
        &self.shared.store
    }

    fn check_open(&self) -> Result<(), EngineError> {
        self.requests.check_open()
    }

    /// Has the committer do something by itself, between groups.
    async fn define<T: Send + 'static>(
        &self,
        define: impl FnOnce(&mut Committer) -> Result<T, EngineError> + Send + 'static,
    ) -> Result<T, EngineError> {
        let (answer, receiver) = oneshot::channel();
        self.requests.send(Request::Define(Box::new(move |committer| {
            let _ = answer.send(define(committer));
        })))?;
        receiver.await.unwrap_or(Err(EngineError::Closed))
    }

    /// A collection that the actor may list, or `None` where a trusted actor asks for one that is missing.
    fn listed(
        &self,
        database: &DatabaseName,
        collection: &CollectionName,
        actor: &Actor,
    ) -> Result<Option<Seen<'_>>, EngineError> {
        self.check_open()?;
        let denied = || Err(EngineError::Denied { collection: collection.to_string() });
        match (look(&self.shared.store, &self.shared.catalog, database, collection), actor) {
            (Some(seen), _) if !seen.collection.rules.covers(actor, Method::List) => denied(),
            // A ruled actor learns nothing from what is missing.
            (None, Actor::Ruled(_)) => denied(),
            (seen, _) => Ok(seen),
        }
    }

    fn stop(&self, ending: Ending) {
        if !self.requests.close(Request::Stop(ending)) {
            return;
        }
        self.shared.store.statistics().close();
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            if thread.join().is_err() {
                tracing::error!("a thread of the document store panicked");
            }
        }
    }
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, EngineError> {
    let thread = std::thread::Builder::new().name(name.into()).spawn(run);
    thread.map_err(|error| EngineError::Storage(Box::new(error)))
}

/// The newest committed state of a database, for the look-ups of rules.
struct LatestState<'a> {
    store: &'a Store,
    database: &'a Database,
}

impl Lookup for LatestState<'_> {
    fn document(&self, collection: &CollectionName, id: &DocumentId) -> Result<Option<Slice>, EngineError> {
        let Some(collection) = self.database.collection(collection) else { return Ok(None) };
        self.store.get(Space::Documents, &layout::document(self.database.id, collection.id, id.as_str()))
    }
}

/// What a ruled actor may see of a change in a collection.
fn sight(rules: &CompiledRules, kind: &ChangeKind, actor: &Actor, lookups: &Lookups<'_>) -> Sight {
    let allows = |documents: Documents<'_>| {
        rules.allow(actor, Method::List, documents, lookups).unwrap_or_else(|error| {
            tracing::error!(%error, "a rule could not look up a document and denies");
            false
        })
    };
    let sees = |document: &RawDocument| allows(Documents { present: Some(document), new: None });
    // Without the document only a rule that does not look at it can tell.
    let saw = |before: &Option<RawDocumentBuf>| match before {
        Some(before) => sees(before),
        None => !rules.listing_looks_at_documents() && allows(Documents::default()),
    };
    match kind {
        ChangeKind::Added(after) => Sight { before: false, after: sees(after) },
        ChangeKind::Modified { before, after } => Sight { before: saw(before), after: sees(after) },
        ChangeKind::Removed { before } => Sight { before: saw(before), after: false },
        ChangeKind::Dropped | ChangeKind::RulesReplaced => Sight { before: true, after: true },
    }
}

impl Drop for FjallEngine {
    fn drop(&mut self) {
        self.stop(Ending::Now);
    }
}

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
        let Some(database) = self.shared.catalog.database(database) else { return Ok(Vec::new()) };
        let view = self.shared.store.view();
        let feed = view.get(Space::Catalog, &record::feed_key(database.id))?;
        let feed = feed.map(|feed| record::decode_feed(&feed)).transpose()?.unwrap_or_default();
        if after < feed.floor {
            return Err(EngineError::FeedTrimmed);
        }
        let mut bytes = 0;
        let mut found = Vec::new();
        for entry in view.ascending(Space::Changes, changes::range(database.id, after)).take(limit) {
            let (key, value) = entry?;
            bytes += value.len();
            found.push(changes::decode(&key, &value)?);
            if bytes >= self.shared.options.find_page_bytes_max {
                break;
            }
        }
        Ok(found)
    }

    fn outbox(
        &self,
        database: &DatabaseName,
        outbox: Outbox,
        after: ChangePosition,
        limit: usize,
    ) -> Result<Vec<OutboxEntry>, EngineError> {
        self.check_open()?;
        let Some(database) = self.shared.catalog.database(database) else { return Ok(Vec::new()) };
        let range = outbox::after(database.id, outbox, after);
        let mut bytes = 0;
        let mut found = Vec::new();
        for entry in self.shared.store.view().ascending(Space::Catalog, range).take(limit) {
            let (key, value) = entry?;
            bytes += value.len();
            found.push(outbox::decode(outbox, &key, &value)?);
            if bytes >= self.shared.options.find_page_bytes_max {
                break;
            }
        }
        Ok(found)
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
