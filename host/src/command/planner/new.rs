//! `layerwright planner new`

use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use fs_err as fs;
use layerwright_packer::StagingFolder;
use thiserror::Error;

use super::template::{Project, project};
use crate::arguments::NewArguments;
use crate::command::output::counted;
use crate::console::Console;
use crate::interrupt::Writing;

/// Why there can be no project in a folder.
#[derive(Debug, Error)]
pub(super) enum Occupied {
    #[error("{} is not empty; name another folder with --dir", .0.display())]
    NotEmpty(PathBuf),
    #[error("{} is not a folder; name another one with --dir", .0.display())]
    NoFolder(PathBuf),
}

pub(super) fn run(arguments: &NewArguments, console: &Console) -> Result<()> {
    let NewArguments { name, lang, dir } = arguments;
    let dir = dir.clone().unwrap_or_else(|| name.to_string().into());
    let project = project(*lang, name);
    {
        let _writing = Writing::start();
        write(&project.files, &dir).with_context(|| format!("writing the project {}", dir.display()))?;
    }
    console.say(&next_steps(&project, &dir, &name.to_string()));
    Ok(())
}

fn next_steps(Project { language, files, build, test }: &Project, dir: &Path, name: &str) -> String {
    let indented = |commands: &str| format!("  {}", commands.replace('\n', "\n  "));
    let change = if dir == Path::new(".") { String::new() } else { format!("  cd {}\n", quoted(dir)) };
    format!(
        "wrote {}: a planner in {language}, {}\n\n\
         Build it:\n{change}{}\n\nTest it:\n{}\n\nSee what it is:\n  layerwright planner inspect {name}.wasm\n\n\
         README.md tells what building takes, and where to begin.",
        dir.display(),
        counted(files.len(), "file"),
        indented(build),
        indented(test),
    )
}

/// As a shell takes it.
fn quoted(dir: &Path) -> String {
    let dir = dir.display().to_string();
    shlex::try_quote(&dir).map_or(dir.clone(), String::from)
}

/// Writes all files or none.
fn write(files: &[(String, String)], dir: &Path) -> Result<()> {
    match fs::metadata(dir) {
        Ok(found) if !found.is_dir() => Err(Occupied::NoFolder(dir.to_owned()).into()),
        Ok(_) if fs::read_dir(dir)?.next().is_some() => Err(Occupied::NotEmpty(dir.to_owned()).into()),
        Ok(_) => write_into(files, dir),
        Err(_) if dir.is_symlink() => Err(Occupied::NoFolder(dir.to_owned()).into()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => write_beside(files, dir),
        Err(error) => Err(error.into()),
    }
}

/// Writes a folder beside the place and renames it.
fn write_beside(files: &[(String, String)], dir: &Path) -> Result<()> {
    let parent = dir.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(parent)?;
    let staging = staging(parent)?;
    let complete = staging.path().join("project");
    write_files(files, &complete)?;
    Ok(fs::rename(complete, dir)?)
}

/// Fills a folder that is there already. It is not replaced, because somebody's shell may be in it.
fn write_into(files: &[(String, String)], dir: &Path) -> Result<()> {
    let staging = staging(dir)?;
    let complete = staging.path().join("project");
    write_files(files, &complete)?;
    let mut moved = Vec::new();
    for entry in fs::read_dir(&complete)? {
        let name = entry?.file_name();
        if let Err(error) = fs::rename(complete.join(&name), dir.join(&name)) {
            // Into the folder that is removed.
            moved.iter().for_each(|name| drop(fs::rename(dir.join(name), complete.join(name))));
            return Err(error.into());
        }
        moved.push(name);
    }
    Ok(())
}

fn staging(parent: &Path) -> Result<StagingFolder> {
    StagingFolder::new_in(parent).with_context(|| format!("making a folder in {}", parent.display()))
}

fn write_files(files: &[(String, String)], dir: &Path) -> Result<()> {
    for (path, text) in files {
        let file = dir.join(path);
        fs::create_dir_all(file.parent().expect("a file of the project lies in its folder"))?;
        fs::write(file, text)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files() -> Vec<(String, String)> {
        [("a", "one"), ("b/c", "two")].map(|(path, text)| (path.to_owned(), text.to_owned())).to_vec()
    }

    fn names(dir: &Path) -> Vec<String> {
        let mut names: Vec<String> =
            fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_folder_that_is_not_there_appears_with_what_is_above_it() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("deep/new");
        write(&files(), &dir).unwrap();
        assert_eq!(fs::read_to_string(dir.join("b/c")).unwrap(), "two");
        assert_eq!(names(&root.path().join("deep")), ["new"]);
    }

    #[test]
    fn an_empty_folder_is_filled_and_stays_the_same_folder() {
        use std::os::unix::fs::MetadataExt;
        let root = tempfile::tempdir().unwrap();
        let before = fs::metadata(root.path()).unwrap().ino();
        write(&files(), root.path()).unwrap();
        assert_eq!(names(root.path()), ["a", "b"]);
        assert_eq!(fs::metadata(root.path()).unwrap().ino(), before);
    }

    #[test]
    fn what_is_there_already_stays_as_it_is() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("file"), "mine").unwrap();
        std::os::unix::fs::symlink("nowhere", root.path().join("link")).unwrap();
        for (dir, reason) in [("", "is not empty"), ("file", "is not a folder"), ("link", "is not a folder")] {
            let dir = root.path().join(dir);
            assert!(write(&files(), &dir).unwrap_err().to_string().contains(reason));
        }
        assert_eq!(names(root.path()), ["file", "link"]);
    }

    #[test]
    fn a_failure_leaves_nothing() {
        let root = tempfile::tempdir().unwrap();
        // A file where a folder would have to be.
        let broken = [("a", "one"), ("a/b", "two")].map(|(path, text)| (path.to_owned(), text.to_owned()));
        write(&broken, &root.path().join("new")).unwrap_err();
        write(&broken, root.path()).unwrap_err();
        assert!(names(root.path()).is_empty());
    }
}
