//! Times, as people and programs write them: `--created`, `--mtime`, and `SOURCE_DATE_EPOCH`.
//!
//! What says no offset is UTC, so that no text means another time on another machine. Only `now` does.

use std::str::FromStr;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::fmt::rfc2822;
use jiff::tz::Offset;
use thiserror::Error;

/// A time, as exactly as it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Time(Timestamp);

/// Why a text is no time that can be used.
#[derive(Debug, Error, PartialEq, Eq)]
pub(crate) enum TimeError {
    #[error(
        "write a time such as 2024-01-31, 20240131, 2024-01-31T10:11:12+01:00, @SECONDS or now; UTC where no offset is said"
    )]
    Unknown,
    #[error(
        "a number is a date as in 20240131, or one with a time as in 20240131101112; seconds since 1970 are written @{0}"
    )]
    Number(String),
    #[error("there is no such date or time of the day")]
    NoSuchDay,
    #[error("that is beyond all calendars")]
    BeyondCalendars,
    #[error("it lies before 1970, which an archive cannot say")]
    BeforeEpoch,
    #[error("it lies before the year 0, which no tool can read")]
    BeforeYearZero,
    #[error("write the number of seconds since 1970")]
    NoSeconds,
}

/// The time of modification of files: whole seconds since 1970, which is what an archive can say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileTime {
    pub(crate) seconds: u64,
}

impl Time {
    /// In RFC 3339, in UTC: the one spelling that every tool reads.
    pub(crate) fn to_rfc3339(self) -> String {
        self.0.to_string()
    }

    /// Reads what SOURCE_DATE_EPOCH holds.
    pub(crate) fn from_seconds(text: &str) -> Result<Self, TimeError> {
        let seconds = text.trim().parse().map_err(|_| TimeError::NoSeconds)?;
        Timestamp::from_second(seconds).map_err(|_| TimeError::BeyondCalendars).and_then(Self::new)
    }

    fn new(time: Timestamp) -> Result<Self, TimeError> {
        if time.to_string().starts_with('-') { Err(TimeError::BeforeYearZero) } else { Ok(Self(time)) }
    }

    fn now() -> Self {
        let now = Timestamp::now();
        Self(Timestamp::from_second(now.as_second()).unwrap_or(now))
    }
}

impl FromStr for Time {
    type Err = TimeError;

    fn from_str(text: &str) -> Result<Self, TimeError> {
        let text = text.trim();
        if text.eq_ignore_ascii_case("now") {
            return Ok(Self::now());
        }
        let time = match text.strip_prefix('@') {
            Some(seconds) => since_epoch(seconds)?,
            None if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) => of_digits(text)?,
            None => with_offset(text)?,
        };
        Self::new(time)
    }
}

impl FromStr for FileTime {
    type Err = TimeError;

    fn from_str(text: &str) -> Result<Self, TimeError> {
        let Time(time) = text.parse()?;
        // Towards the past, also of a time before 1970 by less than a second.
        let seconds = time.as_nanosecond().div_euclid(1_000_000_000);
        Ok(Self { seconds: u64::try_from(seconds).map_err(|_| TimeError::BeforeEpoch)? })
    }
}

/// `@1706695872`, `@1706695872.5`
fn since_epoch(text: &str) -> Result<Timestamp, TimeError> {
    let (whole, fraction) = text.split_once(['.', ',']).unwrap_or((text, "0"));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let (is_negative, digits) = whole.strip_prefix('-').map_or((false, whole), |digits| (true, digits));
    if !is_number(digits) || !is_number(fraction) {
        return Err(TimeError::Unknown);
    }
    let seconds: i64 = digits.parse().map_err(|_| TimeError::BeyondCalendars)?;
    let nanoseconds: i32 = format!("{fraction:0<9.9}").parse().map_err(|_| TimeError::Unknown)?;
    let sign = if is_negative { -1 } else { 1 };
    Timestamp::new(seconds * i64::from(sign), nanoseconds * sign).map_err(|_| TimeError::BeyondCalendars)
}

/// `20240131` and `20240131101112`, as `date +%Y%m%d%H%M%S` prints it and a flake's `lastModifiedDate` says it.
fn of_digits(text: &str) -> Result<Timestamp, TimeError> {
    let written = match text.len() {
        8 => text.to_owned(),
        14 => format!("{}T{}", &text[..8], &text[8..]),
        _ => return Err(TimeError::Number(text.to_owned())),
    };
    let time: DateTime = written.parse().map_err(|_| TimeError::NoSuchDay)?;
    at(time, Offset::UTC)
}

