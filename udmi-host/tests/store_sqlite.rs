//! The SQLite store against everything a disc and a crash can do to it.

#![cfg(feature = "sqlite")]

use std::fs;
use std::path::Path;

use rusqlite::{Connection, params};
use udmi_host::store::{SqliteStore, Store, StoreError};

const VALUE: &[u8] = b"{\"restart_count\":7}";

#[test]
fn a_value_is_there_for_the_next_store() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("device.sqlite");
    SqliteStore::open(&file).unwrap().save("system", Some(VALUE)).unwrap();
    let mut store = SqliteStore::open(&file).unwrap();
    assert_eq!(store.load("system").unwrap().as_deref(), Some(VALUE));
    assert_eq!(
        store.load_all().unwrap().into_iter().collect::<Vec<_>>(),
        [("system".to_owned(), VALUE.to_vec())]
    );
    store.save("system", Some(b"{}")).unwrap();
    assert_eq!(store.load("system").unwrap().as_deref(), Some(&b"{}"[..]));
    store.save("system", None).unwrap();
    store.save("system", None).unwrap();
    assert_eq!(SqliteStore::open(&file).unwrap().load("system").unwrap(), None);
}

#[test]
fn keys_and_values_are_checked_as_by_all_stores() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = SqliteStore::open(folder.path().join("device.sqlite")).unwrap();
    assert!(matches!(store.save("../x", Some(VALUE)), Err(StoreError::BadKey(_))));
    assert!(matches!(store.load(""), Err(StoreError::BadKey(_))));
    assert!(matches!(store.save("system", Some(b"[1]")), Err(StoreError::BadValue(_))));
    assert!(store.load_all().unwrap().is_empty());
}

#[cfg(unix)]
#[test]
fn folder_and_file_are_made_for_their_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("out/devices/AHU-1");
    let file = inner.join("device.sqlite");
    let mut store = SqliteStore::open(&file).unwrap();
    store.save("system", Some(VALUE)).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&inner), mode(&file)), (0o700, 0o600));
    assert_eq!(store.path(), file);
}

#[test]
fn unusable_values_are_set_aside_and_told_of() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("device.sqlite");
    let mut store = SqliteStore::open(&file).unwrap();
    let other = Connection::open(&file).unwrap();
    let contents: [&[u8]; 4] = [b"", &VALUE[..9], b"{\"a\":\"\xff\xfe\"}", b"[1]"];
    for (index, content) in contents.iter().enumerate() {
        other.execute("INSERT INTO udmi_value VALUES ('system', ?1)", params![content]).unwrap();
        assert_eq!(store.load("system").unwrap(), None);
        let notices = store.take_notices();
        assert_eq!((notices.len(), notices[0].key.as_str()), (1, "system"));
        assert!(notices[0].kept_as.to_str().unwrap().ends_with(&format!("#udmi_set_aside/{}", index + 1)));
        let query = "SELECT value FROM udmi_set_aside WHERE number = ?1";
        let kept: Vec<u8> = other.query_row(query, [index as u32 + 1], |row| row.get(0)).unwrap();
        assert_eq!(&kept, content);
    }
    store.save("system", Some(VALUE)).unwrap();
    assert_eq!(store.load("system").unwrap().as_deref(), Some(VALUE));
    assert!(store.take_notices().is_empty());
}

#[test]
fn rows_of_others_are_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("application.sqlite");
    let other = Connection::open(&file).unwrap();
    other.execute_batch("CREATE TABLE own (x); INSERT INTO own VALUES (1);").unwrap();
    let mut store = SqliteStore::open(&file).unwrap();
    other.execute("INSERT INTO udmi_value VALUES ('Not Ours', x'00')", []).unwrap();
    assert!(store.load_all().unwrap().is_empty());
    let rows: u32 = other.query_row("SELECT count(*) FROM own, udmi_value", [], |row| row.get(0)).unwrap();
    assert_eq!(rows, 1);
}

#[test]
fn a_file_that_is_no_database_is_set_aside() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("device.sqlite");
    for number in 1..=2 {
        fs::write(
            &file,
            "this has never been a database, and it is long enough to be told from one".repeat(20),
        )
        .unwrap();
        let mut store = SqliteStore::open(&file).unwrap();
        let notices = store.take_notices();
        assert_eq!(notices.len(), 1);
        assert_eq!(notices[0].kept_as, folder.path().join(format!("device.sqlite.bad-{number}")));
        store.save("system", Some(VALUE)).unwrap();
        assert_eq!(store.load("system").unwrap().as_deref(), Some(VALUE));
        fs::remove_file(&file).unwrap();
    }
}

#[test]
fn a_folder_in_place_of_the_file_is_an_error_that_names_it() {
    let folder = tempfile::tempdir().unwrap();
    let error = SqliteStore::open(folder.path()).unwrap_err();
    assert!(error.to_string().contains(folder.path().to_str().unwrap()), "{error}");
}
