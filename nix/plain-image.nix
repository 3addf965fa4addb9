# An image as dockerTools' own functions can build upon it. They take the hash of a layer's file for that of its tar, which
# only holds where layers are not compressed.
{ script, zstd, ... }:
{
  name,
  image,
}:
script.run {
  inherit name;
  script = ./plain-image.sh;
  tools = [ zstd ];
  variables = {
    archive = ./archive.sh;
    image = "${image}";
  };
}
