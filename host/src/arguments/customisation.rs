//! The files on top of the image that belong to no package, in the order in which they are asked for.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use clap::builder::{OsStringValueParser, TypedValueParser};
use clap::error::Error as ClapError;
use clap::{ArgMatches, Args, Command, FromArgMatches, ValueEnum};
use layerwright_packer::{CopyMode, Operation, StagedAttributes};
use thiserror::Error;

/// The highest number of an owner. The one above it says to system calls that the owner stays.
pub(super) const MAX_OWNER: u32 = u32::MAX - 1;

/// Given to each argument: a heading for all that follow would go on behind them.
const HEADING: &str = "Customisation layer (done in the order given)";

/// Operations on the customisation layer.
///
/// Their order is part of what they mean, also between different flags. The parser keeps the values of each flag apart;
/// so they are put together again by where on the command line each of them was.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct CustomisationArguments {
    pub(crate) operations: Vec<Operation>,
    /// Whose the files are of which nobody says so, if not those of the other layers' owner.
    pub(crate) owner: Option<(u32, u32)>,
}

impl CustomisationArguments {
    /// What is read on this machine as it is named, with the flag that names it.
    pub(crate) fn sources(&self) -> impl Iterator<Item = (&'static str, &Path)> {
        self.operations.iter().filter_map(|operation| match operation {
            Operation::Add { source, .. } => Some(("--add", source.as_path())),
            Operation::Import(source) => Some(("--customisation", source.as_path())),
            _ => None,
        })
    }
}

#[derive(Debug, Args)]
#[group(skip)]
struct Flags {
    /// Put links to all that is in PATH at the root of the image; repeatable
    ///
    /// PATH is a directory as the image has it, most often a store path:
    /// its bin/tool becomes /bin/tool. Several are joined. A file that two of them
    /// have must be the same in both. /bin and the like are real directories, also where
    /// PATH has links to such, so that what a base image has in them stays.
    #[arg(long, value_name = "PATH", value_parser = parser(copy_to_root), verbatim_doc_comment, help_heading = HEADING)]
    copy_to_root: Vec<Operation>,
    /// What --copy-to-root makes of files
    #[arg(long, value_name = "MODE", value_enum, default_value_t = FilesAs::Links, help_heading = HEADING)]
    copy_mode: FilesAs,
    /// Copy a file or a directory of this machine into the image; repeatable
    ///
    /// conf/app.toml:/etc/app.toml    this file, under that name
    /// conf/app.toml:/etc/            this file, in that directory
    /// conf:/etc/app                  this directory, as /etc/app
    /// rootfs/:/                      what is in this directory, at the root
    ///
    /// Modes are kept, and links; all belongs to --uid and --gid. Files that are there
    /// are replaced, directories are merged. A link to a directory is as good as one:
    /// nothing else takes its place, and what is to be in it goes to where it leads.
    #[arg(long, value_name = "SRC:DEST", value_parser = parser(add), verbatim_doc_comment, help_heading = HEADING)]
    add: Vec<Operation>,
    /// Make a directory, and those above it; repeatable
    ///
    /// MODE is octal, such as /var/lib/app:750. Without it: 0755, or what is usual for
    /// /tmp, /var/tmp and /root; a directory that is there stays as it is.
    #[arg(long, value_name = "PATH[:MODE]", value_parser = parser(mkdir), verbatim_doc_comment, help_heading = HEADING)]
    mkdir: Vec<Operation>,
    /// Make a symlink LINK that says TARGET, e.g. bash:/bin/sh; repeatable
    ///
    /// TARGET need not exist. Nothing else may be at LINK.
    #[arg(long, value_name = "TARGET:LINK", value_parser = parser(symlink), help_heading = HEADING)]
    symlink: Vec<Operation>,
    /// Give what is at PATH, with all below it, to an owner, e.g. 1000:1000:/home/app; repeatable
    ///
    /// Owners are numbers: names mean nothing before the image runs. Only what an earlier flag has put there can be given.
    #[arg(long, value_name = "UID:GID:PATH", value_parser = parser(chown), help_heading = HEADING)]
    chown: Vec<Operation>,
    /// Change the mode of what is at PATH, e.g. 4755:/bin/su or u+w:/etc/app; repeatable
    ///
    /// MODE is octal, or as chmod(1) understands it, with a umask of 022. What is below PATH stays as it is. Only what an
    /// earlier flag has put there can be changed.
    #[arg(long, value_name = "MODE:PATH", value_parser = parser(chmod), allow_hyphen_values = true, help_heading = HEADING)]
    chmod: Vec<Operation>,
    /// Unpack a tar (plain, gzip, zstd, xz or bzip2), or copy what is in a directory, at the root of the image; repeatable
    ///
    /// Modes, owners, devices and capabilities are kept as they are there: for what a script under fakeroot has made. What
    /// removes files of the layers below is refused: names with .wh., devices 0/0, opaque directories of overlayfs.
    #[arg(long, value_name = "FILE.tar|DIR", value_parser = parser(import), help_heading = HEADING)]
    customisation: Vec<Operation>,
    /// Take back what scripts have made of the folder that `stage` wrote with the flags before this one
    ///
    /// A tar of the folder, or the folder. What is gone there is not in the image;
    /// owners and modes that nobody has changed there are as the flags have them.
    #[arg(long, value_name = "FILE.tar|DIR", value_parser = parser(staged), verbatim_doc_comment, help_heading = HEADING)]
    staged: Vec<Operation>,
    /// Which owners and modes --staged takes
    #[arg(long, value_name = "WHICH", value_enum, default_value_t = Attributes::Changed, help_heading = HEADING)]
    staged_attributes: Attributes,
    /// Whose the files are of which nobody says so, e.g. 1000:1000 [default: --uid and --gid]
    ///
    /// Directories of the base image stay whose they are.
    #[arg(long, value_name = "UID:GID", value_parser = parse_owner, help_heading = HEADING)]
    customisation_owner: Option<(u32, u32)>,
    /// Make /etc/passwd and /etc/group with root and nobody, /etc/nsswitch.conf, and the empty /var/empty
    ///
    /// Those that the base image has stay as they are.
    #[arg(long, help_heading = HEADING)]
    fake_nss: bool,
}

