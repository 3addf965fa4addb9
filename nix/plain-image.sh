# Writes a docker archive in the form that dockerTools itself has: layers as ID/layer.tar and not compressed, the config as
# ID.json, and no OCI layout beside it. plain-image.nix sets the variables. POSIX shell; needs GNU tar and sed.
. "$archive"

unpack_image "$image" image
mkdir plain
: > renamed

# Between two quotes of manifest.json is a key or a value, and each key comes before its values.
tr '"' '\n' < image/manifest.json > words
key=
while IFS= read -r word; do
  case $word in
    Config | Layers | RepoTags) key=$word ;;
  esac
  [ -f "image/$word" ] || continue
  id=${word#blobs/sha256/}
  id=${id%%[/.]*}
  case $key in
    Config)
      new=$id.json
      cp "image/$word" "plain/$new"
      ;;
    Layers)
      new=$id/layer.tar
      mkdir -p "plain/$id"
      [ -f "plain/$new" ] || unpack_layer "image/$word" > "plain/$new"
      ;;
    *) continue ;;
  esac
  printf 's|"%s"|"%s"|g\n' "$word" "$new" >> renamed
done < words

sed -f renamed image/manifest.json > plain/manifest.json
pack_folder plain "$out"
