# The program, for nixpkgs. Strategies are compiled to WebAssembly on the way, which rustc of nixpkgs can do.
{
  lib,
  rustPlatform,
  lld,
}:
rustPlatform.buildRustPackage {
  pname = "layerwright";
  version = (builtins.fromTOML (builtins.readFile ../Cargo.toml)).workspace.package.version;

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
