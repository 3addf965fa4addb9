# The file system of an image, as a tar.
{
  script,
  bash,
  fakeroot,
  zstd,
  ...
}:
{
  # As in dockerTools, which starts a virtual machine for it.
  fromImage,
  fromImageName ? null,
  fromImageTag ? null,
  name ? fromImage.name or "image.tar",
  diskSize ? 1024,
}:
script.run {
  inherit name;
  script = ./export-image.sh;
  tools = [
    fakeroot
    zstd
  ];
  variables = {
    archive = ./archive.sh;
    fromImage = "${fromImage}";
    SHELL = bash;
    position =
      if fromImageName == null && fromImageTag == null then
        "first"
      else if fromImageName == null || fromImageTag == null then
        throw "layerwright: exportImage: `fromImageName` and `fromImageTag` name an image together; give both, or none for the first one"
      else
        "${fromImageName}:${fromImageTag}";
  };
}
