//! The tables. A migration that was released is never changed.

use sql::Migration;

pub(crate) const OWNER: &str = "run-log";

pub(crate) const MIGRATIONS: &[Migration] = &[
    Migration {
        number: 1,
        name: "lines",
        sql: "CREATE TABLE action_logs (
              id INTEGER PRIMARY KEY AUTOINCREMENT, project TEXT NOT NULL, function TEXT NOT NULL,
              version TEXT NOT NULL, invocation TEXT, level INTEGER NOT NULL, message TEXT NOT NULL,
              at_ms INTEGER NOT NULL);
          CREATE INDEX action_logs_function ON action_logs (project, function, id);
          CREATE INDEX action_logs_invocation ON action_logs (invocation) WHERE invocation IS NOT NULL;",
    },
    // `bytes` of rows is computed the same way in `usage.rs`.
    Migration {
        number: 2,
        name: "fields, runs, usage, figures",
        sql: "ALTER TABLE action_logs ADD COLUMN fields TEXT;
          CREATE INDEX action_logs_project ON action_logs (project, id);
          CREATE TABLE action_runs (
              id INTEGER PRIMARY KEY AUTOINCREMENT, project TEXT NOT NULL, function TEXT NOT NULL,
              version TEXT NOT NULL, handler TEXT, invocation TEXT NOT NULL, trigger_kind INTEGER NOT NULL,
              status INTEGER NOT NULL, http_status INTEGER, started_at_ms INTEGER NOT NULL,
              duration_us INTEGER NOT NULL, queue_wait_us INTEGER NOT NULL, cold_start_us INTEGER,
              attempt INTEGER NOT NULL, trace_id BLOB NOT NULL, span_id BLOB NOT NULL, parent_span_id BLOB,
              sampled INTEGER NOT NULL, spans TEXT, error_code TEXT, error_message TEXT, parent TEXT);
          CREATE UNIQUE INDEX action_runs_invocation ON action_runs (project, invocation);
          CREATE INDEX action_runs_project ON action_runs (project, id);
          CREATE INDEX action_runs_function ON action_runs (project, function, id);
          CREATE INDEX action_runs_failed ON action_runs (project, id) WHERE status = 1;
          CREATE INDEX action_runs_trace ON action_runs (trace_id);
          CREATE TABLE log_usage (
              project TEXT PRIMARY KEY, lines INTEGER NOT NULL, line_bytes INTEGER NOT NULL,
              runs INTEGER NOT NULL, run_bytes INTEGER NOT NULL) WITHOUT ROWID;
          INSERT INTO log_usage
              SELECT project, count(*), sum(120 + length(CAST(message AS BLOB))), 0, 0
              FROM action_logs GROUP BY project;
          CREATE TABLE run_figures (
              project TEXT NOT NULL, function TEXT NOT NULL, step INTEGER NOT NULL, minute INTEGER NOT NULL,
              version TEXT NOT NULL, part INTEGER NOT NULL, calls INTEGER NOT NULL,
              cold_starts INTEGER NOT NULL, cancelled INTEGER NOT NULL, errors TEXT NOT NULL,
              durations BLOB NOT NULL, duration_sum_us INTEGER NOT NULL, duration_max_us INTEGER NOT NULL,
              waits BLOB NOT NULL, wait_sum_us INTEGER NOT NULL, wait_max_us INTEGER NOT NULL,
              lines_dropped INTEGER NOT NULL, runs_dropped INTEGER NOT NULL, runs_sampled_out INTEGER NOT NULL,
              PRIMARY KEY (project, function, step, minute, version, part)) WITHOUT ROWID;
          CREATE INDEX run_figures_minute ON run_figures (step, minute);",
    },
    Migration {
        number: 3,
        name: "inputs and outputs of runs",
        sql: "ALTER TABLE action_runs ADD COLUMN input TEXT;
          ALTER TABLE action_runs ADD COLUMN input_state INTEGER;
          ALTER TABLE action_runs ADD COLUMN output TEXT;
          ALTER TABLE action_runs ADD COLUMN output_state INTEGER;",
    },
];
