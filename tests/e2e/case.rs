//! A case, and what it needs of the machine.

use std::env;

use anyhow::Result;
use libtest_mimic::{Failed, Trial};

use crate::need::Need;
use crate::which_nix::WhichNix;

/// One behaviour, tested.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) needs: &'static [Need],
    pub(crate) run: fn() -> Result<()>,
}

/// `case!(behaviour, Nix, Root)`: the function `behaviour`, on machines with Nix and as root.
macro_rules! case {
    ($run:ident $(, $need:ident)* $(,)?) => {
        $crate::case::Case { name: stringify!($run), needs: &[$($crate::need::Need::$need),*], run: $run }
    };
}
pub(crate) use case;

impl Case {
    /// What is missing never passes silently: in CI the case fails, at a desk it is reported as ignored.
    pub(crate) fn trial(&self, subject: &str) -> Trial {
        self.trial_with(WhichNix::Machine, format!("{subject}::{}", self.name))
    }

    /// The same with the Nix of Debian's next release.
    pub(crate) fn trial_with_next_nix(&self, subject: &str) -> Trial {
        self.trial_with(WhichNix::Next, format!("{subject}::next_nix::{}", self.name))
    }

    fn trial_with(&self, nix: WhichNix, name: String) -> Trial {
        let of_nix: &[Need] = if nix == WhichNix::Next { &[Need::NextNix] } else { &[] };
        let needs = of_nix.iter().chain(self.needs).copied();
        let missing: Vec<Need> = needs.filter(|need| !need.is_met()).collect();
        if missing.is_empty() {
            let run = self.run;
            return Trial::test(name, move || {
                nix.choose();
                run().map_err(|error| Failed::from(format!("{error:#}")))
            });
        }
        let names: Vec<&str> = missing.iter().map(|need| need.name()).collect();
        let hints: Vec<&str> = missing.iter().map(|need| need.hint()).collect();
        let message = format!("this machine lacks {}; {}", names.join(", "), hints.join("; "));
        let in_ci = env::var_os("CI").is_some_and(|value| value == "true");
        Trial::test(name, move || Err(Failed::from(message)))
            .with_kind(format!("needs {}", names.join(", ")))
            .with_ignored_flag(!in_ci)
    }
}
