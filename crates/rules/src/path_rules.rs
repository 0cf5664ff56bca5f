//! Rules that were checked and compiled, and the question they answer.

use crate::check;
use crate::error::RuleError;
use crate::expression::Expression;
use crate::language::Language;
use crate::mistake::Mistake;
use crate::path_rule::PathRule;
use crate::pattern::{Captures, Pattern, Separator};
use crate::value;
use cel::Value;
use serde_json::Map;
use std::cell::OnceCell;

/// What an expression may name.
const LANGUAGE: Language = Language { roots: &["request", "params"], lookups: false };

/// The most rules there may be together.
pub const RULES_MAX: usize = 100;
/// How much of a path an error repeats.
const SHOWN_CHARS_MAX: usize = 100;

/// What somebody wants to do with a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Read, list or subscribe.
    Read,
    /// Write, remove or publish.
    Write,
}

impl Access {
    /// As rules see it in `request.method`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
        }
    }
}

/// Who asks: what rules see as `request.auth`.
#[derive(Debug, Clone, Copy)]
pub struct RuleUser<'a> {
    /// `request.auth.uid`.
    pub uid: &'a str,
    /// `request.auth.claims`.
    pub claims: &'a Map<String, serde_json::Value>,
}

/// Rules of one project and one kind of thing. Without any, everything is closed.
#[derive(Debug, Default)]
pub struct PathRules(Vec<CompiledRule>);

#[derive(Debug)]
struct CompiledRule {
    pattern: Pattern,
    read: Decision,
    write: Decision,
}

#[derive(Debug)]
enum Decision {
    Never,
    Always,
    When(Box<Expression>),
}

impl PathRules {
    /// Checks and compiles rules. Takes milliseconds for many of them and blocks meanwhile.
    ///
    /// # Errors
    /// Which rule is wrong, and why.
    pub fn parse(rules: &[PathRule], separator: Separator) -> Result<Self, RuleError> {
        if rules.len() > RULES_MAX {
            return Err(RuleError::TooMany { found: rules.len() });
        }
        let rules = rules.to_vec();
        let compile_all = move || {
            let compiled = rules.iter().enumerate();
            compiled.map(|(index, rule)| CompiledRule::of(index + 1, rule, separator)).collect()
        };
        check::on_own_stack(compile_all).unwrap_or(Err(RuleError::Unchecked)).map(Self)
    }

    /// Whether any rule opens `path` to this caller.
    pub fn allows(&self, access: Access, path: &str, auth: Option<&RuleUser<'_>>) -> bool {
        self.any(&Question::new(access, path, auth), |pattern| pattern.matches(path))
    }

    /// Whether any rule opens for reading all that stands directly below `directory` (a text that ends in
    /// the separator; empty for everything): a list needs that, before each of its entries is asked for.
    /// `request.path` is the directory here, and captures below it are missing from `params`.
    pub fn allows_listing(&self, directory: &str, auth: Option<&RuleUser<'_>>) -> bool {
        let question = Question::new(Access::Read, directory, auth);
        self.any(&question, |pattern| pattern.matches_all_below(directory))
    }

    fn any<'a, F>(&'a self, question: &Question<'_>, captures_of: F) -> bool
    where
        F: Fn(&'a Pattern) -> Option<Captures<'a>>,
    {
        self.0.iter().any(|rule| {
            let decision = match question.access {
                Access::Read => &rule.read,
                Access::Write => &rule.write,
            };
            match decision {
                Decision::Never => false,
                Decision::Always => captures_of(&rule.pattern).is_some(),
                Decision::When(expression) => {
                    captures_of(&rule.pattern).is_some_and(|captures| question.holds(expression, &captures))
                }
            }
        })
    }
}

impl CompiledRule {
    fn of(number: usize, rule: &PathRule, separator: Separator) -> Result<Self, RuleError> {
        let path: String = rule.path.chars().take(SHOWN_CHARS_MAX).collect();
        let pattern = Pattern::parse(&rule.path, separator).map_err(|reason| RuleError::Path {
            number,
            path: path.clone(),
            reason,
        })?;
        let decision = |access: Access, text: &Option<String>| {
            Decision::of(text.as_deref()).map_err(|mistake| RuleError::Expression {
                number,
                path: path.clone(),
                access,
                mistake,
            })
        };
        let read = decision(Access::Read, &rule.read)?;
        let write = decision(Access::Write, &rule.write)?;
        Ok(Self { pattern, read, write })
    }
}

impl Decision {
    fn of(text: Option<&str>) -> Result<Self, Mistake> {
        match text.map(str::trim) {
            None | Some("false") => Ok(Self::Never),
            Some("true") => Ok(Self::Always),
            Some(_) => Ok(Self::When(Box::new(check::compile(text.unwrap_or_default(), LANGUAGE)?))),
        }
    }
}

/// One question; `request` is made once, and only where an expression is evaluated.
struct Question<'q> {
    access: Access,
    path: &'q str,
    auth: Option<&'q RuleUser<'q>>,
    request: OnceCell<Value>,
}

