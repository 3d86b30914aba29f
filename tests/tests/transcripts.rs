//! Scenarios for people to read: commands, and what the device answers.

#[test]
fn smoke() {
    let mut setup = udmi_tests::model::Model::air_handler().setup();
    setup.transcript = Some(300);
    setup.records = true;
    let mut world = udmi_tests::world::World::new(setup);
    println!("{}", world.script("config {\"system\":{\"operation\":{\"mode\":\"active\"}},\"localnet\":{\"families\":{\"ipv4\":{}}}}\nconnect\nadvance 8s\nshow /system\ndrop\nadvance 5s\nraw {broken\nadvance 5s\nshow /system"));
}
