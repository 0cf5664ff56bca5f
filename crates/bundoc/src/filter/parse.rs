//! From documents to filters, within a budget.

use super::operand::{any, comparable, invalid, list, modulo, size, sorted, truth};
use super::{Comparison, Condition, ElementTest, Filter, Patterns, Types};
use crate::error::EngineError;
use crate::expr;
use crate::path;
use crate::value::Rank;
use bson::{Bson, Document, RawBson};

/// Levels of `$and`, `$or`, `$nor`, `$not` and `$elemMatch` in a filter.
const DEPTH_MAX: usize = 20;
/// Conditions in a filter, and values in all lists together.
const TERMS_MAX: usize = 1_000;

/// What a filter may still take.
struct Budget {
    terms: usize,
    patterns: Patterns,
}

/// Where a part of a filter stands.
#[derive(Clone, Copy)]
struct Scope {
    depth: usize,
    /// Inside `$elemMatch`, where `$expr` would see the element and not the document.
    in_element: bool,
}

impl Scope {
    const TOP: Self = Self { depth: 0, in_element: false };

    fn deeper(self) -> Result<Self, EngineError> {
        if self.depth == DEPTH_MAX {
            return Err(invalid(format!("a filter is nested {DEPTH_MAX} levels deep at the most")));
        }
        Ok(Self { depth: self.depth + 1, ..self })
    }

    fn element(self) -> Result<Self, EngineError> {
        Ok(Self { in_element: true, ..self.deeper()? })
    }
}

impl Budget {
    fn with(patterns: Patterns) -> Self {
        Self { terms: TERMS_MAX, patterns }
    }

    fn spend(&mut self, terms: usize) -> Result<(), EngineError> {
        self.terms = self
            .terms
            .checked_sub(terms)
            .ok_or_else(|| invalid(format!("a filter has {TERMS_MAX} conditions and values at the most")))?;
        Ok(())
    }

    fn pattern(&mut self, pattern: &str, options: &str) -> Result<Condition, EngineError> {
        self.patterns.compile(pattern, options).map(Condition::Matches)
    }
}

/// Parses a filter document.
pub(crate) fn parse(filter: &Document) -> Result<Filter, EngineError> {
    parse_with(filter, &mut Patterns::default())
}

/// The same for one that is not alone: `patterns` counts those of all.
pub(crate) fn parse_with(filter: &Document, patterns: &mut Patterns) -> Result<Filter, EngineError> {
    let mut budget = Budget::with(*patterns);
    let parsed = document(filter, Scope::TOP, &mut budget)?;
    *patterns = budget.patterns;
    Ok(parsed)
}

/// Parses what is asked of one element of an array, as `$elemMatch` takes it: conditions
/// (`{"$gte": 5, "$lt": 8}`) or a filter of documents (`{"score": 8}`).
pub(crate) fn parse_element(test: &Document, patterns: &mut Patterns) -> Result<ElementTest, EngineError> {
    let mut budget = Budget::with(*patterns);
    let parsed = element(test, Scope::TOP, &mut budget)?;
    *patterns = budget.patterns;
    Ok(parsed)
}

fn document(filter: &Document, scope: Scope, budget: &mut Budget) -> Result<Filter, EngineError> {
    let mut parts = Vec::with_capacity(filter.len());
    for (key, value) in filter {
        match key.as_str() {
            "$and" => parts.push(Filter::And(filters(key, value, scope, budget)?)),
            "$or" => parts.push(Filter::Or(filters(key, value, scope, budget)?)),
            "$nor" => parts.push(Filter::Nor(filters(key, value, scope, budget)?)),
            "$expr" if !scope.in_element => {
                budget.spend(1)?;
                parts.push(Filter::Expression(expr::parse(value, &mut budget.patterns)?));
            }
            "$expr" => return Err(invalid("`$expr` stands outside of `$elemMatch`")),
            "$comment" => {}
            _ if key.starts_with('$') => {
                return Err(invalid(format!(
                    "unknown operator `{key}`; known are $and $or $nor $expr $comment, and after a path \
                     those that compare"
                )));
            }
            path => {
                path::check(path).map_err(invalid)?;
                for condition in conditions(value, scope, budget)? {
                    parts.push(Filter::Field { path: path.to_owned(), condition });
                }
            }
        }
    }
    Ok(Filter::And(parts))
}

