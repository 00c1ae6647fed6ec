//! What the demonstration shop sells as files: three small programs that work, packed as their users expect it.

use std::io;

use super::archive::{Packed, tar_gz, zip};

/// A product with a file.
pub(super) struct Ware {
    /// The product.
    pub(super) slug: &'static str,
    /// The plan that the walk buys.
    pub(super) plan: &'static str,
    pub(super) version: &'static str,
    /// What its file is called.
    pub(super) file_name: &'static str,
    /// As buyers read it.
    pub(super) name: &'static str,
    directory: &'static str,
    form: Form,
    files: &'static [Packed],
}

enum Form {
    Zip,
    TarGz,
}

impl Ware {
    /// The file, made on the spot.
    pub(super) fn pack(&self) -> io::Result<Vec<u8>> {
        match self.form {
            Form::Zip => zip(self.directory, self.files),
            Form::TarGz => tar_gz(self.directory, self.files),
        }
    }
}

macro_rules! files {
    ($of:literal: $($name:literal $($runs:ident)?),+) => {
        &[$(Packed {
            name: $name,
            content: include_str!(concat!($of, "/", $name)),
            runs: files!(@ $($runs)?),
        }),+]
    };
    (@ runs) => { true };
    (@) => { false };
}

/// A script in PHP, a tool in Python, a package for Node.
pub(super) const WARES: [Ware; 3] = [
    Ware {
        slug: "letterbox",
        plan: "site",
        version: "1.3.0",
        file_name: "letterbox-1.3.0.zip",
        name: "PHP script",
        directory: "letterbox-1.3.0",
        form: Form::Zip,
        files: files!("letterbox": "letterbox.php", "license.php", "README.md", "LICENSE.txt"),
    },
    Ware {
        slug: "tidyname",
        plan: "personal",
        version: "2.0.1",
        file_name: "tidyname-2.0.1.tar.gz",
        name: "Python source",
        directory: "tidyname-2.0.1",
        form: Form::TarGz,
        files: files!("tidyname": "tidyname.py" runs, "pyproject.toml", "README.md", "LICENSE.txt"),
    },
    Ware {
        slug: "slugline",
        plan: "developer",
        version: "1.4.2",
        file_name: "slugline-1.4.2.tgz",
        name: "Node package",
        // Where npm looks.
        directory: "package",
        form: Form::TarGz,
        files: files!("slugline": "package.json", "index.js", "cli.js" runs, "README.md", "LICENSE.txt"),
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_the_same_wherever_they_stand() {
        for ware in &WARES {
            assert!(ware.file_name.starts_with(&format!("{}-{}.", ware.slug, ware.version)));
            let told = ware.files.iter().filter(|file| file.content.contains(ware.version)).count();
            assert!(told >= 2, "{} and its README say {}", ware.slug, ware.version);
            assert!(ware.pack().is_ok_and(|bytes| bytes.len() > 500));
        }
    }
}
