//! `build --state DIR`: what the next build wants to know of the earlier ones, kept by the builds themselves.
//!
//! 1. Before anything is planned, the plans of earlier builds are read. They are newer than what `--history` names.
//! 2. After the image has been written, its plan is added. A build of the very nodes of the newest plan takes its place, so
//!    that a job that is run again pushes nothing out.
//! 3. Of more than [`MAX_PLANS`] plans, or [`MAX_TEXT_BYTES`], the oldest go.
//!
//! All is one file, because a plan is mostly what the one before it was: a line for each plan, as short as a plan can be,
//! oldest first, packed together with zstd. 53 plans of 800 store paths take 230 KB. The file appears by a rename, and under
//! a lock on the folder, so that of two builds at once each adds its plan. The folder is one for `--history`, too.
//!
//! A build does not fail for what is kept only to make the next one better: what is damaged is told and forgotten, line
//! by line. What another version of the program has written is told and left alone. That a folder is of another
//! image can only be seen where its nodes are of another kind, and that is an error: every build would forget the other's.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, anyhow, bail};
use layerwright_packer::{Durability, Lock, are_there_locks};
use layerwright_planner::{Generation, NodeKind, Plan, PlanError};

use super::output::{check_writable, write_file};
use crate::console::Console;
use crate::exit::chain_of_causes;
use crate::history::{Budget, generation_of, plans_in};
use crate::input::{MAX_GRAPH_BYTES, open_packed, read_text};

/// The file in the folder.
const FILE: &str = "plans.zst";

/// As many as strategies look at.
const MAX_PLANS: usize = 64;

/// Of the lines, unpacked: 64 plans of 9,000 store paths.
const MAX_TEXT_BYTES: usize = 64 << 20;

/// Most lines that are looked at: many times what was ever kept.
const MAX_LINES: usize = 1000;

/// Higher ones take seconds, and save less than a tenth.
const LEVEL: i32 = 9;

/// The plans of earlier builds.
pub(super) struct State {
    dir: PathBuf,
    file: PathBuf,
    durability: Durability,
}

/// What is there.
enum Kept {
    /// Oldest first, without what is damaged, and why that is.
    Plans(Vec<Plan>, Option<anyhow::Error>),
    /// Not to be touched.
    Newer(anyhow::Error),
}

impl State {
    /// Fails where nothing can be kept: better before the work than after it. A folder that is not there is made when there
    /// is something to keep, so that a build that fails leaves nothing.
    pub(super) fn open(dir: &Path, durability: Durability, console: &Console) -> Result<Self> {
        let file = dir.join(FILE);
        let is_missing = |dir: &&Path| !dir.as_os_str().is_empty() && !dir.exists();
        let made_first = dir.ancestors().take_while(is_missing).last();
        let context = || format!("opening the state {}", dir.display());
        check(made_first.unwrap_or(&file)).with_context(context)?;
        if !dir.ancestors().find(|above| above.is_dir()).map_or(Ok(true), are_there_locks).with_context(context)? {
            let dir = dir.display();
            console.warn(&format!("{dir} is on a file system without locks: of two builds at once, only one is kept"));
        }
        Ok(Self { dir: dir.to_owned(), file, durability })
    }

