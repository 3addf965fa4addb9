# One docker archive with the images of several: docker archives, packed or not, and streams.
{
  script,
  zstd,
  result,
  text,
  plainImage,
  ...
}:
images:
if images == [ ] then
  throw "layerwright: mergeImages: the list of images is empty"
else
  let
    merged = script.run {
      name = "merged-images.tar";
      script = ./merge-images.sh;
      tools = [ zstd ];
      variables = {
        archive = ./archive.sh;
        images_to_merge = map (image: "${image}") (text.flatten images);
      };
    };
  in
  result {
    derivation = merged;
    alike = change: {
      forDockerTools = plainImage {
        name = "merged-images.tar";
        image = change merged;
      };
    };
  }
