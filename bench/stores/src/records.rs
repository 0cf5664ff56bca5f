//! The records of the workloads: text fields, so that each store takes them as it likes best.

use rand::RngExt as _;
use rand::distr::Alphanumeric;
use serde_json::{Map, Value};

/// Fields of a YCSB record, and bytes of each.
pub(crate) const YCSB_FIELDS: [&str; 10] =
    ["field0", "field1", "field2", "field3", "field4", "field5", "field6", "field7", "field8", "field9"];
const YCSB_FIELD_BYTES: usize = 100;

/// Customers that share a city.
pub(crate) const CUSTOMERS_PER_CITY: u64 = 20;

/// An id and text fields.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    pub(crate) id: String,
    pub(crate) fields: Vec<(&'static str, String)>,
}

impl Record {
    /// As a JSON object with `_id`.
    pub(crate) fn json(&self) -> String {
        let mut object = Map::new();
        object.insert("_id".into(), Value::from(self.id.as_str()));
        for (name, value) in &self.fields {
            object.insert((*name).into(), Value::from(value.as_str()));
        }
        Value::Object(object).to_string()
    }
}

/// Text of this many random letters and digits.
pub(crate) fn random_text(bytes: usize) -> String {
    rand::rng().sample_iter(Alphanumeric).take(bytes).map(char::from).collect()
}

/// The value of one field of a YCSB record.
pub(crate) fn ycsb_value() -> String {
    random_text(YCSB_FIELD_BYTES)
}

/// The id of YCSB record `number`: hashed, so that neighbours in number are none in the order of ids
/// (FNV-1a, as in YCSB's `insertorder=hashed`).
pub(crate) fn ycsb_id(number: u64) -> String {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in number.to_le_bytes() {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    format!("user{hash:020}")
}

/// YCSB record `number`, about 1.1 kB.
pub(crate) fn ycsb_record(number: u64) -> Record {
    let fields = YCSB_FIELDS.iter().map(|name| (*name, ycsb_value())).collect();
    Record { id: ycsb_id(number), fields }
}

/// The id of customer `number`.
pub(crate) fn customer_id(number: u64) -> String {
    format!("customer-{number:09}")
}

/// The city of customer `number`.
pub(crate) fn city(number: u64) -> String {
    format!("city-{:08}", number / CUSTOMERS_PER_CITY)
}

/// Customer `number`, about 400 B.
pub(crate) fn customer(number: u64) -> Record {
    let fields = vec![
        ("name", format!("Customer Number {number:09}")),
        ("email", format!("customer.{number:09}@mail.example")),
        ("city", city(number)),
        ("note", random_text(240)),
    ];
    Record { id: customer_id(number), fields }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_have_the_size_that_is_said() {
        assert!((1_050..1_250).contains(&ycsb_record(7).json().len()));
        assert!((360..440).contains(&customer(7).json().len()));
    }
}
