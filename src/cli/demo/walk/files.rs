//! The files of what was bought, through links that do not tell where they are.

use serde_json::json;

use super::{Walk, missing, path_of, text};
use crate::{
    cli::{Failure, demo::stock::Stocked},
    kernel::Checksum,
};

/// Fetches every file and compares it with what was uploaded.
pub(super) async fn download(walk: &mut Walk<'_>, files: &[Stocked]) -> Result<(), Failure> {
    walk.teller.step("Download");
    for file in files {
        let start = format!("/api/products/{}/download", file.slug);
        let link = walk.buyer.post(&start, &json!({})).await?;
        let path = path_of(&link["url"])?;
        let bytes = walk.buyer.bytes(&path).await?;
        let mut checksum = Checksum::new();
        checksum.update(&bytes);
        let sha256 = checksum.finish();
        if sha256 != file.sha256 || link["source"]["checksum"] != sha256 {
            return Err(missing(&format!("{} with the SHA-256 {}, not {sha256}", file.file_name, file.sha256)));
        }
        let size = bytes.len();
        walk.teller.timed(
            &format!("GET {}…", path.get(..23).unwrap_or(&path)),
            format!("{:<22} {size:>6} B  SHA-256 as uploaded", file.file_name),
        );
    }
    // Whoever has the link and not the account gets nothing.
    let link = walk.buyer.post(&format!("/api/products/{}/download", files[0].slug), &json!({})).await?;
    let stolen = walk.operator.bytes(&path_of(&link["url"])?).await;
    if stolen.is_ok() {
        return Err(missing("a link that is good for its buyer alone"));
    }
    let uses = link["max_uses"].as_i64().unwrap_or_default();
    let until = text(&link["expires_at"])?;
    walk.teller.timed(
        "the same by a stranger",
        format!("refused; hers is good for {uses} downloads until {}", &until[11..19]),
    );
    Ok(())
}
