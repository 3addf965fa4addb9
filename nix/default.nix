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
  # Where derivations are built, and what images are for.
  system ? builtins.currentSystem,
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
  # For binSh and usrBinEnv: what they link to.
  interactiveShell ? bash,
  env ? null,
}:
let
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
      env
      ;
    program = import ./program.nix { inherit layerwright; };
    text = import ./text.nix;
    names = import ./names.nix context;
    closure = import ./closure.nix;
    run = import ./run.nix context;
    script = import ./script.nix context;
    planners = import ./planners.nix;
    compression = import ./compression.nix;
    customisation = import ./customisation.nix context;
    image = import ./image.nix context;
    overridable = import ./overridable.nix;
    inherit (functions) streamLayeredImage;
  };

  functions = {
    buildLayeredImage = context.overridable (import ./build-layered-image.nix context);
    streamLayeredImage = context.overridable (import ./stream-layered-image.nix context);
    buildImage = context.overridable (import ./build-image.nix context);
    mergeImages = import ./merge-images.nix context;
    exportImage = context.overridable (import ./export-image.nix context);
    pullImage = context.overridable (import ./pull-image.nix context);

    buildLayeredImageWithNixDb = arguments: functions.buildLayeredImage ({ includeNixDB = true; } // arguments);
    buildImageWithNixDb = arguments: functions.buildImage ({ includeNixDB = true; } // arguments);
  };
in
functions // import ./contents.nix context
