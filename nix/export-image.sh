# Writes the file system of an image as one tar. export-image.nix sets the variables.
#
# 1. For each layer, bottom-most first: remove what it says is gone (`.wh.NAME`, and `.wh..wh..opq` for all that lower
#    layers put into a folder), then unpack it over what is there.
# 2. Pack the result.
#
# All of it as a root that fakeroot plays, which remembers owners, modes and devices. POSIX shell; needs GNU tar, find and
# fakeroot.
. "$archive"

if [ -z "${LAYERWRIGHT_LAYERS-}" ]; then
  unpack_image "$fromImage" image
  manifest=$(cat image/manifest.json)
  # The list of layers of one image: text between brackets, names in quotes. Names hold neither.
  case $position in
    first) manifest=${manifest#*'"Layers"'} ;;
    *)
      case $manifest in
        *"\"$position\""*) ;;
        *) echo "layerwright: no image in $fromImage is named $position" >&2; exit 1 ;;
      esac
      before=${manifest%%"\"$position\""*}
      after=${manifest#*"\"$position\""}
      # An image is one object without objects in it; its layers are before or after its names.
      case ${after%%"}"*} in
        *'"Layers"'*) manifest=${after#*'"Layers"'} ;;
        *) manifest=${before##*"{"}; manifest=${manifest#*'"Layers"'} ;;
      esac
      ;;
  esac
  manifest=${manifest#*"["}
  LAYERWRIGHT_LAYERS=$(printf '%s' "${manifest%%"]"*}" | tr -d ' \t\r\n"' | tr , ' ')
  export LAYERWRIGHT_LAYERS
  exec fakeroot -- "$SHELL" -eu "$0"
fi

mkdir root
for layer in $LAYERWRIGHT_LAYERS; do
  file=image/$layer
  case $(od -An -tx1 -N4 < "$file" | tr -d ' \n') in
    1f8b*) gzip -dc < "$file" > layer.tar ;;
    28b52ffd) zstd -dcq < "$file" > layer.tar ;;
    *) cat < "$file" > layer.tar ;;
  esac
  tar --list --quoting-style=literal --file layer.tar | while IFS= read -r name; do
    base=${name##*/}
    folder=root/${name%"$base"}
    case $base in
      .wh..wh..opq) [ -L "${folder%/}" ] || find "$folder" -mindepth 1 -delete 2> errors || [ ! -e "$folder" ] ;;
      .wh.*) rm -rf -- "$folder${base#.wh.}" ;;
    esac
  done
  tar --extract --file layer.tar --directory root --preserve-permissions --numeric-owner --recursive-unlink \
    --exclude='.wh.*' --delay-directory-restore
done

tar --create --file "$out" --directory root --sort=name --numeric-owner --mtime=@1 --hard-dereference .
