//! From BSON to expressions, within a budget.

use super::Expression;
use super::function::FUNCTIONS;
use crate::error::EngineError;
use crate::filter::Patterns;
use crate::path;
use bson::{Bson, Document, RawBson};

/// Levels of nesting of an expression.
const DEPTH_MAX: usize = 50;
/// Operators, fields and values of an expression.
const NODES_MAX: usize = 500;
/// Operators that are no functions.
const SPECIAL: &str = "$literal $and $or $cond $switch $ifNull $regexMatch";

struct Budget {
    nodes: usize,
    patterns: Patterns,
}

type Parsed = Result<Expression, EngineError>;

fn invalid(text: impl Into<String>) -> EngineError {
    EngineError::InvalidQuery(text.into())
}

/// Parses an expression; `patterns` counts those of its filter.
pub(crate) fn parse(value: &Bson, patterns: &mut Patterns) -> Parsed {
    let mut budget = Budget { nodes: NODES_MAX, patterns: *patterns };
    let parsed = expression(value, DEPTH_MAX, &mut budget)?;
    *patterns = budget.patterns;
    Ok(parsed)
}

fn expression(value: &Bson, depth_left: usize, budget: &mut Budget) -> Parsed {
    budget.nodes = budget
        .nodes
        .checked_sub(1)
        .ok_or_else(|| invalid(format!("an expression has {NODES_MAX} parts at the most")))?;
    let deeper = || {
        let text = || invalid(format!("an expression is nested {DEPTH_MAX} levels deep at the most"));
        depth_left.checked_sub(1).ok_or_else(text)
    };
    match value {
        Bson::String(text) if text.starts_with("$$") => variable(text),
        Bson::String(text) if text.starts_with('$') => field(&text[1..]),
        Bson::Array(parts) => Ok(Expression::List(all(parts, deeper()?, budget)?)),
        Bson::Document(document) => match document.iter().next() {
            Some((name, argument)) if name.starts_with('$') => {
                if document.len() > 1 {
                    return Err(invalid(format!("an object with `{name}` has no other field")));
                }
                operator(name, argument, deeper()?, budget)
            }
            _ => object(document, deeper()?, budget),
        },
        value => literal(value),
    }
}

fn literal(value: &Bson) -> Parsed {
    RawBson::try_from(value.clone())
        .map(Expression::Literal)
        .map_err(|error| invalid(format!("a value of the expression is malformed: {error}")))
}

fn variable(text: &str) -> Parsed {
    let (name, rest) = text.split_once('.').map_or((text, None), |(name, rest)| (name, Some(rest)));
    match (name, rest) {
        ("$$ROOT" | "$$CURRENT", None) => Ok(Expression::Root),
        ("$$ROOT" | "$$CURRENT", Some(rest)) => field(rest),
        _ => Err(invalid(format!("unknown variable `{name}`; known are $$ROOT $$CURRENT"))),
    }
}

fn field(text: &str) -> Parsed {
    path::check(text).map_err(invalid)?;
    Ok(Expression::Field(text.split('.').map(str::to_owned).collect()))
}

fn all(parts: &[Bson], depth_left: usize, budget: &mut Budget) -> Result<Vec<Expression>, EngineError> {
    parts.iter().map(|part| expression(part, depth_left, budget)).collect()
}

fn object(document: &Document, depth_left: usize, budget: &mut Budget) -> Parsed {
    let fields = document.iter().map(|(name, value)| {
        if name.starts_with('$') || name.contains('.') {
            return Err(invalid(format!("`{name}` is not a field of an object in an expression")));
        }
        let key = name.clone().try_into().map_err(|_| invalid("a field of an expression has a NUL"))?;
        Ok((key, expression(value, depth_left, budget)?))
    });
    Ok(Expression::Object(fields.collect::<Result<_, _>>()?))
}

/// Several arguments, or one that needs no list.
fn arguments(
    argument: &Bson,
    depth_left: usize,
    budget: &mut Budget,
) -> Result<Vec<Expression>, EngineError> {
    match argument {
        Bson::Array(parts) => all(parts, depth_left, budget),
        one => Ok(vec![expression(one, depth_left, budget)?]),
    }
}