/// A date, or a date and a time, and where it is so: `2024-01-31 10:11:12 +0100`.
fn with_offset(text: &str) -> Result<Timestamp, TimeError> {
    if let Ok(time) = rfc2822::DateTimeParser::new().parse_timestamp(text) {
        return Ok(time);
    }
    let (local, offset) = split_offset(text);
    // What a calendar or a time zone says in brackets would be taken for granted.
    let is_plain = local.bytes().all(|byte| byte.is_ascii_digit() || b"-:.,Tt ".contains(&byte));
    if !is_plain || !local.starts_with(|first: char| first.is_ascii_digit()) {
        return Err(TimeError::Unknown);
    }
    let offset = offset.map_or(Some(Offset::UTC), self::offset).ok_or(TimeError::Unknown)?;
    match local.parse::<DateTime>() {
        Ok(time) => at(time, offset),
        Err(_) if looks_like_a_date(local) => Err(TimeError::NoSuchDay),
        Err(_) => Err(TimeError::Unknown),
    }
}

fn at(time: DateTime, offset: Offset) -> Result<Timestamp, TimeError> {
    offset.to_timestamp(time).map_err(|_| TimeError::BeyondCalendars)
}

/// Splits off `Z`, `UTC`, or what begins with a sign behind the time of the day.
fn split_offset(text: &str) -> (&str, Option<&str>) {
    let ends = |name: &str| {
        text.len() > name.len()
            && text.is_char_boundary(text.len() - name.len())
            && text[text.len() - name.len()..].eq_ignore_ascii_case(name)
    };
    if let Some(name) = ["Z", "UTC", "GMT"].into_iter().find(|name| ends(name)) {
        let (local, name) = text.split_at(text.len() - name.len());
        return (local.trim_end(), Some(name));
    }
    // Before a time of the day, a sign stands between the parts of a date.
    let clock = text.find([':', 'T', 't']).unwrap_or(text.len());
    match text[clock..].find(['+', '-']) {
        Some(sign) => (text[..clock + sign].trim_end(), Some(&text[clock + sign..])),
        None => (text, None),
    }
}

/// `Z`, `UTC`, `+01`, `+0100`, `-01:00`
fn offset(text: &str) -> Option<Offset> {
    let Some(digits) = text.strip_prefix(['+', '-']) else { return Some(Offset::UTC) };
    let digits = match digits.as_bytes() {
        [_, _, b':', _, _] => digits.replacen(':', "", 1),
        _ => digits.to_owned(),
    };
    if !matches!(digits.len(), 2 | 4) || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number = |text: &str| text.parse::<i32>().ok();
    let (hours, minutes) = (number(&digits[..2])?, digits.get(2..).filter(|minutes| !minutes.is_empty()));
    let minutes = minutes.map_or(Some(0), number).filter(|minutes| *minutes < 60)?;
    let seconds = (hours * 60 + minutes) * 60;
    Offset::from_seconds(if text.starts_with('-') { -seconds } else { seconds }).ok()
}

