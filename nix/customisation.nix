# The layer on top: what belongs to no store path.
#
# The program makes it, from flags. Where there are scripts, it writes the files into a folder first, in a derivation of its
# own; there the scripts work on them, and what they have made is a tar, which the program takes back: customise.sh tells how.
# Nix finds what that refers to.
{
  script,
  program,
  closure,
  names,
  text,
  bash,
  stdenv,
  fakeroot,
  proot,
  fakechrootBinds,
  ...
}:
{
  name,
  contents,
  # "links" into the store, or "files".
  copyMode,
  extraCommands,
  fakeRootCommands,
  enableFakechroot,
  # Who owns `contents` and what `extraCommands` makes, and whether nobody else owns anything.
  uid,
  gid,
  isOwnerDefault,
  # The base image, as flags.
  baseFlags,
  includeNixDB,
}:
let
  isScripted = extraCommands != "" || fakeRootCommands != "";
  base = names.base name;

  copy = path: [
    "--copy-to-root"
    "${path}"
  ];
  mode = if copyMode == "links" then [ ] else [ "--copy-mode" copyMode ];
  owner = if isOwnerDefault then [ ] else [ "--chown" "${toString uid}:${toString gid}:/" ];
  files =
    (if contents == [ ] then [ ] else mode ++ builtins.concatMap copy contents)
    ++ (if contents == [ ] && !includeNixDB then [ ] else owner);
  roots = map closure.ofPath contents;

  # For scripts to see. The image's own has also what scripts bring.
  graph = script.writeAttributes {
    name = "${base}-contents.json";
    attributes.exportReferencesGraph.closure = roots;
  };

  stage = [
    program
    "--quiet"
    "stage"
  ]
  ++ baseFlags
  ++ files
  ++ (if includeNixDB then [ "--nix-db" "graph:${graph}#closure" ] else [ ])
  ++ [ "--output" ];

  tar = script.run {
    name = "${base}-customisation.tar";
    script = ./customise.sh;
    tools =
      (if fakeRootCommands == "" then [ ] else [ fakeroot ]) ++ (if enableFakechroot then [ proot ] else [ ]);
    variables = {
      inherit
        extraCommands
        fakeRootCommands
        uid
        gid
        ;
      SHELL = bash;
      stage = text.quoteAll stage;
      enableFakechroot = if enableFakechroot then "1" else "";
      fakechrootBinds = map toString fakechrootBinds;
      passAsFile = [
        "extraCommands"
        "fakeRootCommands"
      ];
    }
    // (if stdenv == null then { } else { stdenv = "${stdenv}"; });
  };
in
if isScripted then
  {
    inherit tar;
    flags = files ++ [
      "--staged"
      "${tar}"
    ];
    # Its references belong to the image, it does not.
    roots = [ "${tar}" ];
    leftOut = [ "${tar}" ];
    isEmpty = false;
  }
else
  {
    tar = null;
    flags = files;
    inherit roots;
    leftOut = [ ];
    isEmpty = contents == [ ];
  }
