# Where the program is, from whatever the user named.
{ layerwright }:
let
  folder = "${toString layerwright}/bin/layerwright";
  isInStore = builtins.hasContext (toString layerwright);
in
if layerwright ? outPath then
  "${layerwright}/bin/layerwright"
else if isInStore then
  layerwright
else if builtins.pathExists folder then
  # Copied alone: what lies beside it would become part of every image's inputs.
  "${builtins.path { name = "layerwright"; path = folder; }}"
else if builtins.pathExists layerwright then
  "${builtins.path { name = "layerwright"; path = layerwright; }}"
else
  throw "layerwright: ${toString layerwright} is neither the program nor a folder with bin/layerwright; build it with `cargo build --release`"
