//! Rules: CEL expressions that decide for actors without full rights. Checked when they are saved, compiled
//! once when they are first needed; whatever fails, or is not a boolean, denies.
//!
//! A rule sees `request.auth` (`{uid, claims}` or null), `request.method`, `request.resource.data` (the
//! document as it would be) and `resource.data` (the document as it is; on `create` the new one). Dates
//! are milliseconds since 1970, binary is bytes, object ids are text.

mod value;

use crate::engine::{Actor, RuleAuth, RuleSet};
use crate::error::EngineError;
use bson::RawDocument;
use cel::{Context, Env, Program, Value};
use std::sync::{Arc, LazyLock, OnceLock};

/// What a rule is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    Get,
    List,
    Create,
    Update,
    Delete,
}

impl Method {
    fn name(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::List => "list",
            Self::Create => "create",
            Self::Update => "update",
            Self::Delete => "delete",
        }
    }
}

/// The documents that a rule may look at.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Documents<'a> {
    /// As it is.
    pub(crate) present: Option<&'a RawDocument>,
    /// As it would be.
    pub(crate) new: Option<&'a RawDocument>,
}

/// The rules of a collection, each compiled when it is first needed.
#[derive(Debug)]
pub(crate) struct CompiledRules {
    source: RuleSet,
    programs: [OnceLock<Option<Compiled>>; 5],
}

/// A program, and which variables it names.
#[derive(Debug)]
struct Compiled {
    program: Program,
    needed: value::Needed,
}

/// What a rule may name.
const ROOTS: [&str; 2] = ["request", "resource"];

static ENVIRONMENT: LazyLock<Arc<Env>> = LazyLock::new(|| Arc::new(Env::stdlib()));

impl CompiledRules {
    /// Rules that were checked before.
    pub(crate) fn new(source: RuleSet) -> Self {
        Self { source, programs: Default::default() }
    }

    /// The text.
    pub(crate) fn source(&self) -> &RuleSet {
        &self.source
    }

    /// Whether there is any rule for the method.
    pub(crate) fn covers(&self, actor: &Actor, method: Method) -> bool {
        matches!(actor, Actor::Trusted) || self.text(method).is_some()
    }

    /// Whether what the actor may list depends on the documents, and not on the actor alone.
    pub(crate) fn listing_looks_at_documents(&self) -> bool {
        match self.text(Method::List).map(str::trim) {
            None | Some("true" | "false") => false,
            Some(text) => self.compiled(text, Method::List).is_some_and(|rule| rule.needed.resource()),
        }
    }

    fn text(&self, method: Method) -> Option<&str> {
        let rules = &self.source;
        let (own, fallback) = match method {
            Method::Get => (&rules.read, &None),
            Method::List => (&rules.list, &rules.read),
            Method::Create => (&rules.create, &rules.write),
            Method::Update => (&rules.update, &rules.write),
            Method::Delete => (&rules.delete, &rules.write),
        };
        own.as_deref().or(fallback.as_deref())
    }

    /// Whether the actor may do this.
    pub(crate) fn allow(&self, actor: &Actor, method: Method, documents: Documents<'_>) -> bool {
        let Actor::Ruled(auth) = actor else { return true };
        match self.text(method).map(str::trim) {
            None | Some("false") => false,
            Some("true") => true,
            Some(text) => self.evaluate(text, auth, method, documents),
        }
    }

    fn evaluate(&self, text: &str, auth: &RuleAuth, method: Method, documents: Documents<'_>) -> bool {
        let Some(Compiled { program, needed }) = self.compiled(text, method) else { return false };
        let mut context = Context::with_env(Arc::clone(&ENVIRONMENT));
        context
            .add_variable_from_value("request", value::request(auth, method.name(), documents.new, *needed));
        context.add_variable_from_value("resource", value::resource(documents.present, *needed));
        matches!(program.execute(&context), Ok(Value::Bool(true)))
    }

    fn compiled(&self, text: &str, method: Method) -> Option<&Compiled> {
        let compile = || match compile("stored", text) {
            Ok(program) => Some(Compiled { needed: value::Needed::of(&program), program }),
            Err(error) => {
                tracing::error!(%error, "a stored rule does not compile and denies");
                None
            }
        };
        self.programs[method as usize].get_or_init(compile).as_ref()
    }
}

