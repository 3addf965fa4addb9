//! Where everything is on this machine, how a subject's line becomes words, and running it there.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use fs_err as fs;
use serde_json::Value;

use super::closures::{Closure, ClosureName};
use super::measure::{Sample, measure};
use super::subjects::{Course, Subject};
use crate::machine::cores;
use crate::run::{exists, run as execute};

/// GNU tar, so that equal files give equal tars.
const TAR: &str =
    "tar --sort=name --mtime=@1 --owner=0 --group=0 --numeric-owner --create --file - --directory {root} nix";

/// A fresh storage for buildah.
const STORAGE: &str = "--root {out}/storage --runroot {out}/run --storage-driver overlay";

pub(crate) struct Workplace {
    /// The program that is measured.
    pub(crate) program: PathBuf,
    /// What it says about its flags.
    help: String,
    /// For output, which goes when it is measured.
    pub(crate) dir: PathBuf,
    script: PathBuf,
    pub(crate) closures: BTreeMap<ClosureName, Closure>,
}

/// What a line cannot be run for.
pub(crate) type Reason = String;

impl Workplace {
    pub(crate) fn new(
        workspace: &Path,
        program: PathBuf,
        dir: PathBuf,
        closures: BTreeMap<ClosureName, Closure>,
    ) -> Result<Self> {
        if dir.exists() {
            fs::remove_dir_all(&dir)?;
        }
        fs::create_dir_all(&dir)?;
        let output = Command::new(&program).args(["build", "--help"]).output();
        let output = output.with_context(|| format!("running {}", program.display()))?;
        let help = String::from_utf8(output.stdout)?;
        Ok(Self { program, help, dir, script: workspace.join("xtask/src/bench/two_pass.py"), closures })
    }

    /// Compiles the planners, and writes the plan that others take.
    pub(crate) fn plan(&self, name: ClosureName) -> Result<()> {
        let mut plan = Command::new(&self.program);
        plan.args(["plan", "--quiet", "--format", "store-layers"]).args(self.source(name));
        execute(plan.arg("--output").arg(self.layers(name)))
    }

    /// Packs the closure once, which reads all its files into the system's cache. Returns the size of the largest tar.
    pub(crate) fn pack_once(&self, name: ClosureName) -> Result<u64> {
        let out = self.fresh_out("once")?;
        let mut build = Command::new(&self.program);
        build.args(["build", "--quiet", "--json", "--compression", "none"]);
        build.args(self.source_of_build(name)).args(self.cold());
        build.args(["--to", &format!("oci:{}", out.join("image").display())]);
        let output = build.output().context("packing the closure once")?;
        fs::remove_dir_all(&out)?;
        if !output.status.success() {
            bail!("packing the closure once: {}", String::from_utf8(output.stderr)?.trim());
        }
        let image: Value = serde_json::from_slice(&output.stdout)?;
        let layers = image["layers"].as_array().context("the program's JSON has no layers")?;
        layers.iter().filter_map(|layer| layer["tar_bytes"].as_u64()).max().context("the image has no layers")
    }

    /// Does what the subject needs once, or says why it cannot be measured.
    pub(crate) fn prepare(&self, subject: &Subject) -> Result<Option<Reason>> {
        let words = match self.words(subject) {
            Ok(words) => words,
            Err(reason) => return Ok(Some(reason)),
        };
        if let Some(missing) = programs(&words).into_iter().find(|program| !is_there(program)) {
            return Ok(Some(format!("{missing} is not installed")));
        }
        if subject.line.contains("{archive}") && !self.archive(subject.closure).exists() {
            let mut build = Command::new(&self.program);
            build.args(["build", "--quiet", "--compression", "none"]).args(self.source_of_build(subject.closure));
            execute(
                build
                    .args(self.cold())
                    .args(["--to", &format!("docker-archive:{}", self.archive(subject.closure).display())]),
            )?;
        }
        if subject.line.contains("{cached}") {
            self.fresh_out(&subject.id())?;
            measure(&words, &self.dir)?;
        }
        Ok(None)
    }

    /// Runs the subject once.
    pub(crate) fn run(&self, subject: &Subject) -> Result<Sample> {
        let words = self.words(subject).map_err(anyhow::Error::msg)?;
        // What others wrote must not go to the disk meanwhile.
        Command::new("sync").status().context("running sync")?;
        if subject.course == Course::Again {
            return measure(&words, &self.dir);
        }
        let out = self.fresh_out(&subject.id())?;
        let sample = measure(&words, &self.dir);
        // buildah keeps its storage beside the image.
        let image = out.join("image");
        let output_bytes = size(if image.exists() { &image } else { &out })?;
        fs::remove_dir_all(&out)?;
        Ok(Sample { output_bytes, ..sample? })
    }

