{
  description = "Container images from Nix closures, with layering strategies as sandboxed components";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";

  outputs =
    { self, nixpkgs }:
    let
      systems = [
        "x86_64-linux"
        "aarch64-linux"
      ];
      forEach = make: nixpkgs.lib.genAttrs systems (system: make (nixpkgs.legacyPackages.${system}.extend self.overlays.default));
    in
    {
      # Without nixpkgs: lib { layerwright = ...; }.
      lib = import ./nix;

      # layerwright and layerwrightTools.
      overlays.default = import ./nix/overlay.nix;

      packages = forEach (pkgs: {
        default = pkgs.layerwright;
        inherit (pkgs) layerwright;
      });

      # The functions of dockerTools: layerwright.legacyPackages.x86_64-linux.buildLayeredImage { ... }.
      legacyPackages = forEach (pkgs: pkgs.layerwrightTools);
    };
}
