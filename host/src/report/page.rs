//! The page: HTML with style, script and data in their places.

use data_encoding::BASE64;
use sha2::{Digest as _, Sha256};

use super::data::Data;

/// Names in double braces are replaced.
const PAGE: &str = include_str!("page.html");
const STYLE: &str = include_str!("style.css");
/// One module: names of all files are seen in all, and `page.js` begins.
const SCRIPT: &str = concat!(
    include_str!("script/address.js"),
    include_str!("script/axis.js"),
    include_str!("script/colour.js"),
    include_str!("script/costs.js"),
    include_str!("script/curve.js"),
    include_str!("script/details.js"),
    include_str!("script/element.js"),
    include_str!("script/image.js"),
    include_str!("script/layers.js"),
    include_str!("script/layout.js"),
    include_str!("script/legend.js"),
    include_str!("script/list.js"),
    include_str!("script/painter.js"),
    include_str!("script/pulls.js"),
    include_str!("script/run.js"),
    include_str!("script/search.js"),
    include_str!("script/squarify.js"),
    include_str!("script/summary.js"),
    include_str!("script/table.js"),
    include_str!("script/theme.js"),
    include_str!("script/tooltip.js"),
    include_str!("script/treemap.js"),
    include_str!("script/units.js"),
    include_str!("script/what_if.js"),
    include_str!("script/what_if_panel.js"),
    include_str!("script/page.js"),
);

/// Returns the page: the same for the same data.
pub(crate) fn page(data: &Data<'_>) -> serde_json::Result<String> {
    let data = in_element(&serde_json::to_string(data)?);
    let [style_hash, script_hash] = [STYLE, SCRIPT].map(hash);
    let parts = [
        ("style_hash", &*style_hash),
        ("style", STYLE),
        ("data", &data),
        ("script_hash", &script_hash),
        ("script", SCRIPT),
    ];
    Ok(filled(PAGE, &parts))
}

/// JSON that ends no element: outside of its strings it has no `<`, and within them a `<` may be written like this.
fn in_element(json: &str) -> String {
    json.replace('<', "\\u003c")
}

/// By which the page's content security policy knows what it lets run.
fn hash(text: &str) -> String {
    BASE64.encode(&Sha256::digest(text.as_bytes()))
}

/// Replaces each `{{name}}`. What is put in is not looked at again.
fn filled(template: &str, parts: &[(&str, &str)]) -> String {
    let mut page = String::new();
    let mut rest = template;
    while let Some((before, (name, after))) =
        rest.split_once("{{").and_then(|(before, behind)| Some((before, behind.split_once("}}")?)))
    {
        let part = parts.iter().find(|(known, _)| *known == name);
        page.push_str(before);
        page.push_str(part.expect("the page asks for what there is").1);
        rest = after;
    }
    page + rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Image, Nodes};

    fn page_of(name: &str) -> String {
        let nodes = Nodes { names: vec![name], sizes: vec![u64::MAX], ..Nodes::default() };
        let data = Data::of_images("plan", "made".into(), vec![Image::of_layers("made".into(), &nodes, vec![])]);
        page(&data).unwrap()
    }

    /// What a browser takes for the data.
    fn data_of(page: &str) -> serde_json::Value {
        let (_, data) = page.split_once(r#" id="data">"#).unwrap();
        serde_json::from_str(data.split_once("</script").unwrap().0).unwrap()
    }

    #[test]
    fn no_name_ends_the_data() {
        for name in [
            "</script><img src=x onerror=alert(1)>",
            "<!--<script>",
            "\u{2028}\u{2029}\0\r\n",
            "\\u003c/script>",
            "{{script}}",
            "\"]}",
            "🦀\u{202e}",
        ] {
            let page = page_of(name);
            assert_eq!(data_of(&page)["images"][0]["nodes"]["names"][0], name);
            assert_eq!(page.matches("</script").count(), PAGE.matches("</script").count(), "{name}");
            assert_eq!(page.matches("<!--").count(), PAGE.matches("<!--").count(), "{name}");
        }
    }

    #[test]
    fn huge_numbers_stay_what_they_are() {
        assert_eq!(data_of(&page_of("x"))["images"][0]["nodes"]["sizes"][0], u64::MAX);
    }

    #[test]
    fn every_place_is_filled_once() {
        let page = page_of("x");
        assert!([STYLE, SCRIPT, &hash(STYLE), &hash(SCRIPT)].iter().all(|part| page.contains(part)));
        for name in ["style_hash", "style", "data", "script_hash", "script"] {
            assert_eq!(PAGE.matches(&format!("{{{{{name}}}}}")).count(), 1, "{name}");
        }
        assert_eq!(filled("a{{x}}b{{y}}c}}{{", &[("x", "{{y}}"), ("y", "1")]), "a{{y}}b1c}}{{");
    }

    #[test]
    fn no_file_of_the_script_is_forgotten() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/report/script");
        for file in fs_err::read_dir(folder).unwrap() {
            let file = file.unwrap().path();
            assert!(SCRIPT.contains(&fs_err::read_to_string(&file).unwrap()), "{}", file.display());
        }
    }

    /// An element ends with the first of these, and its hash is of all between its tags.
    #[test]
    fn style_and_script_fit_into_their_elements() {
        assert!(!STYLE.contains("</style") && !SCRIPT.contains("</script") && !SCRIPT.contains("<!--"));
        assert!(PAGE.contains(">{{style}}</style>") && PAGE.contains(">{{script}}</script>"));
    }

    #[test]
    fn the_page_allows_nothing_but_its_own_style_and_script() {
        let policy = "default-src 'none'; style-src 'sha256-{{style_hash}}'; script-src 'sha256-{{script_hash}}'; \
                      base-uri 'none'; form-action 'none'";
        assert!(PAGE.contains(&format!(r#"<meta http-equiv="Content-Security-Policy" content="{policy}">"#)));
        // The example of the policies' specification.
        assert_eq!(hash("alert('Hello, world.');"), "qznLcsROx4GACP2dm0UCKCzCG+HiZ1guq6ZZDob/Tng=");
    }
}
