//! Random operations against a map: writes by id and by filter, all update operators, all kinds of indexes,
//! pages read while others write, the change feed, restarts. After each step the engine has to show what the
//! map has.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails; this covers its helpers too")]

mod change;
mod indexes;
mod reading;
mod select;
mod shape;
mod step;
mod world;

use proptest::prelude::*;
use step::step;
use world::World;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn random_operations_agree_with_a_map(steps in proptest::collection::vec(step(), 1..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut world = World::new().await;
            for step in steps {
                world = world.take(step).await;
                world.check();
            }
        });
    }
}
