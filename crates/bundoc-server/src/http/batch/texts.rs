//! The list of operations as texts, with a bound on how many are read at all.

use crate::limit::Limit;
use serde::de::{IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use service_kit::error::{ApiError, ErrorCode};
use std::fmt;

/// Operations that are read at all. The engine's own limit is lower; this one bounds what a body of
/// nothing but commas may cost before the engine sees it.
const OPERATIONS_READ_MAX: usize = 10_000;

/// The texts of the operations, read one by one so that an error can say which.
pub(super) struct OperationTexts {
    texts: Vec<Box<RawValue>>,
    count: usize,
}

impl OperationTexts {
    /// The texts, unless there are none or too many.
    pub(super) fn within_limit(self) -> Result<Vec<Box<RawValue>>, ApiError> {
        match self.count {
            0 => Err(ApiError::new(ErrorCode::InvalidRequest, "a batch has one operation at least")),
            count if count > OPERATIONS_READ_MAX => {
                let message = format!("the batch has {count} operations: send them in smaller batches");
                Err(Limit::Engine(bundoc::Limit::BatchOperations).refusal(message))
            }
            _ => Ok(self.texts),
        }
    }
}

impl<'de> Deserialize<'de> for OperationTexts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(TextsVisitor)
    }
}

struct TextsVisitor;

impl<'de> Visitor<'de> for TextsVisitor {
    type Value = OperationTexts;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of operations")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<OperationTexts, A::Error> {
        let mut texts = Vec::new();
        while let Some(text) = list.next_element()? {
            texts.push(text);
            if texts.len() == OPERATIONS_READ_MAX {
                break;
            }
        }
        let mut count = texts.len();
        while count >= OPERATIONS_READ_MAX && list.next_element::<IgnoredAny>()?.is_some() {
            count += 1;
        }
        Ok(OperationTexts { texts, count })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_operations_than_are_read_are_counted_not_kept() {
        let text = format!("[{}1]", "1,".repeat(OPERATIONS_READ_MAX + 5));
        let texts: OperationTexts = serde_json::from_str(&text).unwrap();
        assert_eq!((texts.texts.len(), texts.count), (OPERATIONS_READ_MAX, OPERATIONS_READ_MAX + 6));
        assert_eq!(texts.within_limit().unwrap_err().code, ErrorCode::LimitExceeded);
    }
}
