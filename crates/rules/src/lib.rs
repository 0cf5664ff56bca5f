//! Rules by path: who may read and write which keys, objects and topics. A rule names paths and says with
//! a CEL expression when they are open; what no rule opens is closed. Checked when they are saved, and
//! bounded in what an evaluation may cost; whatever fails, or is not a boolean, denies.

mod budget;
mod cache;
mod check;
mod error;
mod expression;
mod language;
mod mistake;
mod path_rule;
mod path_rules;
mod pattern;
mod value;

pub use budget::{Budget, VALUE_BYTES};
pub use cache::RulesCache;
pub use check::{compile, on_own_stack};
pub use error::RuleError;
pub use expression::Expression;
pub use language::{DOCUMENTS, Language};
pub use mistake::{Mistake, Place};
pub use path_rule::{PathRule, RuleList};
pub use path_rules::{Access, PathRules, RULES_MAX, RuleUser};
pub use pattern::Separator;
