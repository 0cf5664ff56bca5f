//! Event ids: `<epoch>-<commit>-<index>`. The epoch names the store and the database in it, so that a
//! place in another one is not taken for one here.

use bundoc::engine::ChangePosition;

/// Digits of the database's number at the end of an epoch.
const DATABASE_DIGITS: usize = 8;

/// The id of an event.
pub(crate) fn event_id(epoch: &str, position: ChangePosition) -> String {
    format!("{epoch}-{}-{}", position.commit, position.index)
}

/// The place that an id names; `None` where it is no place of this database now.
pub(super) fn parse(id: &str, epoch: &str, last_commit: u64) -> Option<ChangePosition> {
    let mut parts = id.split('-');
    let (theirs, commit, index) = (parts.next()?, parts.next()?, parts.next()?);
    let position = ChangePosition { commit: commit.parse().ok()?, index: index.parse().ok()? };
    let known = parts.next().is_none() && is_same(theirs, epoch) && position.commit <= last_commit;
    known.then_some(position)
}

/// Whether a place in `theirs` is one in `ours`. Before anything was written the database had no number:
/// whoever got such an id has seen nothing yet.
fn is_same(theirs: &str, ours: &str) -> bool {
    let store =
        |epoch: &str| epoch.len().checked_sub(DATABASE_DIGITS).map(|end| epoch.as_bytes()[..end].to_vec());
    let unwritten = theirs.ends_with("00000000") && store(theirs).is_some() && store(theirs) == store(ours);
    theirs == ours || unwritten
}

#[cfg(test)]
mod tests {
    use super::*;

    const EPOCH: &str = "0123456789abcdef0123456789abcdef00000007";

    #[test]
    fn an_id_names_its_place_in_its_own_database_only() {
        let position = ChangePosition { commit: 12, index: 3 };
        let id = event_id(EPOCH, position);
        assert_eq!(parse(&id, EPOCH, 12), Some(position));
        assert_eq!(parse(&id, EPOCH, 11), None, "a place in the future");
        let other_store = EPOCH.replace('f', "e");
        let other_database = EPOCH.replace("07", "08");
        for epoch in [other_store, other_database] {
            assert_eq!(parse(&id, &epoch, 12), None);
        }
        let unwritten = EPOCH.replace("07", "00");
        assert_eq!(parse(&event_id(&unwritten, position), EPOCH, 12), Some(position));
    }

    #[test]
    fn what_is_no_id_is_no_place() {
        for id in ["", "-", "12", "a-b-c", &format!("{EPOCH}-1"), &format!("{EPOCH}-1-2-3"), "00000000-1-2"] {
            assert_eq!(parse(id, EPOCH, 12), None, "{id}");
        }
    }
}