/// As the command line calls a [`CopyMode`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum FilesAs {
    /// Symlinks into the store path, whose files are in the image once
    Links,
    /// Copies, for programs that do not follow links
    Files,
}

/// As the command line calls [`StagedAttributes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Attributes {
    /// Those that were changed: not those as `stage` wrote them, nor root and the default owner
    Changed,
    /// All: the script that `stage --attributes` writes ran first
    All,
}

/// Why a value is no operation.
#[derive(Debug, Error, PartialEq, Eq)]
enum OperationError {
    #[error("write PATH as the image has it, from /: for a build result, \"$(readlink -f result)\"")]
    RelativePath,
    #[error("write SRC:DEST, with DEST as the image has it: {0}:/etc/ puts it into /etc")]
    NoDest(String),
    #[error("there is nothing before `:`; write what is to be copied, as in conf/app.toml:/etc/app.toml")]
    NoSource,
    #[error("write a path as the image has it, from /, as in /var/lib/app or /var/lib/app:750")]
    NoDirectory,
    #[error(
        "`{0}` is no mode: write up to four octal digits, as in /tmp:1777; a path with `:` in it needs a mode, too"
    )]
    NoDirectoryMode(String),
    #[error("write TARGET:LINK, with LINK as the image has it, as in /bin/bash:/bin/sh")]
    NoLink,
    #[error("write UID:GID:PATH, with two numbers up to 4294967294 and a path from /, as in 1000:1000:/home/app")]
    NoOwner,
    #[error("write UID:GID, two numbers up to 4294967294, as in 1000:1000")]
    NoOwnerAlone,
    #[error("write MODE:PATH, with a path from /, as in 4755:/bin/su or u+w:/etc/app")]
    NoMode,
    #[error(transparent)]
    Mode(#[from] layerwright_packer::ModeChangeError),
    #[error("write a tar file, or a directory")]
    NoImport,
}

