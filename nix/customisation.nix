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
  # Who owns `contents` and what `extraCommands` makes.
  uid,
  gid,
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
  owner = if uid == 0 && gid == 0 then [ ] else [ "--customisation-owner" "${toString uid}:${toString gid}" ];
  files = owner ++ (if contents == [ ] then [ ] else mode ++ builtins.concatMap copy contents);
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
  ++ (if includeNixDB then [ "--nix-db" "graph:${graph}#closure" ] else [ ]);

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
    flags =
      files
      ++ [
        "--staged"
        "${tar}"
      ]
      # What fakeroot was told of owners, the tar tells.
      ++ (if fakeRootCommands == "" then [ ] else [ "--staged-attributes" "all" ]);
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
