//! The operations, each recorded: named keys, what is done with them, named secrets, sealing for other
//! services, the list of the audit log, and the end of a project.

mod audit;
mod crypt;
mod keys;
mod purge;
mod sealing;
mod secrets;
mod sign;

pub(crate) use crypt::{AAD_BYTES_MAX, With};
pub(crate) use keys::KeyInfo;
pub(crate) use secrets::SecretValue;