impl<'q> Question<'q> {
    fn new(access: Access, path: &'q str, auth: Option<&'q RuleUser<'q>>) -> Self {
        Self { access, path, auth, request: OnceCell::new() }
    }

    fn holds(&self, expression: &Expression, captures: &Captures<'_>) -> bool {
        let budget = expression.budget();
        let mut context = expression.context(&budget);
        context.add_variable_from_value("request", self.request.get_or_init(|| self.request()).clone());
        let params = captures.iter().map(|(name, segment)| (*name, value::text(segment)));
        context.add_variable_from_value("params", value::map(params));
        expression.holds(&context) == Ok(true)
    }

    fn request(&self) -> Value {
        let auth = self.auth.map_or(Value::Null, |user| {
            let claims = user.claims.iter().map(|(name, claim)| (name.as_str(), value::json(claim)));
            value::map([("uid", value::text(user.uid)), ("claims", value::map(claims))])
        });
        let method = value::text(self.access.as_str());
        value::map([("auth", auth), ("method", method), ("path", value::text(self.path))])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn rule(path: &str, read: Option<&str>, write: Option<&str>) -> PathRule {
        PathRule { path: path.into(), read: read.map(Into::into), write: write.map(Into::into) }
    }

    fn parse(rules: &[PathRule]) -> PathRules {
        PathRules::parse(rules, Separator::Slash).unwrap()
    }

    fn claims() -> Map<String, serde_json::Value> {
        json!({"role": "editor", "teams": ["a", "b"], "level": 3}).as_object().unwrap().clone()
    }

    #[test]
    fn without_rules_everything_is_closed() {
        let claims = claims();
        let ann = RuleUser { uid: "ann", claims: &claims };
        assert!(!PathRules::default().allows(Access::Read, "a", Some(&ann)));
        assert!(!PathRules::default().allows_listing("", Some(&ann)));
        let read_only = parse(&[rule("a", Some("true"), None)]);
        assert!(read_only.allows(Access::Read, "a", None));
        assert!(!read_only.allows(Access::Write, "a", None));
        assert!(!read_only.allows(Access::Read, "b", None));
    }

    #[test]
    fn expressions_see_who_asks_and_for_what() {
        let claims = claims();
        let ann = RuleUser { uid: "ann", claims: &claims };
        let cases = [
            ("request.auth.uid == params.uid", true, false),
            ("request.auth != null", true, false),
            ("request.auth == null", false, true),
            ("request.auth.claims.role == 'editor'", true, false),
            ("request.auth.claims.teams.exists(t, t == 'b')", true, false),
            ("request.auth.claims.level > 2", true, false),
            ("request.method == 'read' && request.path == 'users/ann/x'", true, true),
            ("params.uid in ['ann', 'bob']", true, true),
            ("params.missing == 'x'", false, false),
            ("request.auth.claims.missing", false, false),
            ("'true'", false, false),
            ("1", false, false),
            (" true ", true, true),
        ];
        for (text, signed_in, anonymous) in cases {
            let rules = parse(&[rule("users/{uid}/**", Some(text), None)]);
            assert_eq!(rules.allows(Access::Read, "users/ann/x", Some(&ann)), signed_in, "{text}");
            assert_eq!(rules.allows(Access::Read, "users/ann/x", None), anonymous, "{text}");
        }
    }

    #[test]
    fn any_rule_that_allows_opens_even_beside_one_that_fails() {
        let rules = parse(&[rule("a/*", Some("params.x == 1"), None), rule("a/b", Some("1 == 1"), None)]);
        assert!(rules.allows(Access::Read, "a/b", None));
        assert!(!rules.allows(Access::Read, "a/c", None));
    }

    #[test]
    fn a_list_needs_a_rule_for_all_below() {
        let claims = claims();
        let ann = RuleUser { uid: "ann", claims: &claims };
        let rules = parse(&[
            rule("users/{uid}/**", Some("request.auth.uid == params.uid"), None),
            rule("posts/{id}", Some("true"), None),
            rule("drafts/{id}", Some("params.id != 'secret'"), None),
        ]);
        assert!(rules.allows_listing("users/ann/", Some(&ann)));
        assert!(!rules.allows_listing("users/bob/", Some(&ann)));
        assert!(!rules.allows_listing("users/", Some(&ann)));
        assert!(rules.allows_listing("posts/", None));
        assert!(!rules.allows_listing("drafts/", None));
    }

    #[test]
    fn errors_say_which_rule_and_where() {
        let refuse = |rules: &[PathRule]| PathRules::parse(rules, Separator::Slash).unwrap_err().to_string();
        let good = rule("a", Some("true"), None);
        let text = refuse(&[good.clone(), rule("b/{x}", None, Some("params.x =="))]);
        assert!(text.starts_with("rule 2 (`b/{x}`), `write`: line 1, column "), "{text}");
        let text = refuse(&[rule("/b", None, None)]);
        assert!(text.starts_with("rule 1: the path `/b` is not valid: a segment is empty"), "{text}");
        assert!(refuse(&vec![good; 101]).starts_with("there are 101 rules, and 100 at the most"));
    }
}
