# Runs the program as the builder of a derivation.
{ system, program, ... }:
{
  name,
  # The first is the command.
  arguments,
  # What the program finds in .attrs.json, which lies where a builder starts: a closure, a config.
  attributes ? { },
  # Whether to tell what planners do. Otherwise only errors are told: a builder's standard error is a terminal, and would be
  # full of progress.
  debug ? false,
  # Whether the result only tells of store paths, and does not need them.
  isSelfContained ? false,
}:
let
  # An image names store paths, and Nix would take that for references: whoever fetches the image would fetch its closure
  # besides. Before 2.17, Nix does not know the attribute or wants an experimental feature for it.
  canDiscard = builtins.compareVersions builtins.nixVersion "2.17" >= 0;
in
derivation (
  attributes
  // {
    inherit name system;
    __structuredAttrs = true;
    builder = program;
    args = arguments ++ (if debug then [ "-vv" ] else [ "--quiet" ]);
  }
  // (if isSelfContained && canDiscard then { unsafeDiscardReferences.out = true; } else { })
)
