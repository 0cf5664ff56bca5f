//! Operators and their operands.

use super::arrays::{AddToSet, ELEMENT, End, Pull, Push, Sort};
use super::numbers::{self, BitOperator};
use super::operation::{Clock, Operation};
use super::tree::Place;
use super::values::{key_of, type_name};
use crate::engine::Order;
use crate::error::EngineError;
use crate::filter::{self, Patterns, whole_number};
use bson::{Bson, Document};

/// All operators that an update has; `$rename`, which has two paths, is parsed elsewhere.
const OPERATORS: [&str; 15] = [
    "$set",
    "$setOnInsert",
    "$unset",
    "$inc",
    "$mul",
    "$min",
    "$max",
    "$rename",
    "$currentDate",
    "$bit",
    "$push",
    "$addToSet",
    "$pop",
    "$pull",
    "$pullAll",
];

/// The operator of a name.
pub(super) fn operator(name: &str) -> Result<&'static str, EngineError> {
    let found = OPERATORS.into_iter().find(|known| *known == name);
    found.ok_or_else(|| {
        super::invalid(format!("unknown operator `{name}`; known are {}", OPERATORS.join(" ")))
    })
}

/// What an operator does with one operand.
pub(super) fn operation(
    place: &Place,
    value: &Bson,
    patterns: &mut Patterns,
) -> Result<Operation, EngineError> {
    Ok(match place.operator {
        "$set" => Operation::Set(value.clone()),
        "$setOnInsert" => Operation::SetOnInsert(value.clone()),
        "$unset" => Operation::Unset,
        "$inc" => Operation::Increment(number(place, value)?),
        "$mul" => Operation::Multiply(number(place, value)?),
        "$min" => Operation::Minimum(value.clone()),
        "$max" => Operation::Maximum(value.clone()),
        "$currentDate" => Operation::CurrentDate(clock(place, value)?),
        "$bit" => Operation::Bits(bits(place, value)?),
        "$push" => Operation::Push(push(place, value)?),
        "$addToSet" => Operation::AddToSet(add_to_set(place, value)?),
        "$pop" => Operation::Pop(end(place, value)?),
        "$pull" => Operation::Pull(pull(place, value, patterns)?),
        "$pullAll" => Operation::Pull(Pull::Equal(list(place, "it", value)?.iter().map(key_of).collect())),
        _ => return Err(place.error("the operator takes no operand of its own")),
    })
}

fn number(place: &Place, value: &Bson) -> Result<Bson, EngineError> {
    if numbers::is_number(value) {
        return Ok(value.clone());
    }
    Err(place.error(format!("it takes a number, not a value of type {}", type_name(value))))
}

fn list<'a>(place: &Place, what: &str, value: &'a Bson) -> Result<&'a [Bson], EngineError> {
    match value {
        Bson::Array(list) => Ok(list),
        _ => Err(place.error(format!("{what} takes a list, not a value of type {}", type_name(value)))),
    }
}

fn integer(place: &Place, what: &str, value: &Bson) -> Result<i64, EngineError> {
    whole_number(value).ok_or_else(|| place.error(format!("{what} takes an integer, not {value}")))
}

fn clock(place: &Place, value: &Bson) -> Result<Clock, EngineError> {
    let of_type = |options: &Document| match (options.len(), options.get_str("$type")) {
        (1, Ok("date")) => Some(Clock::Date),
        (1, Ok("timestamp")) => Some(Clock::Timestamp),
        _ => None,
    };
    let clock = match value {
        Bson::Boolean(_) => Some(Clock::Date),
        Bson::Document(options) => of_type(options),
        _ => None,
    };
    clock.ok_or_else(|| place.error("it takes true, {\"$type\": \"date\"} or {\"$type\": \"timestamp\"}"))
}