    /// Returns the images of earlier builds, newest first, as strategies get them.
    ///
    /// What cannot be read is told, and is none.
    pub(super) fn generations(&self, kind: NodeKind, console: &Console) -> Result<Vec<Arc<Generation>>> {
        let place = self.file.display();
        let plans = match self.read() {
            Kept::Plans(plans, None) => plans,
            Kept::Plans(plans, Some(error)) => {
                let known = if plans.is_empty() { "nothing is" } else { "not all is" };
                let error = chain_of_causes(&error);
                console.warn(&format!(
                    "the state {place} is damaged, so that {known} known of earlier builds: {error}\n\
                     if you have an earlier copy of it, put it back before you build; a build mends it by what can be read"
                ));
                plans
            }
            Kept::Newer(error) => {
                let error = chain_of_causes(&error);
                console.warn(&format!(
                    "another version of this program keeps {place}; it is neither used nor changed: {error}"
                ));
                Vec::new()
            }
        };
        if plans.iter().any(|plan| plan.kind() != kind) {
            let [theirs, ours] =
                if kind == NodeKind::StorePath { ["packages", "store paths"] } else { ["store paths", "packages"] };
            bail!("{place} is of an image of {theirs}, and this one is of {ours}; name another folder with --state");
        }
        Ok(plans.iter().rev().take(MAX_PLANS).map(|plan| Arc::new(generation_of(plan))).collect())
    }

    /// Adds the plan of an image that has been written.
    pub(super) fn keep(&self, plan: &Plan) -> Result<()> {
        if plan.layers().is_empty() {
            return Ok(());
        }
        let context = || format!("keeping the plan in {}", self.dir.display());
        fs_err::create_dir_all(&self.dir).with_context(context)?;
        let _lock = Lock::wait_for(&self.dir).with_context(context)?;
        let Kept::Plans(plans, damage) = self.read() else { return Ok(()) };
        let before: Vec<String> = plans.iter().map(Plan::to_history_line).collect();
        let after = with_plan(before.clone(), plans.last().is_some_and(|newest| has_same_nodes(newest, plan)), plan);
        match before == after && damage.is_none() {
            true => Ok(()),
            false => write_file(&self.file, packed(&after.concat()).with_context(context)?, self.durability),
        }
    }

    fn read(&self) -> Kept {
        let text = match self.text() {
            Ok(text) => text,
            Err(error) => return Kept::Plans(Vec::new(), Some(error)),
        };
        let Some(text) = text else { return Kept::Plans(Vec::new(), None) };
        let (mut plans, mut damage, mut budget) = (Vec::new(), None, Budget::default());
        if text.trim().is_empty() {
            damage = Some(anyhow!("there is nothing in it"));
        }
        for (at, line) in text.lines().enumerate() {
            if at == MAX_LINES {
                damage = damage.or_else(|| Some(anyhow!("it has more than {MAX_LINES} lines")));
                break;
            }
            let read = plans_in(line, &mut budget).collect::<Result<Vec<Plan>>>();
            match read.with_context(|| format!("line {}", at + 1)) {
                Ok(read) => plans.extend(read),
                Err(error) if is_newer(&error) => return Kept::Newer(error),
                Err(error) => damage = damage.or(Some(error)),
            }
        }
        Kept::Plans(plans, damage)
    }

    /// `None` where nothing was ever kept.
    fn text(&self) -> Result<Option<String>> {
        match self.file.try_exists()? {
            true => read_text(open_packed(&self.file)?, MAX_GRAPH_BYTES).map(Some),
            false => Ok(None),
        }
    }
}

fn check(file: &Path) -> Result<()> {
    // Whoever reads a pipe waits for its writer.
    if file.metadata().is_ok_and(|found| !found.is_file()) {
        bail!("`{}` is no regular file; remove it", file.display());
    }
    check_writable(file)
}

fn is_newer(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| matches!(cause.downcast_ref(), Some(PlanError::UnknownFormat(_))))
}

/// The lines with that of another plan, which takes the place of the last one where `replaces` says so.
fn with_plan(mut lines: Vec<String>, replaces: bool, plan: &Plan) -> Vec<String> {
    if replaces {
        lines.pop();
    }
    lines.push(plan.to_history_line());
    let mut bytes = 0;
    let fits = lines.iter().rev().take(MAX_PLANS).take_while(|line| {
        bytes += line.len();
        bytes <= MAX_TEXT_BYTES
    });
    // What has just been built is kept, however large.
    let kept = fits.count().max(1);
    lines.split_off(lines.len() - kept)
}

