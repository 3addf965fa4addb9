//! A planner's settings, as a plan keeps them.

use std::fmt;

use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};

/// Settings as their text. A plan may be anybody's, and a value of JSON takes many times the memory of its text.
#[derive(Clone, Debug)]
pub struct SettingsText(Box<RawValue>);

impl SettingsText {
    fn value(&self) -> Value {
        serde_json::from_str(self.0.get()).expect("it was a value, or was looked through")
    }
}

impl From<Value> for SettingsText {
    fn from(settings: Value) -> Self {
        Self(to_raw_value(&settings).expect("a value of JSON is JSON"))
    }
}

/// Takes what can be made a value, and makes none.
impl<'de> Deserialize<'de> for SettingsText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Box::<RawValue>::deserialize(deserializer)?;
        let looked_through = serde_json::from_str::<Nothing>(text.get());
        looked_through.map_err(|error| D::Error::custom(format!("settings that are none: {error}")))?;
        Ok(Self(text))
    }
}

/// As they would be written anywhere: names in order, and indented as what stands around them.
impl Serialize for SettingsText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.value().serialize(serializer)
    }
}

/// Whether they say the same, however they are written.
impl PartialEq for SettingsText {
    fn eq(&self, other: &Self) -> bool {
        self.0.get() == other.0.get() || self.value() == other.value()
    }
}

/// What is kept of a value that is looked through. Unlike what is passed over, it has to be one with all that is in it: not
/// too deep, numbers not too large, and no half characters.
struct Nothing;

impl<'de> Deserialize<'de> for Nothing {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self)
    }
}

impl<'de> Visitor<'de> for Nothing {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self, A::Error> {
        while items.next_element::<Self>()?.is_some() {}
        Ok(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self, A::Error> {
        while members.next_entry::<Self, Self>()?.is_some() {}
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(text: &str) -> Result<SettingsText, serde_json::Error> {
        serde_json::from_str(text)
    }

    #[test]
    fn settings_are_written_alike_however_they_were() {
        let [one, other, third] =
            [r#"{ "b": [1,  2], "a": null}"#, r#"{"a":null,"b":[1,2]}"#, r#"{"a":null,"b":[2,1]}"#]
                .map(|text| settings(text).unwrap());
        assert_eq!(one, other);
        assert_ne!(one, third);
        assert_eq!(serde_json::to_string(&one).unwrap(), r#"{"a":null,"b":[1,2]}"#);
        assert_eq!(SettingsText::from(serde_json::json!({"a": null, "b": [1, 2]})), one);
    }

    #[test]
    fn what_cannot_be_made_a_value_is_refused_as_a_value_would_be() {
        let deep = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        for text in
            [&deep(100), &deep(127), &deep(128), &deep(100_000), "1e999", r#""\ud800""#, r#"{"\ud800": 1}"#, "-1.5"]
        {
            let (kept, value) = (settings(text), serde_json::from_str::<Value>(text));
            assert_eq!(kept.is_ok(), value.is_ok(), "{text:.40}");
            if let Ok(kept) = kept {
                assert_eq!(serde_json::to_value(&kept).unwrap(), value.unwrap());
            }
        }
    }
}
