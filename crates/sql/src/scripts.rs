//! Migrations that an application has as files, `NNN_name.sql` with `NNN_name.down.sql` beside it: which there are,
//! which come next, and what speaks against it. `scripts/run.rs` applies them to SQLite or PostgreSQL.
//!
//! What must hold: each runs once, in the order of the numbers, in a transaction of its own that also writes it
//! down; what was applied is not changed afterwards. (`migrate.rs` is for the server's own stores.)

mod error;
mod run;

pub use error::ScriptError;
pub use run::ScriptDatabase;
pub(crate) use run::{APPLIED, TABLE};

use sha2::{Digest as _, Sha256};
use std::fs;
use std::path::{Path, PathBuf};

const DOWN: &str = ".down";
/// Digits that a new number has at least.
const DIGITS: usize = 3;

/// One migration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// `001_init`; it is known by this name in the database.
    pub name: String,
    /// What applies it.
    pub up: String,
    /// What takes it back, where there is a file for that.
    pub down: Option<String>,
}

impl Script {
    fn number(&self) -> u64 {
        number(&self.name).unwrap_or_default()
    }

    /// Whether it says nothing yet: `create` has just written it.
    fn is_blank(&self) -> bool {
        self.up.lines().map(str::trim).all(|line| line.is_empty() || line.starts_with("--"))
    }

    /// Of the text with line ends of one kind: some checkouts change them.
    fn checksum(&self) -> String {
        hex::encode(Sha256::digest(self.up.replace("\r\n", "\n")))
    }
}

/// Migrations in their order.
#[derive(Debug, Clone, Default)]
pub struct Scripts {
    /// Stands before the names in the database; an application's own have none.
    prefix: &'static str,
    list: Vec<Script>,
}

/// A row of `_migrations`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Applied {
    pub(crate) name: String,
    pub(crate) checksum: String,
    pub(crate) applied_at: i64,
}

/// How one migration stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScriptStatus {
    /// Its name.
    pub name: String,
    /// When it was applied, in milliseconds since the epoch.
    pub applied_at: Option<i64>,
    /// Whether it can be taken back.
    pub has_down: bool,
}

/// What one transaction does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) name: String,
    pub(crate) sql: String,
    /// The checksum to write down; without one the row is removed.
    pub(crate) checksum: Option<String>,
}

impl Scripts {
    /// Those of a directory; none where it is missing.
    ///
    /// # Errors
    /// It cannot be read, or its files are not named as migrations are.
    pub fn read(directory: &Path) -> Result<Self, ScriptError> {
        let unread = |source| ScriptError::Read { path: directory.display().to_string(), source };
        if !directory.exists() {
            return Ok(Self::default());
        }
        let (mut list, mut downs) = (Vec::<Script>::new(), Vec::new());
        for entry in fs::read_dir(directory).map_err(unread)? {
            let path = entry.map_err(unread)?.path();
            if path.extension().is_none_or(|extension| extension != "sql") {
                continue;
            }
            let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let text = fs::read_to_string(&path).map_err(unread)?;
            match stem.strip_suffix(DOWN) {
                Some(name) => downs.push((name.to_owned(), text)),
                None if number(&stem).is_some() => list.push(Script { name: stem, up: text, down: None }),
                None => return Err(ScriptError::Name(stem)),
            }
        }
        for (name, text) in downs {
            let script = list.iter_mut().find(|script| script.name == name);
            script.ok_or(ScriptError::NoUp(name))?.down = Some(text);
        }
        Self::ordered("", list)
    }

    /// Those of an application that left its directory: names and texts, without what takes them back.
    ///
    /// # Errors
    /// A name is none, or two have one number.
    pub fn of(texts: impl IntoIterator<Item = (String, String)>) -> Result<Self, ScriptError> {
        let script = |(name, up)| Script { name, up, down: None };
        let list: Vec<_> = texts.into_iter().map(script).collect();
        match list.iter().find(|script| number(&script.name).is_none()) {
            Some(unnamed) => Err(ScriptError::Name(unnamed.name.clone())),
            None => Self::ordered("", list),
        }
    }

