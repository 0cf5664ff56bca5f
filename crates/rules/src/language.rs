//! What expressions are made of: the functions of CEL that need no clock, time zone or regular expression,
//! and for documents the look-ups `get(path)` and `exists(path)`. Those two are rewritten when an
//! expression is parsed, to `@documents[path]` and `path in @documents`: names that begin with `@` cannot be
//! written by hand.

use crate::budget;
use cel::Env;
use cel::common::ast::{CallExpr, Expr, operators};
use cel::parser::{Macro, Parser};
use std::sync::{Arc, LazyLock};

/// The variable that look-ups read: who evaluates an expression with look-ups sets it to a value that can be
/// indexed with a path and asked whether it contains one.
pub const DOCUMENTS: &str = "@documents";

/// What an expression may name.
#[derive(Debug, Clone, Copy)]
pub struct Language {
    /// Variables.
    pub roots: &'static [&'static str],
    /// Whether there are `get(path)` and `exists(path)`.
    pub lookups: bool,
}

/// Operators and what macros are made of.
const OPERATORS: [&str; 19] = [
    operators::CONDITIONAL,
    operators::LOGICAL_AND,
    operators::LOGICAL_OR,
    operators::LOGICAL_NOT,
    operators::SUBSTRACT,
    operators::ADD,
    operators::MULTIPLY,
    operators::DIVIDE,
    operators::MODULO,
    operators::EQUALS,
    operators::NOT_EQUALS,
    operators::GREATER_EQUALS,
    operators::LESS_EQUALS,
    operators::GREATER,
    operators::LESS,
    operators::NEGATE,
    operators::INDEX,
    operators::NOT_STRICTLY_FALSE,
    operators::IN,
];

/// `f(x)`.
const FUNCTIONS: [&str; 9] = ["size", "bool", "bytes", "double", "dyn", "int", "uint", "string", "type"];

/// `x.f()` and `x.f(y)`, with how many arguments.
const METHODS: [(&str, usize); 4] = [("size", 0), ("contains", 1), ("startsWith", 1), ("endsWith", 1)];

static PLAIN: LazyLock<Arc<Env>> = LazyLock::new(|| {
    let mut env = Env::stdlib();
    budget::declare(&mut env);
    Arc::new(env)
});

static WITH_LOOKUPS: LazyLock<Arc<Env>> = LazyLock::new(|| {
    let mut env = Env::stdlib();
    budget::declare(&mut env);
    for (name, expand) in [("get", operators::INDEX), ("exists", operators::IN)] {
        let lookup = Macro::global(name, 1, move |helper, _, arguments| {
            let Some(path) = arguments.pop() else { return Ok(None) };
            let documents = helper.next_expr(Expr::Ident(DOCUMENTS.to_owned()));
            let args = if expand == operators::IN { vec![path, documents] } else { vec![documents, path] };
            let call = CallExpr { func_name: expand.to_owned(), target: None, args };
            Ok(Some(helper.next_expr(Expr::Call(call))))
        });
        env.add_macro(lookup).expect("no other macro has this name and one argument");
    }
    Arc::new(env)
});

impl Language {
    /// Its functions, for an evaluation.
    pub(crate) fn environment(self) -> Arc<Env> {
        Arc::clone(if self.lookups { &WITH_LOOKUPS } else { &PLAIN })
    }

    pub(crate) fn parser(self) -> Parser {
        self.environment().parser().enable_optional_syntax(false)
    }

    /// What is wrong with a call, if anything.
    pub(crate) fn check_call(self, call: &CallExpr) -> Result<(), String> {
        let (name, arguments) = (call.func_name.as_str(), call.args.len());
        let known = match &call.target {
            None => OPERATORS.contains(&name) || (FUNCTIONS.contains(&name) && arguments == 1),
            Some(_) => METHODS.contains(&(name, arguments)),
        };
        if known {
            return Ok(());
        }
        Err(match (name, &call.target) {
            ("get" | "exists", None) if self.lookups => format!("`{name}` takes one path"),
            ("get" | "exists", None) => format!("`{name}` is for rules of documents only"),
            (_, None) => {
                format!("there is no function `{name}` with {arguments} arguments; see {}", known_names(self))
            }
            (_, Some(_)) => {
                format!("there is no method `{name}` with {arguments} arguments; see {}", known_names(self))
            }
        })
    }
}

fn known_names(language: Language) -> String {
    let lookups = if language.lookups { "get, exists, " } else { "" };
    let methods = METHODS.map(|(name, _)| name).join(", .");
    format!("{lookups}{}; .{methods}, .all, .exists, .exists_one, .map, .filter", FUNCTIONS.join(", "))
}
