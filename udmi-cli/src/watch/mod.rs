//! `udmi watch`: what devices say, as it comes.

mod render;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use udmi_proto::model::common::Timestamp;

use crate::cloud::{Cloud, CloudError, Heard, Message, ReachArguments};
use crate::output::{Failure, Output, Role};
use render::{Memory, render};

/// For the broker to answer.
const CONNECT_PATIENCE: Duration = Duration::from_secs(30);

const AFTER_HELP: &str = "\
Examples:
  udmi watch                                    all devices of the broker on this machine
  udmi watch --registry DEMO --device AHU-1     one device
  udmi watch --json --count 10 > messages.ndjson

States and configs are shown as differences to the ones before, values with the units that state or config
name. Ctrl-C ends it.

Exit codes: 0 ended by Ctrl-C or --count, 1 no connection, or --timeout came before --count, 2 wrong usage.";

/// Follow what devices say
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Arguments {
    #[command(flatten)]
    reach: ReachArguments,
    /// Only this device
    #[arg(long, value_name = "ID")]
    device: Option<String>,
    /// End after so many messages
    #[arg(long, value_name = "N")]
    count: Option<u64>,
    /// End after so many seconds
    #[arg(long, value_name = "SECONDS")]
    timeout: Option<u64>,
}

/// Shows messages until there were enough.
pub(crate) fn run(arguments: Arguments, output: &Output) -> Result<ExitCode, Failure> {
    let Arguments { reach, device, count, timeout } = arguments;
    let reach = reach.reach("watch", device.as_deref())?;
    let endpoint = reach.endpoint.to_string();
    let mut cloud = Cloud::connect(reach, CONNECT_PATIENCE)?;
    cloud.stop_on_signals()?;
    output.remark(output.paint_error(Role::Faint, format!("listening at {endpoint}")));
    let mut memory = Memory::default();
    let deadline = timeout.and_then(|seconds| Instant::now().checked_add(Duration::from_secs(seconds)));
    let mut left = count;
    while left != Some(0) {
        let patience = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        match cloud.next(patience) {
            Ok(Some(Heard::Message(message))) => {
                show(&message, &mut memory, output)?;
                left = left.map(|left| left - 1);
            }
            Ok(Some(Heard::Up)) => output.remark(output.paint_error(Role::Good, "connected again")),
            Ok(Some(Heard::Down(why))) => {
                output.remark(output.paint_error(Role::Warning, format!("disconnected: {why}")));
            }
            Ok(None) => return Ok(ended_by_time(left)),
            Err(CloudError::Stopped) => break,
            Err(error) => return Err(error.into()),
        }
    }
    if cloud.dropped() > 0 {
        output.remark(format!("{} messages came faster than they could be shown", cloud.dropped()));
    }
    Ok(ExitCode::SUCCESS)
}

fn ended_by_time(left: Option<u64>) -> ExitCode {
    if left.is_some() { ExitCode::from(crate::output::FINDING) } else { ExitCode::SUCCESS }
}

fn show(message: &Message, memory: &mut Memory, output: &Output) -> Result<(), Failure> {
    if output.json {
        return output.line(as_json(message));
    }
    render(message, memory, output).into_iter().try_for_each(|line| output.line(line))
}

fn as_json(message: &Message) -> Value {
    let content = match message.json() {
        Some(content) => ("message", content),
        None => ("text", String::from_utf8_lossy(&message.payload).into()),
    };
    let mut line = json!({
        "time": Timestamp::from_millis(message.arrived.utc.0).as_str(),
        "device": message.device,
        "kind": message.kind,
        "retained": message.retained,
    });
    line["folder"] = message.folder.clone().into();
    line[content.0] = content.1;
    line
}
