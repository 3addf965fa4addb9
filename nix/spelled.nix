# The config of an image, with a warning for each field that is written otherwise than it is called: engines ignore case, and
# so does the program, but whoever reads it need not.
{ text, ... }:
function: name: config:
let
  fields = [
    "ArgsEscaped"
    "AttachStderr"
    "AttachStdin"
    "AttachStdout"
    "Cmd"
    "CpuShares"
    "Domainname"
    "Entrypoint"
    "Env"
    "ExposedPorts"
    "Healthcheck"
    "Hostname"
    "Image"
    "Labels"
    "MacAddress"
    "Memory"
    "MemorySwap"
    "NetworkDisabled"
    "OnBuild"
    "OpenStdin"
    "Shell"
    "StdinOnce"
    "StopSignal"
    "StopTimeout"
    "Tty"
    "User"
    "Volumes"
    "WorkingDir"
  ];
  healthFields = [
    "Interval"
    "Retries"
    "StartInterval"
    "StartPeriod"
    "Test"
    "Timeout"
  ];

  byLowerCase =
    fields:
    builtins.listToAttrs (
      map (field: {
        name = text.toLower field;
        value = field;
      }) fields
    );

  respelled =
    fields: object:
    let
      called = written: (byLowerCase fields).${text.toLower written} or written;
    in
    builtins.concatMap (
      written: if called written == written then [ ] else [ "`${written}` is read as `${called written}`" ]
    ) (builtins.attrNames object);

  healthchecks = builtins.filter (field: text.toLower field == "healthcheck") (builtins.attrNames config);
  ofHealthcheck = field: if builtins.isAttrs config.${field} then respelled healthFields config.${field} else [ ];

  warnings = respelled fields config ++ builtins.concatMap ofHealthcheck healthchecks;
in
if builtins.isAttrs config then
  builtins.foldl' (
    config: warning:
    builtins.trace "warning: layerwright: ${function}: image `${name}`: config: ${warning}, as engines do; write it so" config
  ) config warnings
else
  config
