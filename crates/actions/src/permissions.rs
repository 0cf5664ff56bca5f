//! The one resolver of permissions: what a set of them allows, and which a role has.
//!
//! A permission is `<namespace>:<action>`. It is held exactly, by `*`, or by `<namespace>:*`.

use crate::directory::{Directory, DirectoryError};
use crate::recent::Recent;
use std::sync::Arc;

/// Roles whose permissions are remembered.
const ROLES_MAX: usize = 1_000;

/// Whether a set of permissions allows one.
pub fn allows(held: &[String], wanted: &str) -> bool {
    held.iter().any(|held| covers(held, wanted))
}

fn covers(held: &str, wanted: &str) -> bool {
    let by_namespace = || {
        let namespace = held.strip_suffix('*').filter(|namespace| namespace.ends_with(':'));
        namespace.is_some_and(|namespace| wanted.starts_with(namespace))
    };
    held == "*" || held == wanted || by_namespace()
}

/// What both sets allow.
pub(crate) fn common(left: &[String], right: &[String]) -> Vec<String> {
    let narrower = |left: &String, right: &String| {
        if covers(left, right) { Some(right.clone()) } else { covers(right, left).then(|| left.clone()) }
    };
    let pairs = left.iter().flat_map(|left| right.iter().filter_map(move |right| narrower(left, right)));
    let mut both: Vec<String> = pairs.collect();
    both.sort_unstable();
    both.dedup();
    both
}

/// The key of a role in `roles`: members of organisations have it without its prefix.
pub(crate) fn role_key(membership_role: &str) -> String {
    match membership_role {
        "owner" => "owner".to_owned(),
        role if role.starts_with("org:") => role.to_owned(),
        role => format!("org:{role}"),
    }
}

/// Permissions of roles, as the tables had them a moment ago.
pub(crate) struct Roles {
    directory: Arc<dyn Directory>,
    recent: Recent<String, Arc<[String]>>,
}

impl Roles {
    pub(crate) fn new(directory: Arc<dyn Directory>) -> Self {
        Self { directory, recent: Recent::new(ROLES_MAX) }
    }

    pub(crate) fn forget(&self) {
        self.recent.clear();
    }

    pub(crate) async fn permissions_of(
        &self,
        role: &str,
        now_ms: i64,
    ) -> Result<Arc<[String]>, DirectoryError> {
        if let Some(known) = self.recent.get(role, now_ms) {
            return Ok(known);
        }
        let found: Arc<[String]> = self.directory.permissions_of(&[role]).await?.into();
        self.recent.insert(role.to_owned(), found.clone(), now_ms);
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(texts: &[&str]) -> Vec<String> {
        texts.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_permission_is_held_exactly_by_all_or_by_its_namespace() {
        let held = |held: &str, wanted| allows(&texts(&[held]), wanted);
        assert!(held("invoices:read", "invoices:read") && held("*", "invoices:read"));
        assert!(held("invoices:*", "invoices:read") && held("a:b:*", "a:b:c") && held("a:*", "a:b:c"));
        for (have, wanted) in [
            ("invoices:read", "invoices:write"),
            ("inv*", "invoices:read"),
            ("invoices:*", "invoices"),
            ("", "a"),
        ] {
            assert!(!held(have, wanted), "{have} {wanted}");
        }
    }

    #[test]
    fn a_key_can_do_what_both_it_and_its_user_may() {
        let both = |left: &[&str], right: &[&str]| common(&texts(left), &texts(right));
        assert_eq!(both(&["a:*"], &["a:read", "b:read"]), ["a:read"]);
        assert_eq!(both(&["a:read", "c:x"], &["*"]), ["a:read", "c:x"]);
        assert!(both(&["a:read"], &["a:write"]).is_empty());
    }

    #[test]
    fn roles_of_members_have_a_prefix_in_the_tables() {
        assert_eq!(
            ["admin", "owner", "org:member", "billing_manager"].map(role_key),
            ["org:admin", "owner", "org:member", "org:billing_manager"]
        );
    }
}
