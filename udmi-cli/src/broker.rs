//! `udmi broker`: the demo broker in a process of its own.

use std::io::Read as _;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use device_broker::{Access, Config, Note, Save, Server, Users};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::output::{Failure, Output, Role};

/// Notes waiting to be printed; further ones are left out.
const PENDING_NOTES: usize = 1024;

const AFTER_HELP: &str = "\
Examples:
  udmi broker                                   for this machine, on port 1883
  udmi broker --data broker.json                remembers retained messages (configs) across restarts
  udmi broker --user /r/DEMO/d/AHU-1:s3cret     only who has an account may connect

Not for production: it has no TLS and keeps passwords in plain memory.

Exit codes: 0 stopped by Ctrl-C or SIGTERM, 1 it could not listen or save, 2 wrong usage.";

/// Run a small MQTT broker to try things with
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Arguments {
    /// The port to listen on; 0 takes a free one, which is printed
    #[arg(long, default_value_t = 1883)]
    port: u16,
    /// The address to listen on; 0.0.0.0 for all of this machine's
    #[arg(long, default_value = "127.0.0.1", value_name = "ADDRESS")]
    host: IpAddr,
    /// Keep retained messages and sessions in this file
    #[arg(long, value_name = "FILE")]
    data: Option<PathBuf>,
    /// An account that may do everything; without any, everybody may. May be repeated
    #[arg(long = "user", value_name = "NAME:PASSWORD", value_parser = account)]
    users: Vec<Account>,
    /// Print the topics of all messages as well
    #[arg(long)]
    messages: bool,
    /// Least milliseconds between two savings of --data
    #[arg(long, default_value_t = 1000, hide = true)]
    save_every_ms: u64,
    /// Stop when standard input ends, so that a broker does not outlive who started it
    #[arg(long, hide = true)]
    until_input_ends: bool,
}

/// A user name with its password.
#[derive(Clone)]
struct Account {
    name: String,
    password: String,
}

impl std::fmt::Debug for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Account").field("name", &self.name).field("password", &"***").finish()
    }
}

/// What the main thread waits for.
enum Wakeup {
    Note(Note),
    Stop,
}

/// Serves until it is told to stop.
pub(crate) fn run(arguments: Arguments, output: &Output) -> Result<ExitCode, Failure> {
    let (wake, wakeups) = sync_channel(PENDING_NOTES);
    let address = SocketAddr::new(arguments.host, arguments.port);
    let messages = arguments.messages;
    let tap = if output.quiet { None } else { Some(relay_notes(wake.clone())?) };
    stop_on_signals(wake.clone())?;
    if arguments.until_input_ends {
        stop_on_end_of_input(wake)?;
    }
    let server = Server::start(config(arguments, address, tap)).map_err(|error| refused(&error, address))?;
    announce(output, server.address())?;
    serve(&wakeups, messages, output);
    server.stop().map_err(|error| Failure::new(format!("the broker's data could not be saved: {error}")))?;
    output.remark("stopped");
    Ok(ExitCode::SUCCESS)
}

fn config(arguments: Arguments, address: SocketAddr, tap: Option<SyncSender<Note>>) -> Config {
    let every = Duration::from_millis(arguments.save_every_ms);
    let users = if arguments.users.is_empty() { Users::anyone() } else { Users::default() };
    let users = arguments
        .users
        .iter()
        .fold(users, |users, account| users.with(&account.name, &account.password, Access::all()));
    Config { address, users, tap, save: arguments.data.map(|path| Save { path, every }), ..Config::default() }
}

fn announce(output: &Output, address: SocketAddr) -> Result<(), Failure> {
    if output.json {
        return output.line(serde_json::json!({ "listening": format!("mqtt://{address}") }));
    }
    output.line(format!("listening on mqtt://{address}"))?;
    output.remark(output.paint_error(Role::Faint, "not for production; Ctrl-C stops it"));
    Ok(())
}

fn serve(wakeups: &Receiver<Wakeup>, messages: bool, output: &Output) {
    while let Ok(Wakeup::Note(note)) = wakeups.recv() {
        match note {
            Note::Connected { client, user: None } => output.remark(format!("+ {client}")),
            Note::Connected { client, user: Some(user) } => output.remark(format!("+ {client} as {user}")),
            Note::Disconnected { client, why } => output.remark(format!("- {client} ({why:?})")),
            Note::Published { topic, payload, retain, .. } if messages => {
                let kept = if retain { ", retained" } else { "" };
                output.remark(format!("  {topic} ({} bytes{kept})", payload.len()));
            }
            Note::Published { .. } => {}
        }
    }
}

fn relay_notes(wake: SyncSender<Wakeup>) -> Result<SyncSender<Note>, Failure> {
    let (tap, notes) = sync_channel(PENDING_NOTES);
    spawn("notes", move || {
        // Ends with the broker, or when nobody reads any more.
        while let Ok(note) = notes.recv() {
            if wake.send(Wakeup::Note(note)).is_err() {
                return;
            }
        }
    })?;
    Ok(tap)
}

fn stop_on_signals(wake: SyncSender<Wakeup>) -> Result<(), Failure> {
    let mut signals = Signals::new([SIGINT, SIGTERM])
        .map_err(|error| Failure::new(format!("signals cannot be caught: {error}")))?;
    spawn("signals", move || {
        if signals.forever().next().is_some() {
            // Fails only if the command has ended already.
            let _ = wake.send(Wakeup::Stop);
        }
    })
}

fn stop_on_end_of_input(wake: SyncSender<Wakeup>) -> Result<(), Failure> {
    spawn("input", move || {
        let mut ignored = [0; 64];
        while matches!(std::io::stdin().read(&mut ignored), Ok(length) if length > 0) {}
        let _ = wake.send(Wakeup::Stop);
    })
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<(), Failure> {
    let spawned = thread::Builder::new().name(name.to_owned()).spawn(work);
    spawned.map(drop).map_err(|error| Failure::new(format!("cannot start a thread: {error}")))
}

fn refused(error: &std::io::Error, address: SocketAddr) -> Failure {
    let failure = Failure::new(format!("the broker cannot start on {address}: {error}"));
    match error.kind() {
        std::io::ErrorKind::AddrInUse => {
            failure.hint("another broker may be running there; `--port 0` takes a free port")
        }
        std::io::ErrorKind::PermissionDenied => failure.hint("ports below 1024 need special rights"),
        _ => failure,
    }
}

fn account(text: &str) -> Result<Account, String> {
    let (name, password) = text.split_once(':').ok_or("expected NAME:PASSWORD")?;
    if name.is_empty() {
        return Err("the name is empty".to_owned());
    }
    Ok(Account { name: name.to_owned(), password: password.to_owned() })
}
