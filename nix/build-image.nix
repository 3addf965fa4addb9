# An image with one layer of store paths, and with files in a second one.
#
# dockerTools puts both into a single layer. Apart from each other, one stays the same when the other changes.
context@{
  names,
  script,
  buildImageAsRoot,
  ...
}:
{
  # As in dockerTools.
  name,
  copyToRoot ? null,
  contents ? null,
  # Links to folders are always joined with folders, whatever this says.
  keepContentsDirlinks ? false,
  runAsRoot ? null,
  uid ? 0,
  gid ? 0,
  diskSize ? 1024,
  buildVMMemorySize ? 512,
  compressor ? "gz",
  passthru ? { },
  meta ? { },
  # What dockerTools does not have.
  format ? "docker-archive",
  planner ? null,
  maxLayers ? null,
  ...
}@arguments:
let
  function = "buildImage";
  fail = reason: throw "layerwright: ${function}: image `${name}`: ${reason}";

  files =
    if contents == null then
      copyToRoot
    else if copyToRoot == null then
      builtins.trace "warning: layerwright: ${function}: image `${name}`: `contents` is called `copyToRoot` now" contents
    else
      fail "`contents` is an old name of `copyToRoot`; give one of them";

  ofImage =
    removeAttrs arguments [
      "copyToRoot"
      "keepContentsDirlinks"
      "runAsRoot"
      "uid"
      "gid"
      "diskSize"
      "buildVMMemorySize"
      "compressor"
      "passthru"
      "meta"
      "format"
    ]
    // {
      contents = files;
      copyMode = arguments.copyMode or "files";
      # In the store, everything stays root's.
      contentsUid = uid;
      contentsGid = gid;
      inherit maxLayers;
    }
    # One layer for all store paths, however many layers lie below.
    // (
      if maxLayers == null && planner == null then
        {
          planner = {
            planner = "popularity";
            maxLayers = 1;
          };
        }
      else
        { }
    );

  parts = context.image function ofImage;

  # What dockerTools calls the layer: a folder with its tar and two files of old archives.
  layer = script.run {
    name = "docker-layer-${names.base name}";
    script = ./layer.sh;
    variables = {
      layerTar = "${parts.layerTar}";
      json = builtins.toJSON {
        inherit (parts) config created architecture;
        os = "linux";
      };
      passAsFile = [ "json" ];
    };
  };
in
if runAsRoot != null && buildImageAsRoot != null then
  buildImageAsRoot arguments
else if runAsRoot != null then
  fail "`runAsRoot` needs a virtual machine, which layerwright does not have. Most scripts work as `fakeRootCommands` of buildLayeredImage, with `enableFakechroot = true` where they need the image as /; with the overlay for nixpkgs, dockerTools builds such an image"
else
  import ./packed-image.nix context {
    inherit
      function
      name
      compressor
      format
      passthru
      meta
      parts
      ;
    tells = {
      buildArgs = arguments;
      inherit layer;
    };
  }
