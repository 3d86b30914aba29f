//! What the device tells, as lines on standard error.

use std::io::{self, IsTerminal as _, Write as _};
use std::time::{SystemTime, UNIX_EPOCH};

use udmi_proto::{Level, Notice};

use crate::output::{Output, Role};

/// Prints notices.
pub(super) struct Notices {
    output: Output,
    /// Where the device connects, for people.
    endpoint: String,
    /// Whether lines may be written anew.
    terminal: bool,
    /// Whether a progress bar is the last line.
    drawn: bool,
}

/// Cells of a progress bar.
const BAR: u64 = 30;

impl Notices {
    pub(super) fn new(output: &Output, endpoint: String) -> Self {
        Self { output: *output, endpoint, terminal: io::stderr().is_terminal(), drawn: false }
    }

    pub(super) fn print(&mut self, notice: &Notice) {
        if let Notice::Redirected { endpoint, .. } = notice {
            self.endpoint = endpoint.to_string();
        }
        if self.output.quiet {
            return;
        }
        if let (true, Notice::BlobProgress { name, received, total, rate }) = (self.terminal, notice) {
            self.drawn = true;
            let bar = progress(name, *received, *total, *rate);
            // A bar that cannot be shown is lost.
            let _ = write!(io::stderr(), "\r\u{1b}[2K{}", self.output.paint_error(Role::Faint, bar));
            return;
        }
        if std::mem::take(&mut self.drawn) {
            let _ = write!(io::stderr(), "\r\u{1b}[2K");
        }
        let Some((role, text)) = self.line(notice) else { return };
        let time = self.output.paint_error(Role::Faint, time_of_day());
        self.output.remark(format!("{time} {}", self.output.paint_error(role, text)));
    }

    fn line(&self, notice: &Notice) -> Option<(Role, String)> {
        Some(match notice {
            Notice::Connected { resumed: false } => (Role::Good, format!("connected to {}", self.endpoint)),
            Notice::Connected { resumed: true } => {
                (Role::Good, format!("connected to {}, which still had the session", self.endpoint))
            }
            Notice::Disconnected { why } => {
                (Role::Warning, format!("no connection to {}: {why}", self.endpoint))
            }
            Notice::SubscriptionRefused { topic } => {
                (Role::Warning, format!("the broker refuses the subscription to {topic}"))
            }
            Notice::ConfigApplied { timestamp, finding: None } => {
                (Role::Good, format!("config of {timestamp} is in force"))
            }
            Notice::ConfigApplied { timestamp, finding: Some(finding) } => {
                (Role::Warning, format!("config of {timestamp} is in force, but {finding}"))
            }
            Notice::ConfigRejected { reason } => {
                (Role::Bad, format!("config cannot be used, the one before stays: {reason}"))
            }
            Notice::Block { .. } => return None,
            Notice::ModeChanged { mode } => (Role::Strong, format!("mode {}", mode.as_str())),
            Notice::StatePublished => (Role::Faint, "state published".to_owned()),
            Notice::Logged(entry) => {
                (role_of(entry.level), format!("log {} {}", entry.category.as_str(), entry.message))
            }
            Notice::OutboxFull { lost } => {
                (Role::Bad, format!("the outbox is full, {lost} messages are lost"))
            }
            Notice::StoredUnreadable { key, reason } => {
                (Role::Warning, format!("what was remembered as {key} cannot be read: {reason}"))
            }
            Notice::Redirecting { to, generation } => {
                (Role::Strong, format!("redirected to {to} by generation {generation}"))
            }
            Notice::Redirected { endpoint, failure: None, .. } => {
                (Role::Good, format!("at home on {endpoint}"))
            }
            Notice::Redirected { endpoint, failure: Some(failure), .. } => {
                (Role::Bad, format!("redirect failed, back to {endpoint}: {failure}"))
            }
            Notice::BlobProgress { name, received, total, rate } => {
                let of = total.as_ref().map(|total| format!(" of {}", Bytes(*total))).unwrap_or_default();
                (Role::Faint, format!("blob {name}: {}{of}, {}/s", Bytes(*received), Bytes(*rate)))
            }
            Notice::BlobFinished { name, generation, failure: None } => {
                (Role::Good, format!("blob {name} of {generation} is installed"))
            }
            Notice::BlobFinished { name, generation, failure: Some(failure) } => {
                (Role::Bad, format!("blob {name} of {generation} failed: {failure}"))
            }
            Notice::KeyRotated { backup, .. } => {
                (Role::Strong, format!("a new key is in use, the old one is kept as {backup}"))
            }
            Notice::KeyRestored { backup } => {
                (Role::Bad, format!("the broker refused the new key, {backup} is back in use"))
            }
            Notice::Proxied { device, notice } => {
                let (role, text) = self.line(notice)?;
                (role, format!("{device}: {text}"))
            }
            Notice::ProxyAttached { device } => (Role::Good, format!("{device} is attached")),
            Notice::ProxyDetached { device } => (Role::Warning, format!("{device} is not attached any more")),
            Notice::ProxyRefused { device, reason } => {
                (Role::Bad, format!("{device} cannot be attached: {reason}"))
            }
            Notice::CommandRefused { reason } => (Role::Warning, reason.clone()),
        })
    }
}

fn role_of(level: Level) -> Role {
    if level >= Level::ERROR {
        Role::Bad
    } else if level >= Level::WARNING {
        Role::Warning
    } else {
        Role::Faint
    }
}

/// One line with a bar, or without if it is not known how long it would be.
fn progress(name: &str, received: u64, total: Option<u64>, rate: u64) -> String {
    let Some(total) = total.filter(|total| *total > 0) else {
        return format!("blob {name} {}, {}/s", Bytes(received), Bytes(rate));
    };
    let part = |of: u64| u128::from(received.min(total)) * u128::from(of) / u128::from(total);
    let full = usize::try_from(part(BAR)).unwrap_or(0);
    let empty = usize::try_from(BAR).unwrap_or(0).saturating_sub(full);
    format!(
        "blob {name} [{}{}] {}% of {}, {}/s",
        "#".repeat(full),
        "-".repeat(empty),
        part(100),
        Bytes(total),
        Bytes(rate)
    )
}

/// An amount for people.
struct Bytes(u64);

impl std::fmt::Display for Bytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            bytes @ ..1024 => write!(f, "{bytes} B"),
            bytes @ ..1_048_576 => write!(f, "{:.1} KiB", bytes as f64 / 1024.0),
            bytes => write!(f, "{:.1} MiB", bytes as f64 / 1_048_576.0),
        }
    }
}

/// Universal time, as it stands in the messages.
fn time_of_day() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let (seconds, millis) = (since.as_secs() % 86_400, since.subsec_millis());
    format!("{:02}:{:02}:{:02}.{millis:03}Z", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_as_full_as_the_blob_is() {
        let half = format!("blob system [{}{}] 50% of 2.0 KiB, 512 B/s", "#".repeat(15), "-".repeat(15));
        assert_eq!(progress("system", 1024, Some(2048), 512), half);
        assert!(progress("system", 9999, Some(10), 1).contains(" 100% of 10 B"));
        assert_eq!(progress("system", 3 << 20, None, 2048), "blob system 3.0 MiB, 2.0 KiB/s");
        assert_eq!(progress("system", 0, Some(0), 0), "blob system 0 B, 0 B/s");
    }
}
