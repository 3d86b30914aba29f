//! Points known in advance: units, references, who may write, and which values make sense.
//!
//! Run it beside a broker (`udmi broker`): `cargo run -p udmi-std --example point_model -- 127.0.0.1:1883`
//! Set a value: `udmi config --registry ZZ-TRI-FECTA --device AHU-1 --set pointset.points.fan_speed.ref=AO:2 \
//!  --set pointset.points.fan_speed.set_value=120`
//!
//! With `udmi watch` you see `invalid: expected at most 100`, without a line of the program; 75 is `applied`. A point
//! that is not writable refuses all values, and one whose `ref` is not the model's fails. What a sensor must not say,
//! here more than 80 degrees, is an error of its closure: the state tells it, and it is never published as a value.

use std::time::{Duration, Instant};

use udmi_std::{Device, PointModel, Settings, ValueKind};

fn main() -> Result<(), udmi_std::Failure> {
    let broker = std::env::args().nth(1).unwrap_or("127.0.0.1:1883".into());
    let settings = Settings::in_registry("ZZ-TRI-FECTA", "AHU-1", broker.parse()?);
    let fan_speed = PointModel {
        units: Some("Percent".into()),
        reference: Some("AO:2".into()),
        writable: true,
        kind: Some(ValueKind::Number { minimum: Some(0.0), maximum: Some(100.0) }),
        ..PointModel::default()
    };
    let bearing = PointModel { units: Some("Degrees-Celsius".into()), ..PointModel::default() };
    let started = Instant::now();
    let device = Device::builder(settings)
        .point("fan_speed", fan_speed)
        .point("bearing_temperature", bearing)
        .poll("bearing_temperature", move || {
            let measured = 60 + started.elapsed().as_secs() % 40; // 60 to 99, again and again
            if measured <= 80 { Ok(measured as i64) } else { Err(format!("{measured} °C is over 80 °C")) }
        })
        .start()?;
    device.wait_connected(Duration::from_secs(5))?;
    device.wait();
    Ok(())
}
