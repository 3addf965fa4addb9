# `created` and `mtime`, as `date -d` of dockerTools reads them: in UTC where no offset is named.
#
# They are told to the program in its own spelling, so that a mistake is found at evaluation and not when a stream runs.
{
  function,
  name,
  argument,
  # An archive's times begin with 1970.
  isOfFiles ? false,
}:
value:
let
  inherit (builtins) elemAt match;

  text = toString value;
  fail =
    reason:
    throw "layerwright: ${function}: image `${name}`: `${argument}` is `${text}`, ${reason}; write \"now\", a time such as \"2024-01-31T10:11:12Z\", a day such as \"2024-01-31\" or \"20240131\", or seconds since 1970 such as \"@1706695872\"";

  year = "([0-9]{4})";
  month = "(0[1-9]|1[0-2])";
  day = "(0[1-9]|[12][0-9]|3[01])";
  hour = "([01][0-9]|2[0-3])";
  sixtieth = "([0-5][0-9])";

  date = "${year}-${month}-${day}|${year}${month}${day}";
  clock = "${hour}:${sixtieth}(:${sixtieth}([.][0-9]{1,9})?)?|${hour}${sixtieth}${sixtieth}?";
  zone = "[Zz]| ?UTC| ?GMT| ?([+-])${hour}:?${sixtieth}?";
  # As `lastModifiedDate` of a flake.
  digits = "${year}${month}${day}${hour}${sixtieth}${sixtieth}";

  trimmed = elemAt (match "[ \n\t]*(.*[^ \n\t])?[ \n\t]*" text) 0;
  given = if trimmed == null then "" else trimmed;

  seconds = match "@(-?)0*([0-9]{1,12})" given;
  long = match "(${date})([Tt ](${clock})(${zone})?)?" given;
  short = match digits given;

  or' = index: other: if elemAt long index == null then other else elemAt long index;
  # Numbers of groups: those of `date` begin with 1, of `clock` with 9, of `zone` with 17.
  ofLong = {
    year = or' 1 (elemAt long 4);
    month = or' 2 (elemAt long 5);
    day = or' 3 (elemAt long 6);
    hour = or' 9 (or' 14 "00");
    minute = or' 10 (or' 15 "00");
    second = or' 12 (or' 16 "00");
    fraction = or' 13 "";
    offset = if or' 18 null == null then "Z" else "${elemAt long 18}${elemAt long 19}:${or' 20 "00"}";
  };
  ofShort = {
    year = elemAt short 0;
    month = elemAt short 1;
    day = elemAt short 2;
    hour = elemAt short 3;
    minute = elemAt short 4;
    second = elemAt short 5;
    fraction = "";
    offset = "Z";
  };

  # Zeros in front are octal to Nix's JSON, and an error.
  number = digits: builtins.fromJSON (elemAt (match "0*([0-9]+)" digits) 0);
  isLeap = year: divides 4 year && (!(divides 100 year) || divides 400 year);
  divides = divisor: value: value == value / divisor * divisor;
  daysOf =
    time:
    if time.month == "02" then
      if isLeap (number time.year) then 29 else 28
    else if builtins.elem time.month [ "04" "06" "09" "11" ] then
      30
    else
      31;

  spell =
    time:
    if number time.day > daysOf time then
      fail "and that month has ${toString (daysOf time)} days"
    else if isOfFiles && number time.year < 1970 then
      fail "which is before 1970, and an archive cannot say that"
    else
      "${time.year}-${time.month}-${time.day}T${time.hour}:${time.minute}:${time.second}${time.fraction}${time.offset}";

  spellSeconds =
    sign: amount:
    if isOfFiles && sign == "-" then
      fail "which is before 1970, and an archive cannot say that"
    # The last day of the year 9999.
    else if number amount > 253402207200 then
      fail "which is beyond the year 9999"
    else
      "@${sign}${amount}";
in
if given == "now" then
  given
else if seconds != null then
  spellSeconds (elemAt seconds 0) (elemAt seconds 1)
else if short != null then
  spell ofShort
else if long != null then
  spell ofLong
else
  fail "which is no time that can be read in one way only"
