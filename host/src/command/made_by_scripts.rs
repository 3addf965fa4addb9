//! Files that maintainer scripts of packages make, and without which a package is of no use.
//!
//! They belong to no package, so that they are not packed with one. Whoever asks for the package hardly knows that.

use std::path::Path;

use layerwright_planner::{NodeKind, Plan};

/// A file that a script makes.
struct Made {
    package: &'static str,
    file: &'static str,
    /// What an image without it lacks.
    use_of_it: &'static str,
    /// What makes it on this machine.
    made_by: &'static str,
}

const MADE: &[Made] = &[
    Made {
        package: "ca-certificates",
        file: "/etc/ssl/certs/ca-certificates.crt",
        use_of_it: "programs trust no certificate",
        made_by: "update-ca-certificates",
    },
    Made {
        package: "ca-certificates-java",
        file: "/etc/ssl/certs/java/cacerts",
        use_of_it: "Java trusts no certificate",
        made_by: "dpkg-reconfigure ca-certificates-java",
    },
];

/// Returns what to tell of packages in a plan whose file is not in the image. `is_there` says what is, and `root` is
/// where packages are read.
pub(super) fn lacking(plan: &Plan, root: &Path, is_there: impl Fn(&Path) -> bool) -> Vec<String> {
    if plan.kind() != NodeKind::DpkgPackage {
        return Vec::new();
    }
    let is_planned = |package: &str| plan.closure().nodes().iter().any(|node| node.lineage == package);
    let lacks = |made: &&Made| is_planned(made.package) && !is_there(Path::new(made.file));
    MADE.iter().filter(lacks).map(|made| made.told(root)).collect()
}

impl Made {
    fn told(&self, root: &Path) -> String {
        let Self { package, file, use_of_it, made_by } = self;
        let source = root.join(file.trim_start_matches('/'));
        let first = if source.is_file() { String::new() } else { format!("make it with `{made_by}`, and ") };
        let dir = file.rsplit_once('/').map_or("", |(dir, _)| dir);
        format!(
            "the image has {package} without {file}, which a script of the package makes: {use_of_it}; {first}add it with \
             --add {}:{dir}/",
            source.display()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_without_what_its_script_makes_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let (root, bundle) = (dir.path(), "/etc/ssl/certs/ca-certificates.crt");
        let plan = |names: &str| Plan::from_store_layers(names).unwrap();
        let with = plan(r#"[["ca-certificates_20230311_all"], ["openssl_3.0.11-1_amd64"]]"#);
        let told = lacking(&with, root, |_| false);
        assert_eq!(told.len(), 1);
        assert!(told[0].contains(bundle) && told[0].contains("make it with `update-ca-certificates`"), "{}", told[0]);
        fs_err::create_dir_all(root.join("etc/ssl/certs")).unwrap();
        fs_err::write(root.join(&bundle[1..]), "").unwrap();
        let told = lacking(&with, root, |_| false);
        let add = format!("certificate; add it with --add {}{bundle}:/etc/ssl/certs/", root.display());
        assert!(told[0].ends_with(&add), "{}", told[0]);
        assert!(lacking(&with, root, |file| file == Path::new(bundle)).is_empty());
        for without in [r#"[["openssl_3.0.11-1_amd64"]]"#, r#"[["/nix/store/x-ca-certificates"]]"#, "[]"] {
            assert!(lacking(&plan(without), root, |_| false).is_empty(), "{without}");
        }
    }
}
