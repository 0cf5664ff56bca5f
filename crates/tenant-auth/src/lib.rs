//! End users of projects: accounts, sessions, tokens.
