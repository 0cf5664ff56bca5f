//! Compiles a rule and refuses what could cost too much. Parsing recurses, so it runs on a thread with a
//! stack of its own, after a look at the nesting.

use crate::error::EngineError;
use cel::Program;
use cel::common::ast::{EntryExpr, Expr, IdedExpr};

/// Bytes of one rule.
const TEXT_BYTES_MAX: usize = 4 * 1024;
/// Brackets open at once, and signs that nest, in the text.
const NESTING_MAX: usize = 64;
/// Levels of the parsed expression.
const DEPTH_MAX: usize = 64;
/// The parser needs about 100 KiB for a level of brackets in a build without optimisation.
const STACK_BYTES: usize = 16 * 1024 * 1024;
/// What a rule may name.
const ROOTS: [&str; 2] = ["request", "resource"];

/// Compiles the rule of `operation`.
pub(super) fn compile(operation: &'static str, text: &str) -> Result<Program, EngineError> {
    let invalid = |reason: String| EngineError::InvalidRule { operation, reason };
    if text.len() > TEXT_BYTES_MAX {
        return Err(invalid(format!("a rule has {TEXT_BYTES_MAX} bytes at the most")));
    }
    if nesting(text) > NESTING_MAX {
        return Err(invalid(format!(
            "a rule has {NESTING_MAX} open brackets, negations and conditionals at the most"
        )));
    }
    parse_on_own_stack(text.to_owned()).map_err(invalid)
}

fn parse_on_own_stack(text: String) -> Result<Program, String> {
    let thread = std::thread::Builder::new()
        .name("bundoc-rule".into())
        .stack_size(STACK_BYTES)
        .spawn(move || parse(&text))
        .map_err(|error| format!("no thread to check it on: {error}"))?;
    thread.join().unwrap_or_else(|_| Err("the rule does not parse".into()))
}

fn parse(text: &str) -> Result<Program, String> {
    let program = Program::compile(text).map_err(|error| {
        let text = error.to_string();
        text.lines().next().unwrap_or("the rule does not parse").to_owned()
    })?;
    check_expression(program.expression(), &mut Scope { variables: Vec::new(), looping: false, depth: 0 })?;
    Ok(program)
}

/// Counts what makes the parser recurse: brackets that are open at once, and all prefix signs and
/// conditionals, which nest without a bracket.
fn nesting(text: &str) -> usize {
    let (mut open, mut most, mut unbracketed) = (0_usize, 0, 0);
    for byte in text.bytes() {
        match byte {
            b'(' | b'[' | b'{' => open += 1,
            b')' | b']' | b'}' => open = open.saturating_sub(1),
            b'!' | b'?' | b'-' => unbracketed += 1,
            _ => {}
        }
        most = most.max(open);
    }
    most + unbracketed
}

/// Variables of the comprehension around an expression, whether it is in one or in what one goes over, and
/// how deep it is.
struct Scope<'a> {
    variables: Vec<&'a str>,
    looping: bool,
    depth: usize,
}

fn check_expression<'a>(expression: &'a IdedExpr, scope: &mut Scope<'a>) -> Result<(), String> {
    if scope.depth == DEPTH_MAX {
        return Err(format!("an expression is nested {DEPTH_MAX} levels deep at the most"));
    }
    scope.depth += 1;
    let result = match &expression.expr {
        Expr::Ident(name) => check_name(name, scope),
        Expr::Comprehension(comprehension) => check_comprehension(comprehension, scope),
        Expr::Call(call) => call
            .target
            .iter()
            .map(AsRef::as_ref)
            .chain(&call.args)
            .try_for_each(|part| check_expression(part, scope)),
        Expr::Select(select) => check_expression(&select.operand, scope),
        Expr::List(list) => list.elements.iter().try_for_each(|part| check_expression(part, scope)),
        Expr::Map(map) => map.entries.iter().try_for_each(|entry| check_entry(&entry.expr, scope)),
        Expr::Struct(_) => Err("messages are not known here".into()),
        Expr::Literal(_) | Expr::Unspecified => Ok(()),
    };
    scope.depth -= 1;
    result
}

fn check_entry<'a>(entry: &'a EntryExpr, scope: &mut Scope<'a>) -> Result<(), String> {
    match entry {
        EntryExpr::StructField(field) => check_expression(&field.value, scope),
        EntryExpr::MapEntry(entry) => {
            check_expression(&entry.key, scope)?;
            check_expression(&entry.value, scope)
        }
    }
}

fn check_name(name: &str, scope: &Scope<'_>) -> Result<(), String> {
    if ROOTS.contains(&name) || scope.variables.contains(&name) || name.starts_with('@') {
        return Ok(());
    }
    Err(format!("`{name}` is not known; a rule sees `request` and `resource`"))
}

fn check_comprehension<'a>(
    comprehension: &'a cel::common::ast::ComprehensionExpr,
    scope: &mut Scope<'a>,
) -> Result<(), String> {
    // One over the result of another could double a value with each link: `['x'].map(s, s + s).map(…)`.
    if std::mem::replace(&mut scope.looping, true) {
        return Err("`all`, `exists`, `map` and `filter` neither nest nor follow one another".into());
    }
    check_expression(&comprehension.iter_range, scope)?;
    scope.variables.push(&comprehension.iter_var);
    scope.variables.extend(comprehension.iter_var2.as_deref());
    scope.variables.push(&comprehension.accu_var);
    let parts =
        [&comprehension.accu_init, &comprehension.loop_cond, &comprehension.loop_step, &comprehension.result];
    let result = parts.into_iter().try_for_each(|part| check_expression(part, scope));
    scope.variables.clear();
    scope.looping = false;
    result
}
