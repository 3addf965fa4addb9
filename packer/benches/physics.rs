//! What packing cannot do without, stage by stage and on real files: `physics ROOT SCRATCH`.
//!
//! Prints one line of JSON with the core-seconds of each stage for all files below `ROOT/nix/store`: with one thread,
//! and with all of them at once, which then share caches and memory.
//!
//! 1. `walk` lists folders in order, looks at each entry and reads links.
//! 2. `read` opens each file and reads it into a buffer that is used again.
//! 3. `sha256`, `gzip` and `zstd` take blocks of a tar from memory, one for itself, as the packer does.
//! 4. `write` writes such blocks to a fresh file in `SCRATCH`, as many as the whole tar has.
//!
//! These take every n-th block of the tar, at most [`SAMPLE_BYTES`], and are scaled up to the whole.

use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::available_parallelism;
use std::time::Instant;

use fs_err::{self as fs, File};
use libdeflater::{CompressionLvl, Compressor};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use zstd::{bulk, zstd_safe};

/// How much tar is compressed at once, as in the packer.
const BLOCK_BYTES: usize = 4 << 20;
/// How much is read at once, as in the packer.
const READ_BYTES: usize = 256 << 10;
/// How much of the tar is hashed, compressed and written. More takes long, and says the same.
const SAMPLE_BYTES: u64 = 256 << 20;
/// The unit of a tar.
const RECORD: u64 = 512;

fn main() -> io::Result<()> {
    // Cargo adds flags of its own.
    let arguments: Vec<PathBuf> =
        std::env::args_os().skip(1).filter(|word| !word.as_bytes().starts_with(b"--")).map(PathBuf::from).collect();
    let [root, scratch] = arguments.as_slice() else {
        // What `cargo bench` without arguments runs.
        eprintln!("Usage: physics ROOT SCRATCH");
        return Ok(());
    };
    println!("{}", measure(&root.join("nix/store"), scratch)?);
    Ok(())
}

fn measure(store: &Path, scratch: &Path) -> io::Result<Value> {
    let nodes = sorted(store)?;
    let mut entries = Vec::new();
    for node in &nodes {
        walk(node, &mut entries)?;
    }
    let tar_bytes = entries.iter().map(Entry::tar_bytes).sum();
    let sample = sample(&entries, tar_bytes)?;
    let sample_bytes = total(&sample);
    let files: Vec<&Entry> = entries.iter().filter(|entry| entry.is_file).collect();

    let all = available_parallelism()?.get();
    let mut stages = json!({});
    let mut outputs = json!({});
    for stage in [Stage::Walk, Stage::Read, Stage::Sha256, Stage::Gzip, Stage::Zstd, Stage::Write] {
        let [one, all] = [1, all].map(|threads| stage.run(threads, &nodes, &files, &sample, tar_bytes, scratch));
        let ((one, output), (all, _)) = (one?, all?);
        let scale = if stage.takes_sample() { ratio(tar_bytes, sample_bytes) } else { 1.0 };
        stages[stage.name()] = json!({ "one": one * scale, "all": all * scale });
        if matches!(stage, Stage::Gzip | Stage::Zstd) {
            outputs[stage.name()] = json!(ratio(output, sample_bytes));
        }
    }
    Ok(json!({
        "threads": all,
        "entries": entries.len(),
        "files": files.len(),
        "content_bytes": files.iter().map(|file| file.size).sum::<u64>(),
        "tar_bytes": tar_bytes,
        "sample_bytes": sample_bytes,
        "core_seconds": stages,
        "output_share": outputs,
    }))
}

#[derive(Clone, Copy)]
enum Stage {
    Walk,
    Read,
    Sha256,
    Gzip,
    Zstd,
    Write,
}

impl Stage {
    fn name(self) -> &'static str {
        match self {
            Self::Walk => "walk",
            Self::Read => "read",
            Self::Sha256 => "sha256",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Write => "write",
        }
    }

    fn takes_sample(self) -> bool {
        !matches!(self, Self::Walk | Self::Read | Self::Write)
    }

    /// Returns core-seconds, and how many bytes came out.
    fn run(
        self,
        threads: usize,
        nodes: &[PathBuf],
        files: &[&Entry],
        sample: &[Vec<u8>],
        tar_bytes: u64,
        scratch: &Path,
    ) -> io::Result<(f64, u64)> {
        match self {
            Self::Walk => core_seconds(threads, nodes, Vec::new, |entries, node| {
                walk(node, entries)?;
                Ok(0)
            }),
            Self::Read => core_seconds(threads, files, || vec![0; READ_BYTES], |buffer, file| read(&file.path, buffer)),
            Self::Sha256 => core_seconds(
                threads,
                sample,
                || (),
                |(), block| Ok(u64::from(std::hint::black_box(Sha256::digest(block))[0])),
            ),
            Self::Gzip => core_seconds(threads, sample, Gzip::new, |gzip, block| gzip.encode(block)),
            Self::Zstd => core_seconds(threads, sample, Zstd::new, |zstd, block| zstd.encode(block)),
            Self::Write => write(threads, sample, tar_bytes, scratch),
        }
    }
}

