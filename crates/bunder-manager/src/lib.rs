//! The key-value store of each project over HTTP.
