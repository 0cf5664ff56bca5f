//! What an evaluation may cost. CEL has no loops but over lists and maps, so the cost of an expression is
//! bounded by its size, the size of the values it names, and how often its loops go round. The first is
//! checked when a rule is saved; the others are counted here, while it is evaluated.

use cel::common::types::{DYN_TYPE, Type};
use cel::common::value::{CowVal, StaticVal, Val};
use cel::{Env, ExecutionError};
use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The function that stands around what a loop goes over.
pub(crate) const BOUNDED: &str = "@bounded";
/// The variable that holds the budget.
pub(crate) const BUDGET: &str = "@budget";

/// Bytes of values in one evaluation.
const VALUE_BYTES_MAX: u64 = 1024 * 1024;
/// Bytes that one value takes beside its text.
pub const VALUE_BYTES: usize = 16;
/// Rounds of all loops in one evaluation, each weighed with the size of the expression and with the values:
/// a round may look at each of them in each part of the expression. About a tenth of a second.
const WORK_MAX: u64 = 50_000_000;
/// Bytes that one unit of work looks at.
const BYTES_PER_WORK: u64 = 16;

static BUDGET_TYPE: Type = Type::new_unspecified_type("budget");

/// What one evaluation has spent.
#[derive(Debug, Clone)]
pub struct Budget(Arc<Spent>);

#[derive(Debug)]
struct Spent {
    weight: u64,
    bytes: AtomicU64,
    rounds: AtomicU64,
}

impl Budget {
    /// Nothing spent yet by an expression of this weight.
    pub(crate) fn new(weight: u64) -> Self {
        Self(Arc::new(Spent { weight, bytes: AtomicU64::new(0), rounds: AtomicU64::new(0) }))
    }

    /// Takes a value of `bytes` in: its texts, and `VALUE_BYTES` for each value in it.
    ///
    /// # Errors
    /// There are too many; says how many may be.
    pub fn take(&self, bytes: usize) -> Result<(), String> {
        let bytes = bytes as u64;
        if self.0.bytes.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes) > VALUE_BYTES_MAX {
            return Err(format!(
                "the fields that the rule names have more than {VALUE_BYTES_MAX} bytes together"
            ));
        }
        Ok(())
    }

    /// Bytes that were taken in.
    pub fn taken(&self) -> usize {
        usize::try_from(self.0.bytes.load(Ordering::Relaxed)).unwrap_or(usize::MAX)
    }

    fn loop_over(&self, elements: u64) -> Result<(), String> {
        let spent = self.0.rounds.fetch_add(elements, Ordering::Relaxed).saturating_add(elements);
        let round = self.0.weight * (1 + self.0.bytes.load(Ordering::Relaxed) / BYTES_PER_WORK);
        let most = WORK_MAX / round.max(1);
        if spent > most {
            return Err(format!(
                "the loops of the rule go over {spent} elements, and {most} at the most with values of this size"
            ));
        }
        Ok(())
    }
}

impl Val for Budget {
    fn get_type(&self) -> &Type {
        <Self as Val>::cel_type()
    }

    fn cel_type() -> &'static Type {
        &BUDGET_TYPE
    }

    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v> {
        Box::new(self.clone())
    }

    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }
}

impl StaticVal for Budget {}

/// Gives an environment `@bounded(range, @budget)`: the range, if the budget allows a loop over it.
pub(crate) fn declare(env: &mut Env) {
    env.add_overload(BOUNDED, "bounded_range", vec![DYN_TYPE, DYN_TYPE], bounded)
        .expect("no other function has this name");
}

fn bounded<'b, 'v>(arguments: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let mut arguments = arguments.into_iter();
    let (Some(range), Some(budget)) = (arguments.next(), arguments.next()) else {
        return Err(ExecutionError::missing_argument_or_target());
    };
    let refuse = |reason: &str| ExecutionError::function_error("loop", reason);
    let budget = budget.downcast_ref::<Budget>().ok_or_else(|| refuse("there is no budget"))?;
    let elements = range.as_sizer().map_or(0, |sizer| u64::try_from(*sizer.size().inner()).unwrap_or(0));
    budget.loop_over(elements).map_err(|reason| refuse(&reason))?;
    Ok(range)
}
