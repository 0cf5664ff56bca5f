//! What people and scripts see: answers on standard output, progress and remarks on standard error;
//! colours only on a terminal.

use comfy_table::{Attribute, Cell, ContentArrangement, Table, presets};
use serde_json::Value;
use std::fmt::Display;
use std::io::{self, IsTerminal, Write};

/// How to print.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    json: bool,
    colour_out: bool,
    colour_err: bool,
}

/// A colour of the terminal's own palette (ECMA-48 SGR).
#[derive(Debug, Clone, Copy)]
pub(crate) enum Colour {
    Red,
    Green,
    Yellow,
    Cyan,
    Grey,
}

impl Colour {
    fn code(self) -> &'static str {
        match self {
            Self::Red => "31",
            Self::Green => "32",
            Self::Yellow => "33",
            Self::Cyan => "36",
            Self::Grey => "90",
        }
    }
}

impl Output {
    /// `no_color` is the flag; the variable `NO_COLOR` (no-color.org) and `TERM=dumb` count as well.
    pub(crate) fn new(json: bool, no_color: bool) -> Self {
        let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let plain = no_color || set("NO_COLOR") || dumb;
        Self {
            json,
            colour_out: !plain && io::stdout().is_terminal(),
            colour_err: !plain && io::stderr().is_terminal(),
        }
    }

    /// Whether scripts read this.
    pub(crate) fn is_json(self) -> bool {
        self.json
    }

    /// Text for standard output in a colour.
    pub(crate) fn paint(self, colour: Colour, text: impl Display) -> String {
        painted(self.colour_out, colour, text)
    }

    /// Text for standard error in a colour.
    pub(crate) fn paint_err(self, colour: Colour, text: impl Display) -> String {
        painted(self.colour_err, colour, text)
    }

    /// Prints the command's answer: `value` for scripts, what `text` makes for people.
    pub(crate) fn answer(self, value: &Value, text: impl FnOnce() -> String) -> io::Result<()> {
        if self.json { self.line(format_args!("{value:#}")) } else { self.line(text()) }
    }

    /// Prints one line of the answer.
    pub(crate) fn line(self, text: impl Display) -> io::Result<()> {
        let mut stdout = io::stdout().lock();
        writeln!(stdout, "{text}")?;
        stdout.flush()
    }

    /// Says what happens meanwhile, where nobody waits for an answer to parse.
    pub(crate) fn progress(self, text: impl Display) {
        // A closed standard error is no reason to stop the work.
        let _ = writeln!(io::stderr(), "{text}");
    }

    /// A table with a header.
    pub(crate) fn table<const N: usize>(self, header: [&str; N], rows: Vec<[String; N]>) -> String {
        self.wide_table(&header, rows.into_iter().map(Vec::from).collect())
    }

    /// A table whose number of columns is not known beforehand.
    pub(crate) fn wide_table(self, header: &[&str], rows: Vec<Vec<String>>) -> String {
        let mut table = Table::new();
        table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
        if self.colour_out {
            table.enforce_styling();
            table.set_header(header.iter().map(|name| Cell::new(name).add_attribute(Attribute::Bold)));
        } else {
            table.force_no_tty().set_header(header);
        }
        table.add_rows(rows);
        table.trim_fmt()
    }
}

fn painted(coloured: bool, colour: Colour, text: impl Display) -> String {
    if coloured { format!("\u{1b}[{}m{text}\u{1b}[0m", colour.code()) } else { text.to_string() }
}

/// Text that came from elsewhere, without the control characters that would steer the terminal.
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && !matches!(c, '\n' | '\t') { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_have_a_header_and_no_escapes_where_nobody_looks() {
        let output = Output { json: false, colour_out: false, colour_err: false };
        let table = output.table(["NAME", "VERSION"], vec![["hello".into(), "v1".into()]]);
        let lines: Vec<_> = table.lines().map(str::trim).collect();
        assert!(lines[0].starts_with("NAME") && lines[1].starts_with("hello"), "{table}");
        assert!(!table.contains('\u{1b}'));
        assert_eq!(output.paint(Colour::Red, "x"), "x");
    }

    #[test]
    fn colours_are_switched_off_again() {
        let output = Output { json: false, colour_out: true, colour_err: true };
        assert_eq!(output.paint(Colour::Green, "x"), "\u{1b}[32mx\u{1b}[0m");
    }

    #[test]
    fn foreign_text_cannot_steer_the_terminal() {
        assert_eq!(printable("a\u{1b}[2Jb\tc\n"), "a\u{fffd}[2Jb\tc\n");
    }
}
