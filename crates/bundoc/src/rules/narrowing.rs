//! Rules as filters. From what a rule asks of `resource.data`, given who asks, comes a filter that every
//! document passes which the rule allows; it may let others pass, since the rule itself decides each. What
//! does not look at the document (the caller, the time, look-ups) is evaluated once; what no filter can say
//! counts as true.
//!
//! Where CEL and filters differ, the filter is the wider one: to CEL a date is a number and an object id a
//! text, and `in` looks at the keys of a map.

use super::named::variable;
use super::{Compiled, Documents, Method};
use crate::engine::RuleAuth;
use crate::path;
use crate::rules::Lookups;
use bson::oid::ObjectId;
use bson::{Bson, Document, doc};
use cel::common::ast::{CallExpr, EntryExpr, Expr, IdedExpr, operators};
use cel::{Context, Value};

/// Integers up to here are doubles without rounding.
const EXACT_MAX: i64 = 1 << 52;
/// Values of one list that become part of a filter.
const LIST_MAX: usize = 200;

/// The documents for which an expression says something.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Narrowed {
    /// It may be any.
    All,
    /// It is none.
    Nothing,
    /// It is one that passes this filter.
    Filter(Document),
}

impl Narrowed {
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Nothing, _) | (_, Self::Nothing) => Self::Nothing,
            (Self::All, rest) | (rest, Self::All) => rest,
            (Self::Filter(left), Self::Filter(right)) => Self::Filter(join("$and", left, right)),
        }
    }

    fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::All, _) | (_, Self::All) => Self::All,
            (Self::Nothing, rest) | (rest, Self::Nothing) => rest,
            (Self::Filter(left), Self::Filter(right)) => Self::Filter(join("$or", left, right)),
        }
    }

    fn of(path: &str, condition: impl Into<Bson>) -> Self {
        Self::Filter(doc! { path: condition.into() })
    }
}

/// Joins two filters; one that is such a join already takes the other in.
fn join(operator: &str, left: Document, right: Document) -> Document {
    let parts = |filter: Document| match filter.get_array(operator) {
        Ok(parts) if filter.len() == 1 => parts.clone(),
        _ => vec![Bson::Document(filter)],
    };
    let mut all = parts(left);
    all.extend(parts(right));
    doc! { operator: all }
}

/// A comparison that orders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ordered {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Ordered {
    fn of(function: &str) -> Option<Self> {
        Some(match function {
            operators::LESS => Self::Less,
            operators::LESS_EQUALS => Self::LessOrEqual,
            operators::GREATER => Self::Greater,
            operators::GREATER_EQUALS => Self::GreaterOrEqual,
            _ => return None,
        })
    }

    fn name(self) -> &'static str {
        match self {
            Self::Less => "$lt",
            Self::LessOrEqual => "$lte",
            Self::Greater => "$gt",
            Self::GreaterOrEqual => "$gte",
        }
    }

    /// What holds where this does not, between values that can be compared.
    fn negated(self) -> Self {
        match self {
            Self::Less => Self::GreaterOrEqual,
            Self::LessOrEqual => Self::Greater,
            Self::Greater => Self::LessOrEqual,
            Self::GreaterOrEqual => Self::Less,
        }
    }

    /// The same with the sides exchanged.
    fn turned(self) -> Self {
        match self {
            Self::Less => Self::Greater,
            Self::LessOrEqual => Self::GreaterOrEqual,
            Self::Greater => Self::Less,
            Self::GreaterOrEqual => Self::LessOrEqual,
        }
    }
}

/// The look at one rule on behalf of one caller.
struct Narrowing<'a, 'v> {
    compiled: &'a Compiled,
    context: Context<'v, 'v>,
}

/// The documents that a rule may let somebody list.
pub(super) fn narrow(compiled: &Compiled, auth: &RuleAuth, lookups: &Lookups<'_>) -> Narrowed {
    let nothing = Documents::default();
    match compiled.context(auth, (Method::List, nothing), lookups) {
        Ok(context) => Narrowing { compiled, context }.when(compiled.expression.root(), true),
        // Its variables are too large: it denies.
        Err(_) => Narrowed::Nothing,
    }
}

impl Narrowing<'_, '_> {
    /// The documents for which an expression is `wanted`, and neither the other nor an error.
    fn when(&self, expression: &IdedExpr, wanted: bool) -> Narrowed {
        if let Some(value) = self.constant(expression) {
            return if matches!(value, Ok(Value::Bool(is)) if is == wanted) {
                Narrowed::All
            } else {
                Narrowed::Nothing
            };
        }
        match (document_path(expression), &expression.expr) {
            (Some(Named::Value(path)), _) => Narrowed::of(&path, wanted),
            (Some(Named::Presence(path)), _) => Narrowed::of(&path, doc! { "$exists": wanted }),
            (None, Expr::Call(call)) => self.when_call(call, wanted),
            (None, _) => Narrowed::All,
        }
    }