fn filters(key: &str, value: &Bson, scope: Scope, budget: &mut Budget) -> Result<Vec<Filter>, EngineError> {
    let list = value.as_array().filter(|list| !list.is_empty());
    let list = list.ok_or_else(|| invalid(format!("`{key}` takes a list of at least one filter")))?;
    let scope = scope.deeper()?;
    list.iter()
        .map(|part| match part {
            Bson::Document(part) => document(part, scope, budget),
            _ => Err(invalid(format!("every entry of `{key}` is a filter"))),
        })
        .collect()
}

fn is_operators(document: &Document) -> bool {
    document.keys().any(|key| key.starts_with('$'))
}

/// What is asked of a path: a value, a regular expression, or operators.
fn conditions(value: &Bson, scope: Scope, budget: &mut Budget) -> Result<Vec<Condition>, EngineError> {
    match value {
        Bson::Document(document) if is_operators(document) => operators(document, scope, budget),
        value => {
            budget.spend(1)?;
            Ok(vec![equal_or_matches(value, budget)?])
        }
    }
}

fn equal_or_matches(value: &Bson, budget: &mut Budget) -> Result<Condition, EngineError> {
    match value {
        Bson::RegularExpression(regex) => budget.pattern(regex.pattern.as_str(), regex.options.as_str()),
        value => Ok(Condition::Equal(any(value)?)),
    }
}

fn operators(operators: &Document, scope: Scope, budget: &mut Budget) -> Result<Vec<Condition>, EngineError> {
    let mut found = Vec::with_capacity(operators.len());
    for (name, value) in operators {
        budget.spend(1)?;
        match name.as_str() {
            "$all" => found.extend(all(value, scope, budget)?),
            "$options" if operators.contains_key("$regex") => {}
            "$options" => return Err(invalid("`$options` stands beside a `$regex`")),
            "$regex" => found.push(regex(value, operators.get("$options"), budget)?),
            _ => found.push(operator(name, value, scope, budget)?),
        }
    }
    Ok(found)
}

fn operator(name: &str, value: &Bson, scope: Scope, budget: &mut Budget) -> Result<Condition, EngineError> {
    Ok(match name {
        "$eq" => Condition::Equal(any(value)?),
        "$ne" => Condition::NotEqual(comparable(name, value)?),
        "$gt" => comparison(Comparison::Greater, comparable(name, value)?),
        "$gte" => comparison(Comparison::GreaterOrEqual, comparable(name, value)?),
        "$lt" => comparison(Comparison::Less, comparable(name, value)?),
        "$lte" => comparison(Comparison::LessOrEqual, comparable(name, value)?),
        "$in" => members(name, value, budget)?,
        "$nin" => match members(name, value, budget)? {
            Condition::In(values) => Condition::NotIn(values),
            patterns => Condition::Not(vec![patterns]),
        },
        "$exists" => Condition::Exists(truth(name, value)?),
        "$type" => Condition::Type(Types::parse(value).map_err(invalid)?),
        "$size" => Condition::Size(size(value)?),
        "$mod" => modulo(value).map(|(divisor, remainder)| Condition::Modulo { divisor, remainder })?,
        "$elemMatch" => match value {
            Bson::Document(test) => Condition::Element(element(test, scope, budget)?),
            _ => return Err(invalid("`$elemMatch` takes an object")),
        },
        "$not" => not(value, scope, budget)?,
        _ => {
            return Err(invalid(format!(
                "unknown operator `{name}`; known after a path are $eq $ne $gt $gte $lt $lte $in $nin \
                 $exists $type $regex $options $all $elemMatch $size $mod $not"
            )));
        }
    })
}

