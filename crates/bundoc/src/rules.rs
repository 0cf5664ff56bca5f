//! Rules: CEL expressions that decide for actors without full rights. Checked when they are saved, compiled
//! once when they are first needed; whatever fails, or is not a boolean, denies.
//!
//! A rule sees `request.auth` (`{uid, claims}` or null), `request.method`, `request.time`,
//! `request.resource.data` (the document as it would be) and `resource.data` (the document as it is; on
//! `create` the new one), and other documents with `get(path)` and `exists(path)`. Dates are milliseconds
//! since 1970, binary is bytes, object ids are text.

mod lookups;
mod named;
mod narrowing;
mod value;

use crate::engine::{
    Actor, Extent, Listing, RuleAuth, RuleOperation, RuleProbe, RuleSet, RuleVerdict, Varies,
};
use crate::error::EngineError;
use crate::filter::{self, Filter};
use ::rules::{DOCUMENTS, Expression, Language};
use bson::{RawDocument, doc};
use cel::Context;
use lookups::AllDocuments;
pub(crate) use lookups::{Lookup, Lookups};
use named::Named;
use narrowing::Narrowed;
use std::sync::OnceLock;

/// What a rule may name.
const LANGUAGE: Language = Language { roots: &["request", "resource"], lookups: true };

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

