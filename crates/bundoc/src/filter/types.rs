//! BSON types by name and number, as `$type` has them.

use bson::spec::ElementType;
use bson::{Bson, RawBsonRef};

/// Names and numbers, from "BSON types" in MongoDB's manual.
const NAMES: [(&str, i64, ElementType); 21] = [
    ("double", 1, ElementType::Double),
    ("string", 2, ElementType::String),
    ("object", 3, ElementType::EmbeddedDocument),
    ("array", 4, ElementType::Array),
    ("binData", 5, ElementType::Binary),
    ("undefined", 6, ElementType::Undefined),
    ("objectId", 7, ElementType::ObjectId),
    ("bool", 8, ElementType::Boolean),
    ("date", 9, ElementType::DateTime),
    ("null", 10, ElementType::Null),
    ("regex", 11, ElementType::RegularExpression),
    ("dbPointer", 12, ElementType::DbPointer),
    ("javascript", 13, ElementType::JavaScriptCode),
    ("symbol", 14, ElementType::Symbol),
    ("javascriptWithScope", 15, ElementType::JavaScriptCodeWithScope),
    ("int", 16, ElementType::Int32),
    ("timestamp", 17, ElementType::Timestamp),
    ("long", 18, ElementType::Int64),
    ("decimal", 19, ElementType::Decimal128),
    ("minKey", -1, ElementType::MinKey),
    ("maxKey", 127, ElementType::MaxKey),
];
const NUMBERS: [&str; 4] = ["double", "int", "long", "decimal"];

/// A set of types: one bit for each row of `NAMES`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Types(u32);

/// The name of a value's type.
pub(crate) fn type_name(value: RawBsonRef<'_>) -> &'static str {
    let kind = value.element_type();
    NAMES.iter().find(|(_, _, own)| *own == kind).map_or("undefined", |(name, ..)| name)
}

impl Types {
    /// One type or a list of them, by name or number.
    pub(super) fn parse(value: &Bson) -> Result<Self, String> {
        match value {
            Bson::Array(list) if list.is_empty() => Err("`$type` takes at least one type".to_owned()),
            Bson::Array(list) => {
                list.iter().try_fold(Self(0), |set, one| Ok(Self(set.0 | Self::one(one)?.0)))
            }
            one => Self::one(one),
        }
    }

    fn one(value: &Bson) -> Result<Self, String> {
        let unknown = || format!("`$type` knows no type {value}");
        if value.as_str() == Some("number") {
            let is_number = |name: &str| NUMBERS.contains(&name);
            return Ok(Self::of(|name, _| is_number(name)));
        }
        let set = match (value.as_str(), super::operand::whole_number(value)) {
            (Some(wanted), _) => Self::of(|name, _| name == wanted),
            (None, Some(wanted)) => Self::of(|_, number| number == wanted),
            (None, None) => return Err(unknown()),
        };
        if set.0 == 0 { Err(unknown()) } else { Ok(set) }
    }

    fn of(wanted: impl Fn(&str, i64) -> bool) -> Self {
        let bit = |(position, (name, number, _)): (usize, &(&str, i64, ElementType))| {
            u32::from(wanted(name, *number)) << position
        };
        Self(NAMES.iter().enumerate().map(bit).sum())
    }

    /// Whether the value is of one of the types.
    pub(crate) fn contain(self, value: RawBsonRef<'_>) -> bool {
        let kind = value.element_type();
        NAMES.iter().position(|(_, _, own)| *own == kind).is_some_and(|bit| self.0 >> bit & 1 == 1)
    }
}