/// Comparisons stay within a type, but those with an extreme value are about all types.
fn comparison(comparison: Comparison, bound: RawBson) -> Condition {
    use Comparison as C;
    match (comparison, bound) {
        (C::Greater, RawBson::MinKey) => Condition::Beyond(Rank::MinKey),
        (C::Less, RawBson::MaxKey) => Condition::Beyond(Rank::MaxKey),
        (C::GreaterOrEqual, RawBson::MinKey) | (C::LessOrEqual, RawBson::MaxKey) => {
            Condition::NotIn(Vec::new())
        }
        (C::Less, RawBson::MinKey) | (C::Greater, RawBson::MaxKey) => Condition::In(Vec::new()),
        (C::LessOrEqual, RawBson::MinKey) => Condition::Equal(RawBson::MinKey),
        (C::GreaterOrEqual, RawBson::MaxKey) => Condition::Equal(RawBson::MaxKey),
        (comparison, bound) => Condition::Compare(comparison, bound),
    }
}

fn members(name: &str, value: &Bson, budget: &mut Budget) -> Result<Condition, EngineError> {
    let list = list(name, value)?;
    budget.spend(list.len())?;
    let (mut values, mut found) = (Vec::with_capacity(list.len()), Vec::new());
    for value in list {
        if value.as_document().is_some_and(is_operators) {
            return Err(invalid(format!("`{name}` takes values, not operators")));
        }
        match equal_or_matches(value, budget)? {
            Condition::Equal(value) => values.push(value),
            pattern => found.push(pattern),
        }
    }
    let values = Condition::In(sorted(values));
    if found.is_empty() {
        return Ok(values);
    }
    found.push(values);
    Ok(Condition::Any(found))
}

/// `$all`: each value by itself. Without any value nothing matches.
fn all(value: &Bson, scope: Scope, budget: &mut Budget) -> Result<Vec<Condition>, EngineError> {
    let list = list("$all", value)?;
    budget.spend(list.len())?;
    if list.is_empty() {
        return Ok(vec![Condition::In(Vec::new())]);
    }
    let is_element = |value: &Bson| value.as_document().is_some_and(|test| test.contains_key("$elemMatch"));
    if list.iter().any(is_element) && !list.iter().all(is_element) {
        return Err(invalid("`$all` takes either values or `$elemMatch`, not both"));
    }
    list.iter()
        .map(|value| match value {
            Bson::Document(test) if is_element(value) && test.len() == 1 => {
                operator("$elemMatch", test.get("$elemMatch").unwrap_or(&Bson::Null), scope, budget)
            }
            Bson::Document(test) if is_operators(test) => {
                Err(invalid("`$all` takes values or `$elemMatch`, not other operators"))
            }
            value => equal_or_matches(value, budget),
        })
        .collect()
}

fn regex(value: &Bson, options: Option<&Bson>, budget: &mut Budget) -> Result<Condition, EngineError> {
    let options = match options {
        None => None,
        Some(Bson::String(options)) => Some(options.as_str()),
        Some(_) => return Err(invalid("`$options` is a string")),
    };
    match (value, options) {
        (Bson::String(pattern), options) => budget.pattern(pattern, options.unwrap_or_default()),
        (Bson::RegularExpression(regex), Some(_)) if !regex.options.as_str().is_empty() => {
            Err(invalid("the options stand either in the regular expression or in `$options`"))
        }
        (Bson::RegularExpression(regex), options) => {
            budget.pattern(regex.pattern.as_str(), options.unwrap_or(regex.options.as_str()))
        }
        _ => Err(invalid("`$regex` takes a string or a regular expression")),
    }
}

fn not(value: &Bson, scope: Scope, budget: &mut Budget) -> Result<Condition, EngineError> {
    match value {
        Bson::RegularExpression(_) => Ok(Condition::Not(vec![equal_or_matches(value, budget)?])),
        Bson::Document(document) if is_operators(document) => {
            Ok(Condition::Not(operators(document, scope.deeper()?, budget)?))
        }
        _ => Err(invalid("`$not` takes an object of operators or a regular expression")),
    }
}

/// Conditions where the first key is an operator of values, else a filter.
fn element(test: &Document, scope: Scope, budget: &mut Budget) -> Result<ElementTest, EngineError> {
    let scope = scope.element()?;
    let of_documents = |key: &str| !key.starts_with('$') || matches!(key, "$and" | "$or" | "$nor" | "$expr");
    if test.keys().next().is_none_or(|key| of_documents(key)) {
        return Ok(ElementTest::Document(Box::new(document(test, scope, budget)?)));
    }
    operators(test, scope, budget).map(ElementTest::Value)
}
