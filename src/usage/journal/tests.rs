use std::{collections::BTreeSet, fs, path::PathBuf, sync::Arc};

use proptest::prelude::*;

use super::{segment::EXTENSION, *};
use crate::kernel::{IdSource, SystemClock};

fn ids() -> IdSource {
    IdSource::new(Arc::new(SystemClock))
}

fn open(dir: &Path) -> Opened {
    Journal::open(dir, &ids()).expect("the journal opens")
}

fn append(journal: &mut Journal, payload: &[u8]) {
    let mut frames = Vec::new();
    frame(&mut frames, |buffer| buffer.extend_from_slice(payload));
    journal.append(&mut frames).expect("the disk takes it");
}

fn rotate(journal: &mut Journal) {
    let new = journal.wants_segment(0).expect("any size is enough");
    journal.install(new.create().expect("created")).expect("installed");
}

/// What a directory holds: the payloads of each retired journal, as the aggregator would read them.
fn read(retired: &[Retired]) -> Vec<Vec<u8>> {
    let mut payloads = Vec::new();
    for segment in retired.iter().flat_map(|journal| &journal.segments) {
        let mut reader = SegmentReader::open(&segment.path).expect("a segment");
        assert_eq!(reader.offset(), segment.base);
        while let Some(payload) = reader.next().expect("mended") {
            payloads.push(payload.to_vec());
        }
        assert_eq!(reader.offset(), segment.end);
    }
    payloads
}

fn files(dir: &Path, extension: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).expect("a directory").map(|entry| entry.expect("an entry").path());
    let mut files: Vec<_> = entries.filter(|path| path.extension().is_some_and(|e| e == extension)).collect();
    files.sort();
    files
}

/// Three segments with two records each; the directory and the segments' files, oldest first.
fn three_segments() -> (tempfile::TempDir, Vec<PathBuf>) {
    let dir = tempfile::tempdir().expect("a directory");
    let mut journal = open(dir.path()).journal;
    for segment in 0..3_u8 {
        if segment > 0 {
            rotate(&mut journal);
        }
        append(&mut journal, &[segment, 0]);
        append(&mut journal, &[segment, 1]);
    }
    drop(journal);
    let files = files(dir.path(), EXTENSION);
    (dir, files)
}

fn payloads(of: &[[u8; 2]]) -> Vec<Vec<u8>> {
    of.iter().map(|payload| payload.to_vec()).collect()
}

#[test]
fn segments_follow_each_other_and_are_released_when_their_last_record_is_counted() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut journal = open(dir.path()).journal;
    let mut ends = vec![0];
    for n in 0..5 {
        append(&mut journal, &[n; 100]);
        ends.push(journal.offset());
        rotate(&mut journal);
    }
    assert_eq!(ends, [0, 108, 216, 324, 432, 540]);
    let bases = |segments: Vec<Segment>| segments.iter().map(|segment| segment.base).collect::<Vec<_>>();
    assert_eq!(bases(journal.segments(108, 300)), [108, 216]);
    assert_eq!(bases(journal.release(215)), [0]);
    assert_eq!(bases(journal.release(216)), [108]);
    assert_eq!(bases(journal.release(u64::MAX)), [216, 324, 432]);
    assert_eq!(journal.bytes(), 0);
}

#[test]
fn a_segment_is_only_asked_for_when_the_active_one_is_full() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut journal = open(dir.path()).journal;
    append(&mut journal, &[1; 92]);
    assert!(journal.wants_segment(101).is_none());
    assert!(journal.wants_segment(100).is_some());
}

#[test]
fn a_second_opening_of_the_directory_is_refused() {
    let dir = tempfile::tempdir().expect("a directory");
    let first = open(dir.path());
    let refused = Journal::open(dir.path(), &ids()).expect_err("in use");
    assert!(matches!(refused, JournalError::InUse(_)), "{refused}");
    drop(first);
    open(dir.path());
}

#[test]
fn a_directory_that_cannot_be_made_is_named() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("file");
    fs::write(&file, "x").expect("written");
    let error = Journal::open(&file.join("journal"), &ids()).expect_err("a file is in the way").to_string();
    assert!(error.contains("cannot create") && error.contains("file/journal"), "{error}");
}

#[test]
fn every_opening_begins_a_journal_and_empty_ones_leave_nothing() {
    let dir = tempfile::tempdir().expect("a directory");
    let seen: BTreeSet<_> = (0..3).map(|_| open(dir.path()).journal.id()).collect();
    assert_eq!(seen.len(), 3);
    assert_eq!(files(dir.path(), EXTENSION).len(), 1);
}

