//! What ran: log lines of invocations; bounded write buffer, retention, queries, live tail.
