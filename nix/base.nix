# What an image is built upon.
rec {
  # Whether it is surely one: what is none may say `isExe`, too, as the files of nixpkgs' buildLayeredImage do, or have all that
  # a stream tells. Of the others, the program says what they are.
  isStream = image: (image.isExe or false) && !(image ? stream) && builtins.match "stream-.*" (image.name or "") != null;

  # Which image of an archive: "first", or NAME:TAG. A name or a tag alone chooses none, as in dockerTools.
  position =
    function: fromImageName: fromImageTag:
    if fromImageName == null && fromImageTag == null then
      "first"
    else if fromImageName == null || fromImageTag == null then
      builtins.trace "warning: layerwright: ${function}: `${
        if fromImageTag == null then "fromImageName" else "fromImageTag"
      }` alone chooses no image, and the first one is taken, as in dockerTools; give both `fromImageName` and `fromImageTag`" "first"
    else
      "${fromImageName}:${fromImageTag}";
}
