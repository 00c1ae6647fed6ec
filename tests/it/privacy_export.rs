//! An archive holds all that is kept about its person, nothing of others, and no secret; it is written once, whatever is away
//! or killed meanwhile, and goes when its time is over.

use std::{collections::BTreeMap, io::Read, time::Duration};

use futures::TryStreamExt;
use mintreu::{
    fetch_one,
    jobs::Failure,
    kernel::Checksum,
    notifications::Notice,
    privacy::{
        self, DataExport, ExportRequestError, ExportState, MOST_EXPORTS, RequestedBy, catalogue, find_export,
        housekeeping, request_export,
    },
};
use serde_json::Value;

use crate::{
    privacy_scene::{ADDRESS, EMAIL, NAME, SECRETS, Scene},
    support::TestDb,
};

/// The files of an archive, read as any program reads it: by the directory at its end.
pub(crate) fn unpack(archive: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let short = |at: usize| usize::from(u16::from_le_bytes([archive[at], archive[at + 1]]));
    let long = |at: usize| {
        let bytes: [u8; 4] = archive[at..at + 4].try_into().expect("four bytes");
        u32::from_le_bytes(bytes) as usize
    };
    let end = archive.len() - 22;
    assert_eq!(&archive[end..end + 4], b"PK\x05\x06", "an archive ends so");
    let (count, mut at, mut files) = (short(end + 10), long(end + 16), BTreeMap::new());
    for _ in 0..count {
        assert_eq!(&archive[at..at + 4], b"PK\x01\x02");
        let (packed, size, place) = (long(at + 20), long(at + 24), long(at + 42));
        let name_length = short(at + 28);
        let name = String::from_utf8(archive[at + 46..at + 46 + name_length].to_vec()).expect("UTF-8");
        let start = place + 30 + short(place + 26) + short(place + 28);
        let mut content = Vec::new();
        let mut decoder = flate2::read::DeflateDecoder::new(&archive[start..start + packed]);
        decoder.read_to_end(&mut content).expect("unpacked");
        assert_eq!((content.len(), crc32fast::hash(&content) as usize), (size, long(at + 16)), "{name}");
        assert!(files.insert(name.clone(), content).is_none(), "{name} is there twice");
        at += 46 + name_length + short(at + 30) + short(at + 32);
    }
    files
}

async fn archive(scene: &Scene, export: &DataExport) -> Vec<u8> {
    let content = privacy::read_archive(&scene.privacy.files, export.id).await.expect("there");
    let pieces: Vec<_> = content.try_collect().await.expect("read");
    pieces.concat()
}

async fn state(scene: &Scene, export: &DataExport) -> DataExport {
    find_export(&scene.db, scene.ada.user, export.id).await.expect("answers").expect("there")
}

on_both!(an_archive_holds_everything_and_no_secret, |test: TestDb| async move {
    let scene = Scene::full(&test).await;
    let export = scene.request().await;
    scene.build(&export, 1).await.expect("written");
    let bytes = archive(&scene, &export).await;
    let ready = state(&scene, &export).await;
    assert_eq!((ready.state, ready.size), (ExportState::Ready, i64::try_from(bytes.len()).ok()));
    assert_eq!(ready.expires_at, Some(scene.now() + Duration::from_hours(7 * 24)));
    let mut sum = Checksum::new();
    sum.update(&bytes);
    assert_eq!(ready.sha256, Some(sum.finish()));

    let files = unpack(&bytes);
    let readme = String::from_utf8(files["README.txt"].clone()).expect("text");
    for file in catalogue::tables().filter_map(|table| table.file) {
        let name = format!("{}.json", file.name);
        assert!(readme.contains(&name), "{name} is explained");
        let list: Value = serde_json::from_slice(&files[&name]).expect("JSON");
        let list = list.as_array().unwrap_or_else(|| panic!("{name} is a list"));
        // There is no vendor's hook, and nobody wants to go.
        let quiet = ["credential_hooks.json", "deletions.json"].contains(&name.as_str());
        assert_eq!(list.is_empty(), quiet, "{name}");
    }
    let text = |name: &str| String::from_utf8(files[name].clone()).expect("text");
    for (file, wanted) in [
        ("account.json", EMAIL),
        ("account.json", NAME),
        ("sessions.json", ADDRESS),
        ("billing.json", ADDRESS),
        ("downloads.json", ADDRESS),
        ("license_activations.json", "ada-lovelace-byron.example.com"),
        ("messages.json", "Dear Ada"),
        ("tickets.json", "tkt_"),
        ("orders.json", "ord_"),
        ("payments.json", "ch_of_ada_1"),
        ("refunds.json", "asked by"),
        ("subscriptions.json", "sub_of_ada_1"),
        ("audit.json", ADDRESS),
        ("audit.json", "opened"),
        ("mails.json", "verify_email"),
        ("mail_suppressions.json", "550"),
        ("mail_reports.json", "554"),
        ("vendor.json", "ada-lovelace-byron"),
    ] {
        assert!(text(file).contains(wanted), "{wanted} in {file}: {}", text(file));
    }
    // The order of a guest of her address is hers too.
    let orders: Value = serde_json::from_slice(&files["orders.json"]).expect("JSON");
    assert_eq!(orders.as_array().map(Vec::len), Some(2));
    assert!(files.iter().any(|(name, pdf)| name.starts_with("invoices/INV-") && pdf.starts_with(b"%PDF")));
    assert!(files.iter().any(|(name, text)| name.starts_with("attachments/att_") && text == b"what she wrote"));
    for (name, content) in &files {
        let content = String::from_utf8_lossy(content);
        for secret in SECRETS.iter().chain(&["what eve wrote", "eve@example.com", "198.51.100.9"]) {
            assert!(!content.contains(secret), "{secret} in {name}");
        }
    }
    let sealed: String = fetch_one!(
        &scene.db,
        sqlx::query_scalar("SELECT key_sealed FROM licenses WHERE user_id = $1").bind(scene.ada.user)
    )
    .expect("one");
    let all: Vec<u8> = files.values().flatten().copied().collect();
    assert!(!String::from_utf8_lossy(&all).contains(&sealed));
});