    fn when_call(&self, call: &CallExpr, wanted: bool) -> Narrowed {
        match (call.func_name.as_str(), call.args.as_slice()) {
            (operators::LOGICAL_NOT, [operand]) => self.when(operand, !wanted),
            (operators::LOGICAL_AND, [left, right]) if wanted => {
                self.when(left, true).and(self.when(right, true))
            }
            (operators::LOGICAL_AND, [left, right]) => self.when(left, false).or(self.when(right, false)),
            (operators::LOGICAL_OR, [left, right]) if wanted => {
                self.when(left, true).or(self.when(right, true))
            }
            (operators::LOGICAL_OR, [left, right]) => self.when(left, false).and(self.when(right, false)),
            (operators::CONDITIONAL, [condition, then, otherwise]) => {
                let first = self.when(condition, true).and(self.when(then, wanted));
                first.or(self.when(condition, false).and(self.when(otherwise, wanted)))
            }
            (operators::EQUALS, [left, right]) => self.when_equal(left, right, wanted),
            (operators::NOT_EQUALS, [left, right]) => self.when_equal(left, right, !wanted),
            (operators::IN, [element, list]) => self.when_in(element, list, wanted),
            (function, [left, right]) => match Ordered::of(function) {
                Some(ordered) => {
                    self.when_ordered(left, right, if wanted { ordered } else { ordered.negated() })
                }
                None => Narrowed::All,
            },
            _ => Narrowed::All,
        }
    }

    fn when_equal(&self, left: &IdedExpr, right: &IdedExpr, wanted: bool) -> Narrowed {
        let (path, value) = match (value_path(left), value_path(right)) {
            (Some(path), None) => (path, self.constant(right)),
            (None, Some(path)) => (path, self.constant(left)),
            _ => return Narrowed::All,
        };
        match value {
            None => Narrowed::All,
            Some(Err(_)) => Narrowed::Nothing,
            // A filter for "another value" would leave out arrays in which the value stands.
            Some(Ok(_)) if !wanted => Narrowed::of(&path, doc! { "$exists": true }),
            Some(Ok(value)) => equal_to(&path, std::slice::from_ref(&value)),
        }
    }

    fn when_ordered(&self, left: &IdedExpr, right: &IdedExpr, ordered: Ordered) -> Narrowed {
        let (path, value, ordered) = match (value_path(left), value_path(right)) {
            (Some(path), None) => (path, self.constant(right), ordered),
            (None, Some(path)) => (path, self.constant(left), ordered.turned()),
            _ => return Narrowed::All,
        };
        match value {
            None => Narrowed::All,
            Some(Err(_)) => Narrowed::Nothing,
            Some(Ok(value)) => compared_with(&path, ordered, &value),
        }
    }

    fn when_in(&self, element: &IdedExpr, list: &IdedExpr, wanted: bool) -> Narrowed {
        if !wanted {
            return Narrowed::All;
        }
        match (value_path(element), value_path(list)) {
            (Some(path), None) => match self.constant(list) {
                None => Narrowed::All,
                Some(Ok(Value::List(values))) => equal_to(&path, &values),
                Some(Ok(Value::Map(_))) => Narrowed::of(&path, doc! { "$exists": true }),
                Some(_) => Narrowed::Nothing,
            },
            (None, Some(path)) => match self.constant(element) {
                None => Narrowed::All,
                Some(Ok(value)) => {
                    // The keys of a map: any document.
                    let keys = Narrowed::of(&path, doc! { "$gte": doc! {} });
                    equal_to(&path, std::slice::from_ref(&value)).or(keys)
                }
                Some(Err(_)) => Narrowed::Nothing,
            },
            _ => Narrowed::All,
        }
    }

    /// The value of an expression that does not look at the document, or that it has none; `None` where it
    /// looks.
    fn constant(&self, expression: &IdedExpr) -> Option<Result<Value, String>> {
        if looks(expression) {
            return None;
        }
        Some(self.compiled.expression.value(expression, &self.context))
    }
}

/// A dot path in the document.
enum Named {
    /// `resource.data.…`
    Value(String),
    /// `has(resource.data.…)`
    Presence(String),
}

/// What of the document an expression spells, where filters can name it.
fn document_path(expression: &IdedExpr) -> Option<Named> {
    let (root, segments) = variable(expression)?;
    let ("resource", ["data", segments @ ..]) = (root, segments.as_slice()) else { return None };
    if segments.is_empty() || segments.iter().any(|segment| segment.contains('.')) {
        return None;
    }
    let path = Some(segments.join(".")).filter(|path| path::check(path).is_ok())?;
    let presence = matches!(&expression.expr, Expr::Select(select) if select.test);
    Some(if presence { Named::Presence(path) } else { Named::Value(path) })
}

