//! One listener for everything: routing, CORS, limits, drain.