on_both!(done_twice_it_is_written_and_told_once, |test: TestDb| async move {
    let scene = Scene::bare(&test).await;
    let export = scene.request().await;
    for _ in 0..2 {
        scene.build(&export, 1).await.expect("written");
    }
    for (count, text) in [
        (1, "SELECT COUNT(*) FROM jobs WHERE kind = 'notifications.send'"),
        (1, "SELECT COUNT(*) FROM audit_entries WHERE action = 'account.exported'"),
        (1, "SELECT COUNT(*) FROM domain_events WHERE name = 'account.data_exported'"),
    ] {
        assert_eq!(scene.number(text).await, count, "{text}");
    }
    let told: String =
        fetch_one!(&scene.db, sqlx::query_scalar("SELECT payload FROM jobs WHERE kind = 'notifications.send'"))
            .expect("one");
    assert!(
        matches!(serde_json::from_str(&told), Ok(Notice::DataExportReady { export: row }) if row == export.id.uuid())
    );
});

on_both!(a_storage_that_is_away_is_tried_again_and_nobody_is_told, |test: TestDb| async move {
    let scene = Scene::full(&test).await;
    let export = scene.request().await;
    scene.storage.set_away(true);
    let failed = scene.build(&export, 1).await;
    assert!(matches!(failed, Err(Failure::Retry { .. })), "{failed:?}");
    assert_eq!(state(&scene, &export).await.state, ExportState::Pending);
    assert_eq!(scene.number("SELECT COUNT(*) FROM jobs WHERE kind = 'notifications.send'").await, 0);
    scene.storage.set_away(false);
    scene.build(&export, 2).await.expect("written");
    assert_eq!(state(&scene, &export).await.state, ExportState::Ready);
    unpack(&archive(&scene, &export).await);

    // After the last try it is over, and another can be asked for.
    let second = scene.request().await;
    scene.storage.set_away(true);
    scene.build(&second, 5).await.expect_err("away");
    assert_eq!(state(&scene, &second).await.state, ExportState::Failed);
    scene.request().await;
});

on_both!(an_archive_goes_when_its_time_is_over, |test: TestDb| async move {
    let scene = Scene::bare(&test).await;
    let export = scene.request().await;
    scene.build(&export, 1).await.expect("written");
    housekeeping(&scene.privacy).await.expect("done");
    assert_eq!(state(&scene, &export).await.state, ExportState::Ready);
    scene.clock.advance(Duration::from_hours(7 * 24));
    scene.storage.set_away(true);
    housekeeping(&scene.privacy).await.expect_err("the storage is away");
    assert_eq!(state(&scene, &export).await.state, ExportState::Ready, "it is tried again");
    scene.storage.set_away(false);
    housekeeping(&scene.privacy).await.expect("done");
    assert_eq!(state(&scene, &export).await.state, ExportState::Expired);
    assert!(privacy::read_archive(&scene.privacy.files, export.id).await.is_err());
    scene.clock.advance(Duration::from_hours(91 * 24));
    housekeeping(&scene.privacy).await.expect("done");
    assert_eq!(scene.number("SELECT COUNT(*) FROM data_exports").await, 0);
});

on_both!(one_at_a_time_and_five_a_day, |test: TestDb| async move {
    let scene = Scene::bare(&test).await;
    let by = scene.by();
    let ask = async || {
        let user = scene.ada.user;
        scene.db.write(async |tx| request_export(tx, user, (&by, RequestedBy::Person), None).await).await
    };
    for number in 0..MOST_EXPORTS {
        let (first, second) = tokio::join!(ask(), ask());
        let (made, refused) = if first.is_ok() { (first, second) } else { (second, first) };
        assert!(
            matches!(refused, Err(ExportRequestError::Pending))
                || number == MOST_EXPORTS - 1 && matches!(refused, Err(ExportRequestError::TooMany)),
            "{refused:?}"
        );
        scene.build(&made.expect("one of them"), 1).await.expect("written");
    }
    assert!(matches!(ask().await, Err(ExportRequestError::TooMany)));
    scene.clock.advance(Duration::from_hours(25));
    ask().await.expect("another day");
});
