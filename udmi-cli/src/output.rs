//! What the command prints: colours only where they are wanted, failures in one line with a hint.

use std::fmt::{self, Display};
use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;

use anstyle::{AnsiColor, Style};
use clap::ValueEnum;

/// All was well.
pub(crate) const OK: u8 = 0;
/// Something was found, or was not observed.
pub(crate) const FINDING: u8 = 1;
/// The command line or the files it names cannot be used.
pub(crate) const USAGE: u8 = 2;

/// When to colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Colour {
    /// On a terminal, unless NO_COLOR is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// What a piece of text is, which decides its colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Went well.
    Good,
    /// Deserves a look.
    Warning,
    /// Went wrong.
    Bad,
    /// A heading or a name.
    Strong,
    /// Beside the point.
    Faint,
}

/// How to print.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    /// Whether standard output takes colours.
    stdout_colour: bool,
    /// Whether standard error takes colours.
    stderr_colour: bool,
    /// Whether standard output is a terminal, on which lines may be rewritten.
    pub(crate) terminal: bool,
    /// Whether results are wanted as JSON, one object a line.
    pub(crate) json: bool,
    /// Whether only results and failures are wanted.
    pub(crate) quiet: bool,
}

impl Output {
    /// Looks at the terminal and the environment once.
    pub(crate) fn new(colour: Colour, json: bool, quiet: bool) -> Self {
        // https://no-color.org: any value that is not empty.
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let terminal = io::stdout().is_terminal();
        let wanted = |is_terminal: bool| match colour {
            Colour::Always => true,
            Colour::Never => false,
            Colour::Auto => is_terminal && !no_color,
        };
        Self {
            stdout_colour: wanted(terminal),
            stderr_colour: wanted(io::stderr().is_terminal()),
            terminal,
            json,
            quiet,
        }
    }

    /// Text for standard output, coloured by its role.
    pub(crate) fn paint(&self, role: Role, text: impl Display) -> String {
        paint(self.stdout_colour, role, text)
    }

    /// Text for standard error, coloured by its role.
    pub(crate) fn paint_error(&self, role: Role, text: impl Display) -> String {
        paint(self.stderr_colour, role, text)
    }

    /// Prints one line of results to standard output.
    ///
    /// # Errors
    /// Nobody reads any more, which ends the command silently, or it cannot be written.
    pub(crate) fn line(&self, text: impl Display) -> Result<(), Failure> {
        let mut out = io::stdout().lock();
        writeln!(out, "{text}").and_then(|()| out.flush()).map_err(|error| Failure::of_output(&error))
    }

    /// Prints text to standard output as it is, without a line end.
    ///
    /// # Errors
    /// As [`Output::line`].
    pub(crate) fn raw(&self, text: impl Display) -> Result<(), Failure> {
        let mut out = io::stdout().lock();
        write!(out, "{text}").and_then(|()| out.flush()).map_err(|error| Failure::of_output(&error))
    }

    /// Prints a remark to standard error, unless the user wants quiet.
    pub(crate) fn remark(&self, text: impl Display) {
        if !self.quiet {
            // A remark that cannot be shown is lost; there is nowhere else to tell it.
            let _ = writeln!(io::stderr(), "{text}");
        }
    }

    /// Prints a failure to standard error.
    pub(crate) fn failure(&self, failure: &Failure) {
        if failure.message.is_empty() {
            return;
        }
        let mut err = io::stderr().lock();
        let _ = writeln!(err, "{} {}", self.paint_error(Role::Bad, "error:"), failure.message);
        if let Some(hint) = &failure.hint {
            let _ = writeln!(err, "{} {hint}", self.paint_error(Role::Faint, " hint:"));
        }
    }
}

fn paint(colour: bool, role: Role, text: impl Display) -> String {
    if !colour {
        return text.to_string();
    }
    let style = match role {
        Role::Good => AnsiColor::Green.on_default(),
        Role::Warning => AnsiColor::Yellow.on_default(),
        Role::Bad => AnsiColor::Red.on_default().bold(),
        Role::Strong => Style::new().bold(),
        Role::Faint => Style::new().dimmed(),
    };
    format!("{style}{text}{style:#}")
}

/// Why a command ends early: one line for people, perhaps a hint, and the exit code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    message: String,
    hint: Option<String>,
    code: u8,
}

impl Failure {
    /// Something went wrong or was not found; exit code 1.
    pub(crate) fn new(message: impl Display) -> Self {
        Self { message: one_line(&message.to_string()), hint: None, code: FINDING }
    }

    /// The command line or a file it names cannot be used; exit code 2.
    pub(crate) fn usage(message: impl Display) -> Self {
        Self { code: USAGE, ..Self::new(message) }
    }

    /// Adds what the user can do.
    pub(crate) fn hint(self, hint: impl Display) -> Self {
        Self { hint: Some(one_line(&hint.to_string())), ..self }
    }

    /// The exit code.
    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.code)
    }

    /// A reader that has gone (`udmi … | head`) is no failure worth a word.
    fn of_output(error: &io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            Self { message: String::new(), hint: None, code: OK }
        } else {
            Self::new(format!("cannot write the output: {error}"))
        }
    }
}

impl Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_one_line() {
        let failure = Failure::usage("no such\n  folder: site").hint("try\n`udmi init site`");
        assert_eq!(failure.to_string(), "no such folder: site");
        assert_eq!(failure.hint.as_deref(), Some("try `udmi init site`"));
        assert_eq!(failure.code, USAGE);
    }

    #[test]
    fn colours_are_left_out_unless_wanted() {
        assert_eq!(paint(false, Role::Good, "ok"), "ok");
        assert_eq!(paint(true, Role::Good, "ok"), "\u{1b}[32mok\u{1b}[0m");
    }
}
