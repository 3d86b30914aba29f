//! Write-back: a closure whose future puts the cloud's values in force, by way of a task that owns the field bus.
//!
//! Run it beside a broker (`udmi broker`): `cargo run -p udmi-smol --example smol_writeback -- 127.0.0.1:1883`
//! Set a value: `udmi config --registry ZZ-TRI-FECTA --device AHU-1 --set pointset.points.damper.set_value=40`
//!
//! You see `damper := 40` a second later. Until then the state says `updating`, then `applied`; a value over 100 is
//! `invalid`. Writes to other points go on meanwhile; those to one point come one after the other, and one that a
//! later one has superseded is dropped where it waits.

use std::time::Duration;

use smol::Timer;
use smol::channel::{Sender, bounded};
use udmi_smol::{Device, PointModel, Settings, Value, WriteError};

/// A value for the bus, and where the bus tells that it is done.
type Request = (String, Value, Sender<()>);

fn main() -> Result<(), udmi_smol::Failure> {
    let broker = std::env::args().nth(1).unwrap_or("127.0.0.1:1883".into());
    let settings = Settings::in_registry("ZZ-TRI-FECTA", "AHU-1", broker.parse()?);
    smol::block_on(async {
        let (bus, requests) = bounded::<Request>(8);
        smol::spawn(async move {
            while let Ok((point, value, done)) = requests.recv().await {
                Timer::after(Duration::from_secs(1)).await; // it is a slow one
                println!("{point} := {value}");
                let _ = done.send(()).await; // nobody waits for a write that was superseded
            }
        })
        .detach();
        let device = Device::builder(settings)
            .point("damper", PointModel { writable: true, ..PointModel::default() })
            .point("fan", PointModel { writable: true, ..PointModel::default() })
            .on_writeback(move |point, value| write(bus.clone(), point, value))
            .start()
            .await?;
        device.wait_connected(Duration::from_secs(5)).await?;
        device.wait().await;
        Ok(())
    })
}

async fn write(bus: Sender<Request>, point: String, value: Value) -> Result<(), WriteError> {
    if !value.as_number().is_some_and(|percent| (0.0..=100.0).contains(&percent)) {
        return Err(WriteError::Invalid("0 to 100 percent".into()));
    }
    let (done, ended) = bounded(1);
    bus.send((point, value, done)).await.map_err(|_| "the bus is gone")?;
    ended.recv().await.map_err(|_| "the bus is gone".into())
}
