//! Image settings from a file and from flags.

use std::path::Path;

use anyhow::{Context, Result, bail};
use fs_err::File;
use layerwright_packer::{BaseImage, Empty, ImageConfig, ImageSettings, Inherit, Platform, Respelling, Stamp, inherit};
use layerwright_planner::{NodeKind, Plan};

use crate::arguments::{SettingsArguments, StampArguments};
use crate::console::Console;
use crate::exit::Usage;
use crate::input::{MAX_SETTINGS_BYTES, read_text};
use crate::time::Time;

/// Longer than any system takes.
const MAX_OWNER_NAME_BYTES: usize = 255;

/// What the user said, checked before any work is done. Whether the architecture is said is kept apart.
pub(super) struct GivenSettings {
    settings: ImageSettings,
    architecture_is_given: bool,
}

impl GivenSettings {
    /// Joins what the user said with the defaults. Flags win over the file.
    pub(super) fn new(arguments: &SettingsArguments, console: &Console) -> Result<Self> {
        let read = |file: &Path| read_config(file, console);
        let file = arguments.image_config.as_deref().map(read).transpose()?.unwrap_or_default();
        let settings = join(arguments, file).map_err(Usage)?;
        Ok(Self { settings, architecture_is_given: arguments.architecture.is_some() })
    }

    /// Without what the plan and the base image say.
    pub(super) fn given(&self) -> &ImageSettings {
        &self.settings
    }

    /// Completes them with what only the plan and the base image say. `has_files` is whether the image holds files besides
    /// those of the plan and the base.
    pub(super) fn of_image(
        mut self,
        plan: &Plan,
        base: Option<&BaseImage>,
        has_files: bool,
        inherited: Inherit,
    ) -> Result<ImageSettings> {
        if let Some((architecture, variant)) = processor_of(plan).filter(|_| !self.architecture_is_given) {
            self.settings.architecture = architecture;
            self.settings.variant = self.settings.variant.or_else(|| variant.map(str::to_owned));
        }
        let Some(base) = base else { return Ok(self.settings) };
        let ImageSettings { architecture, variant, os, config, .. } = self.settings;
        if base.architecture() != architecture {
            bail!("the base image is for {}, and the image for {architecture}", base.architecture());
        }
        let own = Platform { os, architecture, variant };
        let own = Some(own).filter(|_| has_files || !plan.layers().is_empty());
        let Platform { os, architecture, variant } = needed(own, base.platform());
        let config = inherit(base.config(), config, inherited);
        Ok(ImageSettings { architecture, variant, os, config, ..self.settings })
    }
}

/// What the files of an image and those of its base need together: the higher of two variants.
fn needed(own: Option<Platform>, base: &Platform) -> Platform {
    own.filter(|own| own.variant.is_some() && own.runs(base)).unwrap_or_else(|| base.clone())
}

fn join(arguments: &SettingsArguments, file: ImageConfig) -> Result<ImageSettings> {
    let defaults = ImageSettings::default();
    let settings = ImageSettings {
        config: config(arguments, file)?,
        architecture: arguments.architecture.clone().unwrap_or(defaults.architecture),
        os: arguments.os.clone(),
        variant: arguments.variant.clone(),
        created: created(arguments.created)?.unwrap_or(defaults.created),
        stamp: stamp(&arguments.stamp)?,
    };
    let names = [("--architecture", Some(&settings.architecture)), ("--os", Some(&settings.os))];
    let names = names.into_iter().chain([("--variant", settings.variant.as_ref())]);
    for (flag, name) in names.filter_map(|(flag, name)| Some((flag, name?))) {
        let is_part = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || (flag == "--variant" && b == b'.');
        let is_name = !name.is_empty() && name.bytes().all(is_part);
        if !is_name {
            bail!("{flag}: `{name}` is no name that Go has, such as amd64, arm64, linux");
        }
    }
    Ok(settings)
}

fn config(arguments: &SettingsArguments, file: ImageConfig) -> Result<ImageConfig> {
    let mut config = file;
    if !arguments.entrypoint.is_empty() {
        config.entrypoint = Some(words(&arguments.entrypoint).context("--entrypoint")?);
    }
    if !arguments.cmd.is_empty() {
        config.cmd = Some(words(&arguments.cmd).context("--cmd")?);
    }
    for variable in &arguments.env {
        config.set_env(variable).context("--env")?;
    }
    for label in &arguments.label {
        let (name, value) = label
            .split_once('=')
            .filter(|(name, _)| !name.is_empty())
            .with_context(|| format!("--label: `{label}` is no label: write NAME=VALUE"))?;
        config.labels.get_or_insert_default().insert(name.to_owned(), value.to_owned());
    }
    for port in &arguments.expose {
        config.exposed_ports.get_or_insert_default().insert(expose(port)?, Empty {});
    }
    config.user = arguments.user.clone().or(config.user);
    config.working_dir = arguments.workdir.clone().or(config.working_dir);
    if let Some(dir) = config.working_dir.as_ref().filter(|dir| !dir.is_empty() && !dir.starts_with('/')) {
        bail!("--workdir: `{dir}` is no absolute path");
    }
    Ok(config)
}