#[test]
fn a_renamed_file_is_known_by_its_header() {
    let (dir, segments) = three_segments();
    let before = open(dir.path()).retired;
    for (segment, name) in segments.iter().zip(["z.journal", "m.journal", "a.journal"]) {
        fs::rename(segment, dir.path().join(name)).expect("renamed");
    }
    let after = open(dir.path()).retired;
    assert_eq!(after[0].id, before[0].id);
    assert_eq!(read(&after), payloads(&[[0, 0], [0, 1], [1, 0], [1, 1], [2, 0], [2, 1]]));
}

#[test]
fn a_second_copy_of_a_segment_is_set_aside() {
    let (dir, segments) = three_segments();
    fs::copy(&segments[1], dir.path().join("copy.journal")).expect("copied");
    fs::copy(&segments[2], dir.path().join("zz-short.journal")).expect("copied");
    let short = OpenOptions::new().write(true).open(dir.path().join("zz-short.journal")).expect("opens");
    short.set_len(HEADER as u64 + 10).expect("cut");
    let retired = open(dir.path()).retired;
    assert_eq!(read(&retired), payloads(&[[0, 0], [0, 1], [1, 0], [1, 1], [2, 0], [2, 1]]));
    assert_eq!(files(dir.path(), "damaged").len(), 2);
}

#[test]
fn a_segment_with_a_damaged_header_is_set_aside_and_the_others_are_used() {
    for byte in [0, 9, 13, 30, 40, 45] {
        let (dir, segments) = three_segments();
        let mut bytes = fs::read(&segments[1]).expect("read");
        bytes[byte] ^= 0x10;
        fs::write(&segments[1], &bytes).expect("written");
        let retired = open(dir.path()).retired;
        assert_eq!(read(&retired), payloads(&[[0, 0], [0, 1], [2, 0], [2, 1]]), "byte {byte}");
        let aside = files(dir.path(), "damaged");
        assert_eq!(fs::read(&aside[0]).expect("kept"), bytes);
    }
}

#[test]
fn damage_before_the_end_keeps_the_records_before_it_and_a_copy_of_the_file() {
    let (dir, segments) = three_segments();
    let mut bytes = fs::read(&segments[1]).expect("read");
    bytes[HEADER + FRAME_OF_TWO + 3] ^= 1;
    fs::write(&segments[1], &bytes).expect("written");
    for _ in 0..2 {
        let retired = open(dir.path()).retired;
        assert_eq!(read(&retired), payloads(&[[0, 0], [0, 1], [1, 0], [2, 0], [2, 1]]));
        let aside = files(dir.path(), "damaged");
        assert_eq!(aside.len(), 1);
        assert_eq!(fs::read(&aside[0]).expect("kept"), bytes);
    }
}

const FRAME_OF_TWO: usize = 10;

#[test]
fn zeros_behind_the_last_record_are_cut() {
    let (dir, segments) = three_segments();
    let whole = fs::read(&segments[2]).expect("read");
    let mut file = OpenOptions::new().append(true).open(&segments[2]).expect("opens");
    file.write_all(&[0; 4096]).expect("written");
    let retired = open(dir.path()).retired;
    assert_eq!(read(&retired).len(), 6);
    assert_eq!(fs::read(&segments[2]).expect("read"), whole);
    assert!(files(dir.path(), "damaged").is_empty());
}

#[test]
fn records_of_another_segment_are_no_records_here() {
    let (dir, segments) = three_segments();
    let foreign = fs::read(&segments[0]).expect("read")[HEADER..].to_vec();
    let mut file = OpenOptions::new().append(true).open(&segments[2]).expect("opens");
    file.write_all(&foreign).expect("written");
    assert_eq!(read(&open(dir.path()).retired).len(), 6);
}

#[test]
fn a_file_that_is_shorter_than_its_header_is_removed() {
    let dir = tempfile::tempdir().expect("a directory");
    fs::write(dir.path().join("torn.journal"), b"MTRUSAGE").expect("written");
    assert!(open(dir.path()).retired.is_empty());
    assert!(!dir.path().join("torn.journal").exists());
}

#[test]
fn a_journal_of_a_newer_format_is_left_as_it_is() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut bytes = Header::new(ids().next(), 0, 0).encode();
    bytes[8] = 2;
    let crc = crc32fast::hash(&bytes[..HEADER - 4]).to_le_bytes();
    bytes[HEADER - 4..].copy_from_slice(&crc);
    let path = dir.path().join("newer.journal");
    fs::write(&path, bytes).expect("written");
    assert!(open(dir.path()).retired.is_empty());
    assert_eq!(fs::read(&path).expect("still there"), bytes);
}

