# The layer on top: what belongs to no store path.
#
# Without scripts the program makes it by itself, from flags. With scripts it is a tar that they made, in a derivation of
# its own: customise.sh tells how. Nix finds what that refers to.
{
  script,
  closure,
  names,
  bash,
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
  uid,
  gid,
}:
let
  isScripted = extraCommands != "" || fakeRootCommands != "";

  tar = script.run {
    name = "${names.base name}-customisation.tar";
    script = ./customise.sh;
    variables = {
      inherit
        copyMode
        extraCommands
        fakeRootCommands
        uid
        gid
        ;
      SHELL = bash;
      contents = map (path: "${path}") contents;
      enableFakechroot = if enableFakechroot then "1" else "";
      fakechrootBinds = map toString fakechrootBinds;
      passAsFile = [
        "extraCommands"
        "fakeRootCommands"
      ];
    };
  };

  flag = path: [
    "--copy-to-root"
    "${path}"
  ];
  mode = if copyMode == "links" then [ ] else [ "--copy-mode" copyMode ];
  owner = if uid == 0 && gid == 0 then [ ] else [ "--chown" "${toString uid}:${toString gid}:/" ];
in
if isScripted then
  {
    inherit tar;
    flags = [
      "--customisation"
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
    flags = if contents == [ ] then [ ] else mode ++ builtins.concatMap flag contents ++ owner;
    roots = map closure.ofPath contents;
    leftOut = [ ];
    isEmpty = contents == [ ];
  }
