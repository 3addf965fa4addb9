# Container images from Nix closures: the functions of nixpkgs' dockerTools, with layerwright.
#
# Works without nixpkgs. Planning and packing are derivations whose builder is the program itself, so that they need
# neither a shell nor a standard environment. Only what is made by scripts (`extraCommands`, streams, `mergeImages`,
# `exportImage`) needs a shell and a few tools. With nixpkgs, use overlay.nix, which names all of them.
#
#     let images = import ./nix { layerwright = ./target/release/layerwright; };
#     in images.buildLayeredImage { name = "app"; contents = [ app ]; config.Cmd = [ "/bin/app" ]; }
#
# docs/dockertools.md compares every option with dockerTools'.
{
  # The program: a package with bin/layerwright, or the file itself.
  layerwright,
  # Where derivations are built, and what images are for. A flake does not know this machine, but the program's package does.
  system ? layerwright.system or builtins.currentSystem
    or (throw "layerwright: name the `system` that images are made on, e.g. system = \"x86_64-linux\": a flake does not know it"),
  hostSystem ? system,
  # Reads text files and starts streams; POSIX. `/bin/sh` is what Nix has in its sandbox, and what every Linux has.
  shell ? "/bin/sh",
  # Runs scripts: extraCommands and fakeRootCommands are written for it.
  bash ? shell,
  # Folders with the commands that scripts call. The default is this machine's, which a sandbox does not have.
  path ? [
    "/usr/bin"
    "/bin"
  ],
  # The standard environment of nixpkgs, whose tools and functions scripts have besides.
  stdenv ? null,
  # Packages with tools that few images need. Null: where they are, they are in `path`.
  fakeroot ? null,
  proot ? null,
  zstd ? null,
  # For enableFakechroot: folders outside of the store which the tools in `path` need.
  fakechrootBinds ? [ ],
  # For pullImage.
  skopeo ? "/usr/bin/skopeo",
  # For caCertificates and pullImage: a file with certificates.
  cacert ? null,
  # For binSh, usrBinEnv and images of nix-shell: programs that images hold.
  interactiveShell ? bash,
  env ? null,
  # For shadowSetup: the package with useradd, and the shell of root.
  shadow ? null,
  loginShell ? "/bin/sh",
  # nixpkgs' dockerTools, which have a virtual machine for `runAsRoot`.
  dockerTools ? null,
}:
let
  overridable = import ./overridable.nix;

  context = {
    inherit
      system
      hostSystem
      shell
      bash
      path
      stdenv
      fakeroot
      proot
      zstd
      fakechrootBinds
      skopeo
      cacert
      interactiveShell
      loginShell
      shadow
      env
      dockerTools
      functions
      ;
    inherit (overridable) overridable result;
    inherit (functions) streamLayeredImage;
    program = import ./program.nix { inherit layerwright; };
    base = import ./base.nix;
    text = import ./text.nix;
    times = import ./times.nix;
    inStore = import ./in-store.nix;
    spelled = import ./spelled.nix context;
    names = import ./names.nix context;
    closure = import ./closure.nix;
    run = import ./run.nix context;
    script = import ./script.nix context;
    planners = import ./planners.nix;
    compression = import ./compression.nix;
    customisation = import ./customisation.nix context;
    image = import ./image.nix context;
    plainImage = import ./plain-image.nix context;
    buildImageAsRoot = import ./build-image-as-root.nix context;
  };

  # The arguments of image.nix are those of the functions that pass all others on to it.
  ofImage = removeAttrs (builtins.functionArgs (context.image "")) [
    "contentsUid"
    "contentsGid"
  ];
  makeImage = function: overridable.overridable (ofImage // builtins.functionArgs function) function;
  make = function: overridable.overridable (builtins.functionArgs function) function;
  withNixDb =
    function:
    overridable.mirrored function.__functionArgs (arguments: function (arguments // { includeNixDB = true; }));

  ofNixShell = import ./nix-shell-image.nix context;
  nixShell = more: overridable.mirrored (builtins.functionArgs ofNixShell // more);

  functions = {
    buildLayeredImage = makeImage (import ./build-layered-image.nix context);
    streamLayeredImage = makeImage (import ./stream-layered-image.nix context);
    buildImage = makeImage (import ./build-image.nix context);
    mergeImages = import ./merge-images.nix context;
    exportImage = make (import ./export-image.nix context);
    pullImage = make (import ./pull-image.nix context);

    buildLayeredImageWithNixDb = withNixDb functions.buildLayeredImage;
    buildImageWithNixDb = withNixDb functions.buildImage;

    streamNixShellImage = nixShell { } (arguments: functions.streamLayeredImage (ofNixShell arguments));
    buildNixShellImage = nixShell { compressor = true; } (
      {
        compressor ? "gz",
        ...
      }@arguments:
      functions.buildLayeredImage (ofNixShell (removeAttrs arguments [ "compressor" ]) // { inherit compressor; })
    );
  }
  // import ./contents.nix context;
in
functions
