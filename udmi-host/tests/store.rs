//! The file store against everything a disc and a crash can do to it.

use std::fs;
use std::path::Path;

use udmi_host::store::{FileStore, Store, StoreError};

const VALUE: &[u8] = b"{\"restart_count\":7}";

#[test]
fn a_value_is_there_for_the_next_store() {
    let folder = tempfile::tempdir().unwrap();
    FileStore::open(folder.path()).unwrap().save("system", Some(VALUE)).unwrap();
    let mut store = FileStore::open(folder.path()).unwrap();
    assert_eq!(store.load("system").unwrap().as_deref(), Some(VALUE));
    assert_eq!(
        store.load_all().unwrap().into_iter().collect::<Vec<_>>(),
        [("system".to_owned(), VALUE.to_vec())]
    );
    store.save("system", None).unwrap();
    store.save("system", None).unwrap();
    assert_eq!(FileStore::open(folder.path()).unwrap().load("system").unwrap(), None);
    assert!(names(folder.path()).is_empty());
}

#[test]
fn the_folder_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("out/devices/AHU-1");
    let mut store = FileStore::open(&inner).unwrap();
    store.save("system", Some(VALUE)).unwrap();
    assert_eq!(names(&inner), ["system.json"]);
}

#[cfg(unix)]
#[test]
fn files_and_folder_are_for_their_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("store");
    let mut store = FileStore::open(&inner).unwrap();
    store.save("system", Some(VALUE)).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&inner), mode(&inner.join("system.json"))), (0o700, 0o600));
    store.save("system", Some(b"{}")).unwrap();
    assert_eq!(mode(&inner.join("system.json")), 0o600);
}

#[cfg(unix)]
#[test]
fn regression_a_link_in_the_place_of_a_draft_is_not_followed() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = FileStore::open(folder.path().join("store")).unwrap();
    let other = folder.path().join("other");
    fs::write(&other, "not ours").unwrap();
    std::os::unix::fs::symlink(&other, store.folder().join(".system.tmp")).unwrap();
    store.save("system", Some(VALUE)).unwrap();
    assert_eq!(fs::read_to_string(&other).unwrap(), "not ours");
    assert_eq!(store.load("system").unwrap().as_deref(), Some(VALUE));
    assert!(!store.folder().join("system.json").is_symlink());
}

#[test]
fn unusable_files_are_set_aside_and_told_of() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("system.json");
    let mut store = FileStore::open(folder.path()).unwrap();
    let contents: [&[u8]; 4] = [b"", &VALUE[..9], b"{\"a\":\"\xff\xfe\"}", b"[1]"];
    for (index, content) in contents.iter().enumerate() {
        fs::write(&file, content).unwrap();
        assert_eq!(store.load("system").unwrap(), None);
        let notices = store.take_notices();
        let kept_as = folder.path().join(format!("system.json.bad-{}", index + 1));
        assert_eq!(notices.iter().map(|notice| &notice.kept_as).collect::<Vec<_>>(), [&kept_as]);
        assert!(notices[0].to_string().contains("stored 'system' is unusable"), "{}", notices[0]);
        assert_eq!(&fs::read(&kept_as).unwrap(), content);
    }
    store.save("system", Some(VALUE)).unwrap();
    assert_eq!(store.load("system").unwrap().as_deref(), Some(VALUE));
    assert!(store.take_notices().is_empty());
    assert_eq!(names(folder.path()).len(), 5);
}

#[test]
fn a_directory_in_place_of_the_file_is_set_aside_with_its_content() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("system.json")).unwrap();
    fs::write(folder.path().join("system.json/inner"), "kept").unwrap();
    let mut store = FileStore::open(folder.path()).unwrap();
    assert!(matches!(store.save("system", Some(VALUE)), Err(StoreError::Io { .. })));
    assert!(store.load_all().unwrap().is_empty());
    assert_eq!(store.take_notices().len(), 1);
    assert_eq!(fs::read(folder.path().join("system.json.bad-1/inner")).unwrap(), b"kept");
    store.save("system", Some(VALUE)).unwrap();
    assert_eq!(store.load("system").unwrap().as_deref(), Some(VALUE));
}

#[cfg(unix)]
#[test]
fn a_dangling_link_in_place_of_the_file_is_set_aside() {
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink("nowhere", folder.path().join("system.json")).unwrap();
    let mut store = FileStore::open(folder.path()).unwrap();
    assert_eq!(store.load("system").unwrap(), None);
    assert_eq!(store.take_notices().len(), 1);
    assert_eq!(names(folder.path()), ["system.json.bad-1"]);
}

#[test]
fn leftovers_of_a_crash_are_cleared_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    for name in [".system.tmp", "notes.txt", ".hidden", "Other.tmp", ".NO.tmp"] {
        fs::write(folder.path().join(name), "x").unwrap();
    }
    let mut store = FileStore::open(folder.path()).unwrap();
    assert!(store.load_all().unwrap().is_empty());
    assert_eq!(names(folder.path()), [".NO.tmp", ".hidden", "Other.tmp", "notes.txt"]);
}

#[test]
fn a_file_in_place_of_the_folder_is_an_error_that_names_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("store");
    fs::write(&file, "x").unwrap();
    let error = FileStore::open(&file).unwrap_err();
    assert!(error.to_string().contains(file.to_str().unwrap()), "{error}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_read_only_folder_is_an_error_that_names_the_file() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("system.json"), VALUE).unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o500)).unwrap();
    // To root no folder is read-only but one of the kernel's own.
    let root = fs::write(folder.path().join("probe"), "").is_ok();
    let path = if root { Path::new("/proc/self") } else { folder.path() };
    let mut store = FileStore::open(path).unwrap();
    let error = store.save("system", Some(b"{}")).unwrap_err();
    assert!(
        error.to_string().starts_with("cannot write") && error.to_string().contains("system.json"),
        "{error}"
    );
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).unwrap();
    let mut store = FileStore::open(folder.path()).unwrap();
    assert_eq!(store.load("system").unwrap().as_deref(), Some(VALUE));
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}