impl From<RuleOperation> for Method {
    fn from(operation: RuleOperation) -> Self {
        match operation {
            RuleOperation::Read => Self::Get,
            RuleOperation::List => Self::List,
            RuleOperation::Create => Self::Create,
            RuleOperation::Update => Self::Update,
            RuleOperation::Delete => Self::Delete,
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
    compiled: [OnceLock<Result<Compiled, String>>; 5],
}

/// An expression, and what it names.
#[derive(Debug)]
struct Compiled {
    expression: Expression,
    named: Named,
}

/// What a rule says: whether it allows, or why it says nothing.
type Answer = Result<bool, String>;

impl CompiledRules {
    /// Rules that were checked before.
    pub(crate) fn new(source: RuleSet) -> Self {
        Self { source, compiled: Default::default() }
    }

    /// The text.
    pub(crate) fn source(&self) -> &RuleSet {
        &self.source
    }

    /// Whether there is any rule for the method.
    pub(crate) fn covers(&self, actor: &Actor, method: Method) -> bool {
        matches!(actor, Actor::Trusted) || self.rule(method).is_some()
    }

    /// Whether what the actor may list depends on the documents, and not on the actor alone.
    pub(crate) fn listing_looks_at_documents(&self) -> bool {
        self.listing_rule(|rule| rule.named.resource)
    }

    /// What the actor may list, as far as that can be said without documents.
    ///
    /// # Errors
    /// As `allow`.
    pub(crate) fn listing(&self, actor: &Actor, lookups: &Lookups<'_>) -> Result<Listing, EngineError> {
        let extent = match self.narrowed(actor, lookups)? {
            Narrowed::Nothing => Extent::Nothing,
            Narrowed::All if !self.listing_looks_at_documents() => Extent::Everything,
            Narrowed::All => Extent::Documents { filter: None },
            Narrowed::Filter(filter) => Extent::Documents { filter: Some(filter) },
        };
        let varies = match () {
            () if self.listing_rule(|rule| rule.named.time) => Varies::WithTime,
            () if self.listing_rule(|rule| rule.expression.looks_up()) => Varies::WithDocuments,
            () => Varies::No,
        };
        Ok(Listing { extent, varies })
    }

    fn listing_rule(&self, is: impl Fn(&Compiled) -> bool) -> bool {
        match self.rule(Method::List) {
            None | Some((_, "true" | "false")) => false,
            Some((_, text)) => self.compiled(text, Method::List).as_ref().is_ok_and(is),
        }
    }

    /// The rule for a method, by its name, and its text.
    fn rule(&self, method: Method) -> Option<(&'static str, &str)> {
        let rules = &self.source;
        let own = match method {
            Method::Get => ("read", &rules.read),
            Method::List => ("list", &rules.list),
            Method::Create => ("create", &rules.create),
            Method::Update => ("update", &rules.update),
            Method::Delete => ("delete", &rules.delete),
        };
        let fallback = match method {
            Method::Get | Method::List => ("read", &rules.read),
            Method::Create | Method::Update | Method::Delete => ("write", &rules.write),
        };
        [own, fallback].into_iter().find_map(|(name, text)| Some((name, text.as_deref()?.trim())))
    }

    /// Whether the actor may do this.
    ///
    /// # Errors
    /// A document that the rule looks up could not be read.
    pub(crate) fn allow(
        &self,
        actor: &Actor,
        method: Method,
        documents: Documents<'_>,
        lookups: &Lookups<'_>,
    ) -> Result<bool, EngineError> {
        let Actor::Ruled(auth) = actor else { return Ok(true) };
        match self.rule(method) {
            None => Ok(false),
            Some((_, text)) => Ok(self.answer(text, auth, (method, documents), lookups)? == Ok(true)),
        }
    }

    /// What every document passes that the actor may list; `None` where that may be any. For plans: the
    /// rule itself decides each document.
    ///
    /// # Errors
    /// As `allow`.
    pub(crate) fn list_filter(
        &self,
        actor: &Actor,
        lookups: &Lookups<'_>,
    ) -> Result<Option<Filter>, EngineError> {
        Ok(match self.narrowed(actor, lookups)? {
            Narrowed::All => None,
            Narrowed::Nothing => filter::parse(&doc! { "_id": { "$in": [] } }).ok(),
            // One that is larger than filters may be narrows nothing.
            Narrowed::Filter(document) => filter::parse(&document).ok(),
        })
    }

    fn narrowed(&self, actor: &Actor, lookups: &Lookups<'_>) -> Result<Narrowed, EngineError> {
        let Actor::Ruled(auth) = actor else { return Ok(Narrowed::All) };
        let narrowed = match self.rule(Method::List) {
            None | Some((_, "false")) => Narrowed::Nothing,
            Some((_, "true")) => Narrowed::All,
            Some((_, text)) => match self.compiled(text, Method::List) {
                Ok(compiled) => narrowing::narrow(compiled, auth, lookups),
                Err(_) => Narrowed::Nothing,
            },
        };
        match lookups.failure() {
            Some(error) => Err(error),
            None => Ok(narrowed),
        }
    }

    /// Whether it may, and which rule says so.
    ///
    /// # Errors
    /// As `allow`.
    pub(crate) fn verdict(
        &self,
        probe: &RuleProbe,
        lookups: &Lookups<'_>,
    ) -> Result<RuleVerdict, EngineError> {
        let method = Method::from(probe.operation);
        let Some((name, text)) = self.rule(method) else {
            let reason = Some("there is no rule for this, so it is denied".to_owned());
            return Ok(RuleVerdict { allowed: false, rule: None, expression: None, reason });
        };
        let new = probe.request_resource.as_deref();
        let present = if method == Method::Create { new } else { probe.resource.as_deref() };
        let answer = self.answer(text, &probe.auth, (method, Documents { present, new }), lookups)?;
        Ok(RuleVerdict {
            allowed: answer == Ok(true),
            rule: Some(name),
            expression: Some(text.to_owned()),
            reason: answer.err(),
        })
    }

    fn answer(
        &self,
        text: &str,
        auth: &RuleAuth,
        asked: (Method, Documents<'_>),
        lookups: &Lookups<'_>,
    ) -> Result<Answer, EngineError> {
        let compiled = match text {
            "true" => return Ok(Ok(true)),
            "false" => return Ok(Ok(false)),
            _ => match self.compiled(text, asked.0) {
                Ok(compiled) => compiled,
                Err(reason) => return Ok(Err(reason.clone())),
            },
        };
        let answer = compiled.evaluate(auth, asked, lookups);
        match lookups.failure() {
            Some(error) => Err(error),
            None => Ok(answer),
        }
    }

    fn compiled(&self, text: &str, method: Method) -> &Result<Compiled, String> {
        let compile = || match compile("stored", text) {
            Ok(expression) => Ok(Compiled { named: Named::of(expression.root()), expression }),
            Err(error) => {
                tracing::error!(%error, "a stored rule does not compile and denies");
                Err(error.to_string())
            }
        };
        self.compiled[method as usize].get_or_init(compile)
    }
}

impl Compiled {
    fn evaluate(&self, auth: &RuleAuth, asked: (Method, Documents<'_>), lookups: &Lookups<'_>) -> Answer {
        self.expression.holds(&self.context(auth, asked, lookups)?)
    }

    /// The variables that the rule names.
    fn context<'v>(
        &self,
        auth: &RuleAuth,
        (method, documents): (Method, Documents<'_>),
        lookups: &'v Lookups<'v>,
    ) -> Result<Context<'v, 'v>, String> {
        let Self { expression, named } = self;
        let budget = expression.budget();
        let mut context = expression.context(&budget);
        if named.request {
            let (new, time_ms) = (documents.new, lookups.time_ms());
            let request = value::Request { auth, method: method.name(), new, time_ms };
            context.add_variable_as_val("request", value::request(&request, named, &budget)?);
        }
        if named.resource {
            let resource = value::resource(documents.present, &named.present, &budget)?;
            context.add_variable_as_val("resource", resource);
        }
        if expression.looks_up() {
            context.add_variable_as_val(DOCUMENTS, Box::new(AllDocuments { lookups, budget }));
        }
        Ok(context)
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
fn compile(operation: &'static str, text: &str) -> Result<Expression, EngineError> {
    let owned = text.to_owned();
    let compiled = ::rules::on_own_stack(move || ::rules::compile(&owned, LANGUAGE));
    let Some(compiled) = compiled else {
        let reason = "there is no thread to check it on".to_owned();
        return Err(EngineError::InvalidRule { operation, reason, place: None });
    };
    compiled.map_err(|mistake| EngineError::InvalidRule {
        operation,
        reason: mistake.reason,
        place: mistake.place,
    })
}

#[cfg(test)]
mod tests;
