# An image as a file in the store, or with `format = "oci"` as a folder. image.nix has the other arguments.
context:
{
  name,
  maxLayers ? 100,
  compressor ? "gz",
  passthru ? { },
  meta ? { },
  # What dockerTools does not have.
  format ? "docker-archive",
  layersAsDerivations ? false,
  ...
}@arguments:
let
  function = "buildLayeredImage";
  ofImage = removeAttrs arguments [
    "compressor"
    "passthru"
    "meta"
    "format"
    "layersAsDerivations"
  ];
  stream = context.streamLayeredImage (ofImage // { inherit passthru meta; });
in
import ./packed-image.nix context {
  inherit
    function
    name
    compressor
    format
    meta
    ;
  parts = context.image function ofImage;
  # One layer is that of `contents` and scripts.
  layerDerivations = if layersAsDerivations then maxLayers - 1 else 0;
  inherit passthru;
  tells = {
    inherit stream;
    inherit (stream) conf streamScript;
  };
}
