//! `udmi blob`: order software of a device, and follow it until it is in force.

pub(crate) mod follow;
pub(crate) mod order;
mod serve;

use std::fs::File;
use std::io::Read as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use crate::cloud::{Cloud, CloudError, ReachArguments, Registry};
use crate::config::{self, CONNECT_PATIENCE};
use crate::difference::{Brief, Plain};
use crate::output::{FINDING, Failure, Output, Role};
use follow::{End, Followed, Follower, Side};
use order::{DATA_BYTES_MAX, Order};
use serve::Server;

const AFTER_HELP: &str = "\
Examples:
  udmi blob --registry DEMO --device AHU-1 --name system --data update.json
  udmi blob --registry DEMO --device AHU-1 --name system --serve firmware.bin --bind 0.0.0.0:8080
  udmi blob --registry DEMO --device AHU-1 --name system --url https://host/firmware.bin --sha256 01ab…
  udmi blob --registry DEMO --device AHU-1 --clear system

The order goes into the config that the broker keeps, and stays there. Two orders of one generation are the
same to a device. `udmi device` takes {\"version\": \"v2\"}, and fails as wanted with \"simulate\": \"incompatible\",
\"apply_failure\", \"abort\" or \"rollback\" beside it.

Exit codes: 0 in force (or published, with --no-wait), 1 the device says why not, or nothing in time, 2 wrong
usage.";

/// Order software of a device, and follow it until it is in force
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
#[command(group(clap::ArgGroup::new("what").required(true).args(["data", "url", "serve", "clear"])))]
pub(crate) struct Arguments {
    #[command(flatten)]
    reach: ReachArguments,
    /// The device
    #[arg(long, value_name = "ID")]
    device: String,
    /// The blob's name
    #[arg(long, default_value = "system", value_parser = name)]
    name: String,
    /// Send this small file within the config
    #[arg(long, value_name = "FILE")]
    data: Option<PathBuf>,
    /// Let the device fetch from here
    #[arg(long, requires = "sha256")]
    url: Option<String>,
    /// The SHA-256 of what is there; with the others, a wrong one to try with
    #[arg(long, value_name = "HEX", value_parser = order::sha256)]
    sha256: Option<String>,
    /// Serve this file by HTTP until the end
    #[arg(long, value_name = "FILE")]
    serve: Option<PathBuf>,
    /// Where to serve; an address such as 0.0.0.0:8080 means all of this machine's
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:0")]
    bind: SocketAddr,
    /// Take the order of that name away
    #[arg(long, value_name = "NAME", conflicts_with = "generation")]
    clear: Option<String>,
    /// What names this content, a time; without, this second
    #[arg(long, value_name = "TIME", value_parser = order::time)]
    generation: Option<String>,
    /// Do not wait for the device
    #[arg(long, conflicts_with = "serve")]
    no_wait: bool,
    /// Wait so many seconds for the device
    #[arg(long, value_name = "SECONDS", default_value_t = 120, conflicts_with = "no_wait")]
    timeout: u64,
}

/// Orders and follows.
pub(crate) fn run(arguments: Arguments, output: &Output) -> Result<ExitCode, Failure> {
    let device = arguments.device.as_str();
    let patience = (!arguments.no_wait).then(|| Duration::from_secs(arguments.timeout));
    let reach = arguments.reach.reach("blob", Some(device))?;
    if reach.registry == Registry::Any {
        return Err(CloudError::Registry.into());
    }
    let content = match (&arguments.data, &arguments.serve, &arguments.url) {
        (Some(file), ..) => Content::within(file)?,
        (_, Some(file), _) => {
            let peer = (reach.endpoint.host.as_str(), reach.endpoint.port);
            Content::served(file, arguments.bind, peer)?
        }
        (.., url) => Content { url: url.clone().unwrap_or_default(), sha256: String::new(), server: None },
    };
    let mut cloud = Cloud::connect(reach, CONNECT_PATIENCE)?;
    cloud.stop_on_signals()?;
    let mut config = config::kept(&mut cloud, device)?.unwrap_or_default();
    if let Some(name) = &arguments.clear {
        return clear(&mut cloud, device, name, config, patience, output);
    }
    let name = arguments.name.as_str();
    let order = Order {
        name: name.to_owned(),
        generation: order::generation(arguments.generation.as_deref(), &config, name),
        url: content.url.clone(),
        sha256: arguments.sha256.clone().unwrap_or_else(|| content.sha256.clone()),
    };
    order.put(&mut config).map_err(Failure::new)?;
    let timestamp = refresh(&mut config);
    cloud.publish_config(device, &Value::Object(config))?;
    published(output, device, &order)?;
    let Some(patience) = patience else { return Ok(ExitCode::SUCCESS) };
    let generation = order.generation.as_str();
    let followed = Followed { device, name, generation, timestamp: &timestamp, mirrored: false };
    let mut sides = [Side { label: "", cloud }];
    let end = Follower::new(output, followed).follow(&mut sides, patience, |_| Ok(()))?;
    if let Some(server) = &content.server {
        output.remark(format!("{} bytes were fetched", server.sent()));
    }
    ended(output, name, &end)
}

/// Content of a blob, where the device finds it.
struct Content {
    url: String,
    sha256: String,
    /// Serves it while it is here.
    server: Option<Server>,
}

impl Content {
    fn within(file: &Path) -> Result<Self, Failure> {
        let failed = |why: &dyn std::fmt::Display| Failure::usage(format!("{}: {why}", file.display()));
        let mut content = Vec::new();
        let opened = File::open(file).map_err(|error| failed(&error))?;
        opened.take(DATA_BYTES_MAX + 1).read_to_end(&mut content).map_err(|error| failed(&error))?;
        if content.len() as u64 > DATA_BYTES_MAX {
            let failure = failed(&format!("larger than {DATA_BYTES_MAX} bytes"));
            return Err(failure.hint("--serve lets the device fetch it instead"));
        }
        let json = serde_json::from_slice::<Value>(&content).is_ok();
        let kind = if json { "application/json" } else { "application/octet-stream" };
        Ok(Self { url: order::data_url(kind, &content), sha256: order::hash(&content), server: None })
    }

    fn served(file: &Path, bind: SocketAddr, peer: (&str, u16)) -> Result<Self, Failure> {
        let failed = |error: std::io::Error| Failure::usage(format!("{}: {error}", file.display()));
        let mut opened = File::open(file).map_err(failed)?;
        let mut digest = Sha256::new();
        let size = std::io::copy(&mut opened, &mut Hashing(&mut digest)).map_err(failed)?;
        let sha256 = order::hexadecimal(&digest.finalize());
        let server = Server::start(file, size, bind, peer)
            .map_err(|error| Failure::usage(format!("cannot serve at {bind}: {error}")))?;
        Ok(Self { url: server.url().to_owned(), sha256, server: Some(server) })
    }
}

/// Takes bytes into a hash.
struct Hashing<'a>(&'a mut Sha256);

