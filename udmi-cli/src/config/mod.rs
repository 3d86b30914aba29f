//! `udmi config`: publish a device's config, whole or edited, and wait until the device has taken it.

mod edit;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value, json};
use udmi_proto::model::common::{Timestamp, Version};

use crate::cloud::{Acknowledgement, Cloud, CloudError, Heard, Kind, ReachArguments, Registry, Seconds};
use crate::difference::{Brief, as_entry, changes};
use crate::output::{FINDING, Failure, Output, Role};
use crate::text;
use edit::Edit;

/// For the broker to answer.
pub(crate) const CONNECT_PATIENCE: Duration = Duration::from_secs(30);
/// The level from which a status calls for attention (§3.4).
const ATTENTION: u64 = 400;

const AFTER_HELP: &str = "\
Examples:
  udmi config --registry DEMO --device AHU-1 --file config.json
  udmi config --registry DEMO --device AHU-1 --set pointset.points.sat.set_value=21.5
  udmi config --registry DEMO --device AHU-1 --unset pointset.points.sat.set_value
  udmi config --registry DEMO --device AHU-1 --set system.operation.mode=restart --no-wait

Without --file, the config the broker keeps is edited. Timestamp and version are made anew. The device has
taken a config when its state names that timestamp as system.last_config.

Exit codes: 0 taken (or published, with --no-wait), 1 not taken in time, or the answering state has a status
of level 400 or above, 2 wrong usage.";

/// Publish a device's config and wait for its answer
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
#[command(group(clap::ArgGroup::new("what").required(true).multiple(true).args(["file", "set", "unset"])))]
pub(crate) struct Arguments {
    #[command(flatten)]
    reach: ReachArguments,
    /// The device
    #[arg(long, value_name = "ID")]
    device: String,
    /// Publish what is in this file
    #[arg(long)]
    file: Option<PathBuf>,
    /// Set a member, such as pointset.points.sat.set_value=21.5; a value that is not JSON is a text. May be
    /// repeated
    #[arg(long, value_name = "PATH=VALUE", value_parser = Edit::set)]
    set: Vec<Edit>,
    /// Take a member away. May be repeated; comes after --set
    #[arg(long, value_name = "PATH", value_parser = Edit::unset)]
    unset: Vec<Edit>,
    /// Leave the timestamp and version as they are
    #[arg(long)]
    keep_timestamp: bool,
    /// Do not wait for the device
    #[arg(long)]
    no_wait: bool,
    /// Wait so many seconds for the device
    #[arg(long, value_name = "SECONDS", default_value_t = 30, conflicts_with = "no_wait")]
    timeout: u64,
}

/// Publishes and waits.
pub(crate) fn run(arguments: Arguments, output: &Output) -> Result<ExitCode, Failure> {
    let from_file = arguments.file.as_deref().map(read).transpose()?;
    let device = arguments.device.as_str();
    let reach = arguments.reach.reach("config", Some(device))?;
    if reach.registry == Registry::Any {
        return Err(CloudError::Registry.into());
    }
    let mut cloud = Cloud::connect(reach, CONNECT_PATIENCE)?;
    cloud.stop_on_signals()?;
    let before = kept(&mut cloud, device)?;
    let base = from_file.or_else(|| before.clone()).unwrap_or_default();
    let edits = arguments.set.iter().chain(&arguments.unset);
    let config = made(base, edits, arguments.keep_timestamp, &now())?;
    let timestamp = config.get("timestamp").and_then(Value::as_str).map(ToOwned::to_owned);
    let Some(timestamp) = timestamp.filter(|_| !arguments.no_wait) else {
        cloud.publish_config(device, &Value::Object(config.clone()))?;
        if !arguments.no_wait {
            output.remark("the config has no timestamp that a state could name: not waiting");
        }
        return published(output, device, before, config).map(|()| ExitCode::SUCCESS);
    };
    let at = cloud.publish_config(device, &Value::Object(config.clone()))?;
    published(output, device, before, config)?;
    match cloud.acknowledge(device, &timestamp, at, Duration::from_secs(arguments.timeout)) {
        Ok(answer) => answered(output, device, &timestamp, &answer),
        Err(error) => Err(unanswered(output, error)?),
    }
}

/// The config from a file.
fn read(path: &Path) -> Result<Map<String, Value>, Failure> {
    let text = text::read(path, text::FILE_BYTES_MAX).map_err(Failure::usage)?;
    let document = text::parse(&text).map_err(|why| Failure::usage(format!("{}:{why}", path.display())))?;
    match document {
        Value::Object(config) => Ok(config),
        other => {
            Err(Failure::usage(format!("{}: expected an object, found {}", path.display(), Brief(&other))))
        }
    }
}

