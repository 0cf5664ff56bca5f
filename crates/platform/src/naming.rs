//! Names for people, and the slugs made from them.

use crate::error::PlatformError;
use service_kit::ids::ProjectId;

/// Characters of a name.
const NAME_CHARS_MAX: usize = 100;
/// Bytes of a slug before its suffix.
const SLUG_BYTES_MAX: usize = 48;
/// What a name without a single ASCII letter or digit becomes.
const SLUG_FALLBACK: &str = "project";
/// Characters of the id that tell two projects of the same name apart.
const SUFFIX_LEN: usize = 8;

/// A name that may be kept and shown.
pub(crate) fn display_name(text: &str) -> Result<String, PlatformError> {
    let name = text.trim();
    let fits = (1..=NAME_CHARS_MAX).contains(&name.chars().count());
    if fits && !name.contains(char::is_control) {
        Ok(name.to_owned())
    } else {
        Err(PlatformError::InvalidName)
    }
}

/// The slug of a name: lower-case ASCII letters and digits, words joined by `-`; never empty.
pub(crate) fn slug(name: &str) -> String {
    let spaced: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { ' ' }).collect();
    let mut slug = spaced.split_whitespace().collect::<Vec<_>>().join("-");
    slug.truncate(SLUG_BYTES_MAX);
    let slug = slug.trim_end_matches('-');
    if slug.is_empty() { SLUG_FALLBACK.to_owned() } else { slug.to_owned() }
}

/// The slug where `slug` is taken: the end of an id is random (RFC 9562 §5.7).
pub(crate) fn slug_with_suffix(slug: &str, project: &ProjectId) -> String {
    let id = project.as_str();
    format!("{slug}-{}", &id[id.len() - SUFFIX_LEN..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slugs_are_ascii_and_never_empty() {
        for (name, expected) in [
            ("Cities", "cities"),
            ("  My_first  Project! ", "my-first-project"),
            ("日本", "project"),
            ("Zürich 2", "z-rich-2"),
            ("../../etc/passwd", "etc-passwd"),
            ("'; DROP TABLE projects; --", "drop-table-projects"),
        ] {
            assert_eq!(slug(name), expected, "{name}");
        }
        assert_eq!(slug(&format!("{} b", "x".repeat(47))), "x".repeat(47));
    }

    #[test]
    fn suffixes_tell_projects_apart() {
        let (a, b) = (ProjectId::generate(), ProjectId::generate());
        assert_ne!(slug_with_suffix("x", &a), slug_with_suffix("x", &b));
        assert_eq!(slug_with_suffix("x", &a).len(), 10);
    }

    #[test]
    fn names_are_trimmed_printable_and_short() {
        assert_eq!(display_name(" 日本 ").unwrap(), "日本");
        for text in ["", " ", "a\0b", "a\u{1b}[31mb", &"x".repeat(101)] {
            assert!(display_name(text).is_err(), "{text:?}");
        }
    }
}
