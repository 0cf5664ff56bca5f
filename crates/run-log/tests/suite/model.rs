//! Queries of lines against a list in memory: whatever is asked, in whatever pages, the lines are those that the
//! list has.

use crate::support::{Fixture, messages};
use proptest::prelude::*;
use run_log::{Level, LogLine, LogQuery, Order, RunLogConfig};
use service_kit::ids::FunctionId;

const LEVELS: [Level; 4] = [Level::Debug, Level::Info, Level::Warn, Level::Error];

#[derive(Debug, Clone)]
struct Given {
    level: usize,
    word: String,
    version: u8,
    invocation: u8,
    at: i64,
    is_foreign: bool,
}

fn given() -> impl Strategy<Value = Given> {
    (0..4_usize, "[ab%_\\\\]{0,3}", 0..2_u8, 0..3_u8, 0..20_i64, any::<bool>()).prop_map(
        |(level, word, version, invocation, at, is_foreign)| Given {
            level,
            word,
            version,
            invocation,
            at,
            is_foreign,
        },
    )
}

#[derive(Debug, Clone)]
struct Asked {
    level: Option<usize>,
    text: Option<String>,
    version: Option<u8>,
    invocation: Option<u8>,
    since: Option<i64>,
    until: Option<i64>,
    limit: usize,
    newest_first: bool,
}

fn asked() -> impl Strategy<Value = Asked> {
    let filters = (
        prop::option::of(0..4_usize),
        prop::option::of("[ab%_\\\\]{1,2}"),
        prop::option::of(0..2_u8),
        prop::option::of(0..3_u8),
        prop::option::of(0..20_i64),
        prop::option::of(0..20_i64),
    );
    (filters, 1..8_usize, any::<bool>()).prop_map(
        |((level, text, version, invocation, since, until), limit, newest_first)| Asked {
            level,
            text,
            version,
            invocation,
            since,
            until,
            limit,
            newest_first,
        },
    )
}

impl Asked {
    fn matches(&self, line: &Given) -> bool {
        !line.is_foreign
            && self.level.is_none_or(|level| line.level >= level)
            && self.text.as_ref().is_none_or(|text| line.word.contains(text.as_str()))
            && self.version.is_none_or(|version| line.version == version)
            && self.invocation.is_none_or(|invocation| line.invocation == invocation)
            && self.since.is_none_or(|since| line.at >= since)
            && self.until.is_none_or(|until| line.at < until)
    }

    fn query(&self, start_ms: i64, cursor: Option<i64>) -> LogQuery {
        LogQuery {
            level: self.level.map(|level| LEVELS[level]),
            text: self.text.clone(),
            version: self.version.map(|version| format!("v{version}")),
            invocation_id: self.invocation.map(|invocation| format!("inv_{invocation}")),
            since_ms: self.since.map(|at| start_ms + at),
            until_ms: self.until.map(|at| start_ms + at),
            limit: self.limit,
            after: cursor.filter(|_| !self.newest_first),
            before: cursor.filter(|_| self.newest_first),
            order: if self.newest_first { Order::NewestFirst } else { Order::OldestFirst },
            ..LogQuery::default()
        }
    }
}

async fn check(given: &[Given], queries: &[Asked], scan_max: usize) {
    let fixture = Fixture::new(RunLogConfig { query_scan_max: scan_max, ..RunLogConfig::default() }).await;
    let (start_ms, other) = (fixture.now_ms(), FunctionId::generate());
    for (number, line) in given.iter().enumerate() {
        fixture.log.write(LogLine {
            function: if line.is_foreign { other.clone() } else { fixture.function.clone() },
            level: LEVELS[line.level],
            version: format!("v{}", line.version).into(),
            invocation_id: Some(format!("inv_{}", line.invocation).into()),
            at_ms: start_ms + line.at,
            ..fixture.line(&format!("{} {number}", line.word))
        });
    }
    for asked in queries {
        let matching = given.iter().enumerate().filter(|(_, line)| asked.matches(line));
        let mut expected: Vec<String> =
            matching.map(|(number, line)| format!("{} {number}", line.word)).collect();
        if asked.newest_first {
            expected.reverse();
        }
        let (mut seen, mut cursor) = (Vec::new(), None);
        loop {
            let page = fixture.query(asked.query(start_ms, cursor)).await;
            assert!(page.lines.len() <= asked.limit);
            seen.extend(messages(&page).into_iter().map(str::to_owned));
            cursor = page.next;
            if !page.more {
                break;
            }
        }
        assert_eq!(seen, expected, "{asked:?} over {given:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn pages_of_any_query_are_the_lines_that_a_list_has(
        given in prop::collection::vec(given(), 0..60), queries in prop::collection::vec(asked(), 1..8),
        scan_max in 1_usize..40,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(check(&given, &queries, scan_max));
    }
}
