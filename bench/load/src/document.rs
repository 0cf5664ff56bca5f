//! The documents of the benchmark: about 400 bytes of JSON, the same for both sides.

use crate::client::Ask;
use bytes::Bytes;
use http::Method;
use rand::RngExt as _;
use serde_json::{Value, json};

/// Documents with the same `city` (indexed), and with the same `team` (not indexed).
pub(crate) const DOCUMENTS_PER_VALUE: u64 = 20;

const NOTE: &str = "Prefers mornings; asked twice about the invoice of last quarter.";
const COUNTRIES: [&str; 5] = ["DE", "FR", "JP", "BR", "KE"];

/// Document number `number`, without `_id`.
pub(crate) fn document(number: u64) -> Value {
    let group = number / DOCUMENTS_PER_VALUE;
    let country = COUNTRIES[(number % 5) as usize];
    json!({
        "name": format!("Customer Number {number:08}"),
        "email": format!("customer.{number:08}@mail.example"),
        "city": value_name("city", group),
        "team": value_name("team", group),
        "age": 18 + number % 70,
        "balance": (number % 100_000) as f64 / 100.0,
        "active": !number.is_multiple_of(3),
        "joined": "2026-03-04T05:06:07.000Z",
        "tags": ["newsletter", "wholesale", "priority"],
        "address": { "street": format!("{} Long Street", number % 300), "zip": "10115", "country": country },
        "note": NOTE,
    })
}

/// `_id` of document number `number` of the filled collection.
pub(crate) fn filled_id(number: u64) -> String {
    format!("doc-{number:08}")
}

/// The value that the documents of a group share in `field`.
pub(crate) fn value_name(field: &str, group: u64) -> String {
    format!("{field}-{group:06}")
}

/// What one request of the load does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Operation {
    /// One document in one POST; the server makes its id.
    Insert,
    /// One document by a random id.
    Read,
    /// The 20 documents with a random value in an indexed field.
    Query,
    /// The same over a field without an index.
    Scan,
}

/// Makes the requests of one operation.
#[derive(Debug, Clone)]
pub(crate) struct Requests {
    pub(crate) operation: Operation,
    pub(crate) collection: String,
    /// Documents in the filled collection.
    pub(crate) documents: u64,
}

impl Requests {
    pub(crate) fn next(&self) -> Ask {
        let number = rand::rng().random_range(0..self.documents);
        match self.operation {
            Operation::Insert => Ask {
                method: Method::POST,
                path: self.documents_path(),
                body: Bytes::from(document(number).to_string()),
            },
            Operation::Read => Ask {
                method: Method::GET,
                path: format!("{}/{}", self.documents_path(), filled_id(number)),
                body: Bytes::new(),
            },
            Operation::Query => self.query("city", number),
            Operation::Scan => self.query("team", number),
        }
    }

    fn query(&self, field: &str, number: u64) -> Ask {
        let value = value_name(field, number / DOCUMENTS_PER_VALUE);
        let body = json!({ "query": { field: value }, "limit": DOCUMENTS_PER_VALUE });
        Ask {
            method: Method::POST,
            path: format!("{}/query", self.documents_path()),
            body: Bytes::from(body.to_string()),
        }
    }

    fn documents_path(&self) -> String {
        format!("/v1/database/collections/{}/documents", self.collection)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_about_400_bytes() {
        for number in [0, 7, 99_999] {
            let bytes = document(number).to_string().len();
            assert!((360..=440).contains(&bytes), "{bytes}");
        }
    }

    #[test]
    fn twenty_documents_share_a_value() {
        let same = (0..100).filter(|number| document(*number)["city"] == value_name("city", 2));
        assert_eq!(same.count() as u64, DOCUMENTS_PER_VALUE);
    }
}
