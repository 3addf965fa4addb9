# Names of images and of the derivations that make them.
{ text, ... }:
rec {
  # As registries want it: dockerTools lowers it, too.
  image = text.toLower;

  # Derivations cannot have the registry in their names.
  base = name: baseNameOf name;

  # The hash part of a store path: what names an image that has no tag. It changes with anything that changes the image.
  hashOf = derivation: builtins.substring 0 32 (baseNameOf (builtins.unsafeDiscardStringContext derivation.outPath));

  # Fails early where docker would fail late.
  check =
    function: name:
    let
      isName = builtins.match "([a-z0-9.-]+(:[0-9]+)?/)?[a-z0-9]+(([.]|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+(([.]|_|__|-+)[a-z0-9]+)*)*" name != null;
    in
    if isName then
      name
    else
      throw "layerwright: ${function}: `${name}` is no image name: write [REGISTRY/]NAME with letters, digits and single separators (. _ -), and the tag as `tag`";

  # In Go's words, as images have it.
  goArchitecture =
    system:
    let
      processor = builtins.head (builtins.match "([^-]+)-.*" system);
      known = {
        x86_64 = "amd64";
        i686 = "386";
        aarch64 = "arm64";
        armv5tel = "arm";
        armv6l = "arm";
        armv7l = "arm";
        powerpc64 = "ppc64";
        powerpc64le = "ppc64le";
        loongarch64 = "loong64";
        mipsel = "mipsle";
        mips64el = "mips64le";
      };
    in
    known.${processor} or processor;

  # Which of the processors that Go calls by one name.
  goVariant =
    system:
    let
      variants = {
        armv5tel = "v5";
        armv6l = "v6";
        armv7l = "v7";
      };
    in
    variants.${builtins.head (builtins.match "([^-]+)-.*" system)} or "";
}
