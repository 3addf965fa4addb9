# For nixpkgs: `pkgs.layerwright`, and `pkgs.layerwrightTools` with the functions of dockerTools.
#
# To change over in one place, without touching what uses it:
#
#     final: prev: { dockerTools = prev.dockerTools // final.layerwrightTools; }
final: prev: {
  layerwright = final.callPackage ./package.nix { };

  layerwrightTools =
    let
      # What runs during the build; what the image holds comes from the arguments.
      build = final.buildPackages;
      stdenv = build.stdenvNoCC or build.stdenv;

      images = import ./default.nix {
        inherit (build) layerwright;
        system = final.stdenv.buildPlatform.system;
        hostSystem = final.stdenv.hostPlatform.system;
        shell = "${build.runtimeShell}";
        bash = "${build.bash}/bin/bash";
        # Other packages of nixpkgs are made with the same tools.
        path = map (package: "${package}/bin") stdenv.initialPath;
        inherit stdenv;
        inherit (build) fakeroot proot zstd;
        skopeo = "${build.skopeo}/bin/skopeo";
        cacert = "${final.cacert}/etc/ssl/certs/ca-bundle.crt";
        interactiveShell = "${final.bashInteractive}/bin/bash";
        env = "${final.coreutils}/bin/env";
        inherit (final) shadow;
        loginShell = "${final.runtimeShell}";
        # The one thing that needs a virtual machine: dockerTools has one.
        inherit (prev) dockerTools;
      };
    in
    images;
}
