//! What the device tells, as lines on standard error.

use std::time::{SystemTime, UNIX_EPOCH};

use udmi_proto::{Level, Notice};

use crate::output::{Output, Role};

/// Prints notices.
pub(super) struct Notices {
    output: Output,
    /// Where the device connects, for people.
    endpoint: String,
}

impl Notices {
    pub(super) fn new(output: &Output, endpoint: String) -> Self {
        Self { output: *output, endpoint }
    }

    pub(super) fn print(&self, notice: &Notice) {
        if self.output.quiet {
            return;
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
                let of = total.map(|total| format!(" of {total}")).unwrap_or_default();
                (Role::Faint, format!("blob {name}: {received}{of} bytes, {rate} a second"))
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

/// Universal time, as it stands in the messages.
fn time_of_day() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let (seconds, millis) = (since.as_secs() % 86_400, since.subsec_millis());
    format!("{:02}:{:02}:{:02}.{millis:03}Z", seconds / 3600, seconds / 60 % 60, seconds % 60)
}
