//! Limits and sizes of the engine, all in one place.

use crate::clock::Clock;
use std::time::Duration;

/// What the engine allows and how much memory and disk it takes.
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EngineOptions {
    /// Bytes of one document as BSON.
    pub document_bytes_max: usize,
    /// Levels of nesting in a document.
    pub document_depth_max: usize,
    /// Operations in one batch.
    pub batch_operations_max: usize,
    /// Bytes of all documents of one batch together.
    pub batch_bytes_max: usize,
    /// Documents that one update or removal by a filter may touch.
    pub matching_documents_max: usize,
    /// Queries of updates and removals by a filter that run at the same time; others wait.
    pub matching_queries_max: usize,
    /// Bytes of what all of them have worked out for the committer; beyond, it works out the rest itself.
    pub matching_drafts_bytes_max: usize,
    /// Transactions that are open in one database at the same time.
    pub transactions_per_database_max: usize,
    /// How old a transaction may be when it commits.
    #[serde(rename = "transaction_age_ms_max", deserialize_with = "milliseconds")]
    pub transaction_age_max: Duration,
    /// Documents and queries that a transaction remembers of what it read in one collection; beyond, it
    /// counts as having read the whole collection.
    pub transaction_reads_max: usize,
    /// Bytes of past commits kept in memory for open transactions; beyond, the oldest transactions end.
    pub history_bytes_max: usize,
    /// Entries of one outbox of a database that wait to be handed on.
    pub outbox_entries_max: u64,
    /// Bytes of one entry.
    pub outbox_entry_bytes_max: usize,
    /// Bytes of documents and index entries of one database; 0 for no limit.
    pub database_bytes_max: u64,
    /// Documents in one page.
    pub find_limit_max: usize,
    /// Matching documents that a query may pass over.
    pub find_skip_max: usize,
    /// Documents or index entries that one query may examine.
    pub find_examined_max: u64,
    /// How long one query may take.
    #[serde(rename = "find_time_ms_max", deserialize_with = "milliseconds")]
    pub find_time_max: Duration,
    /// Bytes of documents in one page; a page that would grow beyond ends early, with a cursor.
    pub find_page_bytes_max: usize,
    /// Bytes of sort keys that a query may hold where no index gives its order.
    pub find_sort_bytes_max: usize,
    /// Different values of a field that one query may ask for.
    pub distinct_values_max: usize,
    /// Indexes of one collection.
    pub indexes_per_collection_max: usize,
    /// Indexes over several collections of one database.
    pub group_indexes_per_database_max: usize,
    /// How often documents that have expired are looked for.
    #[serde(rename = "expire_every_ms", deserialize_with = "milliseconds")]
    pub expire_every: Duration,
    /// What says whether a document has expired.
    #[serde(skip)]
    pub clock: Clock,
    /// Collections of one database.
    pub collections_per_database_max: usize,
    /// Requests that may wait for the committer.
    pub write_queue_max: usize,
    /// Requests in one group, which shares one fsync.
    pub write_group_max: usize,
    /// Bytes of operations in one group.
    pub write_group_bytes_max: usize,
    /// Cache of blocks read from disk.
    pub cache_bytes: u64,
    /// Size at which a table in memory is written out; there are five.
    pub memtable_bytes: u64,
    /// Bytes of journal at which the oldest is written out and removed.
    pub journal_bytes_max: u64,
    /// Threads that write tables out and merge them.
    pub worker_threads: usize,
    /// Free bytes on the disk below which writes are refused, so that what is in memory can still be
    /// written out.
    pub disk_reserve_bytes: u64,
    /// Changes that the feed of one database keeps; older ones are removed.
    pub feed_changes_retained: u64,
    /// Bytes of the changes that the feed of one database keeps at the most.
    pub feed_bytes_max: u64,
    /// How long a change is kept in the feed.
    #[serde(rename = "feed_age_ms_max", deserialize_with = "milliseconds")]
    pub feed_age_max: Duration,
}

impl Default for EngineOptions {
    fn default() -> Self {
        const MIB: usize = 1024 * 1024;
        Self {
            document_bytes_max: 16 * MIB,
            document_depth_max: 100,
            batch_operations_max: 1_000,
            batch_bytes_max: 32 * MIB,
            matching_documents_max: 10_000,
            matching_queries_max: 16,
            matching_drafts_bytes_max: 64 * MIB,
            transactions_per_database_max: 256,
            transaction_age_max: Duration::from_secs(60),
            transaction_reads_max: 10_000,
            history_bytes_max: 64 * MIB,
            outbox_entries_max: 100_000,
            outbox_entry_bytes_max: MIB,
            database_bytes_max: 0,
            find_limit_max: 1_000,
            find_skip_max: 100_000,
            find_examined_max: 1_000_000,
            find_time_max: Duration::from_secs(10),
            find_page_bytes_max: 32 * MIB,
            find_sort_bytes_max: 64 * MIB,
            distinct_values_max: 10_000,
            indexes_per_collection_max: 32,
            group_indexes_per_database_max: 32,
            expire_every: Duration::from_secs(30),
            clock: Clock::default(),
            collections_per_database_max: 100_000,
            write_queue_max: 4_096,
            write_group_max: 512,
            write_group_bytes_max: 16 * MIB,
            cache_bytes: 32 * MIB as u64,
            memtable_bytes: 8 * MIB as u64,
            journal_bytes_max: 256 * MIB as u64,
            worker_threads: 2,
            disk_reserve_bytes: 64 * MIB as u64,
            feed_changes_retained: 100_000,
            feed_bytes_max: 512 * MIB as u64,
            feed_age_max: Duration::from_secs(24 * 60 * 60),
        }
    }
}

fn milliseconds<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    <u64 as serde::Deserialize>::deserialize(deserializer).map(Duration::from_millis)
}
