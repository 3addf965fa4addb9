# The file system of an image, as a tar.
{
  script,
  bash,
  fakeroot,
  zstd,
  base,
  result,
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
result {
  derivation = script.run {
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
      position = base.position "exportImage" fromImageName fromImageTag;
    };
  };
}
