//! The traits between services and their plain types. A service never imports another: it asks one of
//! these, and the binary binds it. A trait is written here with its second user, not before.

pub mod access;
pub mod action;
pub mod audit;
pub mod documents;
pub mod events;
pub mod identity;
pub mod jobs;
pub mod key_value;
pub mod lifecycle;
pub mod objects;
pub mod project_api;
pub mod secrets;
pub mod sql;
pub mod tenant;
