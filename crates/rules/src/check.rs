//! Compiles expressions and refuses those that could cost too much. Parsing recurses, so it runs on a
//! thread with a stack of its own, after a look at the nesting.

use cel::Program;
use cel::common::ast::{ComprehensionExpr, EntryExpr, Expr, IdedExpr};

/// Bytes of one expression.
const TEXT_BYTES_MAX: usize = 4 * 1024;
/// Brackets open at once, and signs that nest, in the text.
const NESTING_MAX: usize = 64;
/// Levels of the parsed expression.
const DEPTH_MAX: usize = 64;
/// The parser needs about 100 KiB for a level of brackets in a build without optimisation.
const STACK_BYTES: usize = 16 * 1024 * 1024;
/// Runs `work`, which compiles, on a stack that is large enough; `None` where there is no thread for it.
pub fn on_own_stack<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let builder = std::thread::Builder::new().name("rules".into()).stack_size(STACK_BYTES);
    builder.spawn(work).ok()?.join().ok()
}

/// Compiles one expression that may name `roots`. Call it `on_own_stack`.
///
/// # Errors
/// What is wrong, and where: it does not parse, names something else, or could cost too much.
pub fn compile(text: &str, roots: &[&str]) -> Result<Program, String> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(format!("an expression has {TEXT_BYTES_MAX} bytes at the most"));
    }
    if nesting(text) > NESTING_MAX {
        return Err(format!("it has {NESTING_MAX} open brackets, negations and conditionals at the most"));
    }
    let program = Program::compile(text).map_err(|errors| match errors.errors.first() {
        Some(error) => format!("line {}, column {}: {}", error.pos.0, error.pos.1, error.msg),
        None => "the expression does not parse".to_owned(),
    })?;
    check_expression(
        program.expression(),
        &mut Scope { roots, variables: Vec::new(), depth: 0, looping: false },
    )?;
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

/// What stands around an expression.
struct Scope<'a> {
    roots: &'a [&'a str],
    variables: Vec<&'a str>,
    depth: usize,
    looping: bool,
}

fn check_expression<'a>(expression: &'a IdedExpr, scope: &mut Scope<'a>) -> Result<(), String> {
    if scope.depth == DEPTH_MAX {
        return Err(format!("it is nested {DEPTH_MAX} levels deep at the most"));
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
    if scope.roots.contains(&name) || scope.variables.contains(&name) || name.starts_with('@') {
        return Ok(());
    }
    Err(format!("`{name}` is not known; a rule sees `{}`", scope.roots.join("` and `")))
}

/// A loop in another costs the product of both, and one over the result of another can double a value with
/// each link: `['x'].map(s, s + s).map(s, s + s)…`.
fn check_comprehension<'a>(
    comprehension: &'a ComprehensionExpr,
    scope: &mut Scope<'a>,
) -> Result<(), String> {
    if scope.looping {
        return Err("`all`, `exists`, `map` and `filter` neither nest nor follow one another".into());
    }
    scope.looping = true;
    let result = check_loop(comprehension, scope);
    scope.variables.clear();
    scope.looping = false;
    result
}

fn check_loop<'a>(comprehension: &'a ComprehensionExpr, scope: &mut Scope<'a>) -> Result<(), String> {
    check_expression(&comprehension.iter_range, scope)?;
    scope.variables.push(&comprehension.iter_var);
    scope.variables.extend(comprehension.iter_var2.as_deref());
    scope.variables.push(&comprehension.accu_var);
    let parts =
        [&comprehension.accu_init, &comprehension.loop_cond, &comprehension.loop_step, &comprehension.result];
    parts.into_iter().try_for_each(|part| check_expression(part, scope))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOTS: &[&str] = &["request", "params"];

    #[test]
    fn what_does_not_parse_or_costs_too_much_is_refused() {
        let refused = [
            "1 +".to_owned(),
            String::new(),
            "unknown.field == 1".into(),
            "resource.data.x == 1".into(),
            "[1].all(x, [2].all(y, x == y))".into(),
            "['x'].map(s, s + s).map(s, s + s).size() > 0".into(),
            "[1].map(x, [x].filter(y, true)).size() > 0".into(),
            format!("'{}' == 'x'", "x".repeat(5_000)),
            format!("{}true{}", "(".repeat(200), ")".repeat(200)),
            format!("1{} > 0", " + 1".repeat(900)),
        ];
        for text in refused {
            let shown = text.clone();
            let compiled = on_own_stack(move || compile(&text, ROOTS).map(|_| ())).unwrap();
            assert!(compiled.is_err(), "{shown}");
        }
    }

    #[test]
    fn the_place_of_a_mistake_is_told() {
        let error = compile("true &&\n  )", ROOTS).unwrap_err();
        assert!(error.starts_with("line 2, column 3"), "{error}");
    }

    #[test]
    fn loops_beside_one_another_are_taken() {
        assert!(compile("[1].all(x, x > 0) && [2].exists(x, x == 2)", ROOTS).is_ok());
    }
}
