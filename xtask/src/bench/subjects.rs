//! What is measured: this program, and what people use today, on the same files.
//!
//! A line is what one would type. In braces is what differs from machine to machine:
//!
//! | in braces | is |
//! |---|---|
//! | `build` | `layerwright build` with the closure, and with planners that are compiled already |
//! | `cold` | the flag against keeping packed layers, where the program has it |
//! | `cached` | nothing, but the subject is left out where the program keeps no layers |
//! | `tar` | GNU tar, which writes the closure with sorted names and equal owners and times |
//! | `root`, `out` | the folder with the closure, and a fresh one for the output |
//! | `layers`, `archive` | our plan of the closure as `store-layers`, and our plain docker-archive of it |
//! | `two-pass` | the script beside this file |
//! | `storage` | flags that give buildah a fresh storage in `out` |
//! | `cores` | how many threads run at once |

use super::closures::ClosureName::{self, Debian, ManyFiles, Skewed, SmallFiles, Sparse, ThousandPaths};

/// A line that is measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subject {
    pub(crate) name: &'static str,
    pub(crate) closure: ClosureName,
    pub(crate) line: &'static str,
    pub(crate) meaning: &'static str,
    /// Our row on the same closure that it is compared with.
    pub(crate) ours: &'static str,
    pub(crate) course: Course,
}

/// How a subject is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Course {
    /// In each round, into a fresh folder.
    Fresh,
    /// In each round, into the folder that the first run, which is not measured, has filled.
    Again,
    /// Once, after all rounds: for its memory.
    Once,
}

impl Subject {
    /// Names the subject among all.
    pub(crate) fn id(&self) -> String {
        format!("{}/{}", self.closure.as_str(), self.name)
    }
}

pub(crate) fn subjects() -> Vec<Subject> {
    let ours = [
        (Debian, GZIP),
        (Debian, ZSTD),
        (Debian, PLAIN),
        (Debian, STREAM),
        (Debian, STREAM_FILE),
        (Debian, CACHED),
        (Debian, NO_OP),
        (SmallFiles, GZIP),
        (SmallFiles, ZSTD),
        (SmallFiles, PLAIN),
        (SmallFiles, STREAM),
        (ThousandPaths, GZIP),
        (ThousandPaths, NO_OP),
        (Skewed, GZIP_1),
        (Skewed, GZIP_2),
        (Skewed, ZSTD_1),
        (Skewed, ZSTD_2),
        (Sparse, once(STREAM)),
        (Sparse, once(ZSTD_LEVEL_1)),
        (ManyFiles, once(STREAM)),
        (ManyFiles, once(GZIP)),
    ];
    let today = [
        (Debian, TAR_PIGZ),
        (Debian, TAR_PIGZ_2),
        (Debian, TAR_ZSTD),
        (Debian, TWO_PASS),
        (Debian, TWO_PASS_PIGZ),
        (Debian, SKOPEO),
        (Debian, UMOCI),
        (Debian, BUILDAH),
        (SmallFiles, TAR_PIGZ),
        (SmallFiles, TAR_ZSTD),
        (SmallFiles, TWO_PASS),
    ];
    ours.into_iter().chain(today).map(|(closure, subject)| Subject { closure, ..subject }).collect()
}

const GZIP: Subject = Subject {
    name: "gzip",
    closure: Debian,
    line: "{build} {cold} --compression gzip:6 --to oci:{out}/image",
    meaning: "an OCI layout of up to 100 layers, gzip level 6; both digests of each layer included",
    ours: "gzip",
    course: Course::Fresh,
};

const ZSTD: Subject = Subject {
    name: "zstd",
    line: "{build} {cold} --compression zstd:3 --to oci:{out}/image",
    meaning: "the same with zstd level 3",
    ours: "zstd",
    ..GZIP
};

const PLAIN: Subject = Subject {
    name: "plain",
    line: "{build} {cold} --compression none --to oci:{out}/image",
    meaning: "the same without compression",
    ours: "plain",
    ..GZIP
};

const STREAM: Subject = Subject {
    name: "stream",
    line: "{build} {cold} --to -",
    meaning: "a docker-archive on standard output, which is thrown away",
    ours: "stream",
    ..GZIP
};

const STREAM_FILE: Subject = Subject {
    name: "stream-file",
    line: "{build} {cold} --to - > {out}/image.tar",
    meaning: "the same into a file",
    ours: "stream-file",
    ..GZIP
};

