# The program, for nixpkgs. Strategies are compiled to WebAssembly on the way, which rustc of nixpkgs can do.
{
  lib,
  rustPlatform,
  rustc,
  lld,
}:
let
  workspace = (builtins.fromTOML (builtins.readFile ../Cargo.toml)).workspace.package;
  oldest = workspace.rust-version;

  tooOld = throw ''
    layerwright: this nixpkgs has rustc ${rustc.version}, and the program needs ${oldest} or later, which nixpkgs has since 26.05.
    Take a later nixpkgs for it, whatever your own packages come from:
      layerwright.legacyPackages.''${system}.buildLayeredImage, of the flake
      (import <nixpkgs-unstable> { overlays = [ (import ./layerwright/nix/overlay.nix) ]; }).layerwrightTools
    or a later compiler: layerwright.override { rustPlatform = makeRustPlatform { inherit rustc cargo; }; inherit rustc; }
  '';
in
if builtins.compareVersions rustc.version oldest < 0 then
  # A package nevertheless, whose `override` the message names.
  {
    type = "derivation";
    pname = "layerwright";
    inherit (workspace) version;
    meta.mainProgram = "layerwright";
    name = tooOld;
    system = tooOld;
    outPath = tooOld;
    drvPath = tooOld;
  }
else
  rustPlatform.buildRustPackage {
    pname = "layerwright";
    inherit (workspace) version;

    src = lib.cleanSourceWith {
      src = ../.;
      # An image does not change with what is not built.
      filter =
        path: type:
        let
          name = lib.removePrefix "${toString ../.}/" (toString path);
          top = builtins.head (lib.splitString "/" name);
        in
        builtins.elem top [
          "Cargo.lock"
          "Cargo.toml"
          "host"
          "packer"
          "planner"
          "plugins"
          "tests"
          "wit"
          "xtask"
        ];
    };
    cargoLock.lockFile = ../Cargo.lock;

    # The linker for WebAssembly.
    nativeBuildInputs = [ lld ];
    buildAndTestSubdir = "host";
    # Those from outside need clients and daemons: `cargo xtask test`.
    doCheck = false;

    meta = {
      description = "Decides which parts of a software closure share a container image layer, and writes the image";
      license = [
        lib.licenses.asl20
        lib.licenses.mit
      ];
      mainProgram = "layerwright";
      platforms = lib.platforms.linux;
    };
  }
