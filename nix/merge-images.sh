# Joins docker archives into one that holds all their images. merge-images.nix sets the variables.
#
# Files of an archive are named by what they hold, so that those of the same name are the same. Only the list of images
# has to be joined, which is a JSON list: the text between the brackets, with commas.
#
# Docker reads manifest.json, and so does every other tool. `repositories` and the index of an OCI layout say the same
# again, of one archive alone, and are left out.
. "$archive"

mkdir merged
images=
number=0
for image in $images_to_merge; do
  number=$((number + 1))
  unpack_image "$image" "unpacked-$number"
  manifest=$(cat "unpacked-$number/manifest.json")
  case $manifest in
    *"["*"]"*) ;;
    *) echo "layerwright: manifest.json of $image is no list" >&2; exit 1 ;;
  esac
  list=${manifest#*"["}
  list=${list%"]"*}
  images="$images${images:+,}$list"
  (cd "unpacked-$number" && rm -f manifest.json repositories index.json oci-layout)
  cp -dRn "unpacked-$number/." merged
  chmod -R u+w merged
  rm -rf "unpacked-$number"
done
printf '[%s]\n' "$images" > merged/manifest.json

pack_folder merged "$out"
