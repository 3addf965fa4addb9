//! What images are called in an index that may list others already.
//!
//! An image has up to two names there: its `ref.name`, by which skopeo and podman find it, and its whole reference, by
//! which containerd and Docker do. Nothing that is listed may be lost for want of a name:
//!
//! 1. Ours replaces what has the same whole reference; or, where neither of them has one, the same `ref.name`. It also
//!    takes over the `ref.name`s of what it replaces.
//! 2. A `ref.name` that the user has given is ours. An image of another name that has it goes by its whole reference
//!    from then on.
//! 3. Where the user has given a reference only, ours goes by its tag. If that is taken, also by another name of ours,
//!    it goes by its whole reference.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::ImageReference;
use crate::image::{Documents, Name, Names};
use crate::oci::{self, Annotations, canonical_json};

/// What an image is called in an index.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct IndexName {
    ref_name: Option<String>,
    /// With its registry, see [`ImageReference::canonical`].
    reference: Option<String>,
}

impl IndexName {
    pub(crate) fn annotations(&self) -> Annotations {
        let named = [(oci::REF_NAME, &self.ref_name), (oci::CONTAINERD_NAME, &self.reference)];
        named.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value.clone()?))).collect()
    }

    /// The name in a descriptor by whomever. A `ref.name` that is a whole reference means the same as for us.
    fn of(descriptor: &Value) -> Self {
        let annotation = |key| descriptor["annotations"][key].as_str().map(ToOwned::to_owned);
        let ref_name = annotation(oci::REF_NAME);
        let canonical = |text: String| text.parse().map_or(text, |reference: ImageReference| reference.canonical());
        let by_ref_name = || Some(ImageReference::from_ref_name(ref_name.as_deref()?)?.canonical());
        let reference = annotation(oci::CONTAINERD_NAME).map(canonical).or_else(by_ref_name);
        Self { ref_name, reference }
    }

    fn is(&self, name: &Name) -> bool {
        match (&self.reference, name.reference()) {
            (Some(ours), Some(other)) => *ours == other.canonical(),
            (None, None) => self.ref_name.is_some() && self.ref_name.as_deref() == name.given(),
            _ => false,
        }
    }
}

/// The index of an OCI archive.
pub(crate) fn new_index(documents: &Documents, names: &Names) -> String {
    add_image(None, documents, names).expect("an index that is not there is not malformed")
}

/// The index of a docker-archive.
///
/// Podman reads a file by its index if there is one image, and calls it `docker.io/library/NAME`. A stream it reads by
/// its `manifest.json`, as other programs' docker-archives, and calls it `localhost/NAME`. So that a file is called the
/// same, an image without a registry is listed by both its names, which to Podman are two images.
pub(crate) fn docker_index(documents: &Documents, names: &Names) -> String {
    index_of(documents, &docker_names(names))
}

fn docker_names(names: &Names) -> Vec<IndexName> {
    let mut placed = make_room(&mut Vec::new(), names);
    if let [IndexName { ref_name: Some(ref_name), reference: Some(canonical) }] = placed.as_slice() {
        let short = familiar(canonical);
        if short != *canonical {
            let other = if short == *ref_name { canonical.clone() } else { short };
            placed.push(IndexName { ref_name: Some(other), reference: Some(canonical.clone()) });
        }
    }
    placed
}

fn index_of(documents: &Documents, names: &[IndexName]) -> String {
    let manifests = documents.manifests(names);
    canonical_json(&json!({ "schemaVersion": 2, "mediaType": oci::INDEX, "manifests": manifests }))
}

/// Returns the index with the image in it. Keeps whatever else it says. The error is what is wrong with the old one.
pub(crate) fn add_image(old: Option<&[u8]>, documents: &Documents, names: &Names) -> Result<String, String> {
    let mut index = match old {
        Some(text) => read(text)?,
        None => Map::from_iter([("schemaVersion".into(), json!(2)), ("mediaType".into(), json!(oci::INDEX))]),
    };
    let list = manifests(&mut index)?;
    let names = make_room(list, names);
    let manifests = documents.manifests(&names).into_iter();
    list.extend(manifests.map(|manifest| serde_json::to_value(manifest).expect("a descriptor is JSON")));
    Ok(canonical_json(&index))
}

/// Whether an image can be added to it. The error is what is wrong with it.
pub(crate) fn check_index(text: &[u8]) -> Result<(), String> {
    read(text).and_then(|mut index| manifests(&mut index).map(drop))
}

