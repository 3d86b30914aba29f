//! What mosquitto's plug-in for dynamic security starts from: an account and a role for each device, as UDMI's
//! own broker has them (§1.5).

use std::num::NonZeroU32;

use ring::pbkdf2::{PBKDF2_HMAC_SHA512, derive};
use serde_json::{Value, json};

use super::broker::Plan;
use super::{ALTERNATE, CLOUD, CLOUD_PASSWORD, DEVICE, DEVICE_PASSWORD};
use crate::data_url;

/// As many as the plug-in itself takes.
const ITERATIONS: NonZeroU32 = NonZeroU32::new(101).expect("it is not zero");
/// Passwords of tests are known to everybody.
const SALT: &[u8; 12] = b"no secret at";
const HASH_BYTES: usize = 64;

/// The plug-in's file. A client may connect under its own client id only.
pub(super) fn document(plan: &Plan) -> Value {
    let mut clients = vec![client(CLOUD, CLOUD_PASSWORD)];
    let mut roles = vec![json!({ "rolename": CLOUD, "acls": [
        allow("publishClientSend", "#"), allow("subscribePattern", "#"),
    ] })];
    for id in [DEVICE, ALTERNATE] {
        let mut account = client(id, DEVICE_PASSWORD);
        account["clientid"] = id.into();
        clients.push(account);
        let mut acls = vec![
            allow("publishClientSend", &format!("{id}/events/#")),
            allow("publishClientSend", &format!("{id}/state")),
            allow("subscribeLiteral", &format!("{id}/config")),
            allow("subscribeLiteral", &format!("{id}/errors")),
        ];
        if !plan.refuses_commands {
            acls.push(allow("subscribePattern", &format!("{id}/commands/#")));
        }
        roles.push(json!({ "rolename": id, "acls": acls }));
    }
    json!({
        "clients": clients,
        "roles": roles,
        "defaultACLAccess": {
            "publishClientSend": false, "publishClientReceive": true, "subscribe": false, "unsubscribe": true,
        },
    })
}

fn client(name: &str, password: &str) -> Value {
    let mut hash = [0; HASH_BYTES];
    derive(PBKDF2_HMAC_SHA512, ITERATIONS, SALT, password.as_bytes(), &mut hash);
    json!({
        "username": name, "password": base64(&hash), "salt": base64(SALT), "iterations": ITERATIONS,
        "roles": [{ "rolename": name }],
    })
}

fn allow(kind: &str, topic: &str) -> Value {
    json!({ "acltype": kind, "topic": topic, "allow": true })
}

fn base64(bytes: &[u8]) -> String {
    let url = data_url::encode(bytes);
    url.split_once(',').map(|(_, coded)| coded.to_owned()).unwrap_or_default()
}
