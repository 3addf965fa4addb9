//! What the figures depend on besides the program.

use std::path::Path;
use std::process::Command;
use std::thread::available_parallelism;

use fs_err as fs;

/// Describes the machine, with the file system of a folder and the versions of these tools: pairs of a name and a value, in
/// the order in which they are shown.
pub(crate) fn describe(dir: &Path, program: &Path, tools: &[&str]) -> Vec<(String, String)> {
    let mut facts = vec![
        ("date".into(), first_line("date", &["-u", "+%Y-%m-%d"])),
        ("processor".into(), value_of("/proc/cpuinfo", "model name")),
        ("cores".into(), cores().to_string()),
        ("memory".into(), memory()),
        ("kernel".into(), first_line("uname", &["-sr"])),
        ("distribution".into(), distribution()),
        ("file system".into(), file_system(dir)),
        ("load before".into(), load()),
        ("layerwright".into(), first_line(&program.display().to_string(), &["--version"])),
    ];
    facts.extend(tools.iter().map(|tool| ((*tool).into(), first_line(tool, &["--version"]))));
    facts
}

/// How many threads run at once here.
pub(crate) fn cores() -> usize {
    available_parallelism().map_or(1, std::num::NonZeroUsize::get)
}

fn first_line(program: &str, arguments: &[&str]) -> String {
    let Ok(output) = Command::new(program).args(arguments).output() else { return "not installed".into() };
    // Some tell their version on standard error.
    let said = [output.stdout, output.stderr].concat();
    String::from_utf8(said).ok().and_then(|text| text.lines().next().map(str::to_owned)).unwrap_or_default()
}

fn value_of(file: &str, key: &str) -> String {
    let text = fs::read_to_string(file).unwrap_or_default();
    let value = text.lines().find(|line| line.starts_with(key)).and_then(|line| line.split_once([':', '=']));
    value.map_or_else(|| "unknown".into(), |(_, value)| value.trim().trim_matches('"').to_owned())
}

fn memory() -> String {
    let kib = value_of("/proc/meminfo", "MemTotal").trim_end_matches(" kB").parse::<u64>();
    kib.map_or_else(|_| "unknown".into(), |kib| format!("{:.1} GiB", kib as f64 / f64::from(1 << 20)))
}

fn distribution() -> String {
    value_of("/etc/os-release", "PRETTY_NAME")
}

fn file_system(dir: &Path) -> String {
    first_line("findmnt", &["--noheadings", "--output", "FSTYPE", "--target", &dir.display().to_string()])
}

fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().unwrap_or_default().to_owned()
}