/// The path of a value of the document.
fn value_path(expression: &IdedExpr) -> Option<String> {
    match document_path(expression)? {
        Named::Value(path) => Some(path),
        Named::Presence(_) => None,
    }
}

/// Whether an expression looks at the document.
fn looks(expression: &IdedExpr) -> bool {
    match &expression.expr {
        Expr::Ident(name) => name == "resource",
        Expr::Call(call) => call.target.iter().map(AsRef::as_ref).chain(&call.args).any(looks),
        Expr::Select(select) => looks(&select.operand),
        Expr::List(list) => list.elements.iter().any(looks),
        Expr::Map(map) => map.entries.iter().any(|entry| match &entry.expr {
            EntryExpr::MapEntry(entry) => looks(&entry.key) || looks(&entry.value),
            EntryExpr::StructField(field) => looks(&field.value),
        }),
        Expr::Comprehension(comprehension) => {
            let parts = [
                &comprehension.iter_range,
                &comprehension.accu_init,
                &comprehension.loop_cond,
                &comprehension.loop_step,
                &comprehension.result,
            ];
            parts.into_iter().any(looks)
        }
        Expr::Literal(_) => false,
        Expr::Struct(_) | Expr::Unspecified => true,
    }
}

/// A path with one of these values.
fn equal_to(path: &str, values: &[Value]) -> Narrowed {
    let known: Option<Vec<Bson>> =
        values.iter().map(same).collect::<Option<Vec<_>>>().map(|same| same.into_iter().flatten().collect());
    match known {
        Some(known) if known.is_empty() => Narrowed::Nothing,
        Some(known) if known.len() <= LIST_MAX => Narrowed::of(path, doc! { "$in": known }),
        _ => Narrowed::of(path, doc! { "$exists": true }),
    }
}

/// The BSON values that CEL takes for this one; `None` where there are too many to name.
fn same(value: &Value) -> Option<Vec<Bson>> {
    Some(match value {
        Value::String(text) => {
            let mut same = vec![Bson::String(text.to_string())];
            same.extend(ObjectId::parse_str(text.as_str()).ok().map(Bson::ObjectId));
            same
        }
        Value::Bool(boolean) => vec![Bson::Boolean(*boolean)],
        Value::Int(_) | Value::UInt(_) | Value::Float(_) => {
            // Decimals near a fraction are equal to it after rounding.
            let number = exact(value).filter(|number| number.fract() == 0.0)?;
            vec![Bson::Double(number), date(number)]
        }
        _ => return None,
    })
}

/// A path with a value on this side of another.
fn compared_with(path: &str, ordered: Ordered, value: &Value) -> Narrowed {
    let condition = |bound: Bson| Narrowed::of(path, doc! { ordered.name(): bound });
    match value {
        Value::Bool(boolean) => condition(Bson::Boolean(*boolean)),
        Value::String(text) => {
            // Object ids compare as text.
            let ids = Narrowed::of(path, doc! { "$gte": ObjectId::from_bytes([0; 12]) });
            condition(Bson::String(text.to_string())).or(ids)
        }
        Value::Int(_) | Value::UInt(_) | Value::Float(_) => match exact(value) {
            Some(number) => {
                let whole = match ordered {
                    Ordered::Less | Ordered::GreaterOrEqual => number.ceil(),
                    Ordered::LessOrEqual | Ordered::Greater => number.floor(),
                };
                condition(Bson::Double(widened(ordered, number))).or(condition(date(whole)))
            }
            None => Narrowed::of(path, doc! { "$exists": true }),
        },
        _ => Narrowed::of(path, doc! { "$exists": true }),
    }
}

/// A fraction next to this one, where decimals are equal to it after rounding.
fn widened(ordered: Ordered, number: f64) -> f64 {
    match ordered {
        Ordered::LessOrEqual if number.fract() != 0.0 => number.next_up(),
        Ordered::GreaterOrEqual if number.fract() != 0.0 => number.next_down(),
        _ => number,
    }
}

/// A number that filters and CEL compare alike: CEL rounds large integers.
fn exact(value: &Value) -> Option<f64> {
    let number = match value {
        Value::Int(integer) => *integer as f64,
        Value::UInt(integer) => *integer as f64,
        Value::Float(double) => *double,
        _ => return None,
    };
    (number.abs() <= EXACT_MAX as f64).then_some(number)
}

fn date(milliseconds: f64) -> Bson {
    Bson::DateTime(bson::DateTime::from_millis(milliseconds as i64))
}

#[cfg(test)]
mod tests;
