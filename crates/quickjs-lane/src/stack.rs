//! Stacks as the author of a function reads them: with places in the sources where the bundle has a map (ECMA-426), and
//! without the lane's own frames.

use sourcemap::SourceMap;
use std::path::Path;

/// The name under which a bundle is compiled.
pub(crate) const BUNDLE: &str = "bundle.js";

/// The map that lies beside a bundle, where one does.
pub(crate) async fn map_of(bundle: &Path) -> Option<SourceMap> {
    SourceMap::from_slice(&tokio::fs::read(bundle.with_extension("js.map")).await.ok()?).ok()
}

/// A stack with the places of the sources.
pub(crate) fn readable(stack: &str, map: Option<&SourceMap>) -> String {
    let lines = stack.lines().filter(|line| !is_ours(line));
    lines
        .map(|line| map.and_then(|map| in_source(line, map)).unwrap_or_else(|| line.to_owned()) + "\n")
        .collect()
}

/// The prelude is compiled without lines, and natives have no place.
fn is_ours(line: &str) -> bool {
    let frame = line.trim_start();
    frame.starts_with("at ") && (frame.contains("(<null>") || frame.contains("(native)"))
}

/// `at name (bundle.js:3:7)` with the place of the source.
fn in_source(line: &str, map: &SourceMap) -> Option<String> {
    let at = line.find(BUNDLE)?;
    let after = line[at..].strip_prefix(BUNDLE)?.strip_prefix(':')?;
    let end = after.find(|byte: char| !byte.is_ascii_digit() && byte != ':').unwrap_or(after.len());
    let (row, column) = after[..end].split_once(':')?;
    let (row, column): (u32, u32) = (row.parse().ok()?, column.parse().ok()?);
    let token = map.lookup_token(row.checked_sub(1)?, column.checked_sub(1)?)?;
    let (row, column) = (token.get_src_line() + 1, token.get_src_col() + 1);
    Some(format!("{}{}:{row}:{column}{}", &line[..at], token.get_source()?, &after[end..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stack_has_the_places_of_the_sources_and_no_frames_of_ours() {
        let map = br#"{"version": 3, "sources": ["src/a.ts"], "names": [], "mappings": "AACA"}"#;
        let map = SourceMap::from_slice(map).unwrap();
        let stack =
            "Error: boom\n    at f (bundle.js:1:1)\n    at map (native)\n    at dispatch (<null>:0:1)\n";
        assert_eq!(readable(stack, Some(&map)), "Error: boom\n    at f (src/a.ts:2:1)\n");
        assert_eq!(readable(stack, None), "Error: boom\n    at f (bundle.js:1:1)\n");
    }
}
