//! Loads the documents that reads and queries find, in batches.

use crate::client::{Ask, Connection, Target};
use crate::document::{document, filled_id};
use crate::report;
use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};
use std::time::Instant;

/// Documents in one batch.
const BATCH_DOCUMENTS: usize = 200;

/// Arguments of `bench-load fill`.
#[derive(Debug, clap::Args)]
pub(crate) struct FillArgs {
    #[command(flatten)]
    target: Target,
    /// Collection
    #[arg(long)]
    collection: String,
    /// How many
    #[arg(long, default_value_t = 100_000)]
    documents: u64,
}

/// Fills the collection and prints how long it took.
pub(crate) async fn run(args: FillArgs) -> anyhow::Result<()> {
    let mut connection = Connection::open(&args.target).await?;
    let begun = Instant::now();
    let numbers: Vec<u64> = (0..args.documents).collect();
    for chunk in numbers.chunks(BATCH_DOCUMENTS) {
        connection.expect_success(batch(&args.collection, chunk)).await?;
    }
    let seconds = begun.elapsed().as_secs_f64();
    let rate = args.documents as f64 / seconds;
    report::print(&json!({ "documents": args.documents, "seconds": seconds, "rate": rate }))
}

fn batch(collection: &str, numbers: &[u64]) -> Ask {
    let operations: Vec<Value> = numbers.iter().map(|number| insert(collection, *number)).collect();
    Ask {
        method: Method::POST,
        path: "/v1/database/batch".to_owned(),
        body: Bytes::from(json!({ "operations": operations }).to_string()),
    }
}

fn insert(collection: &str, number: u64) -> Value {
    let mut with_id = document(number);
    with_id["_id"] = filled_id(number).into();
    json!({ "op": "insert", "collection": collection, "document": with_id })
}