fn operator(name: &str, argument: &Bson, depth_left: usize, budget: &mut Budget) -> Parsed {
    match name {
        "$literal" => literal(argument),
        "$and" => arguments(argument, depth_left, budget).map(Expression::And),
        "$or" => arguments(argument, depth_left, budget).map(Expression::Or),
        "$ifNull" => match arguments(argument, depth_left, budget)? {
            parts if parts.len() < 2 => Err(invalid("`$ifNull` takes at least two arguments")),
            parts => Ok(Expression::IfNull(parts)),
        },
        "$cond" => condition(argument, depth_left, budget),
        "$switch" => switch(argument, depth_left, budget),
        "$regexMatch" => regex_match(argument, depth_left, budget),
        _ => call(name, argument, depth_left, budget),
    }
}

fn call(name: &str, argument: &Bson, depth_left: usize, budget: &mut Budget) -> Parsed {
    let Some(function) = FUNCTIONS.iter().find(|function| function.name == name) else {
        let known: Vec<_> = FUNCTIONS.iter().map(|function| function.name).collect();
        return Err(invalid(format!("unknown operator `{name}`; known are {SPECIAL} {}", known.join(" "))));
    };
    let parts = arguments(argument, depth_left, budget)?;
    let (min, max) = (function.arguments_min, function.arguments_max);
    if !(min..=max).contains(&parts.len()) {
        let wanted = match (min, max) {
            _ if min == max => format!("{min}"),
            (_, usize::MAX) => format!("at least {min}"),
            _ => format!("{min} to {max}"),
        };
        return Err(invalid(format!("`{name}` takes {wanted} arguments, not {}", parts.len())));
    }
    Ok(Expression::Call(function, parts))
}

/// The fields of an object, each of which has to be one of those named.
fn fields<'a, const N: usize>(
    operator: &str,
    argument: &'a Bson,
    names: [&str; N],
) -> Result<[Option<&'a Bson>; N], EngineError> {
    let takes = || invalid(format!("`{operator}` takes an object with {}", names.join(", ")));
    let document = argument.as_document().ok_or_else(takes)?;
    if document.keys().any(|key| !names.contains(&key.as_str())) {
        return Err(takes());
    }
    Ok(names.map(|name| document.get(name)))
}

fn condition(argument: &Bson, depth_left: usize, budget: &mut Budget) -> Parsed {
    let [when, then, otherwise] = match argument.as_array().map(Vec::as_slice) {
        Some([when, then, otherwise]) => [when, then, otherwise],
        Some(_) => return Err(invalid("`$cond` takes [if, then, else]")),
        None => match fields("$cond", argument, ["if", "then", "else"])? {
            [Some(when), Some(then), Some(otherwise)] => [when, then, otherwise],
            _ => return Err(invalid("`$cond` takes an object with if, then, else")),
        },
    };
    let mut part = |value| expression(value, depth_left, budget);
    let branches = vec![(part(when)?, part(then)?)];
    Ok(Expression::Switch { branches, default: Some(Box::new(part(otherwise)?)) })
}

fn switch(argument: &Bson, depth_left: usize, budget: &mut Budget) -> Parsed {
    let [branches, default] = fields("$switch", argument, ["branches", "default"])?;
    let branches = branches.and_then(Bson::as_array).filter(|branches| !branches.is_empty());
    let branches = branches.ok_or_else(|| invalid("`$switch` takes a list of branches"))?;
    let branch = |branch: &Bson| match fields("a branch of `$switch`", branch, ["case", "then"])? {
        [Some(case), Some(then)] => {
            Ok((expression(case, depth_left, budget)?, expression(then, depth_left, budget)?))
        }
        _ => Err(invalid("a branch of `$switch` has a case and a then")),
    };
    let branches = branches.iter().map(branch).collect::<Result<_, _>>()?;
    let default = default.map(|value| expression(value, depth_left, budget)).transpose()?.map(Box::new);
    Ok(Expression::Switch { branches, default })
}

fn regex_match(argument: &Bson, depth_left: usize, budget: &mut Budget) -> Parsed {
    let [input, regex, options] = fields("$regexMatch", argument, ["input", "regex", "options"])?;
    let input = input.ok_or_else(|| invalid("`$regexMatch` has an input"))?;
    let options = match options {
        None => "",
        Some(options) => options.as_str().ok_or_else(|| invalid("the options of `$regexMatch` are text"))?,
    };
    let pattern = match regex {
        Some(Bson::String(pattern)) => budget.patterns.compile(pattern, options)?,
        Some(Bson::RegularExpression(own)) if options.is_empty() => {
            budget.patterns.compile(own.pattern.as_str(), own.options.as_str())?
        }
        _ => return Err(invalid("the regex of `$regexMatch` is a pattern, with its options in one place")),
    };
    Ok(Expression::MatchesPattern { input: Box::new(expression(input, depth_left, budget)?), pattern })
}