impl std::io::Write for Hashing<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Gives a config a new timestamp and the version of this program.
pub(crate) fn refresh(config: &mut Map<String, Value>) -> String {
    let timestamp = config::now().as_str().to_owned();
    let version = udmi_proto::model::common::Version::default();
    config.insert("timestamp".to_owned(), timestamp.clone().into());
    config.insert("version".to_owned(), version.as_str().into());
    timestamp
}

/// Takes an order away, and waits until the state says nothing of it.
pub(crate) fn clear(
    cloud: &mut Cloud,
    device: &str,
    name: &str,
    mut config: Map<String, Value>,
    patience: Option<Duration>,
    output: &Output,
) -> Result<ExitCode, Failure> {
    if !order::remove(&mut config, name) {
        output.remark(format!("the config of {} has no blob {}", Plain(device), Plain(name)));
    }
    let timestamp = refresh(&mut config);
    let at = cloud.publish_config(device, &Value::Object(config))?;
    let Some(patience) = patience else { return Ok(ExitCode::SUCCESS) };
    let answer = cloud.acknowledge(device, &timestamp, at, patience)?;
    let left = answer.state.get("blobset").and_then(|blobset| blobset.get("blobs"));
    if left.is_some_and(|blobs| blobs.get(name).is_some()) {
        return Err(Failure::new(format!("the state still has the blob {}", Plain(name))));
    }
    if output.json {
        let latency_ms = follow::millis(answer.latency);
        output.line(json!({ "cleared": name, "device": device, "latency_ms": latency_ms }))?;
    } else {
        output.line(output.paint(Role::Good, format!("{} is cleared", Plain(name))))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn published(output: &Output, device: &str, order: &Order) -> Result<(), Failure> {
    let Order { name, url, sha256, generation } = order;
    if output.json {
        return output.line(json!({
            "ordered": name, "device": device, "url": url, "sha256": sha256, "generation": generation,
        }));
    }
    let device = output.paint(Role::Strong, Plain(device));
    output.line(format!("ordered {name} of {device}, generation {generation}"))?;
    output.line(format!("  url {}", Brief(&Value::from(url.as_str()))))?;
    output.line(format!("  sha256 {sha256}"))
}

fn ended(output: &Output, name: &str, end: &End) -> Result<ExitCode, Failure> {
    let state = match end {
        End::Final(state) => state,
        End::Elsewhere => return Ok(ExitCode::SUCCESS),
        End::Failed(status) => {
            if output.json {
                output.line(json!({ "failed": name, "status": status }))?;
            } else {
                output.line(output.paint(Role::Bad, format!("{name} failed: {}", Brief(status))))?;
            }
            return Ok(ExitCode::from(FINDING));
        }
    };
    let version = state.pointer(&format!("/system/software/{name}")).and_then(Value::as_str);
    if output.json {
        output.line(json!({ "final": name, "version": version }))?;
    } else {
        let version = version.map(|version| format!(" {}", Plain(version))).unwrap_or_default();
        output.line(output.paint(Role::Good, format!("{name}{version} is in force")))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Reads the name of a blob, which cannot be one of UDMI's own.
fn name(text: &str) -> Result<String, String> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    match text.bytes().next() {
        Some(b'a'..=b'z') if text.bytes().all(plain) => Ok(text.to_owned()),
        Some(b'_') => Err("is one of UDMI's own; `udmi endpoint` orders endpoints".to_owned()),
        Some(_) | None => Err("expected lower-case letters, digits and _".to_owned()),
    }
}
