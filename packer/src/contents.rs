//! What an image says of the nodes in its layers, so that whoever plans the next one need not read them.
//!
//! An annotation of each planned layer has a line for each node: its size in bytes, a space, and its name; then, where the
//! name alone does not tell it, a tab and its lineage. It is text, because little would be won by packing it: most of it
//! are the hashes of store paths.
//!
//! Annotations are lost where an image becomes one of Docker's, as in `docker load` or an archive that skopeo turns into a
//! layout. A history comes through all of that, as every tool keeps an entry for each layer; so `created_by` of the entry
//! says the same. There it is on one line, which `docker history` cuts short, as it does not with a comment. What is
//! built on the image takes it along, with its layers.
//!
//! Manifest and config are pulled at each update, and a store path adds about 65 bytes to each: 800 of them 50 KiB. So it
//! is bounded. An image that would need more than [`MAX_CONTENTS_BYTES`], one of a plan that knows no sizes, and one with a
//! name that would not fit on a line, say nothing: what is in a layer of store paths can still be read in the layer.

use layerwright_planner::{Layer, Node, Plan, is_printable, lineage_of_node};

/// Of a descriptor of a layer.
pub(crate) const CONTENTS: &str = "org.layerwright.layer.contents";

/// The most that an image says about all its layers: some 4000 store paths. No registry takes a manifest of 4 MiB.
const MAX_CONTENTS_BYTES: usize = 256 << 10;

/// Who made a layer, in its entry of the history.
const CREATED_BY: &str = "layerwright";

/// Between nodes, where all are on one line.
const SEPARATOR: &str = "; ";

/// A node as an image holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldNode {
    /// As in the plan that the image was made of.
    pub name: String,
    /// As in that plan, or what the name tells.
    pub lineage: String,
    /// Bytes, uncompressed: as the plan said, or the NAR size of a store path that was read in a layer.
    pub size: u64,
}

/// What is said of each layer of a plan, in their order; nothing at all where it would be too much.
pub(crate) fn contents(plan: &Plan) -> Vec<String> {
    let nodes = plan.closure().nodes();
    if nodes.iter().all(|node| node.size == 0)
        || !nodes.iter().all(|node| is_text(&node.name) && is_text(&node.lineage))
    {
        return Vec::new();
    }
    let contents: Vec<String> = plan.layers().iter().map(|layer| lines(plan, layer)).collect();
    let bytes: usize = contents.iter().map(String::len).sum();
    if bytes <= MAX_CONTENTS_BYTES { contents } else { Vec::new() }
}

fn lines(plan: &Plan, layer: &Layer) -> String {
    let nodes = layer.nodes.iter().map(|id| plan.closure().node(*id));
    nodes.map(line).collect::<Vec<_>>().join("\n")
}

fn line(Node { name, lineage, size, .. }: &Node) -> String {
    match *lineage == lineage_of_node(name) {
        true => format!("{size} {name}"),
        false => format!("{size} {name}\t{lineage}"),
    }
}

fn is_text(text: &str) -> bool {
    !text.is_empty() && text.chars().all(is_printable)
}

/// Reads what [`contents`] wrote of a layer: at least one node. `None` for anything else, and for more than it writes of all
/// layers: a node takes many times its text.
pub(crate) fn parse(text: &str) -> Option<Vec<HeldNode>> {
    if text.len() > MAX_CONTENTS_BYTES {
        return None;
    }
    let node = |line: &str| {
        let (size, name) = line.split_once(' ')?;
        let (name, lineage) = match name.split_once('\t') {
            Some((name, lineage)) => (name, lineage.to_owned()),
            None => (name, lineage_of_node(name)),
        };
        let is_node = is_text(name) && is_text(&lineage);
        is_node.then_some(HeldNode { name: name.to_owned(), lineage, size: size.parse().ok()? })
    };
    text.split('\n').map(node).collect()
}

/// What the entry of a layer says of its making, with what is in it as [`contents`] said. A name that could be taken for
/// two says nothing here.
pub(crate) fn created_by(contents: Option<&str>) -> String {
    match contents.filter(|contents| !contents.contains(SEPARATOR)) {
        Some(contents) => format!("{CREATED_BY}: {}", contents.replace('\n', SEPARATOR)),
        None => CREATED_BY.to_owned(),
    }
}

