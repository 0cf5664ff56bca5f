//! Source maps (ECMA-426): taken off a bundle that has one at its end, and kept beside it as `bundle.js.map`. Bun looks
//! there when it writes a stack, and only then, so that calls pay nothing for them. Workers read them; nothing serves them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::json;
use sourcemap::{SourceMap, SourceMapBuilder};
use std::path::Path;

const PRAGMA: &[u8] = b"\n//# sourceMappingURL=";
const INLINE: &[u8] = b"data:application/json;base64,";
const PACKAGES: &str = "node_modules/";

/// Code to be stored, with its map where it has one.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Bundled {
    pub(crate) code: Vec<u8>,
    pub(crate) map: Option<Vec<u8>>,
}

#[derive(Deserialize)]
struct Fields {
    version: u32,
    sources: Vec<String>,
    mappings: String,
}

impl Bundled {
    /// Splits a bundle from the map at its end. Paths of sources are told from `root`, a path relative to the directory
    /// that the map tells them from.
    pub(crate) fn split(mut code: Vec<u8>, root: &Path) -> Self {
        let at = code.windows(PRAGMA.len()).rposition(|window| window == PRAGMA);
        let url = at.map(|at| code[at + PRAGMA.len()..].trim_ascii());
        let Some(text) = url.and_then(|url| url.strip_prefix(INLINE)) else {
            return Self { code, map: None };
        };
        // What is no map is a comment.
        let map = STANDARD.decode(text).ok().and_then(|map| plain(&map, root));
        if let (Some(at), true) = (at, map.is_some()) {
            code.truncate(at + 1);
        }
        Self { code, map }
    }
}

/// The map with what a stack needs: without the sources themselves, and with paths that say nothing about the machine.
fn plain(map: &[u8], root: &Path) -> Option<Vec<u8>> {
    let Fields { version: 3, sources, mappings } = serde_json::from_slice(map).ok()? else { return None };
    let sources: Vec<_> = sources.iter().map(|source| place_of(source, root)).collect();
    // Bun wants as many contents as there are sources.
    let contents = vec![""; sources.len()];
    let map = json!({
        "version": 3, "sources": sources, "sourcesContent": contents, "names": [], "mappings": mappings,
    });
    Some(map.to_string().into_bytes())
}

/// A path as a stack shows it: below the function's directory, or below the directory that has its packages.
fn place_of(source: &str, root: &Path) -> String {
    if let Some((_, package)) = source.rsplit_once(PACKAGES) {
        return format!("{PACKAGES}{package}");
    }
    let path = Path::new(source);
    let below = path.strip_prefix(root).unwrap_or(path);
    let named = below.components().filter(|part| matches!(part, std::path::Component::Normal(_)));
    named.collect::<std::path::PathBuf>().display().to_string()
}

/// The map of what was compiled from a bundle, to the sources of that bundle.
pub(super) fn composed(compiled: &[u8], bundle: &[u8]) -> Option<Vec<u8>> {
    let (compiled, bundle) = (SourceMap::from_slice(compiled).ok()?, SourceMap::from_slice(bundle).ok()?);
    let mut builder = SourceMapBuilder::new(None);
    for token in compiled.tokens() {
        let Some(origin) = bundle.lookup_token(token.get_src_line(), token.get_src_col()) else { continue };
        let (from, to) = (token.get_dst(), origin.get_src());
        builder.add(from.0, from.1, to.0, to.1, origin.get_source(), None, false);
    }
    let mut text = Vec::new();
    builder.into_sourcemap().to_writer(&mut text).ok()?;
    plain(&text, Path::new(""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn bundle(map: &str) -> Vec<u8> {
        let url = format!("\n//# sourceMappingURL=data:application/json;base64,{}\n", STANDARD.encode(map));
        [b"// @bun\nlet x=1;\n", url.as_bytes()].concat()
    }

    #[test]
    fn a_map_leaves_the_code_and_loses_what_it_says_about_the_machine() {
        let sources =
            r#"["app/src/a.ts", "../../home/ada/node_modules/left/i.js", "../lib/b.ts", "/root/c.ts"]"#;
        let map = format!(
            r#"{{"version": 3, "sources": {sources}, "sourcesContent": ["secret"], "mappings": "A"}}"#
        );
        let Bundled { code, map } = Bundled::split(bundle(&map), Path::new("app"));
        assert_eq!(code, b"// @bun\nlet x=1;\n\n");
        let map: Value = serde_json::from_slice(&map.unwrap()).unwrap();
        assert_eq!(map["sources"], json!(["src/a.ts", "node_modules/left/i.js", "lib/b.ts", "root/c.ts"]));
        assert_eq!((&map["sourcesContent"], &map["mappings"]), (&json!(["", "", "", ""]), &json!("A")));
    }

    #[test]
    fn what_is_no_map_stays_as_it_is() {
        for code in
            [b"let a;".to_vec(), bundle("{"), bundle(r#"{"version": 2, "sources": [], "mappings": ""}"#)]
        {
            let bundled = Bundled::split(code.clone(), Path::new(""));
            assert_eq!(bundled, Bundled { code, map: None });
        }
    }

    #[test]
    fn a_map_of_a_map_leads_to_the_source() {
        let map = |source: &str, from: (u32, u32), to: (u32, u32)| {
            let mut builder = SourceMapBuilder::new(None);
            builder.add(from.0, from.1, to.0, to.1, Some(source), None, false);
            let mut text = Vec::new();
            builder.into_sourcemap().to_writer(&mut text).unwrap();
            text
        };
        let whole = composed(&map("bundle.js", (30, 2), (1, 40)), &map("src/a.ts", (1, 40), (7, 3))).unwrap();
        let whole = SourceMap::from_slice(&whole).unwrap();
        let token = whole.lookup_token(30, 2).unwrap();
        assert_eq!((token.get_source(), token.get_src()), (Some("src/a.ts"), (7, 3)));
    }
}
