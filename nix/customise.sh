# Makes the tar of a customisation layer, as the builder of a derivation. customisation.nix sets the variables.
#
# 1. The program writes the files that the layer has without scripts into a folder, which becomes the image's root.
# 2. Run `extraCommands` in it, without rights.
# 3. Run `fakeRootCommands` as a root that fakeroot plays, with `enableFakechroot` within the folder as `/`, by proot.
# 4. Pack the folder: within the same session of fakeroot, since only there it is known who owns what, but out of proot, which
#    lays folders of the machine over those of the image.
#
# The program takes the tar back by `--staged`. Of the folder alone it knows what nobody has changed. Under fakeroot, each file
# is given the owner and the mode first that it has in the image, so that scripts see them, and what the tar says is meant.
#
# POSIX shell; needs coreutils and GNU tar, and fakeroot and proot where they are asked for, with GNU find for fakechrootBinds.
# With nixpkgs, scripts have what every derivation has there: the tools and functions of its standard environment, which needs
# bash.
if [ -n "${stdenv-}" ]; then
  . "$stdenv/setup"
fi
set -eu

# In a sandbox a builder can give nothing away, and is told so in a way that fakeroot takes for a mistake.
export FAKEROOTDONTTRYCHOWN=1

umask 022
root=$NIX_BUILD_TOP/root
attributes=$NIX_BUILD_TOP/attributes
before=$NIX_BUILD_TOP/before

# Runs a script in a folder. Its shell stops at the first error, and whatever else it does to itself ends with it.
run_in() {
  (
    cd "$1"
    set +u
    . "$2"
  )
}

# Nothing of the moment, the machine or the file system's order.
pack() {
  tar --create --file "$out" --directory "$root" --sort=name --numeric-owner --mtime=@1 --hard-dereference "$@" .
}

# mode:FOLDER=MODE owner:FOLDER=OWNER for each folder of the machine that lies over one of the image.
attributes_of_binds() {
  for folder in $binds; do
    if [ -d "$root$folder" ] || [ "$folder" = "$NIX_STORE" ]; then
      printf ' %s' "mode:$folder=$(stat -c %a "$folder")" "owner:$folder=$(stat -c %u:%g "$folder")"
    fi
  done
}

# What a script has done to such a folder is meant for that of the image. What it has not done is the machine's own.
give_attributes() {
  for now in $(attributes_of_binds); do
    case "$1 " in *" $now "*) continue ;; esac
    folder=${now#*:}
    folder=$root${folder%=*}
    mkdir -p "$folder"
    case $now in
      mode:*) chmod "${now##*=}" "$folder" ;;
      owner:*) chown "${now##*=}" "$folder" ;;
    esac
  done
}

# What is written below such a folder is not in the image, and on the machine if the builder may write there.
check_binds() {
  [ -n "$fakechrootBinds" ] || return 0
  find "$before" -cnewer "$before" -print -quit || {
    echo "layerwright: fakechrootBinds need GNU find, to see what is written there; name its folder in \`path\`" >&2
    exit 1
  }
  for folder in $fakechrootBinds; do
    [ -d "$folder" ] || continue
    # Where the builder may not look, it may not write either.
    written=$(find "$folder/" -cnewer "$before" -print -quit 2> /dev/null) || :
    [ -z "$written" ] && continue
    echo "layerwright: $written was written while fakeRootCommands ran, and it is this machine's and not the image's, since" \
      "fakechrootBinds has $folder. Write elsewhere, or take tools from the store (\`path\`), which need no such folder" >&2
    exit 1
  done
}

run_as_root() {
  if [ -z "$enableFakechroot" ]; then
    run_in "$root" "$fakeRootCommandsPath"
    return
  fi
  binds=
  flags=
  for folder in /dev /proc /sys "$NIX_STORE" "$NIX_BUILD_TOP" $fakechrootBinds; do
    [ -e "$folder" ] || continue
    binds="$binds $folder"
    flags="$flags -b $folder"
  done
  attributes_before=$(attributes_of_binds)
  LAYERWRIGHT_AT=chroot proot -r "$root" $flags --cwd=/ "$SHELL" -eu "$0"
  give_attributes "$attributes_before"
}

# What fakeroot starts, and within it proot, is this script again.
case "${LAYERWRIGHT_AT-}" in
  chroot)
    run_in / "$fakeRootCommandsPath"
    exit 0
    ;;
  fakeroot)
    (
      cd "$root"
      . "$attributes"
    )
    run_as_root
    pack
    exit 0
    ;;
esac

eval "$stage --attributes \"\$attributes\" --output \"\$root\""

if [ -s "$extraCommandsPath" ]; then
  run_in "$root" "$extraCommandsPath"
fi

if [ -s "$fakeRootCommandsPath" ]; then
  : > "$before"
  LAYERWRIGHT_AT=fakeroot fakeroot -- "$SHELL" -eu "$0"
  [ -z "$enableFakechroot" ] || check_binds
else
  pack --owner="$uid" --group="$gid"
fi
