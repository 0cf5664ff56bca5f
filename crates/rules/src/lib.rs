//! Rules: CEL expressions that decide for callers without full rights.
