# An image holds only what is in the store: checks that a program is.
what: argument: value:
let
  example = {
    env = "coreutils}/bin/env";
    interactiveShell = "bashInteractive}/bin/bash";
  };
in
if value != null && builtins.hasContext "${value}" then
  "${value}"
else
  throw "layerwright: ${what} needs a program in the store: give `${argument}` to nix/default.nix, e.g. ${argument} = \"\${pkgs.${example.${argument}}\""
