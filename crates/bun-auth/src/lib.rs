//! Developer accounts and sessions.
