//! What only closures on a thread of their own, and bare devices, can do.

use std::sync::mpsc::channel;
use std::time::Duration;

use udmi_std::{Device, ExitReason};

use crate::common::{Broker, PATIENCE, config, settings, timestamp};
use crate::facade::gateway::{Field, configure_field, is_scanned, is_served, with_field_meters};

#[test]
fn a_blocked_closure_does_not_hold_the_device_up() {
    let broker = Broker::start();
    let (release, blocked) = channel::<()>();
    let device = Device::builder(settings(broker.address))
        .on_writeback(move |_, _| {
            let _ = blocked.recv();
            Ok(())
        })
        .start()
        .unwrap();
    broker.configure(&config(1, Some(5.0)));
    broker.state_for(&timestamp(1));
    broker.configure(&config(2, Some(5.0)));
    broker.state_for(&timestamp(2));
    assert_eq!(
        {
            device.stop();
            device.wait_for(PATIENCE).unwrap()
        },
        ExitReason::Shutdown
    );
    drop(release);
}

#[test]
fn a_family_serves_a_bare_gateway_as_well() {
    let broker = Broker::start();
    let field = Field::default();
    configure_field(&broker);
    let (stop, stopped) = channel();
    let (address, served) = (broker.address, field.clone());
    let running = std::thread::spawn(move || {
        let builder = Device::builder(settings(address)).family(served);
        let mut device = with_field_meters(builder).start_bare().unwrap();
        while stopped.try_recv().is_err() {
            assert_eq!(device.turn(Duration::from_millis(20)), None);
        }
    });
    is_served(&broker, &field, &mut || assert!(!running.is_finished()));
    is_scanned(&broker);
    stop.send(()).unwrap();
    running.join().unwrap();
    field.release();
}
