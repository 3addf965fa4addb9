# A function whose results can be made again with other arguments, as `lib.makeOverridable` does.
let
  overridable =
    function: arguments:
    function arguments
    // {
      override =
        changes: overridable function (arguments // (if builtins.isFunction changes then changes arguments else changes));
    };
in
overridable
