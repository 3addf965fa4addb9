# What merge-images.sh, export-image.sh and plain-image.sh know of docker archives. POSIX shell; needs GNU tar, sed and
# sha256sum, and gzip, xz or zstd for archives that are packed with these.

# Gives layers of a stream, which are numbered, names by what they hold, as those of every other archive.
name_layers() {
  : > renamed-layers
  for numbered in "$1"/layer-*.tar; do
    [ -f "$numbered" ] || continue
    hash=$(sha256sum < "$numbered")
    hash=${hash%% *}
    mv "$numbered" "$1/$hash.tar"
    printf 's|"%s"|"%s"|g\n' "${numbered##*/}" "$hash.tar" >> renamed-layers
  done
  [ -s renamed-layers ] || return 0
  sed -f renamed-layers "$1/manifest.json" > renamed-manifest
  mv renamed-manifest "$1/manifest.json"
}

# Unpacks an image into a folder: a docker archive, or a program that writes one.
unpack_image() {
  mkdir -p "$2"
  if [ -d "$1" ]; then
    echo "layerwright: $1 is a folder; only docker archives and streams can be read here (format = \"docker-archive\")" >&2
    exit 1
  elif [ -x "$1" ]; then
    "$1" > "$2.tar" 2> stream.log || { cat stream.log >&2; exit 1; }
  else
    case $(od -An -tx1 -N6 < "$1" | tr -d ' \n') in
      1f8b*) gzip -dc < "$1" > "$2.tar" ;;
      28b52ffd*) zstd -dcq < "$1" > "$2.tar" ;;
      fd377a585a00) xz -dc < "$1" > "$2.tar" ;;
      *) ln -s "$1" "$2.tar" ;;
    esac
  fi
  tar --extract --file "$2.tar" --directory "$2" --no-same-owner --no-same-permissions
  rm "$2.tar"
  name_layers "$2"
  if [ ! -f "$2/manifest.json" ]; then
    echo "layerwright: $1 has no manifest.json, so it is no docker archive" >&2
    exit 1
  fi
}

# Writes a layer to standard output, whatever it is packed with.
unpack_layer() {
  case $(od -An -tx1 -N4 < "$1" | tr -d ' \n') in
    1f8b*) gzip -dc < "$1" ;;
    28b52ffd) zstd -dcq < "$1" ;;
    *) cat < "$1" ;;
  esac
}

# Packs what is in a folder: nothing of the moment, the machine or the file system's order gets in.
pack_folder() {
  (
    cd "$1"
    tar --create --file "$2" --sort=name --mtime=@1 --owner=0 --group=0 --numeric-owner --mode=u+rw,go+r \
      --hard-dereference -- *
  )
}
