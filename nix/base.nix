# What an image is built upon.
rec {
  # nixpkgs says `isExe` of the files that its buildLayeredImage makes, too; those have the stream beside them.
  isStream = image: (image.isExe or false) && !(image ? stream);

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
