//! Compiles expressions and refuses those that could cost too much. Parsing recurses, so it runs on a
//! thread with a stack of its own, after a look at the nesting.

use crate::budget::{BOUNDED, BUDGET};
use crate::expression::Expression;
use crate::language::{DOCUMENTS, Language};
use crate::mistake::{Mistake, Place};
use cel::common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, IdedExpr, SourceInfo, operators};

/// Bytes of one expression.
const TEXT_BYTES_MAX: usize = 4 * 1024;
/// Brackets open at once, and signs that nest, in the text.
const NESTING_MAX: usize = 64;
/// Levels of the parsed expression.
const DEPTH_MAX: usize = 64;
/// `get` and `exists` in one expression.
const LOOKUPS_MAX: usize = 10;
/// What one `+` weighs: it makes a value as large as both.
const ADD_WEIGHT: u64 = 16;
/// The parser needs about 100 KiB for a level of brackets in a build without optimisation.
const STACK_BYTES: usize = 16 * 1024 * 1024;

/// Runs `work`, which compiles, on a stack that is large enough; `None` where there is no thread for it.
pub fn on_own_stack<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let builder = std::thread::Builder::new().name("rules".into()).stack_size(STACK_BYTES);
    builder.spawn(work).ok()?.join().ok()
}

/// Compiles one expression. Call it `on_own_stack`.
///
/// # Errors
/// What is wrong, and where: it does not parse, names something else, or could cost too much.
pub fn compile(text: &str, language: Language) -> Result<Expression, Mistake> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(Mistake::whole(format!("an expression has {TEXT_BYTES_MAX} bytes at the most")));
    }
    if nesting(text) > NESTING_MAX {
        let reason = format!("it has {NESTING_MAX} open brackets, negations and conditionals at the most");
        return Err(Mistake::whole(reason));
    }
    let (mut root, source) =
        language.parser().parse_with_source_info(text).map_err(|errors| Mistake::parse(text, &errors))?;
    let mut check = Check {
        text,
        source,
        language,
        variables: Vec::new(),
        depth: 0,
        place: Where::Outside,
        lookups: 0,
        weight: 0,
    };
    check.expression(&mut root)?;
    Ok(Expression { language, root, weight: check.weight.max(1), looks_up: check.lookups > 0 })
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

/// Where a part of an expression stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Where {
    Outside,
    /// In what a loop goes over: evaluated once.
    Range,
    /// In what a loop does with each element.
    Body,
}

/// The look at one expression.
struct Check<'a> {
    text: &'a str,
    source: SourceInfo,
    language: Language,
    variables: Vec<String>,
    depth: usize,
    place: Where,
    lookups: usize,
    weight: u64,
}

impl Check<'_> {
    fn expression(&mut self, expression: &mut IdedExpr) -> Result<(), Mistake> {
        if self.depth == DEPTH_MAX {
            return Err(self.at(expression, format!("it is nested {DEPTH_MAX} levels deep at the most")));
        }
        self.depth += 1;
        self.weight += 1;
        self.look(expression)?;
        self.depth -= 1;
        Ok(())
    }

    fn look(&mut self, expression: &mut IdedExpr) -> Result<(), Mistake> {
        let refused = match &expression.expr {
            Expr::Ident(name) => self.name(name).err(),
            Expr::Call(call) => self.language.check_call(call).err(),
            Expr::Comprehension(comprehension) => self.loop_here(comprehension).err(),
            Expr::Struct(_) | Expr::Unspecified => Some("messages are not known here".to_owned()),
            Expr::Select(_) | Expr::List(_) | Expr::Map(_) | Expr::Literal(_) => None,
        };
        if let Some(reason) = refused {
            return Err(self.at(expression, reason));
        }
        match &mut expression.expr {
            Expr::Call(call) => self.call(call),
            Expr::Comprehension(comprehension) => self.comprehension(comprehension),
            Expr::Select(select) => self.expression(&mut select.operand),
            Expr::List(list) => list.elements.iter_mut().try_for_each(|part| self.expression(part)),
            Expr::Map(map) => map.entries.iter_mut().try_for_each(|entry| self.entry(&mut entry.expr)),
            Expr::Ident(_) | Expr::Literal(_) | Expr::Struct(_) | Expr::Unspecified => Ok(()),
        }
    }

    fn call(&mut self, call: &mut CallExpr) -> Result<(), Mistake> {
        if call.func_name == operators::ADD {
            self.weight += ADD_WEIGHT;
        }
        if let Some(target) = &mut call.target {
            self.expression(target)?;
        }
        call.args.iter_mut().try_for_each(|part| self.expression(part))
    }

    fn entry(&mut self, entry: &mut EntryExpr) -> Result<(), Mistake> {
        match entry {
            EntryExpr::StructField(field) => self.expression(&mut field.value),
            EntryExpr::MapEntry(entry) => {
                self.expression(&mut entry.key)?;
                self.expression(&mut entry.value)
            }
        }
    }

    fn name(&mut self, name: &str) -> Result<(), String> {
        if name == DOCUMENTS {
            return self.lookup();
        }
        let known = self.language.roots.contains(&name)
            || self.variables.iter().any(|variable| variable == name)
            || name.starts_with('@');
        if known {
            return Ok(());
        }
        Err(format!("`{name}` is not known; a rule sees `{}`", self.language.roots.join("` and `")))
    }

    fn lookup(&mut self) -> Result<(), String> {
        if self.place == Where::Body {
            return Err("`get` and `exists` with a path are not for each element of a list".into());
        }
        self.lookups += 1;
        if self.lookups > LOOKUPS_MAX {
            return Err(format!("it has {LOOKUPS_MAX} `get` and `exists` with a path at the most"));
        }
        Ok(())
    }

    /// A loop in another costs the product of both, and one over the result of another can double a value
    /// with each link: `['x'].map(s, s + s).map(s, s + s)…`.
    fn loop_here(&self, comprehension: &ComprehensionExpr) -> Result<(), String> {
        if self.place != Where::Outside {
            return Err("`all`, `exists`, `map` and `filter` neither nest nor follow one another".into());
        }
        let mut variables = std::iter::once(&comprehension.iter_var).chain(&comprehension.iter_var2);
        match variables.find(|variable| self.language.roots.contains(&variable.as_str())) {
            Some(variable) => Err(format!("`{variable}` is taken: give the element another name")),
            None => Ok(()),
        }
    }

    fn comprehension(&mut self, comprehension: &mut ComprehensionExpr) -> Result<(), Mistake> {
        self.place = Where::Range;
        self.expression(&mut comprehension.iter_range)?;
        self.place = Where::Body;
        self.variables.push(comprehension.iter_var.clone());
        self.variables.extend(comprehension.iter_var2.clone());
        for part in [
            &mut comprehension.accu_init,
            &mut comprehension.loop_cond,
            &mut comprehension.loop_step,
            &mut comprehension.result,
        ] {
            self.expression(part)?;
        }
        self.variables.clear();
        self.place = Where::Outside;
        bound(&mut comprehension.iter_range);
        Ok(())
    }

    /// A mistake at the beginning of a part.
    fn at(&self, expression: &IdedExpr, reason: String) -> Mistake {
        let offset = self.source.offset_for(expression.id).map(|(start, _)| start as usize);
        let offset = offset.map(|start| self.name_before(expression, start));
        Mistake { reason, place: offset.map(|offset| Place::of(self.text, offset)) }
    }

    /// The place of a call is that of its bracket, of which the name stands before.
    fn name_before(&self, expression: &IdedExpr, start: usize) -> usize {
        let Expr::Call(call) = &expression.expr else { return start };
        let before = self.text.get(..start).map_or("", str::trim_end);
        before.strip_suffix(call.func_name.as_str()).map_or(start, str::len)
    }
}

