//! The profile that `tests/lab/up` writes for trying things by hand must stay valid as profiles change.

use godwit::config::load;

#[test]
fn the_profile_of_the_lab_is_valid() {
    let dir = tempfile::tempdir().unwrap();
    let template = include_str!("../lab/profile.toml");
    let text = template.replace("LAB", dir.path().to_str().unwrap()).replace("PORT1", "1").replace("PORT2", "2");
    let path = dir.path().join("lab.toml");
    std::fs::write(&path, text).unwrap();
    let profile = load(&path).unwrap();
    assert_eq!(profile.migration.name, "lab");
}