fn bits(place: &Place, value: &Bson) -> Result<Vec<(BitOperator, Bson)>, EngineError> {
    let wanted = || place.error("it takes at least one of `and`, `or` and `xor` with a 32 or 64 bit integer");
    let operations = value.as_document().filter(|operations| !operations.is_empty()).ok_or_else(wanted)?;
    let parsed = operations.iter().map(|(name, operand)| {
        let operator = BitOperator::named(name).filter(|_| numbers::exact_integer(operand).is_some());
        operator.map(|operator| (operator, operand.clone())).ok_or_else(wanted)
    });
    parsed.collect()
}

/// The document in a value, where it has a name that begins with `$`.
fn modifiers(value: &Bson) -> Option<&Document> {
    value.as_document().filter(|document| document.keys().any(|key| key.starts_with('$')))
}

fn push(place: &Place, value: &Bson) -> Result<Push, EngineError> {
    let Some(modifiers) = modifiers(value) else {
        return Ok(Push { values: vec![value.clone()], ..Push::default() });
    };
    if !modifiers.contains_key("$each") {
        return Err(place.error("modifiers need `$each`"));
    }
    let mut push = Push::default();
    for (name, value) in modifiers {
        match name.as_str() {
            "$each" => push.values = list(place, "`$each`", value)?.to_vec(),
            "$slice" => push.slice = Some(integer(place, "`$slice`", value)?),
            "$position" => push.position = Some(integer(place, "`$position`", value)?),
            "$sort" => push.sort = Some(sort(place, value)?),
            _ => {
                let known = "$each $position $sort $slice";
                return Err(place.error(format!("unknown modifier `{name}`; known are {known}")));
            }
        }
    }
    Ok(push)
}

fn direction(place: &Place, value: &Bson) -> Result<Order, EngineError> {
    match whole_number(value) {
        Some(1) => Ok(Order::Ascending),
        Some(-1) => Ok(Order::Descending),
        _ => Err(place.error("a direction of `$sort` is 1 or -1")),
    }
}

fn sort(place: &Place, value: &Bson) -> Result<Sort, EngineError> {
    let Bson::Document(fields) = value else { return direction(place, value).map(Sort::Elements) };
    if fields.is_empty() {
        return Err(place.error("`$sort` has at least one field"));
    }
    let parsed = fields.iter().map(|(path, value)| {
        crate::path::check(path).map_err(|why| place.error(why))?;
        Ok((path.split('.').map(str::to_owned).collect(), direction(place, value)?))
    });
    parsed.collect::<Result<_, _>>().map(Sort::Fields)
}

fn add_to_set(place: &Place, value: &Bson) -> Result<AddToSet, EngineError> {
    match modifiers(value) {
        None => Ok(AddToSet::new(std::slice::from_ref(value))),
        Some(modifiers) => match (modifiers.len(), modifiers.get("$each")) {
            (1, Some(values)) => list(place, "`$each`", values).map(AddToSet::new),
            _ => Err(place.error("it has no modifiers beside `$each`")),
        },
    }
}

fn end(place: &Place, value: &Bson) -> Result<End, EngineError> {
    match whole_number(value) {
        Some(1) => Ok(End::Last),
        Some(-1) => Ok(End::First),
        _ => Err(place.error("it takes 1 for the last element or -1 for the first one")),
    }
}

/// A condition (`{"$gt": 5}`, a regular expression), a filter over the fields of objects, or a value.
fn pull(place: &Place, value: &Bson, patterns: &mut Patterns) -> Result<Pull, EngineError> {
    let mut parse =
        |filter: &Document| filter::parse_with(filter, patterns).map_err(|error| place.error(error));
    let mut of_element = |value: &Bson| {
        let mut filter = Document::new();
        filter.insert(ELEMENT, value.clone());
        parse(&filter).map(Pull::Elements)
    };
    let combines = |name: &str| matches!(name, "$and" | "$or" | "$nor" | "$expr");
    match value {
        Bson::RegularExpression(_) => of_element(value),
        Bson::Document(fields) => match fields.keys().next() {
            Some(name) if name.starts_with('$') && !combines(name) => of_element(value),
            _ => parse(fields).map(Pull::Objects),
        },
        _ => Ok(Pull::Equal([key_of(value)].into())),
    }
}
