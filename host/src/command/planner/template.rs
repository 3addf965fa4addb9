//! The projects that `planner new` writes. Their files lie in `host/templates`, a folder for each language.
//!
//! 1. `common` has what all share: the workflow for GitHub Actions and the end of the README.
//! 2. The README is where the commands stand: its first `sh` block builds, its second one tests. The workflow and what
//!    `planner new` prints are made from it.
//! 3. `{{name}}` and `{{snake_name}}` stand for the name. A file that must not look like what it is to tools that pass
//!    by ends in `.in`.

use crate::arguments::Language;
use crate::project_name::ProjectName;
use crate::sandbox::CONTRACT;

/// A project, ready to be written.
pub(super) struct Project {
    /// What people call the language.
    pub(super) language: &'static str,
    /// Path and text of each file.
    pub(super) files: Vec<(String, String)>,
    /// The commands that build the component, one a line.
    pub(super) build: String,
    /// The commands that test it.
    pub(super) test: String,
}

struct Template {
    language: &'static str,
    readme: &'static str,
    /// The steps of the workflow that install what building takes.
    setup: &'static str,
    gitignore: &'static str,
    files: &'static [(&'static str, &'static str)],
}

macro_rules! text {
    ($($path:literal),+) => {
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/", $($path),+))
    };
}

macro_rules! template {
    ($language:literal, $folder:literal, [$($file:literal),+ $(,)?]) => {
        Template {
            language: $language,
            readme: text!("templates/", $folder, "/README.md"),
            setup: text!("templates/", $folder, "/setup.yml"),
            gitignore: text!("templates/", $folder, "/gitignore"),
            files: &[$(($file, text!("templates/", $folder, "/", $file))),+],
        }
    };
}

const README_END: &str = text!("templates/common/README.md");
const WORKFLOW: &str = text!("templates/common/ci.yml");

const RUST: Template = template!("Rust", "rust", ["Cargo.toml.in", "src/largest.rs", "src/lib.rs", "src/settings.rs"]);
const PYTHON: Template = template!("Python", "python", ["app.py", "largest.py", "requirements.txt", "test_largest.py"]);
const JS: Template = template!(
    "JavaScript",
    "js",
    ["package.json", "package-lock.json", "src/largest.js", "src/strategy.js", "test/largest.test.js"]
);
const C: Template = template!(
    "C",
    "c",
    ["Makefile", "src/largest.c", "src/largest.h", "src/settings.c", "src/settings.h", "src/strategy.c", "test/test.c"]
);

/// Returns the project of that name in that language.
pub(super) fn project(language: Language, name: &ProjectName) -> Project {
    let template = match language {
        Language::Rust => RUST,
        Language::Python => PYTHON,
        Language::Js => JS,
        Language::C => C,
    };
    let fill = |text: &str| text.replace("{{name}}", &name.to_string()).replace("{{snake_name}}", &name.snake_case());
    let readme = fill(template.readme);
    let [build, test] = commands(&readme);
    let workflow = WORKFLOW.replace("{{setup}}", template.setup.trim_end());
    let workflow = workflow.replace("{{build}}", &indented(&build)).replace("{{test}}", &indented(&test));

    let mut files = vec![
        ("README.md".to_owned(), readme + &fill(README_END)),
        (".gitignore".to_owned(), template.gitignore.to_owned()),
        (".github/workflows/ci.yml".to_owned(), fill(&workflow)),
        ("wit/planner.wit".to_owned(), CONTRACT.to_owned()),
    ];
    files.extend(template.files.iter().map(|(path, text)| (path.trim_end_matches(".in").to_owned(), fill(text))));
    Project { language: template.language, files, build, test }
}

/// The first two `sh` blocks of a README.
fn commands(readme: &str) -> [String; 2] {
    let mut blocks = readme.split("```sh\n").skip(1).filter_map(|rest| rest.split("\n```").next());
    [(); 2].map(|()| blocks.next().expect("a template's README tells how to build and how to test").to_owned())
}

/// For a block of a workflow, whose first line stands where it belongs.
fn indented(commands: &str) -> String {
    commands.replace('\n', "\n          ")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::{Path, PathBuf};

    use clap::ValueEnum;
    use yaml_rust2::{Yaml, YamlLoader};

    use super::*;

    fn projects() -> impl Iterator<Item = (Language, Project)> {
        let name: ProjectName = "my-own".parse().unwrap();
        Language::value_variants().iter().map(move |language| (*language, project(*language, &name)))
    }

    fn file<'a>(project: &'a Project, path: &str) -> &'a str {
        &project.files.iter().find(|(found, _)| found == path).unwrap().1
    }

    #[test]
    fn nothing_is_left_to_fill_in() {
        for (language, project) in projects() {
            for (path, text) in &project.files {
                for placeholder in ["{{name", "{{snake_name", "{{setup", "{{build", "{{test"] {
                    assert!(!text.contains(placeholder), "{language:?}: {path}");
                }
            }
            assert!(file(&project, "README.md").starts_with("# my-own\n"), "{language:?}");
            assert!(project.build.contains("my-own.wasm") || language == Language::Js || language == Language::C);
        }
    }

    #[test]
    fn every_file_of_the_templates_is_part_of_a_project() {
        let templates = Path::new(env!("CARGO_MANIFEST_DIR")).join("templates");
        for (language, project) in projects() {
            let folder = templates.join(language.to_possible_value().unwrap().get_name());
            let mut expected: BTreeSet<String> = files_below(&folder, &folder).into_iter().collect();
            assert!(expected.remove("setup.yml") && expected.remove("gitignore"), "{expected:?}");
            expected.extend([".gitignore", ".github/workflows/ci.yml", "wit/planner.wit"].map(str::to_owned));
            let found: BTreeSet<String> = project.files.into_iter().map(|(path, _)| path).collect();
            assert_eq!(found, expected, "{language:?}");
        }
    }

    fn files_below(folder: &Path, root: &Path) -> Vec<String> {
        let entries: Vec<PathBuf> = fs_err::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        let files = |path: PathBuf| match path.is_dir() {
            true => files_below(&path, root),
            false => vec![path.strip_prefix(root).unwrap().to_str().unwrap().trim_end_matches(".in").to_owned()],
        };
        entries.into_iter().flat_map(files).collect()
    }

    #[test]
    fn the_workflow_is_yaml_and_runs_the_commands_of_the_readme() {
        for (language, project) in projects() {
            let workflow = YamlLoader::load_from_str(file(&project, ".github/workflows/ci.yml")).unwrap();
            let steps = workflow[0]["jobs"]["strategy"]["steps"].as_vec().unwrap();
            let run = |name: &str| {
                let step = steps.iter().find(|step| step["name"].as_str() == Some(name));
                step.and_then(|step| step["run"].as_str()).map(|run| run.trim_end().to_owned())
            };
            assert_eq!(run("Build").as_ref(), Some(&project.build), "{language:?}");
            assert_eq!(run("Test").as_ref(), Some(&project.test), "{language:?}");
            assert_eq!(run("Check the component").unwrap(), "layerwright planner check my-own.wasm");
            // What installs the tools stands between the check-out and the build.
            assert!(steps.iter().position(|step| step["name"].as_str() == Some("Build")).unwrap() >= 2);
            assert!(steps.iter().all(|step| step["run"] != Yaml::BadValue || step["uses"] != Yaml::BadValue));
        }
    }
}
