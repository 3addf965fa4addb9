//! Reads JSON as the engines do, which are written in Go.
//!
//! - Names of fields are found whatever their case: `cmd` is `Cmd`. Fields that are not known are passed over.
//! - What is there twice counts as it is there last.
//! - `null` is the same as nothing: an empty text, an empty list, 0, or no value.
//! - Bytes that are no UTF-8 become U+FFFD.
//!
//! A document is read as deep and as far as whoever reads it knows its fields: each value is a section of the text until
//! it is asked for, so that little is kept besides. Types that hold themselves would be as deep as the document says.

use std::borrow::Cow;
use std::cell::RefCell;
use std::fmt;

use serde::de::value::{MapDeserializer, SeqDeserializer};
use serde::de::{DeserializeOwned, Deserializer, Error as _, IntoDeserializer, MapAccess, Visitor};
use serde::{Deserialize, forward_to_deserialize_any};
use serde_json::Error;
use serde_json::value::RawValue;

/// A field that is written otherwise than it is called.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Respelling {
    /// As it is written.
    pub written: String,
    /// As it is called.
    pub field: &'static str,
}

/// What becomes of fields that nobody knows.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unknown {
    /// They are passed over, as engines do.
    Ignored,
    /// Whoever reads is told of them, and may refuse them.
    Told,
}

/// Reads a document that may be anybody's, and notes the fields that are written otherwise than they are called.
pub(crate) fn read_document<T: DeserializeOwned>(text: &[u8]) -> Result<(T, Vec<Respelling>), Error> {
    #[expect(clippy::disallowed_methods, reason = "engines read documents so: what is no UTF-8 is U+FFFD to them")]
    let text = String::from_utf8_lossy(text);
    read(&text, Unknown::Ignored)
}

/// The same, with a choice.
pub(crate) fn read<T: DeserializeOwned>(text: &str, unknown: Unknown) -> Result<(T, Vec<Respelling>), Error> {
    let raw = serde_json::from_str(text)?;
    let respelt = RefCell::default();
    let document = T::deserialize(GoJson { raw, field: None, unknown, respelt: &respelt })?;
    let mut respelt = respelt.into_inner();
    respelt.sort_unstable();
    respelt.dedup();
    Ok((document, respelt))
}

/// Whether Go takes a name for that of a field.
pub(crate) fn is_field(written: &str, field: &str) -> bool {
    // Besides those of ASCII, two letters are others in another case.
    let folded = |c: char| match c {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        c => c.to_ascii_lowercase(),
    };
    written == field || written.chars().map(folded).eq(field.chars().map(folded))
}

/// A value, of which nothing was read yet.
#[derive(Clone, Copy)]
struct GoJson<'de, 'a> {
    raw: &'de RawValue,
    /// Whose value it is, for messages.
    field: Option<&'static str>,
    unknown: Unknown,
    respelt: &'a RefCell<Vec<Respelling>>,
}

/// More than these are not told of a document that was made to have them.
const MAX_RESPELLINGS: usize = 100;

impl<'de, 'a> GoJson<'de, 'a> {
    fn is_null(self) -> bool {
        self.raw.get() == "null"
    }

    fn with(self, raw: &'de RawValue) -> Self {
        Self { raw, field: None, ..self }
    }

    fn parsed<T: Deserialize<'de>>(self) -> Result<T, Error> {
        serde_json::from_str(self.raw.get()).map_err(|error| self.within(&error))
    }

    /// Names the field in the message. Lines and columns would be those of the section.
    fn within(self, error: &Error) -> Error {
        let text = error.to_string();
        let position = format!(" at line {} column {}", error.line(), error.column());
        let text = text.strip_suffix(position.as_str()).unwrap_or(&text);
        Error::custom(match self.field {
            Some(field) => format!("`{field}`: {text}"),
            None => text.to_owned(),
        })
    }

    fn note(self, written: &str, field: &'static str) {
        let mut respelt = self.respelt.borrow_mut();
        if written != field && respelt.len() < MAX_RESPELLINGS {
            respelt.push(Respelling { written: written.to_owned(), field });
        }
    }

    /// The values of fields, each at most once, and what else there is if somebody wants to know.
    fn fields(self, fields: &'static [&'static str]) -> Result<Vec<(Cow<'de, str>, Self)>, Error> {
        let mut known: Vec<Option<Self>> = vec![None; fields.len()];
        let mut others = Vec::new();
        for (name, raw) in self.parsed::<Members<'de>>()?.0 {
            let exact = fields.iter().position(|field| *field == name);
            match exact.or_else(|| fields.iter().position(|field| is_field(&name, field))) {
                Some(at) => {
                    self.note(&name, fields[at]);
                    known[at] = Some(Self { field: Some(fields[at]), ..self.with(raw) });
                }
                None if self.unknown == Unknown::Told => others.push((name, self.with(raw))),
                None => {}
            }
        }
        let known = known.into_iter().zip(fields).filter_map(|(value, field)| Some((Cow::Borrowed(*field), value?)));
        Ok(known.chain(others).collect())
    }

    fn scalar<V: Visitor<'de>>(
        self,
        visitor: V,
        zero: impl FnOnce(V) -> Result<V::Value, Error>,
    ) -> Result<V::Value, Error> {
        if self.is_null() { zero(visitor) } else { self.deserialize_any(visitor) }
    }
}

/// Forwards what `null` makes a zero value of its type.
macro_rules! zeros {
    ($($method:ident => $visit:ident($zero:expr);)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            self.scalar(visitor, |visitor| visitor.$visit($zero))
        }
    )*};
}

