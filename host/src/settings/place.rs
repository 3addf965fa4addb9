//! Where something is in the settings.

use serde_json::Value;

use super::mistake::Mistake;

/// `groups[0].label`, as a person writes it.
#[derive(Clone)]
pub(super) struct Place {
    shown: String,
    /// The outermost setting.
    setting: Option<String>,
}

impl Place {
    /// The place that a JSON pointer names.
    pub(super) fn new(settings: &Value, pointer: &str) -> Self {
        let mut place = Self { shown: String::new(), setting: None };
        let mut value = Some(settings);
        for step in pointer.split('/').skip(1) {
            let step = step.replace("~1", "/").replace("~0", "~");
            value = match value {
                Some(Value::Array(items)) => {
                    place.shown += &format!("[{step}]");
                    step.parse().ok().and_then(|at: usize| items.get(at))
                }
                value => {
                    place = place.below(&step);
                    value.and_then(|value| value.get(&step))
                }
            };
        }
        place
    }

    /// A setting of the object that is at this place.
    pub(super) fn below(&self, name: &str) -> Self {
        let is_plain = !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || "-_$".contains(c));
        let shown = match (is_plain, self.shown.as_str()) {
            (true, "") => name.to_owned(),
            (true, above) => format!("{above}.{name}"),
            (false, above) => format!("{above}[{name:?}]"),
        };
        Self { shown, setting: self.setting.clone().or_else(|| Some(name.to_owned())) }
    }

    /// Something is wrong here.
    pub(super) fn mistake(&self, problem: String) -> Mistake {
        Mistake { place: self.shown.clone(), setting: self.setting.clone(), is_missing: false, meant: None, problem }
    }

    /// As text.
    pub(super) fn shown(&self) -> &str {
        &self.shown
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn places_read_like_code() {
        let settings = json!({"groups": [{"label": 1, "a.b": {"": [[2]]}, "x/y": 3}], "7": 4});
        for (pointer, shown) in [
            ("", ""),
            ("/groups/0/label", "groups[0].label"),
            ("/groups/0/a.b//0/0", "groups[0][\"a.b\"][\"\"][0][0]"),
            ("/groups/0/x~1y", "groups[0][\"x/y\"]"),
            ("/7", "7"),
        ] {
            assert_eq!(Place::new(&settings, pointer).shown(), shown);
        }
    }
}
