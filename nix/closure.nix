# Which store paths a value refers to: the roots of an image's closure.
#
# dockerTools writes the value into the store and lets Nix scan it. Here nothing is built for it:
#
# 1. The context of a string says which outputs of which derivations it may name.
# 2. The output of a derivation has a known name and an unknown hash: everything in the text that looks like a store path
#    of a known name is one.
# 3. What the text does not name is no reference, and neither is a path without context, as after a scan.
let
  inherit (builtins)
    attrNames
    attrValues
    baseNameOf
    concatMap
    elem
    filter
    getContext
    head
    isAttrs
    isList
    isPath
    isString
    split
    storeDir
    stringLength
    substring
    unsafeDiscardStringContext
    ;

  storePath = "${escape storeDir}/([0-9a-df-np-sv-z]{32})-([0-9a-zA-Z+._?=-]+)";
  escape = builtins.replaceStrings [ "." "+" ] [ "[.]" "[+]" ];

  # The name that an output has in the store: Nix's own rule.
  outputName =
    derivationPath: output:
    let
      file = baseNameOf derivationPath;
      name = substring 33 (stringLength file - 37) file;
    in
    if output == "out" then name else "${name}-${output}";

  # Paths that the context names itself: sources, and derivations that are meant as files.
  ownPaths = context: filter (path: (context.${path}.path or false) || (context.${path}.allOutputs or false)) (attrNames context);

  namesIn =
    context:
    concatMap (path: map (outputName path) (context.${path}.outputs or [ ])) (attrNames context)
    ++ map (path: substring 33 (-1) (baseNameOf path)) (ownPaths context);

  # A name may be followed by what could be part of one: the full stop of a sentence, or the rest of a URL.
  nameAtStart =
    names: text:
    let
      rest = name: substring (stringLength name) (-1) text;
      starts = name: substring 0 (stringLength name) text == name && elem (substring 0 1 (rest name)) [ "" "." "?" "=" ];
      longest = a: b: if stringLength b > stringLength a then b else a;
    in
    if elem text names then text else builtins.foldl' longest "" (filter starts names);

  ofText =
    text:
    let
      context = getContext text;
      plain = unsafeDiscardStringContext text;
      names = namesIn context;
      found = filter isList (split storePath plain);
      root =
        match:
        let
          name = nameAtStart names (builtins.elemAt match 1);
        in
        if name == "" then [ ] else [ (builtins.appendContext "${storeDir}/${head match}-${name}" context) ];
    in
    if context == { } then [ ] else concatMap root found;
in
rec {
  # Everything that is named anywhere in a value.
  ofValue =
    value:
    if isString value then
      ofText value
    else if isPath value then
      ofText "${value}"
    else if isList value then
      concatMap ofValue value
    else if isAttrs value then
      if value ? outPath || value ? __toString then ofText "${value}" else concatMap ofValue (attrValues value)
    else
      [ ];

  # The store path that a file lies in.
  ofPath =
    path:
    let
      text = "${path}";
      name = builtins.match "${escape storeDir}/([^/]+).*" (unsafeDiscardStringContext text);
    in
    if name == null then
      throw "layerwright: `${text}` is not in the store, so it cannot be part of an image; write it as a path, without quotes, and Nix copies it there"
    else
      substring 0 (stringLength storeDir + 1 + stringLength (head name)) text;
}
