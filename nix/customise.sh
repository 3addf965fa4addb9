# Makes the tar of a customisation layer, as the builder of a derivation. customisation.nix sets the variables.
#
# 1. Put `contents` into a folder that becomes the image's root.
# 2. Run `extraCommands` in it, without rights.
# 3. Run `fakeRootCommands` as a root that fakeroot plays, and pack the folder within the same session: only there it is
#    known who owns what. With `enableFakechroot`, all of this happens within the folder as `/`, by proot.
#
# POSIX shell; needs coreutils and GNU tar, and fakeroot and proot where they are asked for.

conflict() {
  echo "layerwright: $1: $2 and $3 are both to be there; take one of them out of \`contents\`" >&2
  exit 1
}

# Puts links to all files below a folder into another one, which has folders of its own.
link_tree() {
  for file in "$1"/* "$1"/.[!.]* "$1"/..?*; do
    [ -e "$file" ] || [ -L "$file" ] || continue
    link="$2/${file##*/}"
    if [ -d "$file" ] && [ ! -L "$file" ]; then
      [ -d "$link" ] && [ ! -L "$link" ] || mkdir "$link" || conflict "$link" "$file" "another file"
      # Not in this shell, where it would go on with the inner loop's names.
      (link_tree "$file" "$link") || exit 1
    elif [ -e "$link" ] || [ -L "$link" ]; then
      [ "$(readlink "$link")" = "$file" ] || conflict "$link" "$file" "$(readlink "$link" || echo 'a folder')"
    else
      ln -s "$file" "$link"
    fi
  done
}

# Folders of the store are read-only, and more is to be put into them.
copy_tree() {
  cp -dR --preserve=mode,links "$1/." "$2"
  find "$2" -type d ! -perm -u+w -exec chmod u+w {} +
}

put_contents() {
  for content in $contents; do
    if [ ! -d "$content" ]; then
      echo "layerwright: contents: $content is no folder; put it into one, at the place where it is to be" >&2
      exit 1
    fi
    case $copyMode in
      links) link_tree "$content" "$1" ;;
      files) copy_tree "$content" "$1" ;;
    esac
  done
}

# Nothing of the moment, the machine or the file system's order.
pack() {
  tar --create --file "$out" --directory "$1" --sort=name --numeric-owner --mtime=@1 --hard-dereference \
    $excluded $owner .
}

# What fakeroot starts: this script again. Its shell stops at the first error.
as_root() {
  cd "$1"
  set -e +u
  . "$fakeRootCommandsPath"
  set -u
  # As fakeroot tells it.
  owner=
  pack "$1"
}

# In a sandbox a builder can give nothing away, and is told so in a way that fakeroot takes for a mistake.
export FAKEROOTDONTTRYCHOWN=1

excluded=
owner="--owner=$uid --group=$gid"

if [ -n "${LAYERWRIGHT_ROOT-}" ]; then
  excluded=${LAYERWRIGHT_EXCLUDED-}
  as_root "$LAYERWRIGHT_ROOT"
  exit 0
fi

umask 022
root=$PWD/root
mkdir "$root"
put_contents "$root"

if [ -s "$extraCommandsPath" ]; then
  (
    cd "$root"
    set -e +u
    . "$extraCommandsPath"
  )
fi

if [ ! -s "$fakeRootCommandsPath" ]; then
  pack "$root"
elif [ -z "$enableFakechroot" ]; then
  LAYERWRIGHT_ROOT=$root fakeroot -- "$SHELL" -eu "$0"
else
  : > "$out"
  binds=
  for folder in /dev /proc /sys "$NIX_STORE" "$NIX_BUILD_TOP" $fakechrootBinds; do
    [ -e "$folder" ] || continue
    binds="$binds -b $folder"
    excluded="$excluded --exclude=.$folder"
  done
  LAYERWRIGHT_ROOT=/ LAYERWRIGHT_EXCLUDED=$excluded proot -r "$root" $binds -b "$out" --cwd=/ \
    fakeroot -- "$SHELL" -eu "$0"
  # What the last command came to gets lost between all these processes. A tar is never empty.
  [ -s "$out" ] || { echo "layerwright: fakeRootCommands failed" >&2; exit 1; }
fi
