//! Plans that the user names: files, plain or packed with gzip or zstd; `-` is standard input.

use std::path::Path;

use anyhow::{Context, Result, bail};
use layerwright_planner::Plan;

use crate::console::Console;
use crate::input::{MAX_GRAPH_BYTES, open_packed, read_text};
use crate::progress::reading;

/// How a file tells a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PlanForm {
    /// As `plan` writes it.
    Whole,
    /// As a list of lists of names, which tells neither sizes nor references.
    StoreLayers,
}

/// What is in a file.
#[derive(Debug)]
pub(super) struct PlanFile {
    pub(super) plan: Plan,
    pub(super) form: PlanForm,
}

/// A plan is an object, a list of store layers is a list.
pub(super) fn read_plan(file: &Path, console: &Console) -> Result<PlanFile> {
    let context = || format!("reading the plan {}", file.display());
    let read = |open| read_text(reading(console, file, open), MAX_GRAPH_BYTES);
    let text = open_packed(file).and_then(read).with_context(context)?;
    let (plan, form) = match text.trim_start().starts_with('[') {
        true => (Plan::from_store_layers(&text), PlanForm::StoreLayers),
        false => (Plan::from_json(&text), PlanForm::Whole),
    };
    Ok(PlanFile { plan: plan.with_context(context)?, form })
}

/// Reads a plan for whoever is to tell of sizes and references.
pub(super) fn read_whole_plan(file: &Path, console: &Console) -> Result<Plan> {
    let PlanFile { plan, form } = read_plan(file, console)?;
    match form {
        PlanForm::Whole => Ok(plan),
        PlanForm::StoreLayers => bail!(
            "{} is a list of layers, which tells neither sizes nor references; give the plan, as `layerwright plan -o FILE` writes it",
            file.display()
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plans_may_be_packed_and_lists_are_no_whole_plans() {
        let dir = tempfile::tempdir().unwrap();
        let (file, quiet) = (dir.path().join("plan"), Console::new(0, true));
        let plan = Plan::from_store_layers(r#"[["/a"]]"#).unwrap();
        for (text, form) in [(plan.to_json(), PlanForm::Whole), (plan.to_store_layers(), PlanForm::StoreLayers)] {
            for bytes in [text.clone().into_bytes(), zstd::encode_all(text.as_bytes(), 3).unwrap()] {
                fs_err::write(&file, bytes).unwrap();
                let read = read_plan(&file, &quiet).unwrap();
                assert_eq!((read.plan, read.form), (plan.clone(), form));
                assert_eq!(read_whole_plan(&file, &quiet).is_ok(), form == PlanForm::Whole);
            }
        }
        let message = read_whole_plan(&file, &quiet).unwrap_err().to_string();
        assert!(message.contains("tells neither sizes nor references; give the plan"), "{message}");
    }
}
