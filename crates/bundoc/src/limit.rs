//! The limits of the engine that refuse something, by name: for metrics, and for callers who want to know which
//! one it was.

macro_rules! limits {
    ($($(#[$doc:meta])* $limit:ident = $name:literal;)*) => {
        /// A limit. Its name is that of the setting in `EngineOptions`, where it has one. Names are stable.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Limit { $($(#[$doc])* $limit,)* }

        impl Limit {
            /// Every limit.
            pub const ALL: &'static [Self] = &[$(Self::$limit,)*];

            /// Its name.
            pub fn name(self) -> &'static str {
                match self { $(Self::$limit => $name,)* }
            }
        }
    };
}

limits! {
    /// Operations of a batch, or of a transaction.
    BatchOperations = "batch_operations_max";
    /// Bytes of a batch, or of what a transaction writes.
    BatchBytes = "batch_bytes_max";
    /// Documents that one update or removal by a filter touches.
    MatchingDocuments = "matching_documents_max";
    /// Bytes of them, before and after: twice those of a batch.
    MatchingBytes = "matching_bytes";
    /// Open transactions of a database.
    TransactionsPerDatabase = "transactions_per_database_max";
    /// Collections that a transaction looks at.
    TransactionReads = "transaction_reads_max";
    /// Events or jobs that wait to be handed on.
    OutboxEntries = "outbox_entries_max";
    /// Bytes of one of them.
    OutboxEntryBytes = "outbox_entry_bytes_max";
    /// Bytes of a database.
    DatabaseBytes = "database_bytes_max";
    /// Collections of a database.
    CollectionsPerDatabase = "collections_per_database_max";
    /// Indexes of a collection.
    IndexesPerCollection = "indexes_per_collection_max";
    /// Group indexes of a database.
    GroupIndexesPerDatabase = "group_indexes_per_database_max";
    /// Numbers that a store gives to collections and indexes.
    StoreNumbers = "store_numbers";
    /// Documents or index entries that a query examines.
    FindExamined = "find_examined_max";
    /// How long a query takes.
    FindTime = "find_time_ms_max";
    /// Bytes that a query sorts, or that different values have.
    FindSortBytes = "find_sort_bytes_max";
    /// Bytes of the sort values of one document.
    SortKeyBytes = "sort_key_bytes";
    /// Different values of a field in one answer.
    DistinctValues = "distinct_values_max";
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn no_two_limits_have_one_name() {
        let names: HashSet<_> = Limit::ALL.iter().map(|limit| limit.name()).collect();
        assert_eq!(names.len(), Limit::ALL.len());
    }
}
