//! Where a password comes from: standard input where asked for, the environment, or a prompt. Never from
//! the arguments, which other users of the machine can see.

use super::failure::UsageError;
use anyhow::{Context as _, bail};
use secrecy::SecretString;
use std::io::{self, BufRead, IsTerminal};

const VARIABLE: &str = "BUNBASE_PASSWORD";
const PASSWORD_BYTES_MAX: u64 = 4096;

/// The flags that say it.
#[derive(Debug, clap::Args)]
pub(crate) struct PasswordArgs {
    /// Read the password from standard input (first line)
    #[arg(long)]
    password_stdin: bool,
}

/// Whether the password is new, and has to be typed twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    SignIn,
    Choose,
}

impl PasswordArgs {
    /// Reads the password.
    pub(crate) fn read(&self, purpose: Purpose) -> anyhow::Result<SecretString> {
        if self.password_stdin {
            return first_line(io::stdin().lock());
        }
        if let Some(password) = std::env::var(VARIABLE).ok().filter(|password| !password.is_empty()) {
            return Ok(SecretString::from(password));
        }
        if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
            bail!(UsageError(format!(
                "there is no terminal to ask for a password: use --password-stdin or {VARIABLE}"
            )));
        }
        prompt(purpose)
    }
}

/// Asks for a line of text where it was not given.
pub(crate) fn or_ask(given: Option<String>, flag: &str, question: &str) -> anyhow::Result<String> {
    if let Some(text) = given {
        return Ok(text);
    }
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        bail!(UsageError(format!("{flag} is needed where there is no terminal to ask")));
    }
    dialoguer::Input::new().with_prompt(question).interact_text().context("nothing was typed")
}

fn prompt(purpose: Purpose) -> anyhow::Result<SecretString> {
    let question = dialoguer::Password::new().with_prompt("Password").report(false);
    let question = match purpose {
        Purpose::SignIn => question,
        Purpose::Choose => question.with_confirmation("Password again", "the two differ; try again"),
    };
    question.interact().map(SecretString::from).context("no password was typed")
}

fn first_line(input: impl BufRead) -> anyhow::Result<SecretString> {
    let mut line = String::new();
    input.take(PASSWORD_BYTES_MAX).read_line(&mut line).context("could not read standard input")?;
    let password = line.trim_end_matches(['\r', '\n']);
    if password.is_empty() {
        bail!(UsageError("standard input holds no password".into()));
    }
    Ok(SecretString::from(password))
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret;

    #[test]
    fn the_first_line_of_standard_input_is_the_password() {
        let password = first_line(&b"hunter 22 \r\nnext"[..]).unwrap();
        assert_eq!(password.expose_secret(), "hunter 22 ");
        assert!(first_line(&b"\n"[..]).err().unwrap().is::<UsageError>());
    }
}