/// Shares out tasks to threads that start together. Returns the sum of the times for which they had work, and the sum
/// of what the tasks returned. A thread that waits for a longer one is not counted: an ideal packer has other work.
fn core_seconds<T: Sync, S>(
    threads: usize,
    tasks: &[T],
    state: impl Fn() -> S + Sync,
    work: impl Fn(&mut S, &T) -> io::Result<u64> + Sync,
) -> io::Result<(f64, u64)> {
    let (next, barrier) = (AtomicUsize::new(0), Barrier::new(threads));
    let worker = || -> io::Result<(f64, u64)> {
        let mut state = state();
        barrier.wait();
        let (start, mut sum) = (Instant::now(), 0);
        while let Some(task) = tasks.get(next.fetch_add(1, Ordering::Relaxed)) {
            sum += work(&mut state, task)?;
        }
        Ok((start.elapsed().as_secs_f64(), sum))
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(worker)).collect();
        workers.into_iter().try_fold((0.0, 0), |(seconds, sum), worker| {
            let (more_seconds, more) = worker.join().expect("workers do not panic")?;
            Ok((seconds + more_seconds, sum + more))
        })
    })
}

struct Entry {
    path: PathBuf,
    is_file: bool,
    size: u64,
}

impl Entry {
    fn tar_bytes(&self) -> u64 {
        RECORD + self.size.next_multiple_of(RECORD)
    }

    /// Names and sizes where a tar has them, so that they take their share of the compressor's time.
    fn header(&self) -> Vec<u8> {
        let name = self.path.as_os_str().as_bytes();
        let mut header = name[name.len().saturating_sub(100)..].to_vec();
        header.resize(100, 0);
        header.extend(format!("0000444\x000000000\x000000000\0{:011o}\x0000000000001\0", self.size).as_bytes());
        header.resize(257, 0);
        header.extend(b"ustar\x0000root");
        header.resize(512, 0);
        header
    }
}

fn walk(path: &Path, entries: &mut Vec<Entry>) -> io::Result<()> {
    let metadata = fs::symlink_metadata(path)?;
    if metadata.is_symlink() {
        std::hint::black_box(fs::read_link(path)?);
    }
    let size = if metadata.is_file() { metadata.len() } else { 0 };
    entries.push(Entry { path: path.to_owned(), is_file: metadata.is_file(), size });
    if metadata.is_dir() {
        for path in sorted(path)? {
            walk(&path, entries)?;
        }
    }
    Ok(())
}

fn sorted(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths = fs::read_dir(dir)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    paths.sort_unstable();
    Ok(paths)
}

fn read(path: &Path, buffer: &mut [u8]) -> io::Result<u64> {
    let mut file = File::open(path)?;
    let mut sum = 0;
    loop {
        match file.read(buffer)? {
            0 => return Ok(sum),
            count => sum += count as u64,
        }
    }
}

/// Returns every n-th block of the tar.
fn sample(entries: &[Entry], tar_bytes: u64) -> io::Result<Vec<Vec<u8>>> {
    let stride = tar_bytes.div_ceil(SAMPLE_BYTES).max(1);
    let (mut blocks, mut pending, mut index) = (Vec::new(), Vec::new(), 0);
    let mut take = |block: &[u8]| {
        if index % stride == 0 {
            blocks.push(block.to_vec());
        }
        index += 1;
    };
    for entry in entries {
        pending.extend(entry.header());
        if entry.is_file {
            File::open(&entry.path)?.read_to_end(&mut pending)?;
            pending.resize(pending.len().next_multiple_of(512), 0);
        }
        let whole = pending.len() / BLOCK_BYTES * BLOCK_BYTES;
        pending[..whole].chunks(BLOCK_BYTES).for_each(&mut take);
        pending.drain(..whole);
    }
    take(&pending);
    Ok(blocks)
}

struct Gzip(Compressor, Vec<u8>);

impl Gzip {
    fn new() -> Self {
        Self(Compressor::new(CompressionLvl::new(6).expect("gzip has a level 6")), Vec::new())
    }

    fn encode(&mut self, block: &[u8]) -> io::Result<u64> {
        self.1.resize(self.0.gzip_compress_bound(block.len()), 0);
        self.0.gzip_compress(block, &mut self.1).map(|length| length as u64).map_err(io::Error::other)
    }
}

struct Zstd(bulk::Compressor<'static>, Vec<u8>);

impl Zstd {
    fn new() -> Self {
        Self(bulk::Compressor::new(3).expect("zstd has a level 3"), Vec::new())
    }

    fn encode(&mut self, block: &[u8]) -> io::Result<u64> {
        self.1.clear();
        self.1.reserve(zstd_safe::compress_bound(block.len()));
        self.0.compress_to_buffer(block, &mut self.1).map(|length| length as u64)
    }
}

/// Writes as many bytes as the whole tar has: a fresh file costs what the system has to do to find memory for it, and
/// that grows with the file.
fn write(threads: usize, sample: &[Vec<u8>], tar_bytes: u64, scratch: &Path) -> io::Result<(f64, u64)> {
    let dir = tempfile::tempdir_in(scratch)?;
    let next = AtomicUsize::new(0);
    let create = || File::create_new(dir.path().join(next.fetch_add(1, Ordering::Relaxed).to_string()));
    let write = |file: &mut io::Result<File>, block: &&Vec<u8>| match file {
        Ok(file) => file.write_all(block).map(|()| block.len() as u64),
        Err(error) => Err(io::Error::new(error.kind(), error.to_string())),
    };
    let count = usize::try_from(tar_bytes.div_ceil(BLOCK_BYTES as u64)).unwrap_or(usize::MAX);
    let blocks: Vec<&Vec<u8>> = sample.iter().cycle().take(count).collect();
    core_seconds(threads, &blocks, create, write)
}

fn total(blocks: &[Vec<u8>]) -> u64 {
    blocks.iter().map(|block| block.len() as u64).sum()
}

fn ratio(part: u64, whole: u64) -> f64 {
    part as f64 / whole.max(1) as f64
}
