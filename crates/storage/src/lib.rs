//! Objects of each project over HTTP.