impl<'de> Deserializer<'de> for GoJson<'de, '_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let mut json = serde_json::Deserializer::from_str(self.raw.get());
        json.deserialize_any(visitor).map_err(|error| self.within(&error))
    }

    zeros! {
        deserialize_bool => visit_bool(false);
        deserialize_i64 => visit_i64(0);
        deserialize_u64 => visit_u64(0);
        deserialize_u32 => visit_u64(0);
        deserialize_str => visit_borrowed_str("");
        deserialize_string => visit_borrowed_str("");
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let values: Vec<&'de RawValue> = if self.is_null() { Vec::new() } else { self.parsed()? };
        let values = SeqDeserializer::new(values.into_iter().map(|raw| self.with(raw)));
        visitor.visit_seq(values).map_err(|error| self.within(&error))
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let Members(members) = if self.is_null() { Members(Vec::new()) } else { self.parsed()? };
        let members = MapDeserializer::new(members.into_iter().map(|(name, raw)| (name, self.with(raw))));
        visitor.visit_map(members).map_err(|error| self.within(&error))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        // Of what has no fields, nothing is asked: it may be anything.
        let says_nothing = self.is_null() || (fields.is_empty() && self.unknown == Unknown::Ignored);
        let fields = if says_nothing { Vec::new() } else { self.fields(fields)? };
        visitor.visit_map(MapDeserializer::new(fields.into_iter())).map_err(|error| self.within(&error))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i128 u8 u16 u128 f32 f64 char bytes byte_buf unit unit_struct tuple tuple_struct enum identifier
        ignored_any
    }
}

impl<'de> IntoDeserializer<'de, Error> for GoJson<'de, '_> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

/// What is in an object, in its order.
struct Members<'de>(Vec<(Cow<'de, str>, &'de RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MembersVisitor;
        impl<'de> Visitor<'de> for MembersVisitor {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some((name, raw)) = map.next_entry::<String, &'de RawValue>()? {
                    members.push((Cow::Owned(name), raw));
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(MembersVisitor)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(rename_all = "PascalCase", default)]
    struct Document {
        text: String,
        maybe: Option<String>,
        count: u64,
        flag: bool,
        list: Vec<String>,
        sets: BTreeMap<String, Nothing>,
        labels: BTreeMap<String, String>,
        inner: Option<Box<Document>>,
        inners: Option<Vec<Document>>,
    }

    #[derive(Debug, Default, PartialEq, Deserialize)]
    struct Nothing {}

    fn document(text: &str) -> Document {
        read_document(text.as_bytes()).unwrap().0
    }

    #[test]
    fn names_of_fields_have_no_case() {
        let (read, respelt) = read_document::<Document>(
            br#"{"text": "a", "COUNT": 3, "li\u017ft": ["x"], "Inner": {"tExt": "b", "unknown": {"text": 1}}}"#,
        )
        .unwrap();
        assert_eq!((read.text.as_str(), read.count, read.list.len()), ("a", 3, 1));
        assert_eq!(read.inner.unwrap().text, "b");
        let written: Vec<&str> = respelt.iter().map(|respelling| respelling.written.as_str()).collect();
        assert_eq!(written, ["COUNT", "li\u{17f}t", "tExt", "text"]);
        assert_eq!(respelt[2], Respelling { written: "tExt".into(), field: "Text" });
    }

    #[test]
    fn what_is_there_last_counts() {
        for text in [r#"{"Text": "a", "text": "b"}"#, r#"{"text": "a", "Text": "b"}"#, r#"{"Text": "a", "Text": "b"}"#]
        {
            assert_eq!(document(text).text, "b", "{text}");
        }
        assert_eq!(document(r#"{"Labels": {"a": "1", "a": "2", "A": "3"}}"#).labels.len(), 2, "keys have a case");
    }

    #[test]
    fn null_is_nothing() {
        let everything = ["Text", "Maybe", "Count", "Flag", "List", "Sets", "Labels", "Inner", "Inners"];
        for name in everything {
            assert_eq!(document(&format!(r#"{{"{name}": null}}"#)), Document::default(), "{name}");
        }
        let read = document(r#"{"List": ["a", null], "Labels": {"a": null}, "Sets": {"x": null}, "Inners": [null]}"#);
        assert_eq!((read.list, read.labels["a"].as_str(), read.sets.len()), (vec!["a".into(), String::new()], "", 1));
        assert_eq!(read.inners, Some(vec![Document::default()]));
        assert_eq!(document("null"), Document::default());
    }

    #[test]
    fn sets_say_nothing_of_their_members() {
        assert_eq!(document(r#"{"Sets": {"a": [], "b": 1, "c": {"d": 1}}}"#).sets.len(), 3);
    }

    #[test]
    fn what_is_no_text_becomes_one() {
        let (read, _) = read_document::<Document>(b"{\"Text\": \"a\xffb\"}").unwrap();
        assert_eq!(read.text, "a\u{fffd}b");
    }

    #[test]
    fn messages_name_the_field() {
        let error = |text: &str| read_document::<Document>(text.as_bytes()).unwrap_err().to_string();
        let nested = error(r#"{"Inner": {"list": "sh"}}"#);
        assert_eq!(nested, "`Inner`: `List`: invalid type: string \"sh\", expected a sequence");
        assert!(error(r#"{"Inner": [}"#).contains("at line 1 column 12"), "positions are those of the text");
        assert!(error(r#"{"Text": "a"} x"#).contains("trailing"));
        assert!(error("[1]").contains("expected an object"));
    }

    /// What nobody asks for costs no stack, and what is asked for is as deep as the types of documents are.
    #[test]
    fn depth_is_no_danger() {
        let deep = format!(r#"{{"Unknown": {}{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(document(&deep), Document::default());
    }
}