fn looks_like_a_date(text: &str) -> bool {
    let is_digits = |text: Option<&str>| text.is_some_and(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    let separators = text.get(4..5).zip(text.get(7..8));
    is_digits(text.get(..4)) && (separators == Some(("-", "-")) || is_digits(text.get(..8)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> Result<String, String> {
        text.parse::<Time>().map(Time::to_rfc3339).map_err(|error| error.to_string())
    }

    #[test]
    fn times_are_written_in_several_ways_and_are_utc_where_they_do_not_say() {
        for (text, meant) in [
            ("20240131", "2024-01-31T00:00:00Z"),
            ("2024-01-31", "2024-01-31T00:00:00Z"),
            ("2024-01-31T10:11:12", "2024-01-31T10:11:12Z"),
            ("2024-01-31 10:11:12", "2024-01-31T10:11:12Z"),
            ("2024-01-31 10:11", "2024-01-31T10:11:00Z"),
            ("20240131101112", "2024-01-31T10:11:12Z"),
            ("20240131T101112", "2024-01-31T10:11:12Z"),
            ("20240131T101112Z", "2024-01-31T10:11:12Z"),
            ("20240131 10:11:12", "2024-01-31T10:11:12Z"),
            (" 2024-01-31\n", "2024-01-31T00:00:00Z"),
            ("2024-01-31T10:11:12Z", "2024-01-31T10:11:12Z"),
            ("2024-01-31t10:11:12z", "2024-01-31T10:11:12Z"),
            ("2024-01-31 10:11:12 UTC", "2024-01-31T10:11:12Z"),
            ("2024-01-31 10:11:12Z", "2024-01-31T10:11:12Z"),
            ("2024-01-31 GMT", "2024-01-31T00:00:00Z"),
            ("2024-01-31T10:11:12.5Z", "2024-01-31T10:11:12.5Z"),
            ("2024-01-31T10:11:12,25", "2024-01-31T10:11:12.25Z"),
            ("2024-01-31T10:11:12.123456789+01:00", "2024-01-31T09:11:12.123456789Z"),
            ("2024-01-31T10:11:12+0100", "2024-01-31T09:11:12Z"),
            ("2024-01-31T10:11:12-01", "2024-01-31T11:11:12Z"),
            ("2024-01-31 10:11:12 +0130", "2024-01-31T08:41:12Z"),
            ("2024-01-01T00:30:00+01:00", "2023-12-31T23:30:00Z"),
            ("Wed, 31 Jan 2024 10:11:12 +0100", "2024-01-31T09:11:12Z"),
            ("@1706695872", "2024-01-31T10:11:12Z"),
            ("@1706695872.5", "2024-01-31T10:11:12.5Z"),
            ("@0", "1970-01-01T00:00:00Z"),
            ("@-1", "1969-12-31T23:59:59Z"),
            ("@-0.5", "1969-12-31T23:59:59.5Z"),
            ("2024-02-29", "2024-02-29T00:00:00Z"),
            ("0000-01-01", "0000-01-01T00:00:00Z"),
        ] {
            assert_eq!(time(text), Ok(meant.to_owned()), "{text}");
        }
        assert!(*time("now").unwrap() > *"2024" && !time("Now").unwrap().contains('.'));
    }

    #[test]
    fn what_is_no_time_is_told_with_what_is_one() {
        let unknown = TimeError::Unknown.to_string();
        for text in [
            "",
            "yesterday",
            "1 day ago",
            "@",
            "@x",
            "@1e9",
            "@ 1",
            "2024",
            "2024-01",
            "31.01.2024",
            "01/31/2024",
            "10:11:12",
            "2024-01-31T10:11:12+1",
            "2024-01-31T10:11:12+01:60",
            "2024-01-31T10:11:12 CET",
            "2024-01-31[Europe/Berlin]",
            "2024-01-31T10:11:12+01:00[Europe/Berlin]",
            "2024-W05-3",
            "tomorrow 2024-01-31",
            "é",
            "nowt",
            "T",
            "Z",
            "+01:00",
        ] {
            let said = time(text).unwrap_err();
            assert!(said == unknown || said.contains("@2024"), "{text}: {said}");
        }
        for (text, says) in [
            ("2024-02-30", "no such date"),
            ("20240230", "no such date"),
            ("2023-02-29T00:00:00Z", "no such date"),
            ("2024-01-31T25:00:00", "no such date"),
            ("20241301", "no such date"),
            ("20240131256112", "no such date"),
            ("1706695872", "seconds since 1970 are written @1706695872"),
            ("202401311011", "seconds since 1970"),
            ("@99999999999999", "beyond all calendars"),
            ("@999999999999999999999", "beyond all calendars"),
            ("@-62167219201", "before the year 0"),
        ] {
            let said = time(text).unwrap_err();
            assert!(said.contains(says), "{text}: {said}");
        }
    }

    #[test]
    fn files_have_whole_seconds_from_1970_on() {
        let seconds = |text: &str| text.parse::<FileTime>().map(|time| time.seconds);
        assert_eq!(seconds("2024-01-31T10:11:12.9Z"), Ok(1_706_695_872));
        assert_eq!(seconds("1970-01-01"), Ok(0));
        for text in ["@-1", "@-0.1", "1969-12-31", "1970-01-01T00:00:00+01:00"] {
            assert_eq!(seconds(text), Err(TimeError::BeforeEpoch), "{text}");
        }
        assert_eq!(seconds("x"), Err(TimeError::Unknown));
    }

    #[test]
    fn the_variable_is_a_number() {
        assert_eq!(Time::from_seconds("1706695872").unwrap().to_rfc3339(), "2024-01-31T10:11:12Z");
        assert_eq!(Time::from_seconds("2024-01-31"), Err(TimeError::NoSeconds));
        assert_eq!(Time::from_seconds("99999999999999"), Err(TimeError::BeyondCalendars));
    }
}
