# `planner`, `plannerConfig` and `layeringPipeline`, as flags of the program.
#
# A planner is a name ("popularity"), a component (./mine.wasm, or a derivation that is one), or a set with one of these as
# `planner` and, each of them optional, `config`, `maxLayers` and `sha256`. A list of planners is a chain: each gets what
# the ones before it left.
function:
{
  planner ? null,
  plannerConfig ? null,
  layeringPipeline ? null,
}:
let
  fail = reason: throw "layerwright: ${function}: ${reason}";

  # Settings name store paths to find them among those of the image. They need not be there for that.
  write =
    settings:
    builtins.toFile "planner-settings.json" (builtins.unsafeDiscardStringContext (builtins.toJSON settings));

  file = settings: if builtins.isAttrs settings && !(settings ? outPath) then write settings else "${settings}";

  toSet = planner: if builtins.isAttrs planner && planner ? planner then planner else { inherit planner; };

  spec =
    {
      planner,
      config ? null,
      maxLayers ? null,
      sha256 ? null,
    }:
    builtins.concatStringsSep "" [
      "${planner}"
      (if sha256 == null then "" else "@sha256:${sha256}")
      (if config == null then "" else ",config=${file config}")
      (if maxLayers == null then "" else ",max-layers=${toString maxLayers}")
    ];

  chain =
    if planner == null then
      if plannerConfig == null then [ ] else fail "`plannerConfig` is for a `planner`, and none is named"
    else if builtins.isList planner then
      if plannerConfig == null then
        map toSet planner
      else
        fail "`plannerConfig` is for a single planner; in a chain, each has its own: { planner = \"groups\"; config = { ... }; }"
    else
      [ ((if plannerConfig == null then { } else { config = plannerConfig; }) // toSet planner) ];

  operations =
    if builtins.isList layeringPipeline then layeringPipeline else builtins.fromJSON (builtins.readFile layeringPipeline);
in
if layeringPipeline == null then
  builtins.concatMap (planner: [
    "--planner"
    (spec planner)
  ]) chain
else if planner != null || plannerConfig != null then
  fail "`layeringPipeline` is a planner itself; put { planner = \"pipeline\"; config.pipeline = ...; } into the list `planner` instead"
else
  [
    "--planner"
    (spec {
      planner = "pipeline";
      config.pipeline = operations;
    })
  ]