const CACHED: Subject = Subject {
    name: "cached",
    line: "{build} {cached} --compression gzip:6 --to oci:{out}/image",
    meaning: "as `gzip`, with the layers known, into a new layout",
    ..GZIP
};

const NO_OP: Subject = Subject {
    name: "no-op",
    line: "{build} {cached} --compression gzip:6 --to oci:{out}/image",
    meaning: "as `gzip`, with the layers known, into the layout that has the image already",
    course: Course::Again,
    ..GZIP
};

const GZIP_1: Subject = Subject {
    name: "gzip-1",
    line: "{build} {cold} --compression gzip:6 --threads 1 --to oci:{out}/image",
    meaning: "as `gzip`, with one thread",
    ours: "gzip-2",
    ..GZIP
};

const GZIP_2: Subject = Subject {
    name: "gzip-2",
    line: "{build} {cold} --compression gzip:6 --threads 2 --to oci:{out}/image",
    meaning: "as `gzip`, with two threads",
    ..GZIP_1
};

const ZSTD_1: Subject = Subject {
    name: "zstd-1",
    line: "{build} {cold} --compression zstd:3 --threads 1 --to oci:{out}/image",
    meaning: "as `zstd`, with one thread",
    ours: "zstd-2",
    ..GZIP
};

const ZSTD_2: Subject = Subject {
    name: "zstd-2",
    line: "{build} {cold} --compression zstd:3 --threads 2 --to oci:{out}/image",
    meaning: "as `zstd`, with two threads",
    ..ZSTD_1
};

const ZSTD_LEVEL_1: Subject = Subject {
    name: "zstd-level-1",
    line: "{build} {cold} --compression zstd:1 --to oci:{out}/image",
    meaning: "an OCI layout with zstd level 1",
    ours: "zstd-level-1",
    ..GZIP
};

const TAR_PIGZ: Subject = Subject {
    name: "tar-pigz",
    line: "{tar} | pigz -6 -p{cores} > {out}/layer.tar.gz",
    meaning: "one tar, compressed on all cores; no digests, no image",
    ..GZIP
};

const TAR_PIGZ_2: Subject = Subject {
    name: "tar-pigz-2",
    line: "{tar} | pigz -p2 > {out}/layer.tar.gz",
    meaning: "the same with two threads and pigz' own level, as image builders call it",
    ..GZIP
};

const TAR_ZSTD: Subject = Subject {
    name: "tar-zstd",
    line: "{tar} | zstd -q -3 -T{cores} > {out}/layer.tar.zst",
    meaning: "the same with zstd on all cores",
    ours: "zstd",
    ..GZIP
};

const TWO_PASS: Subject = Subject {
    name: "two-pass",
    line: "python3 {two-pass} {layers} {root}",
    meaning: "a docker-archive of the same layers, by Python's tarfile: each once to hash it, and once to put it out",
    ours: "stream",
    ..GZIP
};

const TWO_PASS_PIGZ: Subject = Subject {
    name: "two-pass-pigz",
    line: "python3 {two-pass} {layers} {root} | pigz -p2 > {out}/image.tar.gz",
    meaning: "the same, compressed as a whole",
    ..GZIP
};

const SKOPEO: Subject = Subject {
    name: "skopeo",
    line: "skopeo copy --quiet --insecure-policy docker-archive:{archive} oci:{out}/image",
    meaning: "a plain docker-archive, which is there already, becomes an OCI layout with gzip",
    ..GZIP
};

const UMOCI: Subject = Subject {
    name: "umoci",
    line: "umoci init --layout {out}/image && umoci new --image {out}/image:x && \
           umoci insert --image {out}/image:x {root}/nix /nix",
    meaning: "an OCI layout with one layer, gzip",
    ..GZIP
};

const BUILDAH: Subject = Subject {
    name: "buildah",
    line: "buildah {storage} from --name bench scratch && buildah {storage} add bench {root}/nix /nix && \
           buildah {storage} commit --quiet --disable-compression=false bench oci:{out}/image && \
           buildah {storage} rm bench",
    meaning: "the files are copied into a container, and its one layer goes to an OCI layout with gzip",
    ..GZIP
};

const fn once(subject: Subject) -> Subject {
    Subject { course: Course::Once, ..subject }
}
