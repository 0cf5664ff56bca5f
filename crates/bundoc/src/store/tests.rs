use super::*;
use std::sync::atomic::AtomicBool;

/// Keys of one batch: enough that it takes a while to apply them.
const KEYS: u64 = 3_000;
const BATCHES: u64 = 40;

fn key(number: u64) -> Slice {
    number.to_be_bytes().into()
}

#[test]
fn a_view_sees_a_batch_in_whole_or_not_at_all_while_tables_are_written_out() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path(), &EngineOptions::default()).unwrap();
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for batch in 1..=BATCHES {
                let value: Slice = batch.to_be_bytes().into();
                let writes = (0..KEYS).map(|number| ((Space::Documents, key(number)), Some(value.clone())));
                let last = ((Space::Meta, Slice::from(LAST_COMMIT)), Some(value.clone()));
                store.commit(writes.chain([last])).unwrap();
            }
            over.store(true, SeqCst);
        });
        scope.spawn(|| {
            while !over.load(SeqCst) {
                store.write_out_and_wait(Duration::from_secs(1)).unwrap();
            }
        });
        let mut views = 0;
        while !over.load(SeqCst) {
            let view = store.view();
            let (first, last) =
                (view.get(Space::Documents, &key(0)), view.get(Space::Documents, &key(KEYS - 1)));
            let noted = view.get(Space::Meta, LAST_COMMIT).unwrap();
            assert!(first.unwrap() == noted && last.unwrap() == noted, "half of a batch is visible");
            views += 1;
        }
        assert!(views > 0);
    });
}