fn read(text: &[u8]) -> Result<Map<String, Value>, String> {
    if text.is_empty() {
        return Err("it is empty, as a power failure leaves a file; remove it, and write its images again".into());
    }
    serde_json::from_slice(text).map_err(|error| error.to_string())
}

fn manifests(index: &mut Map<String, Value>) -> Result<&mut Vec<Value>, String> {
    let list = index.entry("manifests").or_insert_with(|| json!([]));
    list.as_array_mut().ok_or_else(|| "`manifests` is no list".to_owned())
}

/// Removes what `names` replace, renames what is in their way, and returns what they are called then.
fn make_room(list: &mut Vec<Value>, names: &Names) -> Vec<IndexName> {
    let is_replaced = |old: &mut Value| names.iter().any(|name| IndexName::of(old).is(name));
    let replaced: Vec<IndexName> = list.extract_if(.., is_replaced).map(|old| IndexName::of(&old)).collect();
    let given: BTreeSet<&str> = names.iter().filter_map(Name::given).collect();
    let others = list.iter().map(IndexName::of).chain(replaced.iter().cloned()).filter_map(|name| name.ref_name);
    let mut taken: BTreeSet<String> = others.chain(given.iter().map(|name| (*name).to_owned())).collect();
    move_aside(list, &given, &mut taken);

    let mut placed = Vec::new();
    for name in names.iter() {
        let inherited = replaced.iter().filter(|old| old.is(name)).filter_map(|old| old.ref_name.as_deref());
        let inherited = inherited.filter(|ref_name| !given.contains(ref_name));
        let mut ref_names: BTreeSet<String> = inherited.chain(name.given()).map(ToOwned::to_owned).collect();
        if let (true, Some(reference)) = (ref_names.is_empty(), name.reference()) {
            ref_names
                .insert(choose([reference.tag().into(), reference.to_string(), reference.canonical()], &mut taken));
        }
        let reference = name.reference().map(ImageReference::canonical);
        placed
            .extend(ref_names.into_iter().map(|name| IndexName { ref_name: Some(name), reference: reference.clone() }));
    }
    placed
}

/// Lets images whose `ref.name` is given to another one go by their whole references.
fn move_aside(list: &mut [Value], given: &BTreeSet<&str>, taken: &mut BTreeSet<String>) {
    for old in list {
        let IndexName { ref_name: Some(ref_name), reference: Some(reference) } = IndexName::of(old) else { continue };
        if given.contains(ref_name.as_str()) {
            old["annotations"][oci::REF_NAME] = choose([familiar(&reference), reference], taken).into();
        }
    }
}

/// Returns the first one that is free, and takes it. The last one is as good as unique, and taken in any case.
fn choose<const N: usize>(candidates: [String; N], taken: &mut BTreeSet<String>) -> String {
    let free = candidates.iter().find(|name| !taken.contains(*name)).or(candidates.last());
    let chosen = free.expect("there are candidates").clone();
    taken.insert(chosen.clone());
    chosen
}

