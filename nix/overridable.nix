# Results that can be made again with other arguments (`override`) or other attributes (`overrideAttrs`), as those of
# nixpkgs' `lib.makeOverridable` and `mkDerivation`.
let
  isFunction = value: builtins.isFunction value || (value ? __functor && builtins.isFunction (value.__functor value));

  # What `override` and `overrideAttrs` take: values, a function of the earlier ones, or one of the new and the earlier.
  changed =
    old: changes:
    let
      once = changes old;
      new = old // (if !isFunction changes then changes else if isFunction once then changes new old else once);
    in
    new;

  # A function of which nixpkgs' `lib.functionArgs` knows the arguments.
  mirrored = functionArgs: function: {
    __functor = _: function;
    __functionArgs = functionArgs;
  };

  # A function whose results have `override`.
  overridable =
    functionArgs: function:
    let
      mirror = mirrored functionArgs;
      again = overridable functionArgs;
    in
    mirror (
      arguments:
      let
        result = function arguments;
      in
      if !builtins.isAttrs result then
        result
      else
        result
        // {
          override = mirror (
            changes: again function (arguments // (if isFunction changes then changes arguments else changes))
          );
        }
        // (
          if result ? overrideAttrs then
            {
              overrideAttrs = changes: again (arguments: (function arguments).overrideAttrs changes) arguments;
            }
          else
            { }
        )
    );

  # A derivation with what nixpkgs' derivations have besides.
  result =
    {
      derivation,
      # What users asked for.
      passthru ? { },
      meta ? { },
      # What the function tells, whatever users asked for.
      tells ? { },
      # The same of other derivations, to which whatever changes this one is done, too.
      alike ? change: { },
    }:
    let
      all = passthru // tells // alike (derivation: derivation);
      self =
        derivation
        // all
        // {
          passthru = all;
          meta = {
            inherit (derivation) name;
            outputsToInstall = [ "out" ];
          }
          // meta;
          out = self;
          all = [ self ];
          overrideAttrs =
            changes:
            let
              attributes =
                derivation:
                changed (
                  derivation.drvAttrs
                  // {
                    passthru = all;
                    inherit meta;
                  }
                ) changes;
              change =
                derivation:
                builtins.derivation (
                  removeAttrs (attributes derivation) [
                    "passthru"
                    "meta"
                  ]
                );
            in
            result {
              derivation = change derivation;
              inherit (attributes derivation) passthru meta;
              alike = then': alike (derivation: then' (change derivation));
            };
        };
    in
    self;
in
{
  inherit
    isFunction
    mirrored
    overridable
    result
    ;
}