/// Returns what [`created_by`] was told. `None` for anything else.
pub(crate) fn of_created_by(text: &str) -> Option<String> {
    let contents = text.strip_prefix(CREATED_BY)?.strip_prefix(": ")?.replace(SEPARATOR, "\n");
    parse(&contents).map(|_| contents)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// Of names, lineages and sizes, two in a layer.
    fn plan(nodes: &[(&str, &str, u64)]) -> Plan {
        let node = |(name, lineage, size): &(&str, &str, u64)| json!({"name": name, "lineage": lineage, "size": size, "references": []});
        let layer = |nodes: &[_]| {
            let nodes: Vec<Value> = nodes.iter().map(node).collect();
            json!({"label": "", "planner": null, "nodes": nodes})
        };
        let layers: Vec<Value> = nodes.chunks(2).map(layer).collect();
        let format = "layerwright.plan/1";
        let plan = json!({"format": format, "nodes": "store-path", "planners": [], "roots": [], "layers": layers});
        Plan::from_json(&plan.to_string()).unwrap()
    }

    #[test]
    fn what_is_said_is_read_again() {
        let said = contents(&plan(&[("/h-a b-1", "a b", 7), ("/h-c-2", "other", 0), ("/d", "d", u64::MAX)]));
        assert_eq!(said, ["7 /h-a b-1\n0 /h-c-2\tother", "18446744073709551615 /d"]);
        let held = |name: &str, lineage: &str, size| HeldNode { name: name.into(), lineage: lineage.into(), size };
        assert_eq!(parse(&said[0]), Some(vec![held("/h-a b-1", "a b", 7), held("/h-c-2", "other", 0)]));
        assert_eq!(parse(&said[1]), Some(vec![held("/d", "d", u64::MAX)]));
    }

    #[test]
    fn a_history_says_the_same_on_one_line() {
        let said = contents(&plan(&[("/h-a b-1", "a b", 7), ("/h-c-2", "other", 0), ("/d; 1 e", "d", 1)]));
        let line = created_by(Some(&said[0]));
        assert_eq!(line, "layerwright: 7 /h-a b-1; 0 /h-c-2\tother");
        assert_eq!(of_created_by(&line).as_ref(), Some(&said[0]));
        for silent in [created_by(None), created_by(Some(&said[1]))] {
            assert_eq!(silent, "layerwright");
            assert_eq!(of_created_by(&silent), None);
        }
        for text in
            ["", "7 /a", "layerwright: ", "layerwright: RUN x; 7 /a", "xlayerwright: 7 /a", "layerwright: 7 /a; "]
        {
            assert_eq!(of_created_by(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_too_much_or_not_known_is_not_said() {
        assert!(contents(&plan(&[("/a", "a", 0), ("/b", "b", 0)])).is_empty());
        assert!(contents(&plan(&[("/a", "a", 1), ("/b\n9 /c", "b", 1)])).is_empty());
        assert!(contents(&plan(&[("/a", "a", 1), ("/b", "\t", 1)])).is_empty());
        let long = "x".repeat(MAX_CONTENTS_BYTES - 2);
        assert_eq!(contents(&plan(&[(&long, &long, 1)])).len(), 1);
        assert!(contents(&plan(&[(&long, &long, 10)])).is_empty());
    }

    #[test]
    fn what_nobody_says_is_not_believed() {
        let long = "1 /a\n".repeat(MAX_CONTENTS_BYTES / 5);
        assert_eq!(parse(long.trim_end()).map(|nodes| nodes.len()), Some(MAX_CONTENTS_BYTES / 5));
        assert_eq!(parse(&(long + "11 /a")), None);
        for text in [
            "",
            "7",
            "7 ",
            "x /a",
            "-1 /a",
            "7 /a\n",
            "7 /a\n\n7 /b",
            "7 /a\t",
            "7 /a\tb\tc",
            "7 /\u{1b}[2J",
            "99999999999999999999 /a",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
