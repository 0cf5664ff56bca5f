//! Two processes of one application on one PostgreSQL: they share its queue, its times and its events.

use crate::application::application;
use crate::commands::bun;
use crate::dev::{Dev, save};
use crate::postgres::TestPostgres;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use serde_json::{Value, json};
use sql::confined::Value as Cell;
use sql::postgres::PostgresPool;
use std::path::Path;
use std::time::{Duration, Instant};

/// More than a lease of the queue.
const PATIENCE: Duration = Duration::from_secs(90);
const WORK: &str = r#"
    import { action, module, t, triggers } from "bunbase";

    const job = t.Object({ n: t.Integer(), slow: t.Boolean() });
    const push = action({ name: "push", input: job, output: t.Object({}), triggers: [triggers.api("POST", "/push")] },
        async (input, ctx) => { await ctx.queue.push("work", input); return {}; });
    const work = action({
        name: "work", input: job, output: t.Object({}),
        triggers: [triggers.queue("work", { concurrency: 4, retries: { maxAttempts: 3 } })],
    }, async ({ n, slow }, ctx) => {
        await ctx.db.from("ran").insert({ n, who: process.env.WHO });
        const begun = await ctx.db.from("ran").select("who").eq("n", n);
        if (slow && begun.length === 1) await new Promise((done) => setTimeout(done, 110_000));
        else await new Promise((done) => setTimeout(done, 20));
        return {};
    });
    const tick = action({
        name: "tick", input: t.Object({}), output: t.Object({}), triggers: [triggers.cron("* * * * * *")],
    }, async () => ({}));

    const emit = action({ name: "emit", input: job, output: t.Object({}), triggers: [triggers.api("POST", "/emit")] },
        async (input, ctx) => { ctx.event.emit("shared.happened", input); return {}; });
    const heard = action({
        name: "heard", input: job, output: t.Object({}), triggers: [triggers.event("shared.happened")],
    }, async ({ n }, ctx) => {
        await ctx.db.from("ran").insert({ n, who: process.env.WHO });
        return {};
    });

    export default module({ name: "shared", apiPrefix: "/api/shared", actions: [push, work, tick, emit, heard] });
"#;

/// An application whose data are its own, beside others with the same database.
async fn start(root: &Path, who: &str, database: &str) -> Dev {
    let variables = std::fs::read_to_string(root.join(".env")).unwrap();
    save(root, ".env", &format!("{variables}WHO={who}\nDATABASE_URL={database}\n"));
    save(root, "src/shared/_module.ts", WORK);
    save(root, "migrations/900_ran.sql", "CREATE TABLE ran (n BIGINT NOT NULL, who TEXT NOT NULL);");
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_bunbase"));
    command.args(["start", "--json", "--listen", "127.0.0.1:0"]).arg(root).env("BUNBASE_BUN_PATH", bun());
    let mut server = Dev::run(command).await;
    server.of("live", "notes").await;
    server
}

async fn push(server: &Dev, n: u32, slow: bool) {
    post(server, "push", n, slow).await;
}

async fn post(server: &Dev, path: &str, n: u32, slow: bool) {
    let request = server.http.post(format!("{}/api/shared/{path}", server.url));
    let answer = request.json(&json!({ "n": n, "slow": slow })).send().await.unwrap();
    let status = answer.status();
    assert_eq!(status, 200, "{}", answer.json::<Value>().await.unwrap_or_default());
}

/// Who ran which jobs, until it is as many as `count`.
async fn ran(database: &PostgresPool, filter: &str, count: usize) -> Vec<String> {
    let begun = Instant::now();
    loop {
        let rows = database.query(&format!("SELECT who FROM ran WHERE {filter}"), Vec::new()).await.unwrap();
        if rows.len() >= count {
            let who =
                |row: &Vec<Cell>| if let Cell::Text(who) = &row[0] { who.clone() } else { String::new() };
            return rows.iter().map(who).collect();
        }
        assert!(begun.elapsed() < PATIENCE, "{} of {count} ran", rows.len());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_with_one_database_share_the_queue_and_the_times() {
    let Some(postgres) = TestPostgres::start() else { return };
    let (one, two) = (application(), application());
    let first = start(&one.path().join("notes"), "first", &postgres.url()).await;
    let second = start(&two.path().join("notes"), "second", &postgres.url()).await;
    let database = PostgresPool::new(&postgres.url(), None).unwrap();

    for n in 0..40 {
        push(if n % 2 == 0 { &first } else { &second }, n, false).await;
    }
    let who = ran(&database, "n < 40", 40).await;
    // By whom is not said: whoever ends a job of a queue with a limit takes the next one itself.
    assert_eq!(who.len(), 40, "each ran once");

    // What one of them emits is a job of the queue that they share.
    for n in 300..340 {
        post(if n % 2 == 0 { &first } else { &second }, "emit", n, false).await;
    }
    let who = ran(&database, "n >= 300", 40).await;
    assert_eq!(who.len(), 40, "each was heard once");

    // The process that began it is killed: the other one runs it again.
    push(&first, 100, true).await;
    let began = ran(&database, "n = 100", 1).await.remove(0);
    let (killed, left) = if began == "first" { (first, second) } else { (second, first) };
    killpg(Pid::from_raw(killed.pid()), Signal::SIGKILL).unwrap();
    let who = ran(&database, "n = 100", 2).await;
    assert!(who.iter().any(|who| *who != began), "{who:?}");
    push(&left, 200, false).await;
    ran(&database, "n = 200", 1).await;

    let sql = "SELECT count(*), count(DISTINCT (schedule, planned_at)) FROM bunbase_jobs.schedule_runs";
    let counted = database.query(sql, Vec::new()).await.unwrap().remove(0);
    let [Cell::Integer(lines), Cell::Integer(times)] = &counted[..] else { panic!("{counted:?}") };
    assert!(*lines > 3 && lines == times, "{lines} runs of {times} times");
    assert!(left.stop().await.success());
}

#[test]
fn a_server_that_cannot_reach_the_postgresql_of_its_queue_says_so_without_its_password() {
    let directory = tempfile::tempdir().unwrap();
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_bunbase"))
        .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
        .arg(directory.path())
        .env("BUNBASE_JOBS__DATABASE_URL", "postgres://me:another-s3cret@127.0.0.1:1/nowhere")
        .env("BUNBASE_BUN_PATH", bun())
        .output()
        .unwrap();
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr) + String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("jobs.database_url") && said.contains("see that it runs"), "{said}");
    assert!(!said.contains("another-s3cret"), "{said}");
}
