# `compressor` of dockerTools, with a level: "none", "gz", "zstd", "gz:9", { type = "zstd"; level = 19; }.
#
# dockerTools compresses the archive, layerwright each layer: tools that push or load need not do it again.
let
  methods = {
    none = "none";
    gz = "gzip";
    zstd = "zstd";
  };
in
function: compressor:
let
  parts =
    if builtins.isAttrs compressor then
      [
        compressor.type
        (if compressor ? level then ":${toString compressor.level}" else "")
      ]
    else
      let
        match = builtins.match "([a-z]+)(:[0-9]+)?" compressor;
      in
      if match == null then
        [
          compressor
          ""
        ]
      else
        map (part: if part == null then "" else part) match;
  type = builtins.head parts;
  level = builtins.elemAt parts 1;
in
if methods ? ${type} then
  "${methods.${type}}${level}"
else
  throw "layerwright: ${function}: compressor `${type}` is none of ${builtins.concatStringsSep ", " (builtins.attrNames methods)}; a level can follow, as in \"zstd:19\""