/// Has the budget asked before a loop goes over `range`.
fn bound(range: &mut IdedExpr) {
    let id = range.id;
    let unbound = std::mem::take(range);
    let budget = IdedExpr { id, expr: Expr::Ident(BUDGET.to_owned()) };
    let call = CallExpr { func_name: BOUNDED.to_owned(), target: None, args: vec![unbound, budget] };
    *range = IdedExpr { id, expr: Expr::Call(call) };
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Language = Language { roots: &["request", "params"], lookups: false };
    const LOOKUPS: Language = Language { roots: &["request", "resource"], lookups: true };

    fn mistake(text: &str, language: Language) -> Mistake {
        let owned = text.to_owned();
        on_own_stack(move || compile(&owned, language).map(|_| ())).unwrap().expect_err(text)
    }

    #[test]
    fn what_does_not_parse_or_costs_too_much_is_refused() {
        let refused = [
            "1 +".to_owned(),
            String::new(),
            "unknown.field == 1".into(),
            "resource.data.x == 1".into(),
            "get('a/b') == null".into(),
            "request.path.matches('a*')".into(),
            "[1].all(x, [2].all(y, x == y))".into(),
            "['x'].map(s, s + s).map(s, s + s).size() > 0".into(),
            "[1].map(x, [x].filter(y, true)).size() > 0".into(),
            format!("'{}' == 'x'", "x".repeat(5_000)),
            format!("{}true{}", "(".repeat(200), ")".repeat(200)),
            format!("1{} > 0", " + 1".repeat(900)),
        ];
        for text in refused {
            mistake(&text, PLAIN);
        }
    }

    #[test]
    fn the_place_of_a_mistake_is_told() {
        let cases = [
            ("true &&\n  )", 2, 3),
            ("true &&", 1, 8),
            ("true &&\n  unknown.x == 1", 2, 3),
            ("true && nothing(request)", 1, 9),
            ("'ä' == 'ä' && x", 1, 15),
            ("[1].all(x, [2].all(y, x == y))", 1, 19),
            ("[1].all(request, true)", 1, 8),
            ("[1].exists(x, get('a/b').n == x)", 1, 18),
            ("get('a/b', 'c') == null", 1, 1),
        ];
        for (text, line, column) in cases {
            assert_eq!(mistake(text, LOOKUPS).place, Some(Place { line, column }), "{text}");
        }
    }

    #[test]
    fn loops_beside_one_another_are_taken() {
        assert!(compile("[1].all(x, x > 0) && [2].exists(x, x == 2)", PLAIN).is_ok());
    }

    #[test]
    fn look_ups_are_counted_and_stand_outside_of_loops() {
        let ten = ["exists('a/b')"; 10].join(" && ");
        assert!(compile(&ten, LOOKUPS).unwrap().looks_up());
        assert!(mistake(&format!("{ten} && get('a/b') == null"), LOOKUPS).reason.contains("10"));
        assert!(compile("get('a/b').tags.exists(t, t == 'x')", LOOKUPS).is_ok());
        assert!(!compile("[1].exists(x, x == 1)", LOOKUPS).unwrap().looks_up());
    }
}