    fn words(&self, subject: &Subject) -> Result<Vec<String>, Reason> {
        let mut words = Vec::new();
        for word in subject.line.split_whitespace() {
            words.extend(self.expand(word, subject)?);
        }
        Ok(words)
    }

    /// Returns what a word of a line stands for.
    fn expand(&self, word: &str, subject: &Subject) -> Result<Vec<String>, Reason> {
        Ok(match word {
            "{build}" => {
                let start = [self.program.display().to_string(), "build".into(), "--quiet".into()];
                start.into_iter().chain(self.source_of_build(subject.closure)).collect()
            }
            "{cold}" => self.cold(),
            "{cached}" if self.keeps_layers() => Vec::new(),
            "{cached}" => return Err("this version of the program keeps no layers".into()),
            "{tar}" => TAR.split(' ').map(|word| self.fill(word, subject)).collect(),
            "{storage}" => STORAGE.split(' ').map(|word| self.fill(word, subject)).collect(),
            word => vec![self.fill(word, subject)],
        })
    }

    /// Replaces what stands for a single thing.
    fn fill(&self, word: &str, subject: &Subject) -> String {
        let closure = &self.closures[&subject.closure];
        let places = [
            ("{root}", &closure.root),
            ("{out}", &self.out(&subject.id())),
            ("{layers}", &self.layers(subject.closure)),
            ("{archive}", &self.archive(subject.closure)),
            ("{two-pass}", &self.script),
        ];
        let filled = places.iter().fold(word.to_owned(), |word, (name, path)| match word.contains(name) {
            true => word.replace(name, &path.display().to_string()),
            false => word,
        });
        filled.replace("{cores}", &cores().to_string())
    }

    /// Says which closure the program is to take, and where it keeps what it compiled. Some versions of it keep that among
    /// the packed layers.
    fn source(&self, name: ClosureName) -> Vec<String> {
        let closure = &self.closures[&name];
        let (graph, root) = (closure.graph.display().to_string(), closure.root.display().to_string());
        let kept = if self.keeps_compiled_apart() { "--compiled-dir" } else { "--cache-dir" };
        ["--from", &format!("graph:{graph}"), "--root", &root, kept, &self.cache()].map(str::to_owned).into()
    }

    /// The same for a build, which keeps layers, too.
    fn source_of_build(&self, name: ClosureName) -> Vec<String> {
        let mut words = self.source(name);
        if self.keeps_compiled_apart() {
            words.extend(["--cache-dir".to_owned(), self.cache()]);
        }
        words
    }

    fn cache(&self) -> String {
        self.dir.join("cache").display().to_string()
    }

    fn keeps_compiled_apart(&self) -> bool {
        self.help.contains("--compiled-dir")
    }

    /// Says that layers are to be packed, whatever is known of them.
    fn cold(&self) -> Vec<String> {
        if self.keeps_layers() { vec!["--no-cache".into()] } else { Vec::new() }
    }

    fn keeps_layers(&self) -> bool {
        self.help.contains("--no-cache")
    }

    fn layers(&self, name: ClosureName) -> PathBuf {
        self.dir.join(format!("{}.layers.json", name.as_str()))
    }

    fn archive(&self, name: ClosureName) -> PathBuf {
        self.dir.join(format!("{}.docker.tar", name.as_str()))
    }

    fn out(&self, id: &str) -> PathBuf {
        self.dir.join("out").join(id.replace('/', "-"))
    }

    fn fresh_out(&self, id: &str) -> Result<PathBuf> {
        let out = self.out(id);
        if out.exists() {
            fs::remove_dir_all(&out)?;
        }
        fs::create_dir_all(&out)?;
        Ok(out)
    }
}

/// The first word of each command.
fn programs(words: &[String]) -> Vec<&str> {
    let commands = words.split(|word| word == "|" || word == "&&");
    commands.filter_map(|command| command.first()).map(String::as_str).collect()
}

fn is_there(program: &str) -> bool {
    if program.contains('/') { Path::new(program).exists() } else { exists(program) }
}

/// Of all regular files below a folder.
fn size(path: &Path) -> Result<u64> {
    let metadata = fs::symlink_metadata(path)?;
    if !metadata.is_dir() {
        return Ok(if metadata.is_file() { metadata.len() } else { 0 });
    }
    fs::read_dir(path)?.map(|entry| size(&entry?.path())).sum()
}
