//! What an image says of the nodes in its layers, so that whoever plans the next one need not read them.
//!
//! An annotation of each planned layer has a line for each node: its size in bytes, a space, and its name. It is text,
//! because nothing would be won by packing it: most of it are the hashes of store paths.
//!
//! The manifest is pulled at each update, and a store path adds about 65 bytes to it: 800 of them 50 KiB. So it is
//! bounded. An image that would need more than [`MAX_CONTENTS_BYTES`], one of a plan that knows no sizes, and one with a
//! name that would not fit on a line, say nothing: what is in a layer of store paths can still be read in the layer.

use layerwright_planner::{Layer, Plan, is_printable};

/// Of a descriptor of a layer.
pub(crate) const CONTENTS: &str = "org.layerwright.layer.contents";

/// The most that an image says about all its layers: some 4000 store paths. No registry takes a manifest of 4 MiB.
const MAX_CONTENTS_BYTES: usize = 256 << 10;

/// A node as an image holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldNode {
    /// As in the plan that the image was made of.
    pub name: String,
    /// Bytes, uncompressed: as the plan said, or the NAR size of a store path that was read in a layer.
    pub size: u64,
}

/// What is said of each layer of a plan, in their order; nothing at all where it would be too much.
pub(crate) fn contents(plan: &Plan) -> Vec<String> {
    let is_line = |name: &str| !name.is_empty() && name.chars().all(is_printable);
    let nodes = plan.closure().nodes();
    if nodes.iter().all(|node| node.size == 0) || !nodes.iter().all(|node| is_line(&node.name)) {
        return Vec::new();
    }
    let contents: Vec<String> = plan.layers().iter().map(|layer| lines(plan, layer)).collect();
    let bytes: usize = contents.iter().map(String::len).sum();
    if bytes <= MAX_CONTENTS_BYTES { contents } else { Vec::new() }
}

fn lines(plan: &Plan, layer: &Layer) -> String {
    let nodes = layer.nodes.iter().map(|id| plan.closure().node(*id));
    nodes.map(|node| format!("{} {}", node.size, node.name)).collect::<Vec<_>>().join("\n")
}

/// Reads what [`contents`] wrote of a layer: at least one node. `None` for anything else.
pub(crate) fn parse(text: &str) -> Option<Vec<HeldNode>> {
    let node = |line: &str| {
        let (size, name) = line.split_once(' ')?;
        let is_name = !name.is_empty() && name.chars().all(is_printable);
        is_name.then_some(HeldNode { name: name.to_owned(), size: size.parse().ok()? })
    };
    text.split('\n').map(node).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(nodes: &[(&str, u64)]) -> Plan {
        let node = |(name, size): &(&str, u64)| serde_json::json!({"name": name, "lineage": "x", "size": size, "references": []});
        let layer = |nodes| serde_json::json!({"label": "", "planner": null, "nodes": nodes});
        let layers: Vec<_> = nodes.chunks(2).map(|nodes| layer(nodes.iter().map(node).collect::<Vec<_>>())).collect();
        let plan = serde_json::json!({
            "format": "layerwright.plan/1", "nodes": "store-path", "planners": [], "roots": [], "layers": layers,
        });
        Plan::from_json(&plan.to_string()).unwrap()
    }

    #[test]
    fn what_is_said_is_read_again() {
        let said = contents(&plan(&[("/a b", 7), ("/c", 0), ("/d", u64::MAX)]));
        assert_eq!(said, ["7 /a b\n0 /c", "18446744073709551615 /d"]);
        let held = |name: &str, size| HeldNode { name: name.into(), size };
        assert_eq!(parse(&said[0]), Some(vec![held("/a b", 7), held("/c", 0)]));
        assert_eq!(parse(&said[1]), Some(vec![held("/d", u64::MAX)]));
    }

    #[test]
    fn what_is_too_much_or_not_known_is_not_said() {
        assert!(contents(&plan(&[("/a", 0), ("/b", 0)])).is_empty());
        assert!(contents(&plan(&[("/a", 1), ("/b\n9 /c", 1)])).is_empty());
        let long = format!("/{}", "x".repeat(MAX_CONTENTS_BYTES - 3));
        assert_eq!(contents(&plan(&[(&long, 1)])).len(), 1);
        assert!(contents(&plan(&[(&long, 10)])).is_empty());
    }

    #[test]
    fn what_nobody_says_is_not_believed() {
        for text in
            ["", "7", "7 ", "x /a", "-1 /a", "7 /a\n", "7 /a\n\n7 /b", "7 /\u{1b}[2J", "99999999999999999999 /a"]
        {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