/// The config that the broker keeps for the device, if any; what else was heard so far is gone.
pub(crate) fn kept(cloud: &mut Cloud, device: &str) -> Result<Option<Map<String, Value>>, Failure> {
    let mut kept = None;
    while let Some(heard) = cloud.heard_so_far()? {
        if let Heard::Message(message) = heard
            && message.kind == Kind::Config
            && message.device == device
            && !message.payload.is_empty()
        {
            let Some(Value::Object(config)) = message.json() else {
                return Err(Failure::new("the config that the broker keeps is no JSON object")
                    .hint("--file publishes another in its place"));
            };
            kept = Some(config);
        }
    }
    Ok(kept)
}

fn made<'a>(
    base: Map<String, Value>,
    edits: impl Iterator<Item = &'a Edit>,
    keep_timestamp: bool,
    now: &Timestamp,
) -> Result<Map<String, Value>, Failure> {
    let mut config = base;
    let mut fresh =
        [("timestamp", now.as_str().to_owned()), ("version", Version::default().as_str().to_owned())]
            .map(Some);
    for edit in edits {
        edit.apply(&mut config).map_err(Failure::usage)?;
        for member in &mut fresh {
            member.take_if(|(name, _)| edit.touches(name)); // the user wants it so
        }
    }
    for (name, value) in fresh.into_iter().flatten().filter(|_| !keep_timestamp) {
        config.insert(name.to_owned(), value.into());
    }
    Ok(config)
}

/// This moment, for the timestamp of a config.
pub(crate) fn now() -> Timestamp {
    let millis = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    Timestamp::from_millis(i64::try_from(millis).unwrap_or(i64::MAX))
}

/// Tells what was published.
fn published(
    output: &Output,
    device: &str,
    before: Option<Map<String, Value>>,
    config: Map<String, Value>,
) -> Result<(), Failure> {
    if output.json {
        return output.line(json!({ "published": config, "device": device }));
    }
    output.line(format!("published the config of {}", output.paint(Role::Strong, device)))?;
    let before = Value::Object(before.unwrap_or_default());
    changes(&before, &Value::Object(config)).iter().try_for_each(|change| output.line(format!("  {change}")))
}

/// Tells how the device answered.
fn answered(
    output: &Output,
    device: &str,
    timestamp: &str,
    answer: &Acknowledgement,
) -> Result<ExitCode, Failure> {
    let found = statuses(&answer.state);
    let latency_ms = u64::try_from(answer.latency.as_millis()).unwrap_or(u64::MAX);
    if output.json {
        let statuses: Vec<_> =
            found.iter().map(|(path, status)| json!({ "path": path, "status": status })).collect();
        output.line(json!({
            "acknowledged": timestamp, "device": device, "latency_ms": latency_ms, "statuses": statuses,
        }))?;
    } else {
        let taken = format!("taken in {}", Seconds(answer.latency));
        output.line(format!("{}: system.last_config is {timestamp}", output.paint(Role::Good, taken)))?;
        for (path, status) in &found {
            output.line(output.paint(Role::Bad, format!("  {path}: {}", Brief(status))))?;
        }
    }
    Ok(if found.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(FINDING) })
}

/// Tells what the last state of a device that did not answer says of itself.
fn unanswered(output: &Output, error: CloudError) -> Result<Failure, Failure> {
    if let CloudError::NotAcknowledged { last: Some(state), .. } = &error {
        for (path, status) in statuses(state) {
            if output.json {
                output.line(json!({ "path": path, "status": status }))?;
            } else {
                output.line(output.paint(Role::Bad, format!("  {path}: {}", Brief(&status))))?;
            }
        }
    }
    Ok(error.into())
}

/// All statuses of a state that call for attention, with their paths.
fn statuses(state: &Value) -> Vec<(String, Value)> {
    let all = changes(&Value::Object(Map::new()), state).into_iter();
    let wanted = all.filter_map(|change| Some((change.path, change.after?)));
    wanted.filter(|(_, value)| as_entry(value).is_some_and(|(level, ..)| level >= ATTENTION)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(document: Value, edits: &[&str], keep: bool) -> Value {
        let Value::Object(base) = document else { panic!("an object") };
        let edits: Vec<_> = edits.iter().map(|edit| Edit::set(edit).unwrap()).collect();
        Value::Object(made(base, edits.iter(), keep, &Timestamp::from_millis(0)).unwrap())
    }

    #[test]
    fn timestamp_and_version_are_fresh_unless_they_are_to_be_kept() {
        let base = json!({ "timestamp": "T", "version": "1" });
        let fresh = config(base.clone(), &[], false);
        assert_eq!(fresh["timestamp"].as_str(), Some(Timestamp::from_millis(0).as_str()));
        assert_eq!(fresh["version"].as_str(), Some(Version::default().as_str()));
        assert_eq!(config(base.clone(), &[], true), base);
        assert_eq!(config(base, &["timestamp=mine"], false)["timestamp"], "mine");
    }

    #[test]
    fn statuses_are_found_wherever_they_are() {
        let entry = |level| json!({ "level": level, "category": "c", "message": "m" });
        let state = json!({ "system": { "status": entry(200) },
            "pointset": { "points": { "sat": { "status": entry(500) } } } });
        let found = statuses(&state);
        assert_eq!(found, [("pointset.points.sat.status".to_owned(), entry(500))]);
    }
}