/// Checks every rule of a set.
pub(crate) fn check(rules: &RuleSet) -> Result<(), EngineError> {
    let named = [
        ("read", &rules.read),
        ("list", &rules.list),
        ("create", &rules.create),
        ("update", &rules.update),
        ("delete", &rules.delete),
        ("write", &rules.write),
    ];
    for (operation, text) in named {
        if let Some(text) = text {
            compile(operation, text)?;
        }
    }
    Ok(())
}

/// Compiles the rule of `operation`, and refuses what could cost too much.
fn compile(operation: &'static str, text: &str) -> Result<Program, EngineError> {
    let owned = text.to_owned();
    ::rules::on_own_stack(move || ::rules::compile(&owned, &ROOTS))
        .unwrap_or_else(|| Err("there is no thread to check it on".to_owned()))
        .map_err(|reason| EngineError::InvalidRule { operation, reason })
}

#[cfg(test)]
mod tests {
    use super::*;
    use bson::{doc, rawdoc};

    fn rules(read: &str) -> CompiledRules {
        let set = RuleSet { read: Some(read.into()), ..RuleSet::default() };
        check(&set).unwrap();
        CompiledRules::new(set)
    }

    fn user(uid: &str) -> Actor {
        Actor::Ruled(Arc::new(RuleAuth { uid: Some(uid.into()), claims: doc! {"role": "editor"} }))
    }

    fn anonymous() -> Actor {
        Actor::Ruled(Arc::default())
    }

    #[test]
    fn rules_decide_by_auth_and_document() {
        let document =
            rawdoc! {"owner": "ann", "tags": ["a", "b"], "n": 3, "at": bson::DateTime::from_millis(5)};
        let documents = Documents { present: Some(&document), new: None };
        let cases = [
            ("request.auth.uid == resource.data.owner", user("ann"), true),
            ("request.auth.uid == resource.data.owner", user("bob"), false),
            ("request.auth.uid == resource.data.owner", anonymous(), false),
            ("request.auth != null", user("bob"), true),
            ("request.auth != null", anonymous(), false),
            ("request.auth.claims.role == 'editor'", user("bob"), true),
            ("resource.data.tags.exists(t, t == 'b')", anonymous(), true),
            ("resource.data.n > 2 && resource.data.at == 5", anonymous(), true),
            ("resource.data.missing", anonymous(), false),
            ("resource.data.n", anonymous(), false),
            ("request.method == 'get'", anonymous(), true),
            ("has(resource.data.owner) && !has(resource.data.x)", anonymous(), true),
            ("true", anonymous(), true),
            ("false", anonymous(), false),
        ];
        for (text, actor, expected) in cases {
            assert_eq!(rules(text).allow(&actor, Method::Get, documents), expected, "{text}");
        }
    }

    #[test]
    fn a_rule_that_names_the_resource_looks_at_documents() {
        for (text, looks) in [
            ("true", false),
            ("false", false),
            ("request.auth != null", false),
            ("request.auth.uid == resource.data.owner", true),
        ] {
            assert_eq!(rules(text).listing_looks_at_documents(), looks, "{text}");
        }
        assert!(!CompiledRules::new(RuleSet::default()).listing_looks_at_documents());
    }

    #[test]
    fn missing_rules_fall_back_and_then_deny() {
        let all = CompiledRules::new(RuleSet {
            read: Some("true".into()),
            write: Some("true".into()),
            ..RuleSet::default()
        });
        let none = CompiledRules::new(RuleSet::default());
        for method in [Method::Get, Method::List, Method::Create, Method::Update, Method::Delete] {
            assert!(all.allow(&anonymous(), method, Documents::default()));
            assert!(!none.allow(&anonymous(), method, Documents::default()));
            assert!(none.allow(&Actor::Trusted, method, Documents::default()));
        }
    }

    #[test]
    fn rules_that_do_not_parse_or_cost_too_much_are_refused() {
        let long = format!("'{}' == 'x'", "x".repeat(5_000));
        let deep = format!("{}true{}", "(".repeat(200), ")".repeat(200));
        let chain = format!("1{} > 0", " + 1".repeat(900));
        let refused = [
            "1 +",
            "unknown.field == 1",
            "database.get('x')",
            "",
            "[1].all(x, [2].all(y, x == y))",
            "['x'].map(s, s + s).map(s, s + s) == []",
            long.as_str(),
            deep.as_str(),
            chain.as_str(),
        ];
        for text in refused {
            let set = RuleSet { create: Some(text.into()), ..RuleSet::default() };
            let error = check(&set).unwrap_err();
            assert!(matches!(error, EngineError::InvalidRule { operation: "create", .. }), "{text}");
        }
    }
}
