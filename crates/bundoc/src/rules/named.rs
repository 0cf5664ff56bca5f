//! Which variables, and which fields of documents, a rule names: only those are converted.

use cel::common::ast::{CallExpr, EntryExpr, Expr, IdedExpr, LiteralValue, operators};
use std::collections::BTreeSet;

/// Fields of a document at its top.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fields {
    All,
    Only(BTreeSet<String>),
}

/// What a rule names.
#[derive(Debug)]
pub(super) struct Named {
    pub(super) request: bool,
    pub(super) resource: bool,
    pub(super) auth: bool,
    pub(super) claims: bool,
    pub(super) time: bool,
    /// Of `resource.data`.
    pub(super) present: Fields,
    /// Of `request.resource.data`.
    pub(super) new: Fields,
}

impl Named {
    /// What an expression names.
    pub(super) fn of(expression: &IdedExpr) -> Self {
        let none = || Fields::Only(BTreeSet::new());
        let mut named = Self {
            request: false,
            resource: false,
            auth: false,
            claims: false,
            time: false,
            present: none(),
            new: none(),
        };
        named.look(expression);
        named
    }

    fn look(&mut self, expression: &IdedExpr) {
        if let Some((root, path)) = variable(expression) {
            return self.note(root, &path);
        }
        match &expression.expr {
            Expr::Call(call) if is_null_test(call) => {
                call.args.iter().filter_map(variable).for_each(|(root, path)| self.touch(root, &path));
            }
            Expr::Call(call) => {
                call.target.iter().for_each(|target| self.look(target));
                call.args.iter().for_each(|part| self.look(part));
            }
            Expr::Comprehension(comprehension) => {
                let parts = [
                    &comprehension.iter_range,
                    &comprehension.accu_init,
                    &comprehension.loop_cond,
                    &comprehension.loop_step,
                    &comprehension.result,
                ];
                parts.into_iter().for_each(|part| self.look(part));
            }
            Expr::Select(select) => self.look(&select.operand),
            Expr::List(list) => list.elements.iter().for_each(|part| self.look(part)),
            Expr::Map(map) => {
                for entry in &map.entries {
                    if let EntryExpr::MapEntry(entry) = &entry.expr {
                        self.look(&entry.key);
                        self.look(&entry.value);
                    }
                }
            }
            Expr::Ident(_) | Expr::Literal(_) | Expr::Struct(_) | Expr::Unspecified => {}
        }
    }

    fn note(&mut self, root: &str, path: &[&str]) {
        self.touch(root, path);
        match (root, path) {
            ("resource", ["data", field, ..]) => add(&mut self.present, field),
            ("resource", _) => self.present = Fields::All,
            ("request", ["resource", "data", field, ..]) => add(&mut self.new, field),
            ("request", ["resource", ..]) => self.new = Fields::All,
            ("request", []) => {
                (self.auth, self.claims, self.time) = (true, true, true);
                self.new = Fields::All;
            }
            ("request", ["auth"] | ["auth", "claims", ..]) => self.claims = true,
            _ => {}
        }
    }

    /// What is asked only whether it is there.
    fn touch(&mut self, root: &str, path: &[&str]) {
        match (root, path) {
            ("resource", _) => self.resource = true,
            ("request", path) => {
                self.request = true;
                self.auth |= path.first() == Some(&"auth");
                self.time |= path.first() == Some(&"time");
            }
            _ => {}
        }
    }
}

fn add(fields: &mut Fields, name: &str) {
    if let Fields::Only(names) = fields {
        names.insert(name.to_owned());
    }
}

/// The variable and the path that an expression spells: `resource.data.a`, `resource.data['a']`, `has(…)`.
pub(super) fn variable(expression: &IdedExpr) -> Option<(&str, Vec<&str>)> {
    match &expression.expr {
        Expr::Ident(name) => Some((name, Vec::new())),
        Expr::Select(select) => {
            let (root, mut path) = variable(&select.operand)?;
            path.push(&select.field);
            Some((root, path))
        }
        Expr::Call(call) if call.func_name == operators::INDEX && call.args.len() == 2 => {
            let Expr::Literal(LiteralValue::String(field)) = &call.args[1].expr else { return None };
            let (root, mut path) = variable(&call.args[0])?;
            path.push(field.inner());
            Some((root, path))
        }
        _ => None,
    }
}

/// `resource == null` and the like.
fn is_null_test(call: &CallExpr) -> bool {
    let compares = matches!(call.func_name.as_str(), operators::EQUALS | operators::NOT_EQUALS);
    let is_null = |part: &IdedExpr| part.expr == Expr::Literal(LiteralValue::Null);
    let whole = |part: &IdedExpr| {
        variable(part).is_some_and(|(root, path)| {
            matches!((root, path.as_slice()), ("resource", []) | ("request", ["resource" | "auth"]))
        })
    };
    compares && call.args.iter().any(is_null) && call.args.iter().any(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(text: &str) -> Named {
        Named::of(::rules::compile(text, super::super::LANGUAGE).unwrap().root())
    }

    fn only(names: &[&str]) -> Fields {
        Fields::Only(names.iter().map(|name| (*name).to_owned()).collect())
    }

    #[test]
    fn fields_that_are_named_by_themselves_are_the_only_ones() {
        let cases = [
            ("resource.data.a == resource.data.b.c", only(&["a", "b"])),
            ("has(resource.data.a) && resource.data['b c'] == 1", only(&["a", "b c"])),
            ("resource.data.tags.exists(t, t == request.auth.uid)", only(&["tags"])),
            ("resource == null", only(&[])),
            ("request.resource.data.a == 1", only(&[])),
            ("resource.data == request.resource.data", Fields::All),
            ("'a' in resource.data", Fields::All),
            ("[resource].size() == 1", Fields::All),
        ];
        for (text, expected) in cases {
            assert_eq!(named(text).present, expected, "{text}");
        }
        assert_eq!(named("request.resource.data.a == 1").new, only(&["a"]));
    }

    #[test]
    fn claims_and_time_are_told_apart() {
        let uid = named("request.auth.uid == 'a'");
        assert!(uid.auth && !uid.claims && !uid.time && !uid.resource);
        assert!(named("request.auth.claims.role == 'a'").claims);
        assert!(named("request.time > resource.data.from").time);
        assert!(named("{'r': request}.r.time > 1").time);
    }
}