fn read_config(file: &Path, console: &Console) -> Result<ImageConfig> {
    let context = || format!("reading the image configuration {}", file.display());
    let text = read_text(File::open(file)?, MAX_SETTINGS_BYTES).with_context(context)?;
    let (mut config, respelt) = ImageConfig::from_json_noting(&text).with_context(context)?;
    for Respelling { written, field } in respelt {
        console.warn(&format!("{}: `{written}` is read as `{field}`, as engines do; write it so", file.display()));
    }
    for variable in config.env.take().into_iter().flatten() {
        config.set_env(&variable).with_context(context)?;
    }
    Ok(config)
}

/// One word for each flag, or a single flag with a JSON list of words.
fn words(given: &[String]) -> Result<Vec<String>> {
    match given {
        [list] if list.starts_with('[') && list.ends_with(']') => {
            serde_json::from_str(list).with_context(|| format!("`{list}` is no JSON list of strings"))
        }
        words => Ok(words.to_vec()),
    }
}

/// `80` means `80/tcp`.
fn expose(port: &str) -> Result<String> {
    let (number, protocol) = port.split_once('/').unwrap_or((port, "tcp"));
    if number.parse::<u16>().is_err() || !matches!(protocol, "tcp" | "udp" | "sctp") {
        bail!("--expose: `{port}` is no port: write a number up to 65535, and /tcp, /udp or /sctp");
    }
    Ok(format!("{number}/{protocol}"))
}

/// What the image says of when it was made, in RFC 3339. `None` where nobody says.
fn created(given: Option<Time>) -> Result<Option<String>> {
    let epoch = || std::env::var("SOURCE_DATE_EPOCH").ok().filter(|value| !value.is_empty());
    let time = match (given, given.is_none().then(epoch).flatten()) {
        (None, Some(seconds)) => {
            let time = Time::from_seconds(&seconds);
            Some(time.with_context(|| format!("SOURCE_DATE_EPOCH is `{}`", seconds.escape_debug()))?)
        }
        (given, _) => given,
    };
    Ok(time.map(Time::to_rfc3339))
}

/// What all files have in common.
pub(super) fn stamp(arguments: &StampArguments) -> Result<Stamp> {
    let StampArguments { mtime, uid, gid, uname, gname } = arguments;
    let modified = mtime.map_or(Stamp::default().modified, |time| time.seconds);
    for (flag, name) in [("--uname", uname), ("--gname", gname)] {
        if name.len() > MAX_OWNER_NAME_BYTES || name.contains(char::is_control) {
            bail!("{flag}: `{}` is no name of an owner", name.escape_debug());
        }
    }
    Ok(Stamp { modified, uid: *uid, gid: *gid, uname: uname.clone(), gname: gname.clone() })
}

/// What Debian packages are built for, in Go's words: architecture and variant. Nothing else says.
fn processor_of(plan: &Plan) -> Option<(String, Option<&'static str>)> {
    if plan.kind() != NodeKind::DpkgPackage {
        return None;
    }
    let suffixes = plan.closure().nodes().iter().filter_map(|node| node.name.rsplit_once('_'));
    let architecture = suffixes.map(|(_, architecture)| architecture).find(|architecture| *architecture != "all")?;
    let (goarch, variant) = match architecture {
        "i386" => ("386", None),
        "armhf" => ("arm", Some("v7")),
        "armel" => ("arm", Some("v5")),
        "ppc64el" => ("ppc64le", None),
        "mips64el" => ("mips64le", None),
        "mipsel" => ("mipsle", None),
        other => (other, None),
    };
    Some((goarch.to_owned(), variant))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_come_one_by_one_or_as_a_list() {
        let given = |words: &[&str]| words.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(words(&given(&["git", "--version"])).unwrap(), ["git", "--version"]);
        assert_eq!(words(&given(&[r#"["sh", "-c", "a b"]"#])).unwrap(), ["sh", "-c", "a b"]);
        assert!(words(&given(&["[1]"])).is_err());
        assert_eq!(words(&given(&["[", "-f", "x", "]"])).unwrap().len(), 4);
    }

    #[test]
    fn ports_are_tcp_where_nothing_else_is_said() {
        assert_eq!(expose("80").unwrap(), "80/tcp");
        assert_eq!(expose("53/udp").unwrap(), "53/udp");
        for wrong in ["", "http", "70000", "80/x"] {
            assert!(expose(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_image_is_for_the_higher_variant_of_its_files_and_its_base() {
        let arm = |variant: Option<&str>| Platform {
            os: "linux".into(),
            architecture: "arm".into(),
            variant: variant.map(str::to_owned),
        };
        for (own, base, expected) in [
            (Some(Some("v7")), Some("v6"), Some("v7")),
            (Some(Some("v5")), Some("v7"), Some("v7")),
            (Some(None), Some("v6"), Some("v6")),
            (None, Some("v6"), Some("v6")),
            (Some(Some("v5")), None, None),
            (None, None, None),
        ] {
            assert_eq!(needed(own.map(arm), &arm(base)), arm(expected), "{own:?} upon {base:?}");
        }
    }
}
