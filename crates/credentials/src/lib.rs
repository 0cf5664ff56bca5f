//! What accounts are proved with, whoever's they are: e-mail addresses in the form they are compared in,
//! passwords and their argon2id hashes, limits of attempts. Knows no accounts and no stores.
//!
//! What must hold: a password never reaches a log, an answer or an error; verifying against no account
//! costs the same as against one; memory is bounded however many try.

mod attempts;
mod email;
mod error;
mod hasher;
mod password;
mod threads;

pub use attempts::{Attempts, SharedAttempts, TooMany, network};
pub use email::{Email, InvalidEmail};
pub use error::PasswordError;
pub use hasher::{HashLimits, Hasher};
pub use password::{PASSWORD_BYTES_MAX, PASSWORD_CHARS_MIN, Password};
