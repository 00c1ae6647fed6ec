//! Archives made on the spot. The same files make the same bytes, whenever they are packed.

use std::io::{self, Cursor, Write as _};

use flate2::{Compression, write::GzEncoder};
use zip::{CompressionMethod, DateTime, ZipWriter, write::SimpleFileOptions};

/// When everything in an archive was changed last: 1 January 2026.
const CHANGED: u64 = 1_767_225_600;

/// A file of an archive: its name, what is in it, and whether it is a program.
pub(super) struct Packed {
    pub(super) name: &'static str,
    pub(super) content: &'static str,
    pub(super) runs: bool,
}

impl Packed {
    const fn mode(&self) -> u32 {
        if self.runs { 0o755 } else { 0o644 }
    }
}

/// A ZIP file with everything in one directory.
pub(super) fn zip(directory: &str, files: &[Packed]) -> io::Result<Vec<u8>> {
    let changed = DateTime::from_date_and_time(2026, 1, 1, 0, 0, 0).map_err(io::Error::other)?;
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    for file in files {
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .last_modified_time(changed)
            .unix_permissions(file.mode());
        archive.start_file(format!("{directory}/{}", file.name), options).map_err(io::Error::other)?;
        archive.write_all(file.content.as_bytes())?;
    }
    Ok(archive.finish().map_err(io::Error::other)?.into_inner())
}

/// A tar file, packed with gzip, with everything in one directory.
pub(super) fn tar_gz(directory: &str, files: &[Packed]) -> io::Result<Vec<u8>> {
    let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::default()));
    for file in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(file.content.len() as u64);
        header.set_mode(file.mode());
        header.set_mtime(CHANGED);
        archive.append_data(&mut header, format!("{directory}/{}", file.name), file.content.as_bytes())?;
    }
    archive.into_inner()?.finish()
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    const FILES: &[Packed] = &[
        Packed { name: "a.txt", content: "hello", runs: false },
        Packed { name: "b.sh", content: "#!/bin/sh\n", runs: true },
    ];

    #[test]
    fn a_zip_file_holds_what_was_packed_and_is_the_same_each_time() {
        let packed = zip("box", FILES).expect("packed");
        assert_eq!(packed, zip("box", FILES).expect("packed"));
        let mut archive = zip::ZipArchive::new(Cursor::new(packed)).expect("an archive");
        assert_eq!(archive.len(), 2);
        for file in FILES {
            let mut found = archive.by_name(&format!("box/{}", file.name)).expect("it is there");
            assert_eq!(found.unix_mode().map(|mode| mode & 0o777), Some(file.mode()));
            let mut content = String::new();
            found.read_to_string(&mut content).expect("text");
            assert_eq!(content, file.content);
        }
    }

    #[test]
    fn a_tar_file_holds_what_was_packed_and_is_the_same_each_time() {
        let packed = tar_gz("box", FILES).expect("packed");
        assert_eq!(packed, tar_gz("box", FILES).expect("packed"));
        let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(packed.as_slice()));
        let mut found = Vec::new();
        for entry in archive.entries().expect("an archive") {
            let mut entry = entry.expect("an entry");
            let mut content = String::new();
            entry.read_to_string(&mut content).expect("text");
            let path = entry.path().expect("a path").display().to_string();
            found.push((path, content, entry.header().mode().expect("a mode")));
        }
        let expected = FILES
            .iter()
            .map(|file| (format!("box/{}", file.name), file.content.to_owned(), file.mode()))
            .collect::<Vec<_>>();
        assert_eq!(found, expected);
    }
}