#[test]
fn a_full_disk_ends_the_segment_and_the_next_one_begins_behind_the_gap() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut journal = open(dir.path()).journal;
    append(&mut journal, &[0, 0]);
    journal.fill_disk();
    let mut frames = Vec::new();
    frame(&mut frames, |buffer| buffer.extend_from_slice(&[0, 1]));
    assert!(journal.append(&mut frames).is_err());
    assert!(journal.append(&mut frames).is_err());
    assert!(!journal.writable());
    assert_eq!(journal.offset(), 30);
    rotate(&mut journal);
    append(&mut journal, &[0, 2]);
    drop(journal);
    let retired = open(dir.path()).retired;
    assert_eq!(read(&retired), payloads(&[[0, 0], [0, 2]]));
    let spans: Vec<_> = retired[0].segments.iter().map(|segment| (segment.base, segment.end)).collect();
    assert_eq!(spans, [(0, 10), (30, 40)]);
}

#[test]
fn a_sync_reaches_every_file_that_got_records() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut journal = open(dir.path()).journal;
    assert!(journal.syncing().is_none());
    append(&mut journal, &[1]);
    rotate(&mut journal);
    append(&mut journal, &[2]);
    let syncing = journal.syncing().expect("something to sync");
    assert_eq!(syncing.files.len(), 2);
    let offset = syncing.sync().expect("synced");
    journal.set_synced(offset);
    assert_eq!(offset, journal.offset());
    assert!(journal.syncing().is_none());
}

/// A journal in one segment with these payloads; the bytes of its file and where each record ends in it.
fn one_segment(dir: &Path, payloads: &[Vec<u8>]) -> (PathBuf, Vec<u8>, Vec<usize>) {
    let mut journal = open(dir).journal;
    let mut ends = vec![HEADER];
    for payload in payloads {
        append(&mut journal, payload);
        ends.push(HEADER + usize::try_from(journal.offset()).expect("small"));
    }
    drop(journal);
    let path = files(dir, EXTENSION).remove(0);
    let bytes = fs::read(&path).expect("read");
    (path, bytes, ends)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_cut_file_keeps_exactly_the_records_before_the_cut(
        records in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..80), 1..20),
        cut: prop::sample::Index,
    ) {
        let dir = tempfile::tempdir().expect("a directory");
        let (path, bytes, ends) = one_segment(dir.path(), &records);
        let cut = cut.index(bytes.len() + 1);
        fs::write(&path, &bytes[..cut]).expect("written");
        let whole = ends.iter().skip(1).filter(|end| **end <= cut).count();
        prop_assert_eq!(read(&open(dir.path()).retired), &records[..whole]);
        // What was mended needs no mending.
        prop_assert_eq!(read(&open(dir.path()).retired), &records[..whole]);
    }

    #[test]
    fn a_damaged_byte_keeps_exactly_the_records_before_it(
        records in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..80), 1..20),
        place: prop::sample::Index, flip in 1..=255_u8,
    ) {
        let dir = tempfile::tempdir().expect("a directory");
        let (path, mut bytes, ends) = one_segment(dir.path(), &records);
        let place = HEADER + place.index(bytes.len() - HEADER);
        bytes[place] ^= flip;
        fs::write(&path, &bytes).expect("written");
        let whole = ends.iter().skip(1).filter(|end| **end <= place).count();
        prop_assert_eq!(read(&open(dir.path()).retired), &records[..whole]);
    }

    #[test]
    fn rubbish_behind_the_last_record_is_never_a_record(
        records in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..80), 0..10),
        rubbish in prop::collection::vec(any::<u8>(), 1..300),
    ) {
        let dir = tempfile::tempdir().expect("a directory");
        let (path, mut bytes, _) = one_segment(dir.path(), &records);
        bytes.extend(rubbish);
        fs::write(&path, &bytes).expect("written");
        prop_assert_eq!(read(&open(dir.path()).retired), records);
    }

    #[test]
    fn any_file_is_opened_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), valid_header: bool) {
        let dir = tempfile::tempdir().expect("a directory");
        let mut file = if valid_header { Header::new(ids().next(), 0, 0).encode().to_vec() } else { Vec::new() };
        file.extend(bytes);
        fs::write(dir.path().join("any.journal"), file).expect("written");
        prop_assert!(read(&open(dir.path()).retired).is_empty());
    }
}
