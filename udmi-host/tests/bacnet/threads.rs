//! From the references of a site model to values, through the threads that a gateway uses.

use std::sync::Arc;
use std::sync::mpsc;

use udmi_host::family::{Answer, Call, FieldLimits, FieldThreads, ProviderError};
use udmi_proto::Value;

use super::fake::{Fake, Reply};
use super::{PATIENCE, device, settings};
use udmi_host::family::bacnet::{BacnetProvider, BacnetSettings};

#[test]
fn devices_are_read_through_field_threads_while_one_is_dead() {
    let good = Fake::start(1, |_| Reply::Holds(Value::Number(21.5)));
    let dead = Fake::start(2, |_| Reply::Nothing);
    let settings = BacnetSettings {
        timeout: std::time::Duration::from_millis(300),
        ..settings(vec![good.address, dead.address])
    };
    let field = FieldThreads::new(
        [Arc::new(BacnetProvider::new(settings)) as Arc<dyn udmi_host::family::FamilyProvider>],
        FieldLimits { threads: 2, ..FieldLimits::default() },
    )
    .unwrap();
    let (sender, answers) = mpsc::channel();
    let read = |instance| {
        let call = Call::Read { target: device(instance), references: vec!["AV/1".into()] };
        let sender = sender.clone();
        field.start(call, Arc::new(move |answer| drop(sender.send((instance, answer))))).unwrap();
    };
    read(2);
    for _ in 0..3 {
        read(1);
        let answer = Answer::Read(Ok(vec![Ok(Value::Number(21.5))]));
        assert_eq!(answers.recv_timeout(PATIENCE).unwrap(), (1, answer));
    }
    let (instance, answer) = answers.recv_timeout(PATIENCE).unwrap();
    assert_eq!(instance, 2);
    assert!(matches!(answer, Answer::Read(Err(ProviderError::Unreachable(_)))), "{answer:?}");
}
