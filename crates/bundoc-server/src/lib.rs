//! Documents of every project over HTTP.