    /// The names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.list.iter().map(|script| script.name.as_str())
    }

    /// Those that a program brings along, as name and text; in the database `prefix` stands before their names.
    ///
    /// # Errors
    /// Two have one number.
    pub fn embedded(prefix: &'static str, scripts: &[(&str, &str)]) -> Result<Self, ScriptError> {
        let script =
            |(name, up): &(&str, &str)| Script { name: (*name).into(), up: (*up).into(), down: None };
        Self::ordered(prefix, scripts.iter().map(script).collect())
    }

    fn ordered(prefix: &'static str, mut list: Vec<Script>) -> Result<Self, ScriptError> {
        list.sort_by_key(Script::number);
        let same = list.windows(2).find(|pair| pair[0].number() == pair[1].number());
        if let Some(pair) = same {
            return Err(ScriptError::Duplicate(pair[0].name.clone(), pair[1].name.clone()));
        }
        Ok(Self { prefix, list })
    }

    /// Writes the two files of a new migration, with the next number, and returns their paths.
    ///
    /// # Errors
    /// The name is none, or the directory cannot be written to.
    pub fn create(directory: &Path, name: &str) -> Result<[PathBuf; 2], ScriptError> {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        let name = name.to_ascii_lowercase().replace([' ', '-'], "_");
        if name.is_empty() || !name.chars().all(plain) {
            return Err(ScriptError::Name(name));
        }
        let next = Self::read(directory)?.list.last().map_or(0, Script::number) + 1;
        let failed = |source| ScriptError::Read { path: directory.display().to_string(), source };
        fs::create_dir_all(directory).map_err(failed)?;
        let stem = format!("{next:0DIGITS$}_{name}");
        let files = [directory.join(format!("{stem}.sql")), directory.join(format!("{stem}{DOWN}.sql"))];
        for (file, what) in files.iter().zip(["applies", "takes back"]) {
            fs::write(file, format!("-- What {what} {stem}; it runs in a transaction of its own.\n"))
                .map_err(failed)?;
        }
        Ok(files)
    }

    /// How each stands.
    pub(crate) fn status(&self, applied: &[Applied]) -> Vec<ScriptStatus> {
        let mine = self.mine(applied);
        let at = |name: &str| mine.iter().find(|(known, _)| *known == name).map(|(_, row)| row.applied_at);
        let status = |script: &Script| ScriptStatus {
            name: script.name.clone(),
            applied_at: at(&script.name),
            has_down: script.down.is_some(),
        };
        self.list.iter().map(status).collect()
    }

    /// The next one to be applied. What a later version applied is there, and in the way of nothing here.
    pub(crate) fn next_up(&self, applied: &[Applied]) -> Result<Option<Step>, ScriptError> {
        let newest = self.list.last().map_or(0, Script::number);
        let is_later = |row: &Applied| number(&row.name).is_some_and(|number| number > newest);
        let applied: Vec<_> = applied.iter().filter(|row| !is_later(row)).cloned().collect();
        let mine = self.checked(&applied)?;
        let is_applied = |script: &&Script| mine.iter().any(|known| known.name == script.name);
        let mut new = self.list.iter().filter(|script| !is_applied(script) && !script.is_blank());
        let Some(next) = new.next() else { return Ok(None) };
        match mine.last() {
            Some(last) if last.number() > next.number() => {
                Err(ScriptError::Late { name: next.name.clone(), last: last.name.clone() })
            }
            _ => {
                let name = format!("{}{}", self.prefix, next.name);
                Ok(Some(Step { name, sql: next.up.clone(), checksum: Some(next.checksum()) }))
            }
        }
    }

    /// What takes back the newest that is applied.
    pub(crate) fn next_down(&self, applied: &[Applied]) -> Result<Option<Step>, ScriptError> {
        let mine = self.checked(applied)?;
        let Some(last) = mine.last() else { return Ok(None) };
        let sql = last.down.clone().ok_or_else(|| ScriptError::NoDown(last.name.clone()))?;
        Ok(Some(Step { name: format!("{}{}", self.prefix, last.name), sql, checksum: None }))
    }

    /// Those that are applied, in order, each of them as it was then.
    fn checked(&self, applied: &[Applied]) -> Result<Vec<&Script>, ScriptError> {
        let mut scripts = Vec::new();
        for (name, row) in self.mine(applied) {
            let script = self.list.iter().find(|script| script.name == name);
            let script = script.ok_or_else(|| ScriptError::Missing(name.to_owned()))?;
            if script.checksum() != row.checksum {
                return Err(ScriptError::Changed(name.to_owned()));
            }
            scripts.push(script);
        }
        scripts.sort_by_key(|script| script.number());
        Ok(scripts)
    }

    fn mine<'a>(&self, applied: &'a [Applied]) -> Vec<(&'a str, &'a Applied)> {
        let plain = |row: &'a Applied| {
            let name = row.name.strip_prefix(self.prefix).filter(|name| !name.contains('/'))?;
            Some((name, row))
        };
        applied.iter().filter_map(plain).collect()
    }
}

/// The number in front of a name: `1` of `001_init`.
fn number(name: &str) -> Option<u64> {
    let (digits, rest) = name.split_once('_')?;
    let named = !rest.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|_| named)
}

#[cfg(test)]
mod tests;
