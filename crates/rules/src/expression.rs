//! An expression that was checked, and its evaluation within a budget.

use crate::budget::{BUDGET, Budget};
use crate::language::Language;
use cel::common::ast::IdedExpr;
use cel::{Context, Value};

/// A checked expression.
#[derive(Debug)]
pub struct Expression {
    pub(crate) language: Language,
    pub(crate) root: IdedExpr,
    pub(crate) weight: u64,
    pub(crate) looks_up: bool,
}

impl Expression {
    /// The tree.
    pub fn root(&self) -> &IdedExpr {
        &self.root
    }

    /// Whether it has `get` or `exists`.
    pub fn looks_up(&self) -> bool {
        self.looks_up
    }

    /// A budget for one evaluation: whoever puts values into its context takes them from it.
    pub fn budget(&self) -> Budget {
        Budget::new(self.weight)
    }

    /// A context for one evaluation, which lacks variables still.
    pub fn context<'v>(&self, budget: &Budget) -> Context<'v, 'v> {
        let mut context = Context::with_env(self.language.environment());
        context.add_variable_as_val(BUDGET, Box::new(budget.clone()));
        context
    }

    /// Whether it is true.
    ///
    /// # Errors
    /// Why it says neither true nor false.
    pub fn holds(&self, context: &Context<'_, '_>) -> Result<bool, String> {
        match self.value(&self.root, context)? {
            Value::Bool(holds) => Ok(holds),
            other => Err(format!("it is a value of the type {}, and not true or false", other.type_of())),
        }
    }

    /// The value of a part of it.
    ///
    /// # Errors
    /// Why it has none.
    pub fn value(&self, part: &IdedExpr, context: &Context<'_, '_>) -> Result<Value, String> {
        Value::resolve(part, context).map_err(|error| shortened(error.to_string()))
    }
}

/// Errors of CEL repeat the values they are about.
fn shortened(mut text: String) -> String {
    const BYTES_MAX: usize = 300;
    if text.len() > BYTES_MAX {
        text.truncate(text.floor_char_boundary(BYTES_MAX));
        text.push('…');
    }
    text
}
