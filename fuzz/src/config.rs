//! Config documents to a device.

use serde_json::Value;
use serde_json::value::RawValue;
use udmi_proto::Limits;

use crate::bench::{Bench, contains};
use crate::settings;

/// Delivers a text as a config and looks at the states before and after it; then a good config is answered.
pub fn run(input: &[u8]) {
    let mut bench = Bench::connected(settings::device(), Limits::default(), true);
    let before = told(&bench);
    // A time of its own, so that nothing of what follows falls due in the same state.
    bench.live(3000);
    bench.config(input);
    bench.live(3000);
    let after = told(&bench);
    if is_hard(input) {
        assert!(!after["system"]["status"].is_null(), "a status tells of what cannot be read");
        assert_eq!(without_status(before), without_status(after), "more than the status has changed");
    }
    // One that follows orders to go elsewhere may be on its way.
    if !contains(input, b"_iot_endpoint_config") {
        bench.recover();
    }
    bench.finish_recording();
}

/// Whether a config cannot be used at all (§3.6): it is no JSON object, or has no timestamp. A text
/// that escapes spell may hold one all the same. An empty message says nothing, which is not wrong (§7.5).
fn is_hard(input: &[u8]) -> bool {
    let text: Result<&RawValue, _> = serde_json::from_slice(input);
    let has_timestamp = contains(input, b"timestamp") || contains(input, b"\\u");
    let is_usable = text.is_ok() && input.trim_ascii_start().starts_with(b"{") && has_timestamp;
    !is_usable && !input.is_empty()
}

fn told(bench: &Bench) -> Value {
    let state = bench.state.as_ref().expect("a connected device has told its state");
    let state: Value = serde_json::from_slice(state).expect("a state is JSON");
    assert!(state["timestamp"].is_string() && state["system"]["hardware"].is_object(), "{state}");
    state
}

fn without_status(mut state: Value) -> Value {
    state["timestamp"].take();
    state["system"]["status"].take();
    state
}