/// A canonical reference as a user would write it.
fn familiar(canonical: &str) -> String {
    let short = ["docker.io/library/", "docker.io/"].iter().filter_map(|prefix| canonical.strip_prefix(prefix));
    let means_the_same =
        |short: &&str| short.parse().is_ok_and(|reference: ImageReference| reference.canonical() == canonical);
    short.filter(means_the_same).map(ToOwned::to_owned).next().unwrap_or_else(|| canonical.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A descriptor with a `ref.name` and a whole reference, either of which may be empty.
    fn listed(ref_name: &str, reference: &str) -> Value {
        let annotations = [(oci::REF_NAME, ref_name), (oci::CONTAINERD_NAME, reference)];
        let annotations: Map<String, Value> =
            annotations.into_iter().filter(|(_, name)| !name.is_empty()).map(|(k, v)| (k.into(), v.into())).collect();
        json!({ "annotations": annotations })
    }

    /// Adds an image to what is listed. Returns what is listed then, ours marked by `*`.
    fn add(old: &[(&str, &str)], destination: &str, tags: &[&str]) -> Vec<String> {
        let tags: Vec<ImageReference> = tags.iter().map(|tag| tag.parse().unwrap()).collect();
        let mut list: Vec<Value> = old.iter().map(|(ref_name, reference)| listed(ref_name, reference)).collect();
        let ours = make_room(&mut list, &Names::new(&destination.parse().unwrap(), &tags));
        let shown = |mark: &str, name: IndexName| {
            let reference = name.reference.map(|reference| format!(" {reference}")).unwrap_or_default();
            format!("{mark}{}{reference}", name.ref_name.unwrap_or_default())
        };
        let others = list.iter().map(|old| shown("", IndexName::of(old)));
        others.chain(ours.into_iter().map(|name| shown("*", name))).collect()
    }

    const A: (&str, &str) = ("1", "docker.io/library/a:1");
    const B: (&str, &str) = ("b:1", "docker.io/library/b:1");
    const UNNAMED: (&str, &str) = ("1", "");

    #[test]
    fn reference_gives_way_to_others_of_its_tag() {
        assert_eq!(add(&[], "oci:l", &["a:1"]), ["*1 docker.io/library/a:1"]);
        assert_eq!(add(&[A], "oci:l", &["b:1"]), ["1 docker.io/library/a:1", "*b:1 docker.io/library/b:1"]);
        assert_eq!(add(&[UNNAMED], "oci:l", &["a:1"]), ["1", "*a:1 docker.io/library/a:1"]);
    }

    #[test]
    fn image_of_the_same_name_is_replaced_where_it_is() {
        assert_eq!(add(&[A, B], "oci:l", &["a:1"]), ["b:1 docker.io/library/b:1", "*1 docker.io/library/a:1"]);
        assert_eq!(add(&[A, B], "oci:l", &["b:1"]), ["1 docker.io/library/a:1", "*b:1 docker.io/library/b:1"]);
        assert_eq!(add(&[UNNAMED], "oci:l:1", &[]), ["*1"]);
        let both = ["*b:1 docker.io/library/b:1", "*1 docker.io/library/a:1"];
        assert_eq!(add(&[A, B], "oci:l", &["b:1", "a:1"]), both, "whatever the order of tags");
    }

    #[test]
    fn given_tag_is_taken_over_and_its_image_kept() {
        assert_eq!(add(&[A], "oci:l:1", &[]), ["a:1 docker.io/library/a:1", "*1"]);
        assert_eq!(add(&[("1", "docker.io/team/a:1")], "oci:l:1", &[]), ["team/a:1 docker.io/team/a:1", "*1"]);
        assert_eq!(add(&[("1", "host:5/a:1")], "oci:l:1", &[]), ["host:5/a:1 host:5/a:1", "*1"]);
        assert_eq!(add(&[("a:1", A.1), UNNAMED], "oci:l:1", &[]), ["a:1 docker.io/library/a:1", "*1"]);
        assert_eq!(add(&[A], "oci:l:1", &["a:1"]), ["*1", "*a:1 docker.io/library/a:1"]);
    }

    #[test]
    fn name_that_others_have_used_is_not_lost() {
        let both = ["*1 docker.io/library/a:1", "*a:1 docker.io/library/a:1"];
        assert_eq!(add(&[A], "oci:l:a:1", &[]), both);
        assert_eq!(add(&[A, ("a:1", A.1)], "oci:l", &["a:1"]), both, "and there are no more of them");
    }

    #[test]
    fn docker_archive_lists_a_name_without_registry_twice() {
        let named = |tags: &[&str]| -> Vec<String> {
            let tags: Vec<ImageReference> = tags.iter().map(|tag| tag.parse().unwrap()).collect();
            let names = docker_names(&Names::new(&"docker-archive:f".parse().unwrap(), &tags)).into_iter();
            names.map(|name| format!("{} {}", name.ref_name.unwrap(), name.reference.unwrap())).collect()
        };
        assert_eq!(named(&["a:1"]), ["1 docker.io/library/a:1", "a:1 docker.io/library/a:1"]);
        assert_eq!(named(&["team/a:1"]), ["1 docker.io/team/a:1", "team/a:1 docker.io/team/a:1"]);
        assert_eq!(named(&["host:5/a:1"]), ["1 host:5/a:1"]);
        assert_eq!(named(&["a:1", "b:2"]).len(), 2, "these are several already");
        assert!(named(&[]).is_empty());
    }

    #[test]
    fn names_by_other_tools_mean_the_same() {
        assert_eq!(add(&[("a:1", "")], "oci:l", &["a:1"]), ["*a:1 docker.io/library/a:1"], "as skopeo writes it");
        assert_eq!(add(&[("", A.1)], "oci:l", &["a:1"]), ["*1 docker.io/library/a:1"]);
        assert_eq!(add(&[("", ""), ("", "")], "oci:l:1", &[]), ["", "", "*1"]);
        assert_eq!(add(&[("b:1", A.1), UNNAMED], "oci:l", &["b:1"])[2], "*docker.io/library/b:1 docker.io/library/b:1");
    }
}
