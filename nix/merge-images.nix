# One docker archive with the images of several: docker archives, packed or not, and streams.
{ script, zstd, ... }:
images:
if images == [ ] then
  throw "layerwright: mergeImages: the list of images is empty"
else
  script.run {
    name = "merged-images.tar";
    script = ./merge-images.sh;
    tools = [ zstd ];
    variables = {
      archive = ./archive.sh;
      images_to_merge = map (image: "${image}") images;
    };
  }
