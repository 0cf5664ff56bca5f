//! Why rules are refused.

use crate::mistake::Mistake;
use crate::path_rules::{Access, RULES_MAX};
use service_kit::error::{Classify, ErrorCode};

/// Rules that cannot be taken. `number` counts from 1, as people count.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    /// More rules than there may be.
    #[error("there are {found} rules, and {RULES_MAX} at the most: bring some together with `*` or `**`")]
    TooMany {
        /// How many were sent.
        found: usize,
    },
    /// The path of a rule.
    #[error("rule {number}: the path `{path}` is not valid: {reason}")]
    Path {
        /// Which rule.
        number: usize,
        /// Its path, shortened.
        path: String,
        /// What is wrong.
        reason: String,
    },
    /// An expression of a rule.
    #[error("rule {number} (`{path}`), `{}`: {mistake}", access.as_str())]
    Expression {
        /// Which rule.
        number: usize,
        /// Its path.
        path: String,
        /// Which of its expressions.
        access: Access,
        /// What is wrong, and where.
        mistake: Mistake,
    },
    /// The system gave no thread to check them on.
    #[error("the rules could not be checked: try again")]
    Unchecked,
}

impl Classify for RuleError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::TooMany { .. } | Self::Path { .. } | Self::Expression { .. } => ErrorCode::InvalidRule,
            Self::Unchecked => ErrorCode::Unavailable,
        }
    }
}