/// Nodes are in the order of their names in both.
fn has_same_nodes(one: &Plan, other: &Plan) -> bool {
    let names = |plan: &'_ Plan| plan.closure().nodes().iter().map(|node| node.name.clone()).collect::<Vec<_>>();
    names(one) == names(other)
}

/// The same bytes for the same text. The window is the whole text, so that each plan is found in the one before it.
fn packed(text: &str) -> Result<Vec<u8>> {
    let mut encoder = zstd::Encoder::new(Vec::new(), LEVEL)?;
    encoder.window_log(text.len().next_power_of_two().ilog2().clamp(20, 27))?;
    encoder.long_distance_matching(true)?;
    encoder.include_checksum(true)?;
    encoder.write_all(text.as_bytes())?;
    Ok(encoder.finish()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One layer of these nodes.
    fn plan(names: &[&str]) -> Plan {
        Plan::from_store_layers(&serde_json::to_string(&[names]).unwrap()).unwrap()
    }

    fn opened(dir: &Path) -> Result<State> {
        State::open(dir, Durability::Synced, &Console::new(0, true))
    }

    /// Returns what is kept, newest first, as names of layers; and whether it is the same for each kind of reader.
    fn kept(state: &State) -> Vec<Vec<String>> {
        let names = |generation: &Arc<Generation>| {
            generation.layers.iter().flatten().map(|node| node.name.clone()).collect::<Vec<_>>()
        };
        let quiet = Console::new(0, true);
        let kept = state.generations(NodeKind::StorePath, &quiet).unwrap();
        // As a folder of earlier images, it says the same.
        let folder = crate::history::read_generations(std::slice::from_ref(&state.dir), &quiet);
        assert!(folder.is_err() || folder.unwrap() == kept);
        kept.iter().map(names).collect()
    }

    #[test]
    fn plans_are_kept_newest_first() {
        let dir = tempfile::tempdir().unwrap();
        let state = opened(&dir.path().join("new/state")).unwrap();
        assert_eq!(kept(&state), [[""; 0]; 0]);
        state.keep(&plan(&["/a"])).unwrap();
        state.keep(&plan(&["/a", "/b"])).unwrap();
        assert_eq!(kept(&state), [vec!["/a", "/b"], vec!["/a"]]);
        state.keep(&Plan::from_store_layers("[]").unwrap()).unwrap();
        assert_eq!(kept(&state).len(), 2);
    }

    #[test]
    fn a_build_of_the_same_nodes_takes_the_place_of_the_last() {
        let dir = tempfile::tempdir().unwrap();
        let state = opened(dir.path()).unwrap();
        state.keep(&plan(&["/c"])).unwrap();
        state.keep(&plan(&["/a", "/b"])).unwrap();
        let before = fs_err::read(&state.file).unwrap();
        state.keep(&plan(&["/a", "/b"])).unwrap();
        assert_eq!(fs_err::read(&state.file).unwrap(), before);
        let other = Plan::from_store_layers(r#"[["/b"], ["/a"]]"#).unwrap();
        state.keep(&other).unwrap();
        assert_eq!(kept(&state), [vec!["/b", "/a"], vec!["/c"]]);
    }

    #[test]
    fn the_oldest_go() {
        let lines: Vec<String> = (0..MAX_PLANS).map(|at| at.to_string()).collect();
        let after = with_plan(lines, false, &plan(&["/a"]));
        assert_eq!((after.len(), after[0].as_str()), (MAX_PLANS, "1"));
        let long = "x".repeat(MAX_TEXT_BYTES / 2);
        let after = with_plan(vec![long.clone(), "y".into(), long.clone()], false, &plan(&["/a"]));
        assert_eq!(after.iter().map(String::len).collect::<Vec<_>>()[..2], [1, long.len()]);
        let after = with_plan(vec!["x".repeat(MAX_TEXT_BYTES)], false, &plan(&["/a"]));
        assert_eq!(after.len(), 1);
    }

    #[test]
    fn builds_at_once_keep_both_plans() {
        let dir = tempfile::tempdir().unwrap();
        let state = opened(dir.path()).unwrap();
        std::thread::scope(|scope| {
            for at in 0..16 {
                let state = &state;
                scope.spawn(move || state.keep(&plan(&[&format!("/{at}")])).unwrap());
            }
        });
        assert_eq!(kept(&state).len(), 16);
    }

    #[test]
    fn damage_is_replaced_and_what_is_newer_is_left() {
        let dir = tempfile::tempdir().unwrap();
        let state = opened(dir.path()).unwrap();
        state.keep(&plan(&["/a"])).unwrap();
        let fine = fs_err::read(&state.file).unwrap();
        let newer = packed("{\"format\":\"layerwright.plan/9\"}\n").unwrap();
        for damaged in
            [&fine[..fine.len() - 5], b"text", b"", b"\n", &packed("").unwrap(), &packed("{\"format\":").unwrap()]
        {
            fs_err::write(&state.file, damaged).unwrap();
            let Kept::Plans(_, Some(_)) = state.read() else { panic!("it should be told") };
            assert_eq!(kept(&state), [[""; 0]; 0]);
            state.keep(&plan(&["/b"])).unwrap();
            assert_eq!(kept(&state), [["/b"]]);
        }
        for newer in [newer, packed(&(plan(&["/a"]).to_history_line() + "{\"format\":\"x\"}\n{")).unwrap()] {
            fs_err::write(&state.file, &newer).unwrap();
            assert_eq!(kept(&state), [[""; 0]; 0]);
            state.keep(&plan(&["/b"])).unwrap();
            assert_eq!(fs_err::read(&state.file).unwrap(), newer);
        }
    }

    #[test]
    fn a_damaged_line_takes_no_other_along() {
        let dir = tempfile::tempdir().unwrap();
        let state = opened(dir.path()).unwrap();
        let [a, b] = [["/a"], ["/b"]].map(|names| plan(&names).to_history_line());
        let cut = a.trim_end().trim_end_matches('}');
        for damaged in [format!("{cut}\n{b}"), format!("{b}{{}}\n"), format!("{a}\u{1}\n{b}{cut}")] {
            fs_err::write(&state.file, packed(&damaged).unwrap()).unwrap();
            assert_eq!(kept(&state)[0], ["/b"]);
            // The same image again changes nothing but that.
            state.keep(&plan(&["/b"])).unwrap();
            let Kept::Plans(_, None) = state.read() else { panic!("it should be mended") };
        }
        assert_eq!(kept(&state), [["/b"], ["/a"]]);
    }

    #[test]
    fn nothing_is_left_where_nothing_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let state = opened(&dir.path().join("new/state")).unwrap();
        assert!(!dir.path().join("new").exists());
        assert_eq!(kept(&state), [[""; 0]; 0]);
        state.keep(&plan(&["/a"])).unwrap();
        assert_eq!(kept(&state), [["/a"]]);
    }

    #[test]
    fn a_pipe_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let (mode, fifo) = (rustix::fs::Mode::from_raw_mode(0o600), rustix::fs::FileType::Fifo);
        rustix::fs::mknodat(rustix::fs::CWD, dir.path().join(FILE), fifo, mode, 0).unwrap();
        let error = format!("{:#}", opened(dir.path()).err().unwrap());
        assert!(error.contains("plans.zst` is no regular file; remove it"), "{error}");
    }

    #[test]
    fn images_of_another_kind_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let state = opened(dir.path()).unwrap();
        state.keep(&plan(&["a_1_amd64"])).unwrap();
        let error = state.generations(NodeKind::StorePath, &Console::new(0, true)).unwrap_err().to_string();
        assert!(error.contains("is of an image of packages, and this one is of store paths; name another"), "{error}");
    }
}