impl FromArgMatches for CustomisationArguments {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, ClapError> {
        let flags = Flags::from_arg_matches(matches)?;
        let mode = match flags.copy_mode {
            FilesAs::Links => CopyMode::Links,
            FilesAs::Files => CopyMode::Files,
        };
        let mut copies = flags.copy_to_root;
        for copy in &mut copies {
            if let Operation::CopyToRoot { mode: links, .. } = copy {
                *links = mode;
            }
        }
        let attributes = match flags.staged_attributes {
            Attributes::Changed => StagedAttributes::Changed,
            Attributes::All => StagedAttributes::All,
        };
        let mut staged = flags.staged;
        for staged in &mut staged {
            if let Operation::Staged { attributes: told, .. } = staged {
                *told = attributes;
            }
        }
        let fake_nss = Vec::from_iter(flags.fake_nss.then_some(Operation::FakeNss));
        let by_flag = [
            ("copy_to_root", copies),
            ("add", flags.add),
            ("mkdir", flags.mkdir),
            ("symlink", flags.symlink),
            ("chown", flags.chown),
            ("chmod", flags.chmod),
            ("customisation", flags.customisation),
            ("staged", staged),
            ("fake_nss", fake_nss),
        ];
        let in_order: BTreeMap<usize, Operation> = by_flag
            .into_iter()
            .flat_map(|(flag, operations)| matches.indices_of(flag).into_iter().flatten().zip(operations))
            .collect();
        Ok(Self { operations: in_order.into_values().collect(), owner: flags.customisation_owner })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), ClapError> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Args for CustomisationArguments {
    fn augment_args(command: Command) -> Command {
        Flags::augment_args(command)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Flags::augment_args_for_update(command)
    }
}

/// Paths need not be text.
fn parser(parse: fn(&[u8]) -> Result<Operation, OperationError>) -> impl TypedValueParser<Value = Operation> {
    OsStringValueParser::new().try_map(move |value: OsString| parse(value.as_bytes()))
}

fn copy_to_root(value: &[u8]) -> Result<Operation, OperationError> {
    let is_absolute = value.starts_with(b"/");
    let operation = Operation::CopyToRoot { path: path(value), mode: CopyMode::default() };
    is_absolute.then_some(operation).ok_or(OperationError::RelativePath)
}

fn add(value: &[u8]) -> Result<Operation, OperationError> {
    let no_dest = || OperationError::NoDest(OsStr::from_bytes(value).display().to_string());
    let (source, dest) = split_before_path(value).ok_or_else(no_dest)?;
    if source.is_empty() {
        return Err(OperationError::NoSource);
    }
    Ok(Operation::Add { source: path(source), dest: path(dest) })
}

fn mkdir(value: &[u8]) -> Result<Operation, OperationError> {
    if !value.starts_with(b"/") {
        return Err(OperationError::NoDirectory);
    }
    let Some(colon) = value.iter().rposition(|byte| *byte == b':') else {
        return Ok(Operation::Mkdir { path: path(value), mode: None });
    };
    let text = OsStr::from_bytes(&value[colon + 1..]).display().to_string();
    let is_octal = text.bytes().all(|digit| (b'0'..=b'7').contains(&digit));
    let mode = u32::from_str_radix(&text, 8).ok().filter(|mode| is_octal && *mode <= 0o7777);
    let mode = mode.ok_or(OperationError::NoDirectoryMode(text))?;
    Ok(Operation::Mkdir { path: path(&value[..colon]), mode: Some(mode) })
}

fn symlink(value: &[u8]) -> Result<Operation, OperationError> {
    let split = split_before_path(value).filter(|(target, _)| !target.is_empty());
    let (target, link) = split.ok_or(OperationError::NoLink)?;
    Ok(Operation::Symlink { target: path(target), link: path(link) })
}

fn chown(value: &[u8]) -> Result<Operation, OperationError> {
    let (owner, owned) = split_owner(value);
    let owned = owned.filter(|path| path.starts_with(b"/"));
    let ((uid, gid), owned) = owner.zip(owned).ok_or(OperationError::NoOwner)?;
    Ok(Operation::Chown { uid, gid, path: path(owned) })
}

fn parse_owner(value: &str) -> Result<(u32, u32), OperationError> {
    match split_owner(value.as_bytes()) {
        (Some(owner), None) => Ok(owner),
        _ => Err(OperationError::NoOwnerAlone),
    }
}

/// Two numbers with `:` between them, and what follows behind another one.
fn split_owner(value: &[u8]) -> (Option<(u32, u32)>, Option<&[u8]>) {
    let mut parts = value.splitn(3, |byte| *byte == b':');
    let mut number = || {
        let text = std::str::from_utf8(parts.next()?).ok()?;
        text.parse().ok().filter(|number| *number <= MAX_OWNER && text.bytes().all(|digit| digit.is_ascii_digit()))
    };
    let (uid, gid) = (number(), number());
    (uid.zip(gid), parts.next())
}

fn chmod(value: &[u8]) -> Result<Operation, OperationError> {
    let colon = value.iter().position(|byte| *byte == b':').ok_or(OperationError::NoMode)?;
    let (mode, changed) = (&value[..colon], &value[colon + 1..]);
    if mode.is_empty() || !changed.starts_with(b"/") {
        return Err(OperationError::NoMode);
    }
    let mode = OsStr::from_bytes(mode).display().to_string().parse()?;
    Ok(Operation::Chmod { mode, path: path(changed) })
}

fn import(value: &[u8]) -> Result<Operation, OperationError> {
    if value.is_empty() { Err(OperationError::NoImport) } else { Ok(Operation::Import(path(value))) }
}

fn staged(value: &[u8]) -> Result<Operation, OperationError> {
    if value.is_empty() {
        return Err(OperationError::NoImport);
    }
    Ok(Operation::Staged { path: path(value), attributes: StagedAttributes::default() })
}

/// Splits at the last `:` that a `/` follows: what is before it may have any characters.
fn split_before_path(value: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = value.windows(2).rposition(|pair| pair == b":/")?;
    Some((&value[..colon], &value[colon + 1..]))
}

fn path(bytes: &[u8]) -> PathBuf {
    OsString::from_vec(bytes.to_vec()).into()
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Program {
        #[command(flatten)]
        customisation: CustomisationArguments,
        #[arg(long)]
        other: Option<String>,
    }

    fn operations(arguments: &[&str]) -> Vec<Operation> {
        let program = Program::try_parse_from([&["program"], arguments].concat()).unwrap();
        program.customisation.operations
    }

    fn error(arguments: &[&str]) -> String {
        Program::try_parse_from([&["program"], arguments].concat()).unwrap_err().to_string()
    }

    fn copied(path: &str, mode: CopyMode) -> Operation {
        Operation::CopyToRoot { path: path.into(), mode }
    }

    fn added(source: &str, dest: &str) -> Operation {
        Operation::Add { source: source.into(), dest: dest.into() }
    }

    #[test]
    fn nothing_is_no_operation() {
        assert_eq!(operations(&["--other", "x"]), []);
    }

    #[test]
    fn operations_are_in_the_order_of_the_command_line() {
        let arguments = [
            "--add",
            "a:/a",
            "--mkdir=/m:01777",
            "--add",
            "b:/b",
            "--other",
            "x",
            "--fake-nss",
            "--symlink",
            "t:/l",
            "--chown",
            "1:2:/a",
            "--copy-to-root",
            "/nix/store/x",
            "--mkdir",
            "/n",
            "--chmod",
            "-w:/a",
            "--customisation",
            "c.tar",
            "--staged=s.tar",
            "--add=c:/c",
        ];
        let expected = [
            added("a", "/a"),
            Operation::Mkdir { path: "/m".into(), mode: Some(0o1777) },
            added("b", "/b"),
            Operation::FakeNss,
            Operation::Symlink { target: "t".into(), link: "/l".into() },
            Operation::Chown { uid: 1, gid: 2, path: "/a".into() },
            copied("/nix/store/x", CopyMode::Links),
            Operation::Mkdir { path: "/n".into(), mode: None },
            Operation::Chmod { mode: "-w".parse().unwrap(), path: "/a".into() },
            Operation::Import("c.tar".into()),
            Operation::Staged { path: "s.tar".into(), attributes: StagedAttributes::Changed },
            added("c", "/c"),
        ];
        assert_eq!(operations(&arguments), expected);
        let reversed: Vec<&str> = vec!["--fake-nss", "--add", "b:/b", "--copy-to-root", "/x", "--add", "a:/a"];
        let expected = [Operation::FakeNss, added("b", "/b"), copied("/x", CopyMode::Links), added("a", "/a")];
        assert_eq!(operations(&reversed), expected);
    }

    #[test]
    fn copy_mode_is_that_of_all_copies_wherever_it_stands() {
        let expected = [copied("/a", CopyMode::Files), copied("/b", CopyMode::Files)];
        assert_eq!(operations(&["--copy-to-root", "/a", "--copy-mode", "files", "--copy-to-root", "/b"]), expected);
        assert!(error(&["--copy-mode", "hard"]).contains("links"));
    }

    #[test]
    fn what_a_staged_folder_tells_is_said_anywhere() {
        let expected = Operation::Staged { path: "s.tar".into(), attributes: StagedAttributes::All };
        assert_eq!(operations(&["--staged-attributes", "all", "--staged", "s.tar"]), std::slice::from_ref(&expected));
        assert_eq!(operations(&["--staged", "s.tar", "--staged-attributes=all"]), [expected]);
    }

    #[test]
    fn files_have_an_owner_of_their_own() {
        let owner = |arguments: &[&str]| {
            Program::try_parse_from([&["program"], arguments].concat()).unwrap().customisation.owner
        };
        assert_eq!(owner(&[]), None);
        assert_eq!(owner(&["--customisation-owner", "0:4294967294"]), Some((0, MAX_OWNER)));
    }

    #[test]
    fn sources_may_have_colons() {
        assert_eq!(operations(&["--add", "a:b:/c"]), [added("a:b", "/c")]);
        assert_eq!(operations(&["--add", "/a:/b/:/c/"]), [added("/a:/b/", "/c/")]);
        assert_eq!(operations(&["--mkdir", "/a:b:755"]), [Operation::Mkdir { path: "/a:b".into(), mode: Some(0o755) }]);
    }

    #[test]
    fn paths_need_not_be_text() {
        let value = OsString::from_vec(b"\xff:/\xfe".to_vec());
        let program = Program::try_parse_from(["program".into(), "--add".into(), value]).unwrap();
        let expected = Operation::Add { source: path(b"\xff"), dest: path(b"/\xfe") };
        assert_eq!(program.customisation.operations, [expected]);
    }

    #[test]
    fn values_that_are_wrong_teach_what_is_right() {
        for (flag, value, message) in [
            ("--copy-to-root", "result", "readlink -f result"),
            ("--add", "conf", "conf:/etc/ puts it into /etc"),
            ("--add", "conf:etc", "conf:etc:/etc/ puts it into /etc"),
            ("--add", ":/etc", "nothing before `:`"),
            ("--mkdir", "var", "as in /var/lib/app or /var/lib/app:750"),
            ("--mkdir", "/a:b", "`b` is no mode: write up to four octal digits"),
            ("--mkdir", "/a:", "`` is no mode"),
            ("--mkdir", "/a:+755", "`+755` is no mode"),
            ("--mkdir", "/a:10000", "`10000` is no mode"),
            ("--symlink", "/bin/bash", "as in /bin/bash:/bin/sh"),
            ("--symlink", ":/bin/sh", "as in /bin/bash:/bin/sh"),
            ("--chown", "root:root:/x", "write UID:GID:PATH, with two numbers up to 4294967294"),
            ("--chown", "1000:/x", "write UID:GID:PATH, with two numbers up to 4294967294"),
            ("--chown", "+1:1:/x", "write UID:GID:PATH, with two numbers up to 4294967294"),
            ("--chown", "4294967296:1:/x", "write UID:GID:PATH, with two numbers up to 4294967294"),
            ("--chown", "4294967295:1:/x", "write UID:GID:PATH, with two numbers up to 4294967294"),
            ("--chown", "1:4294967295:/x", "write UID:GID:PATH, with two numbers up to 4294967294"),
            ("--chown", "1:1:x", "a path from /"),
            ("--customisation-owner", "1000", "write UID:GID, two numbers up to 4294967294"),
            ("--customisation-owner", "1:1:/x", "write UID:GID, two numbers up to 4294967294"),
            ("--customisation-owner", "1:4294967295", "write UID:GID, two numbers up to 4294967294"),
            ("--chmod", "755", "write MODE:PATH"),
            ("--chmod", "755:x", "write MODE:PATH"),
            ("--chmod", "u~w:/x", "`u~w` is no mode: write octal digits, or clauses such as u+w"),
            ("--chmod", "999:/x", "`999` is no mode: write up to four octal digits"),
            ("--customisation", "", "a tar file, or a directory"),
            ("--staged", "", "a tar file, or a directory"),
        ] {
            let error = error(&[flag, value]);
            assert!(error.contains(message), "{flag} {value}: {error}");
            assert!(error.contains(flag), "{error}");
        }
    }

    #[test]
    fn help_has_each_flag_under_one_heading() {
        let mut command = Program::augment_args(Command::new("program"));
        let help = command.render_long_help().to_string();
        let (_, section) = help.split_once(HEADING).unwrap();
        for flag in [
            "copy-to-root",
            "copy-mode",
            "add",
            "mkdir",
            "symlink",
            "chown",
            "chmod",
            "customisation",
            "staged",
            "staged-attributes",
            "customisation-owner",
            "fake-nss",
        ] {
            assert!(section.contains(&format!("--{flag}")), "{flag}: {help}");
        }
    }
}
