//! The functions by name: how many arguments each takes and what it does with them.

use super::value::Value;
use super::{arithmetic, arrays, dates, text};
use crate::filter::type_name;
use crate::value::compare;
use bson::RawBsonRef;
use std::cmp::Ordering;

/// A value, or why there is none.
pub(super) type Out<'a> = Result<Value<'a>, &'static str>;

/// A function of values that are evaluated before.
pub(crate) struct Function {
    pub(super) name: &'static str,
    pub(super) arguments_min: usize,
    pub(super) arguments_max: usize,
    pub(super) apply: Apply,
}

/// What is done with the arguments.
#[derive(Clone, Copy)]
pub(super) enum Apply {
    One(for<'a, 'b> fn(&'b Value<'a>) -> Out<'a>),
    Two(for<'a, 'b> fn(&'b Value<'a>, &'b Value<'a>) -> Out<'a>),
    /// One after the other, from `start`.
    Fold(for<'a, 'b> fn(&'b Value<'a>, &'b Value<'a>) -> Out<'a>),
    Many(for<'a, 'b> fn(&'b [Value<'a>]) -> Out<'a>),
}

impl std::fmt::Debug for Function {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

const fn one(name: &'static str, apply: for<'a, 'b> fn(&'b Value<'a>) -> Out<'a>) -> Function {
    Function { name, arguments_min: 1, arguments_max: 1, apply: Apply::One(apply) }
}

const fn two(name: &'static str, apply: for<'a, 'b> fn(&'b Value<'a>, &'b Value<'a>) -> Out<'a>) -> Function {
    Function { name, arguments_min: 2, arguments_max: 2, apply: Apply::Two(apply) }
}

const fn fold(
    name: &'static str,
    apply: for<'a, 'b> fn(&'b Value<'a>, &'b Value<'a>) -> Out<'a>,
) -> Function {
    Function { name, arguments_min: 1, arguments_max: usize::MAX, apply: Apply::Fold(apply) }
}

const fn many(
    name: &'static str,
    (arguments_min, arguments_max): (usize, usize),
    apply: for<'a, 'b> fn(&'b [Value<'a>]) -> Out<'a>,
) -> Function {
    Function { name, arguments_min, arguments_max, apply: Apply::Many(apply) }
}

/// Functions whose arguments are all evaluated; `$and`, `$or`, `$cond`, `$switch` and `$ifNull` stop early
/// and are kinds of expressions of their own.
pub(super) static FUNCTIONS: [Function; 46] = [
    two("$eq", |a, b| Ok(compared(a, b).is_eq().into())),
    two("$ne", |a, b| Ok(compared(a, b).is_ne().into())),
    two("$gt", |a, b| Ok(compared(a, b).is_gt().into())),
    two("$gte", |a, b| Ok(compared(a, b).is_ge().into())),
    two("$lt", |a, b| Ok(compared(a, b).is_lt().into())),
    two("$lte", |a, b| Ok(compared(a, b).is_le().into())),
    two("$cmp", |a, b| Ok((compared(a, b) as i32).into())),
    one("$not", |value| Ok((!value.is_true()).into())),
    fold("$add", arithmetic::add),
    two("$subtract", arithmetic::subtract),
    fold("$multiply", arithmetic::multiply),
    two("$divide", arithmetic::divide),
    two("$mod", arithmetic::modulo),
    one("$abs", arithmetic::abs),
    one("$floor", arithmetic::floor),
    one("$ceil", arithmetic::ceil),
    many("$round", (1, 2), arithmetic::round),
    many("$trunc", (1, 2), arithmetic::trunc),
    fold("$min", |a, b| Ok(best(a, b, Ordering::Less))),
    fold("$max", |a, b| Ok(best(a, b, Ordering::Greater))),
    two("$in", arrays::contains),
    one("$size", arrays::size),
    two("$arrayElemAt", arrays::element_at),
    one("$first", |array| arrays::element_at(array, &0.into())),
    one("$last", |array| arrays::element_at(array, &(-1).into())),
    many("$concatArrays", (0, usize::MAX), arrays::concat),
    one("$isArray", |value| Ok(matches!(value.as_ref(), RawBsonRef::Array(_)).into())),
    many("$concat", (0, usize::MAX), text::concat),
    one("$toLower", |value| text::cased(value, str::to_ascii_lowercase)),
    one("$toUpper", |value| text::cased(value, str::to_ascii_uppercase)),
    one("$strLenCP", |value| text::length(value, |text| text.chars().count())),
    one("$strLenBytes", |value| text::length(value, str::len)),
    many("$substrCP", (3, 3), text::substring),
    two("$indexOfCP", text::index_of),
    one("$type", |value| Ok(type_of(value).to_owned().into())),
    one("$isNumber", |value| Ok(value.number().is_some().into())),
    one("$toString", |value| text::to_text(value)),
    one("$year", |value| dates::part(value, |date| date.year)),
    one("$month", |value| dates::part(value, |date| i64::from(date.month))),
    one("$dayOfMonth", |value| dates::part(value, |date| i64::from(date.day))),
    one("$dayOfWeek", |value| dates::part(value, dates::Date::day_of_week)),
    one("$dayOfYear", |value| dates::part(value, dates::Date::day_of_year)),
    one("$hour", |value| dates::part(value, |date| date.millis_of_day / 3_600_000)),
    one("$minute", |value| dates::part(value, |date| date.millis_of_day / 60_000 % 60)),
    one("$second", |value| dates::part(value, |date| date.millis_of_day / 1_000 % 60)),
    one("$millisecond", |value| dates::part(value, |date| date.millis_of_day % 1_000)),
];

/// What a fold begins with.
pub(super) fn start(name: &str) -> Value<'static> {
    match name {
        "$add" => 0.into(),
        "$multiply" => 1.into(),
        _ => Value::MISSING,
    }
}

fn compared(left: &Value<'_>, right: &Value<'_>) -> Ordering {
    compare(left.as_ref(), right.as_ref())
}

/// The smaller or larger; null and missing values do not count.
fn best<'a>(best: &Value<'a>, next: &Value<'a>, wanted: Ordering) -> Value<'a> {
    if best.is_nothing() && next.is_nothing() {
        return Value::NULL;
    }
    let better = best.is_nothing() || (!next.is_nothing() && compared(next, best) == wanted);
    if better { next.clone() } else { best.clone() }
}

fn type_of(value: &Value<'_>) -> &'static str {
    match value.as_ref() {
        RawBsonRef::Undefined => "missing",
        value => type_name(value),
    }
}
