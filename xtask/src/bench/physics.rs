//! The bound: how fast packing can be on this machine.
//!
//! All that the bytes of an image need is walking, reading, hashing the tar, compressing, hashing the blob, and writing
//! it. A benchmark of the packer's crate measures each stage for itself; their sum, shared out to all cores, is a time
//! that no packer with the same encoders beats. And no layer is done before its tar is hashed from begin to end.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::statistics::median;

/// What the benchmark of the stages printed in one round.
#[derive(Clone, Debug)]
pub(crate) struct Physics(pub(crate) Value);

/// Which of the figures of a stage.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Load {
    /// One thread, and the other cores at rest.
    One,
    /// All threads at once.
    All,
}

/// An encoder, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoder {
    Gzip,
    Zstd,
    None,
}

/// Seconds that packing cannot take less than.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bound {
    /// From figures of one thread, divided by the number of cores.
    pub(crate) from_one: f64,
    /// From figures of all threads at once, divided likewise.
    pub(crate) from_all: f64,
    /// The hash of the largest layer's tar.
    pub(crate) largest_layer: f64,
}

pub(crate) const STAGES: [&str; 6] = ["walk", "read", "sha256", "gzip", "zstd", "write"];

/// Compiles the benchmark, and returns the program.
pub(crate) fn compile(workspace: &Path) -> Result<PathBuf> {
    let mut cargo = Command::new("cargo");
    cargo.current_dir(workspace).args(["bench", "--locked", "--package", "layerwright-packer", "--bench", "physics"]);
    cargo.args(["--no-run", "--message-format", "json-render-diagnostics"]).stderr(std::process::Stdio::inherit());
    let output = cargo.output().context("running cargo bench")?;
    if !output.status.success() {
        bail!("cargo bench failed: {}", output.status);
    }
    let messages = String::from_utf8(output.stdout)?;
    let messages = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut physics = messages.filter(|message| message["target"]["name"] == "physics");
    let program = physics.find_map(|message| message["executable"].as_str().map(PathBuf::from));
    program.context("cargo says nothing about the benchmark `physics`")
}

impl Physics {
    pub(crate) fn measure(program: &Path, root: &Path, scratch: &Path) -> Result<Self> {
        let output =
            Command::new(program).arg(root).arg(scratch).output().context("running the benchmark of stages")?;
        if !output.status.success() {
            bail!("the benchmark of stages failed: {}", String::from_utf8(output.stderr)?.trim());
        }
        Ok(Self(serde_json::from_slice(&output.stdout).context("reading what the benchmark of stages printed")?))
    }

    /// Core-seconds of a stage, for all files.
    pub(crate) fn stage(&self, name: &str, load: Load) -> f64 {
        let load = match load {
            Load::One => "one",
            Load::All => "all",
        };
        self.0["core_seconds"][name][load].as_f64().unwrap_or(f64::NAN)
    }

    pub(crate) fn tar_bytes(&self) -> f64 {
        self.0["tar_bytes"].as_f64().unwrap_or(f64::NAN)
    }

    /// Size of the encoder's output, as a part of the tar.
    pub(crate) fn output_share(&self, encoder: Encoder) -> f64 {
        self.0["output_share"][encoder.as_str()].as_f64().unwrap_or(1.0)
    }

    fn core_seconds(&self, encoder: Encoder, load: Load) -> f64 {
        let stage = |name: &str| self.stage(name, load);
        let blob = self.output_share(encoder);
        let common = stage("walk") + stage("read") + stage("sha256") + stage("write") * blob;
        match encoder {
            // The two hashes are of the same bytes.
            Encoder::None => common,
            Encoder::Gzip | Encoder::Zstd => common + stage(encoder.as_str()) + stage("sha256") * blob,
        }
    }
}

impl Encoder {
    pub(crate) const ALL: [Self; 3] = [Self::Gzip, Self::Zstd, Self::None];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::None => "plain",
        }
    }
}

impl Bound {
    /// The median over all rounds.
    pub(crate) fn of(rounds: &[Physics], encoder: Encoder, cores: usize, largest_tar_bytes: u64) -> Option<Self> {
        let median_of = |figure: &dyn Fn(&Physics) -> f64| median(&rounds.iter().map(figure).collect::<Vec<_>>());
        Some(Self {
            from_one: median_of(&|round| round.core_seconds(encoder, Load::One) / cores as f64)?,
            from_all: median_of(&|round| round.core_seconds(encoder, Load::All) / cores as f64)?,
            largest_layer: median_of(&|round| {
                round.stage("sha256", Load::One) * largest_tar_bytes as f64 / round.tar_bytes()
            })?,
        })
    }

    /// What the machine did one way, it can do: so the lower of the first two, where the largest layer allows it.
    pub(crate) fn seconds(&self) -> f64 {
        self.from_one.min(self.from_all).max(self.largest_layer)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn bound_is_the_sum_of_its_stages() {
        let stages = STAGES.map(|name| (name.to_owned(), json!({ "one": 1.0, "all": 2.0 })));
        let stages: serde_json::Map<String, Value> = stages.into_iter().collect();
        let round = Physics(json!({ "core_seconds": stages, "tar_bytes": 100, "output_share": { "gzip": 0.5 } }));
        let bound = |encoder| Bound::of(std::slice::from_ref(&round), encoder, 2, 50).unwrap();
        assert_eq!(bound(Encoder::Gzip).from_one, 2.5, "walk, read, hash, compress, half a hash, write half");
        assert_eq!(bound(Encoder::Gzip).from_all, 5.0);
        assert_eq!(bound(Encoder::Gzip).seconds(), 2.5);
        assert_eq!(bound(Encoder::None).seconds(), 2.0);
        assert_eq!(bound(Encoder::None).largest_layer, 0.5);
    }
}
