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
  # In a sandbox a builder can give nothing away, and is told so in a way that fakeroot takes for a mistake.
  export LAYERWRIGHT_LAYERS FAKEROOTDONTTRYCHOWN=1
  exec fakeroot -- "$SHELL" -eu "$0"
fi

mkdir root
root=$(cd -P root && pwd)

# Refuses a place that links of lower layers lead out of the image: nobody knows who made it.
check_inside() {
  at=$1
  until real=$(cd -P "root/./$at" 2> errors && pwd); do
    case $at in
      */*) at=${at%/*} ;;
      *) at= ;;
    esac
  done
  case $real/ in
    "$root"/*) ;;
    *) echo "layerwright: a link leads the image's /$1 to $real, out of the image" >&2; exit 1 ;;
  esac
}

# Removes what a layer says is gone, or cannot stay beside what it brings. Reads the names in it.
make_room() {
  checked=
  while IFS= read -r name; do
    case /$name/ in */../*) continue ;; esac
    base=${name##*/}
    folder=${name%"$base"}
    [ "$folder" = "$checked" ] || check_inside "${folder%/}"
    checked=$folder
    case $base in
      .wh..wh..opq) find "root/$folder" -mindepth 1 -delete 2> errors || [ ! -d "root/$folder" ] ;;
      .wh. | .wh.. | .wh...) ;;
      .wh.*) rm -rf -- "root/$folder${base#.wh.}" ;;
      # A folder stays where a folder comes.
      "") ;;
      *) [ -L "root/$name" ] || [ ! -d "root/$name" ] || rm -rf -- "root/$name" ;;
    esac
  done
}

for layer in $LAYERWRIGHT_LAYERS; do
  unpack_layer "image/$layer" > layer.tar
  tar --list --quoting-style=literal --file layer.tar 2> errors > names
  make_room < names
  # That it takes slashes from the beginning of names, it says for every layer.
  tar --extract --file layer.tar --directory root --preserve-permissions --numeric-owner --exclude='.wh.*' \
    --delay-directory-restore 2> errors || { cat errors >&2; exit 1; }
done

tar --create --file "$out" --directory root --sort=name --numeric-owner --mtime=@1 --hard-dereference .
