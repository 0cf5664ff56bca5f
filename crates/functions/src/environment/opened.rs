//! Values that were opened, by project, scope and name; each belongs to the sealed bytes that it was opened from.

use crate::store::variables::VariableRow;
use secrecy::SecretString;
use service_kit::ids::ProjectId;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Scope and name.
type Place = (String, String);

#[derive(Debug)]
struct Value {
    sealed: Vec<u8>,
    value: SecretString,
}

/// The values. No more than the store has rows.
#[derive(Debug, Default)]
pub(super) struct Opened(Mutex<HashMap<ProjectId, HashMap<Place, Value>>>);

impl Opened {
    fn lock(&self) -> MutexGuard<'_, HashMap<ProjectId, HashMap<Place, Value>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn get(&self, project: &ProjectId, row: &VariableRow) -> Option<SecretString> {
        let opened = self.lock();
        let known = opened.get(project)?.get(&place(&row.scope, &row.key))?;
        (known.sealed == row.sealed).then(|| known.value.clone())
    }

    pub(super) fn keep(&self, project: &ProjectId, row: &VariableRow, value: &SecretString) {
        let kept = Value { sealed: row.sealed.clone(), value: value.clone() };
        self.lock().entry(project.clone()).or_default().insert(place(&row.scope, &row.key), kept);
    }

    pub(super) fn forget(&self, project: &ProjectId, scope: &str, key: &str) {
        if let Some(values) = self.lock().get_mut(project) {
            values.remove(&place(scope, key));
        }
    }

    pub(super) fn forget_scope(&self, project: &ProjectId, scope: &str) {
        if let Some(values) = self.lock().get_mut(project) {
            values.retain(|(of, _), _| of != scope);
        }
    }

    pub(super) fn forget_project(&self, project: &ProjectId) {
        self.lock().remove(project);
    }
}

fn place(scope: &str, key: &str) -> Place {
    (scope.to_owned(), key.to_owned())
}
